from __future__ import annotations

import pytest
from affine import Affine

from napari_firstpass.errors import GridMismatchError
from napari_firstpass.grid import Grid, Pixel, Window

UTM = Grid(100, 80, Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32631")
ROTATED = Grid(100, 80, Affine.translation(1000, 2000) @ Affine.rotation(30) @ Affine.scale(2, -2))


def test_cropping_twice_equals_cropping_once() -> None:
    twice = UTM.crop(Window(10, 20, 40, 40)).crop(Window(5, 0, 10, 8))
    assert twice == UTM.crop(Window(15, 20, 10, 8))


def test_the_corner_of_the_first_pixel_lies_at_the_origin() -> None:
    assert UTM.world_of(Pixel(row=0, col=0)) == (500_000, 5_000_000)
    assert UTM.world_of(Pixel(row=1, col=2)) == (500_020, 4_999_990)


@pytest.mark.parametrize("grid", [UTM, ROTATED], ids=["north up", "rotated"])
def test_world_and_back_is_the_same_pixel(grid: Grid) -> None:
    pixel = grid.pixel_of(*grid.world_of(Pixel(row=12.5, col=3.25)))
    assert (pixel.row, pixel.col) == pytest.approx((12.5, 3.25))


def test_coarsening_keeps_the_corner_and_ragged_edges() -> None:
    coarse = Grid(101, 80, UTM.transform).coarsen(4)
    assert coarse.shape == (26, 20)
    assert coarse.world_of(Pixel(row=1, col=1)) == UTM.world_of(Pixel(row=4, col=4))


def test_a_window_outside_the_grid_is_refused() -> None:
    with pytest.raises(GridMismatchError, match="expected a window inside 100 x 80 pixels"):
        UTM.crop(Window(90, 0, 20, 20))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (-1, 5)])
def test_an_empty_grid_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(GridMismatchError, match="at least 1 x 1 pixels"):
        Grid(*shape)


def test_a_flat_transform_is_refused() -> None:
    with pytest.raises(GridMismatchError, match="can be inverted"):
        Grid(2, 2, Affine(1, 0, 0, 0, 0, 0))


def test_a_negative_window_is_refused() -> None:
    with pytest.raises(GridMismatchError, match="at least one pixel"):
        Window(-1, 0, 2, 2)


def test_growing_a_window_stops_at_the_image() -> None:
    assert Window(0, 90, 10, 10).grown(8, height=100, width=104) == Window(0, 82, 18, 22)


def test_a_window_relative_to_a_larger_one_shows_the_same_pixels() -> None:
    inner, outer = Window(20, 30, 5, 6), Window(16, 16, 40, 40)
    moved = inner.relative_to(outer)
    assert UTM.crop(outer).crop(moved) == UTM.crop(inner)


def test_only_a_grid_with_a_place_counts_as_georeferenced() -> None:
    assert UTM.is_georeferenced
    assert ROTATED.is_georeferenced
    assert not Grid(3, 3).is_georeferenced
