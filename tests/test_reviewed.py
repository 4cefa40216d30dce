"""What somebody has looked at."""

from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.errors import ImageContentError
from napari_firstpass.grid import Window
from napari_firstpass.reviewed import Reviewed

SHAPE = (700, 1043)  # several tiles, and rows that end within a byte


def some_windows() -> list[tuple[Window, np.ndarray, bool]]:
    rng = np.random.default_rng(1)
    places = [(0, 0, 40, 50), (500, 500, 100, 530), (300, 0, 400, 1043), (0, 1000, 30, 43)]
    masks = [rng.random((height, width)) < 0.6 for _, _, height, width in places]
    seen = (True, True, False, True)
    return [(Window(*p), mask, s) for p, mask, s in zip(places, masks, seen, strict=True)]


def test_marks_add_up_and_are_taken_back() -> None:
    reviewed, expected = Reviewed.none(SHAPE), np.zeros(SHAPE, bool)
    for window, mask, seen in some_windows():
        before, then = reviewed, np.asarray(reviewed).copy()
        reviewed = reviewed.marked(window, mask, seen=seen)
        part = expected[window.slices]
        part[mask] = seen
        np.testing.assert_array_equal(np.asarray(reviewed), expected)
        np.testing.assert_array_equal(np.asarray(before), then)
        assert reviewed.pixels == expected.sum()
        np.testing.assert_array_equal(reviewed.within(window), part)
    everything = Window(0, 0, *SHAPE)
    nothing = reviewed.marked(everything, np.ones(SHAPE, bool), seen=False)
    assert nothing == Reviewed.none(SHAPE)


def test_bytes_hold_all_of_it_and_damage_is_noticed() -> None:
    reviewed = Reviewed.none(SHAPE)
    for window, mask, _ in some_windows():
        reviewed = reviewed.marked(window, mask)
    data = reviewed.to_bytes()
    np.testing.assert_array_equal(np.asarray(Reviewed.from_bytes(data)), np.asarray(reviewed))
    assert Reviewed.from_bytes(data).to_bytes() == data
    for broken in (b"", data[:40], b"PNG!" + data[4:], data[:4] + data[8:]):
        with pytest.raises(ImageContentError, match="damaged"):
            Reviewed.from_bytes(broken)
