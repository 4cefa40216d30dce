from __future__ import annotations

import numpy as np

from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.pieces import split


def same_partition(one: np.ndarray, two: np.ndarray) -> bool:
    """Tell whether two maps cut pixels alike, whatever their numbers."""
    pairs = np.unique(np.stack([one.ravel(), two.ravel()]), axis=1).shape[1]
    return pairs == len(np.unique(one)) == len(np.unique(two))


def test_touching_along_an_edge_is_connected_at_a_corner_not() -> None:
    pieces = split(LabelImage.of(np.array([[1, 1, 2], [2, 1, 2], [1, 2, 2]])))
    expected = np.array([[0, 0, 1], [2, 0, 1], [3, 1, 1]])
    assert same_partition(pieces.ids, expected)
    assert pieces.ids.min() == 0


def test_pixels_without_an_id_neither_join_nor_count() -> None:
    labels = LabelImage.of(np.array([[1, 0, 1]]), ignore=(0,))
    pieces = split(labels)
    assert len(pieces.present()) == 2
    assert pieces.valid.tolist() == [[True, False, True]]


def test_strips_are_joined_without_a_seam() -> None:
    from skimage.measure import label

    rng = np.random.default_rng(0)
    ids = np.kron(rng.integers(0, 3, (300, 20)), np.ones((4, 3), int))  # 1200 rows, three strips
    valid = rng.random(ids.shape) > 0.1
    pieces = split(LabelImage(ids, valid))
    whole = label(np.where(valid, ids, -1) + 1, background=0, connectivity=1)
    assert same_partition(np.where(valid, pieces.ids + 1, 0), whole)


def test_a_single_region_over_many_strips_stays_one() -> None:
    pieces = split(LabelImage.of(np.zeros((2000, 3), np.uint8)))
    assert pieces.present().tolist() == [0]


def test_zero_is_an_id_like_others() -> None:
    assert len(split(LabelImage.of(np.array([[0, 1, 0]]))).present()) == 3
