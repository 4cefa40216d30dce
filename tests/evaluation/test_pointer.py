from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.errors import OptionError
from napari_firstpass.evaluation.pointer import Pointer, middle_pixels, tour_length


@pytest.mark.parametrize("places", [np.zeros((0, 2), int), np.array([[70, 900]])])
def test_fewer_than_two_places_need_no_way(places: np.ndarray) -> None:
    assert tour_length(places) == 0


def test_strips_are_walked_forth_and_back() -> None:
    # Right along the first strip (10), down to the next (256), and back along it (10).
    places = np.array([[256, 0], [0, 10], [256, 10], [0, 0]])
    assert tour_length(places) == 10 + 256 + 10


def test_distances_are_straight() -> None:
    assert tour_length(np.array([[4, 3], [0, 0]])) == 5


def test_a_place_lies_inside_its_region() -> None:
    ring = np.ones((5, 5), dtype=int)
    ring[1:4, 1:4] = 0
    row, col = middle_pixels(ring, np.array([1]))[0]
    assert ring[row, col] == 1


def test_a_place_is_the_middle_pixel_in_reading_order() -> None:
    regions = np.array([[0, 0, 0, 2], [1, 1, 0, 2]])
    # Region 1 has two pixels; the first of them counts as the middle. Region 0 has four.
    places = middle_pixels(regions, np.array([1, 0, 1]))
    assert places.tolist() == [[1, 0], [0, 1], [1, 0]]


def test_seconds_are_waiting_travel_and_painting() -> None:
    # 2 x .75 + 3 x 1.4 + 1600 / 800 + 60 / 120
    seconds = Pointer().seconds(clicks=2, strokes=3, travel=1600, path=60)
    assert seconds == pytest.approx(8.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"travel": 0}, "a travel speed above 0 px/s, found 0"),
        ({"painting": 29}, r"a painting speed in \[30, 200\] px/s, found 29"),
        ({"painting": 201}, "found 201"),
        ({"click_seconds": -1}, "delays of at least 0 s"),
        ({"stroke_seconds": -0.5}, "delays of at least 0 s"),
        ({"travel": float("inf")}, "finite speeds and delays"),
    ],
)
def test_an_impossible_hand_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Pointer(**options)
