from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.errors import GridMismatchError, ImageContentError
from napari_firstpass.evaluation import overlap as module
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.overlap import Overlap

TRUTH = LabelImage.of(np.array([[1, 1, 2], [1, 255, 2]]), ignore=(255,))


def dense(table: Overlap) -> list[list[int]]:
    """Return the table with its zeros."""
    full = np.zeros((len(table.truth_ids), len(table.pred_ids)), int)
    full[table.rows, table.cols] = table.counts
    return full.tolist()


def test_pixels_are_counted_where_the_truth_is_valid() -> None:
    table = Overlap.of(TRUTH, LabelImage.of(np.array([[5, 7, 7], [5, 9, 5]])))
    assert table.truth_ids.tolist() == [1, 2]
    assert table.pred_ids.tolist() == [5, 7]  # 9 is only where the truth is ignored
    assert dense(table) == [[2, 1], [1, 1]]
    assert table.truth_sizes.tolist() == [3, 2]
    assert table.pred_sizes.tolist() == [3, 2]
    assert table.pixels == 5


def test_iou_of_pairs_by_hand() -> None:
    table = Overlap.of(TRUTH, LabelImage.of(np.array([[5, 7, 7], [5, 9, 5]])))
    # 1 and 5 share two pixels of 3 + 3 - 2; 1 and 7 one of 3 + 2 - 1; and so on.
    assert table.ious.tolist() == pytest.approx([2 / 4, 1 / 4, 1 / 4, 1 / 3])


def test_pixels_without_a_prediction_are_missed_not_left_out() -> None:
    pred = LabelImage.of(np.array([[5, 0, 0], [5, 0, 5]]), ignore=(0,))
    table = Overlap.of(TRUTH, pred)
    assert dense(table) == [[2], [1]]
    assert table.missed.tolist() == [1, 1]
    assert table.pixels == 5


def test_nothing_predicted_at_all_is_all_missed() -> None:
    table = Overlap.of(TRUTH, LabelImage.of(np.zeros((2, 3), int), ignore=(0,)))
    assert table.pred_ids.tolist() == []
    assert table.missed.tolist() == [3, 2]


def test_many_ids_are_counted_like_few(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    truth = LabelImage.of(rng.integers(0, 9, (700, 40)), ignore=(3,))
    pred = LabelImage.of(rng.integers(0, 50, (700, 40)), ignore=(7,))
    few = Overlap.of(truth, pred)
    monkeypatch.setattr(module, "_LARGEST_DENSE", 10)
    many = Overlap.of(truth, pred)
    for name in Overlap.__slots__:
        np.testing.assert_array_equal(getattr(few, name), getattr(many, name))


def test_tables_of_several_images_add_up() -> None:
    one = Overlap.of(LabelImage.of(np.array([[1, 1, 2]])), LabelImage.of(np.array([[5, 6, 6]])))
    two = Overlap.of(
        LabelImage.of(np.array([[2, 3, 3]])), LabelImage.of(np.array([[6, 4, 0]]), ignore=(0,))
    )
    table = Overlap.pooled([one, two])
    assert table.truth_ids.tolist() == [1, 2, 3]
    assert table.pred_ids.tolist() == [4, 5, 6]
    assert dense(table) == [[0, 1, 1], [0, 0, 2], [1, 0, 0]]
    assert table.missed.tolist() == [0, 0, 1]


def test_sizes_that_differ_are_refused() -> None:
    with pytest.raises(GridMismatchError, match="as large as the truth, 2 x 3, found 3 x 2"):
        Overlap.of(TRUTH, LabelImage.of(np.zeros((3, 2), int)))


def test_a_truth_of_ignored_pixels_only_is_refused() -> None:
    truth = LabelImage.of(np.full((2, 2), 255), ignore=(255,))
    with pytest.raises(ImageContentError, match="found ignored or no-data pixels only"):
        Overlap.of(truth, LabelImage.of(np.zeros((2, 2), int)))


def test_no_pairs_are_refused() -> None:
    with pytest.raises(ImageContentError, match="at least one pair"):
        Overlap.pooled([])
