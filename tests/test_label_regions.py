"""Regions of one class: listed strip by strip, and found around a pixel or inside an outline."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_firstpass.errors import PromptError
from napari_firstpass.grid import Window
from napari_firstpass.label_regions import (
    Region,
    beyond,
    joined_regions,
    list_regions_steps,
    region_at_steps,
    regions_inside_steps,
)
from napari_firstpass.progress import run
from napari_firstpass.reviewed import Reviewed


def patches(height: int = 700, width: int = 90) -> np.ndarray:
    """Large random patches of classes 0 to 3, over several strips."""
    noise = np.random.default_rng(3).normal(size=(4, height, width))
    return ndimage.gaussian_filter(noise, (0, 7, 7)).argmax(0).astype(np.uint8)


def test_strips_list_the_regions_that_the_whole_has() -> None:
    labels = patches()
    rng = np.random.default_rng(0)
    confidence = rng.integers(0, 256, labels.shape).astype(np.uint8)
    seen = rng.random(labels.shape) < 0.3
    reviewed = Reviewed.none(labels.shape).marked(Window(0, 0, *labels.shape), seen)
    table = run(list_regions_steps(labels, confidence, reviewed, least=5))
    expected = {}
    for class_id in (1, 2, 3):
        numbers, count = ndimage.label(labels == class_id)
        for number in range(1, count + 1):
            inside = numbers == number
            if inside.sum() >= 5:
                first = tuple(int(axis[0]) for axis in np.nonzero(inside))
                doubt = (1 - confidence[inside] / 255).sum()
                expected[first] = (class_id, inside.sum(), doubt, (inside & seen).sum())
    found = {
        tuple(seed): (class_id, pixels, pytest.approx(doubt), looked)
        for seed, class_id, pixels, doubt, looked in zip(
            table.seeds.tolist(), table.class_ids, table.pixels, table.doubts, table.reviewed,
            strict=True,
        )
    }  # fmt: skip
    assert expected == found
    assert len(expected) > 10
    assert list(found) == sorted(found)
    assert table.labelled == np.count_nonzero(labels)
    assert table.looked_at == np.count_nonzero(seen & (labels > 0))


def test_the_most_doubtful_comes_first_and_what_was_looked_at_not_at_all() -> None:
    labels = np.zeros((8, 40), np.uint8)
    labels[:, :10], labels[:, 12:20], labels[:4, 22:26], labels[:, 30:] = 1, 2, 1, 3
    confidence = np.full(labels.shape, 255, np.uint8)
    confidence[:, 12:20], confidence[:4, 22:26] = 128, 0
    reviewed = Reviewed.none(labels.shape).marked(Window(0, 30, 8, 10), np.ones((8, 10), bool))
    table = run(list_regions_steps(labels, confidence, reviewed))
    seeds = [tuple(table.seeds[i]) for i in table.ranked()]
    assert seeds == [(0, 12), (0, 22), (0, 0)]
    assert [tuple(table.seeds[i]) for i in table.ranked(1)] == [(0, 22), (0, 0)]
    assert not len(run(list_regions_steps(np.zeros((3, 4), np.uint8))))


@pytest.mark.parametrize("place", [(350, 40), (0, 0), (699, 89), (120, 60)])
def test_the_region_of_a_pixel_is_what_touches_it(place: tuple[int, int]) -> None:
    labels = patches()
    labels[:, 44:46] = 1  # from top to bottom: more than is looked at first
    for row, col in (place, (5, 45)):
        region = run(region_at_steps(labels, row, col))
        numbers, _ = ndimage.label(labels == labels[row, col])
        expected = numbers == numbers[row, col]
        np.testing.assert_array_equal(region.within(Window(0, 0, *labels.shape)), expected)
        assert region.class_id == labels[row, col]
        assert region.pixels == expected.sum()
        assert region.holds(row, col)
        assert region.mask.any(1).all()
        assert region.mask.any(0).all()


def test_an_outline_means_the_regions_that_lie_mostly_inside() -> None:
    labels = np.ones((60, 60), np.uint8)
    labels[10:20, 10:20], labels[30:40, 10:20], labels[10:20, 30:60] = 2, 3, 2
    around = np.array([(5, 5), (5, 35), (36, 35), (36, 5)], float)
    region = run(regions_inside_steps(labels, around))
    expected = np.zeros(labels.shape, bool)
    expected[10:20, 10:20] = expected[30:40, 10:20] = True
    np.testing.assert_array_equal(region.within(Window(0, 0, 60, 60)), expected)
    one = run(region_at_steps(labels, 15, 40))
    both = joined_regions(region, one)
    assert both.pixels == 200 + 300
    assert both.window == Window(10, 10, 30, 50)
    with pytest.raises(PromptError, match="more than half"):
        run(regions_inside_steps(labels, around - 100))


def test_a_region_keeps_no_empty_rim() -> None:
    mask = np.zeros((9, 9), bool)
    mask[3:5, 4] = True
    region = Region.of(Window(100, 200, 9, 9), mask, 7)
    assert region.window == Window(103, 204, 2, 1)
    assert not region.holds(99, 204)
    assert not region.holds(105, 204)


def test_of_a_region_that_goes_on_and_on_a_square_is_taken() -> None:
    labels = np.ones((1300, 1100), np.uint8)
    labels[600:640, 700:900], labels[700:, 520] = 2, 2
    across = run(region_at_steps(labels, 620, 800, square=256))
    assert across.window == Window(600, 700, 40, 200)  # not cut at 768
    taken = run(region_at_steps(labels, 800, 515, square=256))
    assert taken.window == Window(768, 512, 256, 8)  # the line keeps it from the rest
    assert taken.mask.all()
    lasso = np.array([[590, 690], [590, 910], [650, 910], [650, 690]], float)
    inside = run(regions_inside_steps(labels, lasso, square=256))
    assert (inside.window, inside.pixels) == (across.window, across.pixels)
    with pytest.raises(PromptError, match="lie close together"):
        joined_regions(across, Region(Window(0, 10**6, 1, 1), np.ones((1, 1), bool), 1))


def test_beyond_a_region_lies_the_first_pixel_that_is_none_of_it() -> None:
    mask = np.ones((6, 8), np.bool_)
    mask[2:4, 3:5] = False
    region = Region(Window(10, 20, 6, 8), mask, 1)
    ways = {(0, 1): (13, 23), (0, -1): (13, 19), (1, 0): (16, 21), (-1, 0): (9, 21)}
    for (down, right), expected in ways.items():
        assert beyond(region, 13, 21, down=down, right=right) == expected
    assert beyond(region, 13, 23, down=1, right=0) == (13, 23)  # in the hole
