"""Masks out of chances whose best cut is known."""

from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.prompt_candidates import candidates

ENDS = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
ONES = np.ones(5)
NONE = np.empty(0, np.int64)
RIM = np.array([0, 4])


def test_the_cut_with_the_largest_expected_overlap_comes_first() -> None:
    found = candidates(np.array([0.9, 0.9, 0.1, 0.1, 0.1]), ONES, ENDS, NONE, RIM)
    assert found.masks[0].tolist() == [True, True, False, False, False]
    # 1.8 of 2 pixels are expected to be right, and 0.3 outside to be missing.
    assert found.scores[0] == pytest.approx(1.8 / 2.3)


def test_candidates_are_sorted_and_differ() -> None:
    chances = np.array([0.95, 0.7, 0.5, 0.3, 0.2])
    found = candidates(chances, ONES, ENDS, NONE, RIM)
    assert 2 <= len(found.masks) <= 3
    assert (np.diff(found.scores) <= 0).all()
    assert len(np.unique(found.masks, axis=0)) == len(found.masks)


def test_a_piece_without_a_mark_is_left_out() -> None:
    chances = np.array([0.9, 0.1, 0.9, 0.9, 0.9])
    marked = candidates(chances, ONES, ENDS, np.array([0]), RIM)
    assert marked.masks[0].tolist() == [True, False, False, False, False]
    # Where no mark says which one is meant, both pieces are kept.
    free = candidates(chances, ONES, ENDS, NONE, RIM)
    assert free.masks[0].tolist() == [True, False, True, True, True]


def test_a_speck_is_left_out() -> None:
    pixels = np.array([1.0, 5.0, 20.0, 20.0, 20.0])
    found = candidates(np.array([0.9, 0.1, 0.9, 0.9, 0.9]), pixels, ENDS, NONE, RIM)
    assert not found.masks[0, 0]


def test_hardly_any_chance_still_gives_a_mask() -> None:
    found = candidates(np.array([0.01, 0.02, 0.01, 0.01, 0.01]), ONES, ENDS, NONE, RIM)
    assert found.masks.any()
    assert (found.scores >= 0).all()


@pytest.mark.parametrize(("outer", "filled"), [(RIM, True), (np.array([0, 2, 4]), False)])
def test_a_small_hole_is_filled_unless_it_was_meant(outer: np.ndarray, filled: bool) -> None:
    pixels = np.array([20.0, 20.0, 1.0, 20.0, 20.0])
    chances = np.array([0.01, 0.95, 0.1, 0.95, 0.01])
    found = candidates(chances, pixels, ENDS, np.array([1, 3]), outer)
    assert found.masks[0].tolist() == [False, True, filled, True, False]
