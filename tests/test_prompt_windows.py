from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_firstpass.errors import GridMismatchError, PromptError
from napari_firstpass.grid import Grid, Window
from napari_firstpass.prompt_windows import SIDE, Extent, View, extent_of, view_of
from napari_firstpass.prompts import Answer, Box, Line, Point, Prompt

SMALL, LARGE = Grid(300, 500), Grid(6000, 9000)


def seen(prompt: Prompt, grid: Grid = LARGE) -> View:
    return view_of(grid, extent_of(prompt, grid))


def at(row: float, col: float) -> Prompt:
    return Prompt(points=(Point(row, col),))


def test_a_small_image_is_looked_at_as_a_whole() -> None:
    view = seen(at(10, 490), SMALL)
    assert (view.shape, view.window) == ((300, 500), Window(0, 0, 300, 500))
    assert view.inside(at(10, 490)) == at(10, 490)


@pytest.mark.parametrize("row", [0, 17, 511, 2999.5, 5500, 5999.9])
@pytest.mark.parametrize("col", [0, 800, 4608, 8999])
def test_a_point_lies_well_inside_its_window_or_at_the_border_of_the_image(
    row: float, col: float
) -> None:
    view = seen(at(row, col))
    window = view.window
    assert view.shape == LARGE.shape
    assert window.row % 16 == window.col % 16 == 0
    assert SIDE <= window.height < SIDE + 16
    assert SIDE <= window.width < SIDE + 16
    assert window.row == 0 or row - window.row >= 64
    assert window.col == 0 or col - window.col >= 64
    assert window.bottom == 6000 or window.bottom - row >= 64
    assert window.right == 9000 or window.right - col >= 64
    assert view.holds(extent_of(at(row, col), LARGE))
    (moved,) = view.inside(at(row, col)).points
    assert (moved.row + window.row, moved.col + window.col) == (row, col)


def test_neighbours_share_a_window_and_far_places_do_not() -> None:
    view = seen(at(3000, 4000))
    assert view.holds(extent_of(at(3100, 3900), LARGE))
    assert not view.holds(extent_of(at(3000, 6000), LARGE))
    wide = Prompt(boxes=(Box(100, 100, 5000, 5000),))
    assert not view.holds(extent_of(wide, LARGE))
    assert not seen(wide).holds(extent_of(at(3000, 4000), LARGE))


def test_what_spans_much_is_seen_reduced() -> None:
    view = seen(Prompt(boxes=(Box(500, 1000, 3500, 2200),)))
    assert view.is_reduced
    assert view.shape == (1500, 2250)
    assert max(view.window.height, view.window.width) <= 1280
    area = view.area
    assert area.row <= 500
    assert area.bottom >= 3500
    assert area.col <= 1000
    assert area.right >= 2200
    (box,) = view.inside(Prompt(boxes=(Box(500, 1000, 3500, 2200),))).boxes
    assert box.top + view.window.row == 125
    assert box.right + view.window.col == 550


def test_words_look_at_everything() -> None:
    view = seen(Prompt(words=("roof",)))
    assert (view.window.height, view.window.width) == view.shape == (750, 1125)
    assert view.area == Window(0, 0, 6000, 9000)


def test_masks_come_back_to_the_pixels_they_were_made_for() -> None:
    view = View(Grid(101, 203), (51, 102), Window(16, 32, 20, 30))
    cells = torch.zeros(1, 20, 30, dtype=torch.bool)
    cells[0, 4, 7] = True
    found = view.outside(Answer(cells, torch.tensor([0.5])))
    rows, cols = np.nonzero(found.whole(view.grid)[0])
    # A pixel belongs to the cell in which its centre lies.
    np.testing.assert_array_equal(np.floor((np.unique(rows) + 0.5) * 51 / 101), 20)
    np.testing.assert_array_equal(np.floor((np.unique(cols) + 0.5) * 102 / 203), 39)
    assert len(rows) in (2, 4, 6)
    point = Point((rows.min() + rows.max() + 1) / 2, (cols.min() + cols.max() + 1) / 2)
    (moved,) = view.inside(Prompt(points=(point,))).points
    assert (int(moved.row), int(moved.col)) == (4, 7)


def test_a_mask_to_start_from_is_cut_to_the_window() -> None:
    start = torch.zeros(LARGE.shape, dtype=torch.bool)
    start[3000:3010, 4000:4020] = True
    view = seen(Prompt(start=start))
    inner = view.inside(Prompt(start=start)).start
    assert inner is not None
    assert inner.shape == (view.window.height, view.window.width)
    assert int(inner.sum()) == 200
    with pytest.raises(GridMismatchError, match="a mask of 300 × 500 pixels to start from"):
        seen(at(5, 5), SMALL).inside(Prompt(start=start))


def test_boxes_are_cut_to_the_image_and_marks_beside_it_are_refused() -> None:
    (box,) = (
        seen(Prompt(boxes=(Box(-50, -50, 20, 30),)), SMALL)
        .inside(Prompt(boxes=(Box(-50, -50, 20, 30),)))
        .boxes
    )
    assert box == Box(0, 0, 20, 30)
    with pytest.raises(
        PromptError, match="in the image of 300 × 500 pixels, found a point at row 300"
    ):
        extent_of(at(300, 10), SMALL)
    with pytest.raises(PromptError, match="found a line from row -1, column 3"):
        extent_of(Prompt(lines=(Line(((-1, 3), (-9, 3))),)), SMALL)
    with pytest.raises(PromptError, match="found a box of rows"):
        extent_of(Prompt(boxes=(Box(0, 500, 10, 600),)), SMALL)


def test_a_line_that_leaves_the_image_is_looked_at_up_to_there() -> None:
    line = Line(((20, 30), (20, 480), (400, 480)))
    assert extent_of(Prompt(lines=(line,)), SMALL) == Extent(20, 30, 300, 480)
