"""Where a user would click."""

from __future__ import annotations

import numpy as np

from napari_firstpass.evaluation.clicks import next_click
from napari_firstpass.prompts import Point


def empty() -> np.ndarray:
    return np.zeros((9, 20), bool)


def test_the_first_click_goes_to_the_middle_of_the_thing() -> None:
    truth = empty()
    truth[2:7, 5:10] = True
    assert next_click(empty(), truth) == Point(4.5, 7.5)


def test_the_deepest_error_is_mended_first() -> None:
    truth, mask = empty(), empty()
    truth[0:3, 0:3] = True
    mask[2:7, 10:15] = True
    assert next_click(mask, truth) == Point(4.5, 12.5, positive=False)


def test_a_thing_at_the_border_ends_there() -> None:
    truth = np.ones((5, 5), bool)
    assert next_click(np.zeros((5, 5), bool), truth) == Point(2.5, 2.5)


def test_what_is_right_needs_no_click() -> None:
    assert next_click(empty(), empty()) is None
