from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.errors import ImageContentError, OptionError
from napari_firstpass.evaluation.boundaries import boundary_f
from napari_firstpass.evaluation.label_image import LabelImage


def upright(*columns: int, side: int = 20) -> LabelImage:
    """Return an image cut by vertical edges left of some columns."""
    ids = np.zeros((side, side), int)
    for column in columns:
        ids[:, column:] += 1
    return LabelImage.of(ids)


def test_an_edge_within_the_tolerance_is_right() -> None:
    assert boundary_f(upright(10), upright(12), tolerance=2) == 1
    assert boundary_f(upright(10), upright(12), tolerance=1.9) == 0


def test_a_false_edge_costs_precision() -> None:
    # Both edges are as long; one of two found is right, the one drawn is found: 2 * .5 / 1.5.
    assert boundary_f(upright(5), upright(5, 15), tolerance=1) == pytest.approx(2 / 3)


def test_a_missed_edge_costs_recall() -> None:
    assert boundary_f(upright(5, 15), upright(5), tolerance=1) == pytest.approx(2 / 3)


def test_edges_lie_between_pixels_in_both_directions() -> None:
    across = LabelImage.of(upright(10).ids.T)
    assert boundary_f(across, across, tolerance=0) == 1
    # They cross: of 20 edges, those within 1 of the crossing are near, at .5 on each side.
    assert boundary_f(across, upright(10), tolerance=1) == pytest.approx(2 / 20)


def test_no_edges_on_both_sides_agree_and_on_one_side_do_not() -> None:
    assert boundary_f(upright(), upright(), tolerance=1) == 1
    assert boundary_f(upright(), upright(5), tolerance=1) == 0
    assert boundary_f(upright(5), upright(), tolerance=1) == 0


def test_edges_to_ignored_pixels_do_not_count() -> None:
    truth = upright(10)
    ignored = LabelImage(truth.ids, truth.valid.copy())
    ignored.valid[:, 8:12] = False
    assert boundary_f(ignored, upright(), tolerance=1) == 1
    assert boundary_f(ignored, upright(10), tolerance=1) == 1


def test_the_border_of_what_is_predicted_is_an_edge() -> None:
    pred = upright()
    pred.valid[:, 10:] = False
    assert boundary_f(upright(10), pred, tolerance=0) == 1


def test_the_default_tolerance_grows_with_the_image() -> None:
    # 0.75 % of the diagonal of 400 x 300 is 3.75.
    ids = np.zeros((300, 400), int)
    ids[:, 200:] = 1
    truth = LabelImage.of(ids)
    shifted = np.zeros((300, 400), int)
    shifted[:, 203:] = 1
    assert boundary_f(truth, LabelImage.of(shifted)) == 1
    shifted[:, 200:205] = 0
    assert boundary_f(truth, LabelImage.of(shifted)) == 0


def test_a_negative_tolerance_and_an_empty_truth_are_refused() -> None:
    with pytest.raises(OptionError, match="tolerance of at least 0 pixels"):
        boundary_f(upright(3), upright(3), tolerance=-1)
    with pytest.raises(ImageContentError, match="pixels to judge by"):
        boundary_f(LabelImage.of(upright(3).ids, ignore=(0, 1)), upright(3))
