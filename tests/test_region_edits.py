"""Edits of regions: each on labels drawn for it, whose outcome is known."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_firstpass.errors import PromptError
from napari_firstpass.grid import Grid, Window
from napari_firstpass.label_regions import Region, region_at_steps, regions_inside_steps
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.region_edits import (
    SNAP_MARGIN,
    given_class,
    holes_filled,
    neighbour_of,
    smoothed,
    snapped,
    specks_removed,
    split_along,
    split_by_looks,
)
from napari_firstpass.region_pictures import Pictures

if TYPE_CHECKING:
    from napari_firstpass.label_changes import Replacement

SIDE = 64


def field() -> np.ndarray:
    """Class 1 with a square of 2, which has a small hole, a large one, and lies beside a 3."""
    labels = np.ones((SIDE, SIDE), np.uint16)
    labels[10:40, 10:40] = 2
    labels[14:16, 14:16] = 3
    labels[22:34, 22:34] = 4
    labels[10:40, 40:44] = 3
    return labels


def region_at(labels: np.ndarray, row: int, col: int) -> Region:
    return run(region_at_steps(labels, row, col))


def pixels_of(edit: Replacement) -> int:
    return edit.change.pixels if edit.change else 0


def written(labels: np.ndarray, edit: Replacement) -> np.ndarray:
    """The labels with an edit; what it was made of must have stayed as it was."""
    np.testing.assert_array_equal(labels[edit.window.slices], edit.before)
    assert edit.after.dtype == labels.dtype
    after = labels.copy()
    after[edit.window.slices] = edit.after
    assert pixels_of(edit) == np.count_nonzero(after != labels)
    return after


def test_a_region_gets_a_class_or_that_of_its_longest_border() -> None:
    labels = field()
    square = region_at(labels, 11, 11)
    expected = labels.copy()
    expected[labels == 2] = 9
    np.testing.assert_array_equal(written(labels, given_class(labels, square, 9)), expected)
    assert neighbour_of(labels, square) == 1
    assert neighbour_of(labels, region_at(labels, 25, 25)) == 2
    assert neighbour_of(labels, region_at(labels, 12, 41)) == 1  # 30 + 4 + 4 edges, against 30
    labels[labels == 1] = 0
    assert neighbour_of(labels, square) == 4  # 48 edges, against 30 + 8; 0 is no neighbour
    with pytest.raises(PromptError, match="neighbour"):
        neighbour_of(np.ones((5, 5), np.uint8), region_at(np.ones((5, 5), np.uint8), 2, 2))


def test_small_holes_are_filled_and_specks_go_to_what_surrounds_them() -> None:
    labels = field()
    square, expected = region_at(labels, 11, 11), labels.copy()
    expected[14:16, 14:16] = 2
    np.testing.assert_array_equal(written(labels, holes_filled(labels, square, 4)), expected)
    np.testing.assert_array_equal(written(labels, specks_removed(labels, square, 5)), expected)
    assert pixels_of(holes_filled(labels, square, 3)) == 0
    labels[60, 60] = 5  # outside, so it stays
    assert written(labels, specks_removed(labels, square, 5))[60, 60] == 5
    everything = np.array([(0, 0), (0, SIDE), (SIDE, SIDE), (SIDE, 0)], float)
    every = run(regions_inside_steps(labels, everything))
    after = written(labels, specks_removed(labels, every, 5))
    assert after[60, 60] == 1
    assert after[25, 25] == 4


def test_smoothing_takes_teeth_off_a_border_and_leaves_the_rest() -> None:
    labels = np.ones((SIDE, SIDE), np.uint8)
    labels[:, 32:] = 2
    straight = labels.copy()
    labels[8::8, 32:35] = 1  # teeth, one pixel high
    labels[:, :4] = 0
    after = written(labels, smoothed(labels, region_at(labels, 5, 40)))
    np.testing.assert_array_equal(after[6:-6, 4:], straight[6:-6, 4:])
    assert not after[:, :4].any()


def test_a_line_takes_a_region_apart_even_if_it_stops_early() -> None:
    labels = np.ones((SIDE, SIDE), np.uint8)
    labels[10:30, 5:60] = 2
    bar = region_at(labels, 15, 15)
    stroke = np.array([(11.0, 21.0), (20.0, 20.0), (29.0, 19.0)])
    small, large = split_along(bar, stroke)
    assert small.pixels + large.pixels == bar.pixels
    assert small.holds(15, 8)
    assert large.holds(15, 50)
    assert abs(small.pixels - 20 * 15) <= 30
    assert {small.class_id, large.class_id} == {2}
    for wrong in (stroke[:1], stroke[:2] * 0.3 + 10, np.array([(1.0, 1.0), (4.0, 60.0)])):
        with pytest.raises(PromptError):
            split_along(bar, wrong)


def test_a_ragged_border_leaves_no_slivers_beside_the_line() -> None:
    labels = np.ones((SIDE, SIDE), np.uint8)
    labels[10:50, 5:60] = 2
    labels[10:12, 14:40] = 1  # but for two pixels, what the line crosses at the border is free
    labels[8:11, 18], labels[10, 18:20] = 2, 2
    labels[11, 17] = 2
    region = Region.of(Window(0, 0, SIDE, SIDE), labels == 2, 2)
    parts = split_along(region, np.array([(9.0, 20.0), (30.0, 20.0), (52.0, 20.0)]))
    assert len(parts) == 2
    assert min(part.pixels for part in parts) > 300
    assert sum(part.pixels for part in parts) == region.pixels


def scene() -> np.ndarray:
    """A red square on green, (3, H, W) uint8, with grain; the lower half of the square is dark."""
    grain = np.random.default_rng(0).integers(-6, 7, (3, 120, 120))
    image = np.full((3, 120, 120), 60)
    image[1] = 160
    image[:, 30:90, 30:90] = np.array([200, 40, 40])[:, None, None]
    image[:, 60:90, 30:90] //= 3
    return (image + grain).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    raster = Raster.from_array(scene(), Grid(120, 120), roles=("red", "green", "blue"))
    return Pictures(lambda: nullcontext(ArraySource(raster)))


def test_a_border_painted_nearby_snaps_to_the_edge_of_the_image(pictures: Pictures) -> None:
    truth = np.ones((120, 120), np.uint8)
    truth[30:90, 30:90] = 2
    labels = np.ones((120, 120), np.uint8)
    labels[27:87, 33:88] = 2
    region = region_at(labels, 50, 50)
    window = region.window.grown(SNAP_MARGIN, height=120, width=120)
    picture = run(pictures.read_steps(window))
    assert picture.shape == (3, window.height, window.width)
    after = written(labels, snapped(labels, region, picture, window))
    wrong = np.count_nonzero(labels != truth)
    assert np.count_nonzero(after != truth) < wrong / 4


def test_what_looks_different_inside_is_taken_out(pictures: Pictures) -> None:
    labels = np.ones((120, 120), np.uint8)
    labels[30:90, 30:90] = 2
    region = region_at(labels, 50, 50)
    picture = run(pictures.read_steps(region.window))
    parts = split_by_looks(region, picture)
    assert sorted(part.holds(45, 60) for part in parts) == [False, True]
    assert sorted(part.holds(75, 60) for part in parts) == [False, True]
    assert sum(part.pixels for part in parts) == region.pixels
    upper = region_at(np.where(np.arange(120)[:, None] < 60, labels, 0), 45, 45)
    with pytest.raises(PromptError, match="alike"):
        split_by_looks(upper, picture[:, :30])


def test_a_stroke_takes_whole_superpixels_on_one_side_of_an_edge(pictures: Pictures) -> None:
    path = np.array([(40.0, 36.0), (40.0, 84.0)])
    region = run(pictures.superpixels_steps(path, (120, 120)))
    assert region is not None
    inside = region.within(Window(0, 0, 120, 120))
    assert inside[40, 36:84].all()
    assert inside[30:60, 30:90].sum() > 0.9 * inside.sum()
    assert inside.sum() > 48 * 6
    again = run(pictures.superpixels_steps(path[::-1], (120, 120)))
    assert again is not None
    np.testing.assert_array_equal(again.within(Window(0, 0, 120, 120)), inside)
    assert run(pictures.superpixels_steps(path - 500, (120, 120))) is None
