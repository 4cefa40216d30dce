from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco

from napari_firstpass.grid import Window
from napari_firstpass.run_length import RunLength, RunLengthError


def speckled(height: int, width: int, share: float, seed: int = 0) -> np.ndarray:
    """Return a mask of many runs."""
    return np.random.default_rng(seed).random((height, width)) < share


MASKS = {
    "empty": np.zeros((3, 4), bool),
    "full": np.ones((3, 4), bool),
    "one pixel": np.eye(1, dtype=bool),
    "one row": np.array([[True, False, True, True]]),
    "one column": np.array([[True], [False], [True]]),
    "ends with the image": np.array([[False, False], [False, True]]),
    "speckled": speckled(40, 37, 0.4),
    "long runs": np.kron(speckled(4, 3, 0.5, seed=4), np.ones((300, 200), bool)).astype(bool),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_pycocotools_says_the_same_of_a_mask(mask: np.ndarray) -> None:
    runs = RunLength.of(mask)
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert runs.text == theirs["counts"].decode()
    assert runs.area == coco.area(theirs)
    box = runs.box
    found = [box.col, box.row, box.width, box.height] if box else [0, 0, 0, 0]
    assert found == coco.toBbox(theirs).tolist()


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_a_mask_comes_back_from_each_form(mask: np.ndarray) -> None:
    runs = RunLength.of(mask)
    np.testing.assert_array_equal(runs.mask, mask)
    np.testing.assert_array_equal(RunLength.from_dict(runs.to_dict()).mask, mask)
    listed = {"size": list(mask.shape), "counts": runs.counts.tolist()}
    np.testing.assert_array_equal(RunLength.from_dict(listed).mask, mask)


def test_runs_go_down_the_columns() -> None:
    mask = np.array([[0, 1, 1], [0, 1, 0]], bool)
    assert RunLength.of(mask).counts.tolist() == [2, 3, 1]


@pytest.mark.parametrize(
    "window", [Window(0, 0, 9, 7), Window(3, 2, 4, 5), Window(0, 2, 9, 3), Window(8, 6, 1, 1)]
)
def test_a_part_is_encoded_as_the_image_around_it_would_be(window: Window) -> None:
    for part in (speckled(window.height, window.width, 0.6), np.ones((9, 7), bool)):
        whole = np.zeros((9, 7), bool)
        whole[window.slices] = part[: window.height, : window.width]
        runs = RunLength.of_part(whole[window.slices], window, 9, 7)
        assert runs.counts.tolist() == RunLength.of(whole).counts.tolist()


def test_a_mask_of_many_pixels_needs_no_more_than_its_part() -> None:
    window = Window(70_000, 80_000, 2, 2)
    runs = RunLength.of_part(np.eye(2, dtype=bool), window, 100_000, 100_000)
    assert runs.box == window
    again = RunLength.from_text(runs.text, 100_000, 100_000)
    assert again.counts.tolist() == runs.counts.tolist()
    first = 80_000 * 100_000 + 70_000
    assert again.counts.tolist()[:3] == [first, 1, 100_000]


@pytest.mark.parametrize("text", ["", "P", "ü", "1" * 3 + "!", "o" * 20 + "0"])
def test_letters_that_are_no_mask_are_refused(text: str) -> None:
    with pytest.raises(RunLengthError, match="a mask in the short form"):
        RunLength.from_text(text, 2, 2)


@pytest.mark.parametrize("counts", [[], [3], [5], [-1, 5], "12"])
def test_runs_that_do_not_fill_the_image_are_refused(counts: list[int] | str) -> None:
    with pytest.raises(RunLengthError, match="runs that fill 2 x 2 = 4 pixels"):
        RunLength.from_dict({"size": [2, 2], "counts": counts})


@pytest.mark.parametrize("data", [{}, {"size": [2, 2]}, {"size": 2, "counts": []}])
def test_what_is_no_mask_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(RunLengthError, match="a mask as size and counts"):
        RunLength.from_dict(data)
