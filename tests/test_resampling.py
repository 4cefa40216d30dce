"""Images at another size of pixels: what cells are made of, and whose labels pixels take."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rasters import NORTH_UP, ROTATED, UTM31
from sources import WatchedSource

from napari_firstpass.grid import Grid, Window
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.resampling import Axis, NearestSink, ResampledSource
from napari_firstpass.segmentation import ArraySink
from napari_firstpass.taxonomy import numbered_taxonomy

if TYPE_CHECKING:
    from numpy.typing import NDArray


def raster_of(bands: NDArray[np.generic], valid: NDArray[np.bool_] | None = None) -> Raster:
    return Raster.from_array(bands, Grid(*bands.shape[1:], NORTH_UP, UTM31), valid=valid)


def some(
    height: int, width: int, dtype: str = "uint8", *, gaps: float = 0.0, bands: int = 2
) -> Raster:
    rng = np.random.default_rng(height * width)
    high = np.iinfo(dtype).max if dtype.startswith("u") else 1000
    values = rng.uniform(0, high, (bands, height, width)).astype(dtype)
    return raster_of(values, rng.random((height, width)) >= gaps)


def share(cell: int, pixel: int, axis: Axis) -> Fraction:
    """How much of a pixel a cell covers along an axis, counted out."""
    side = Fraction(axis.pixels, axis.cells)
    return max(Fraction(0), min((cell + 1) * side, Fraction(pixel + 1)) - max(cell * side, pixel))


def mean(raster: Raster, cell: tuple[int, int], axes: tuple[Axis, Axis]) -> Fraction:
    """The mean of the first band over the valid area of a cell, exactly; -1 where there is none."""
    total, area = Fraction(0), Fraction(0)
    for row, col in product(range(axes[0].pixels), range(axes[1].pixels)):
        weight = share(cell[0], row, axes[0]) * share(cell[1], col, axes[1])
        if weight and raster.valid[row, col]:
            total += weight * Fraction(float(raster.bands[0, row, col]))
            area += weight
    return total / area if area else Fraction(-1)


@pytest.mark.parametrize("gaps", [0.0, 0.6])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(3, 2), (7, 5), (4, 11)])
def test_larger_pixels_are_means_over_the_valid_area(
    shape: tuple[int, int], dtype: str, gaps: float
) -> None:
    image = some(12, 11, dtype, gaps=gaps, bands=1)
    source = ResampledSource(ArraySource(image), *shape)
    found = source.read(source.grid.window)
    assert found.bands.dtype == image.bands.dtype
    for row, col in np.ndindex(shape):
        exact = mean(image, (row, col), (source.rows, source.cols))
        assert found.valid[row, col] == (exact >= 0)
        if exact >= 0:
            value = np.dtype(dtype).type(float(exact) if dtype == "float32" else round(exact))
            assert found.bands[0, row, col] == value


def test_where_pixels_fit_into_larger_ones_blocks_are_averaged() -> None:
    blocks = np.arange(1, 31, dtype=np.uint8).reshape(1, 5, 6)
    within = np.tile([[0, 2], [4, 6]], (5, 6))
    source = ResampledSource(
        ArraySource(raster_of(np.kron(blocks, np.ones((2, 2), int)) + within)), 5, 6
    )
    assert np.array_equal(source.read(source.grid.window).bands, blocks + 3)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(9, 31), (40, 13), (71, 90)])
def test_one_value_stays_that_value(shape: tuple[int, int], dtype: str) -> None:
    valid = np.ones((40, 31), dtype=bool)
    valid[3:20, 4:9] = False
    bands = np.where(valid, 201 if dtype == "uint8" else 12345, 7).astype(dtype)[None]
    source = ResampledSource(ArraySource(raster_of(bands, valid)), *shape)
    found = source.read(source.grid.window)
    assert set(found.bands[:, found.valid].ravel().tolist()) == {bands[0, 0, 0]}


def test_smaller_pixels_lie_on_the_slope_between_their_neighbours() -> None:
    rows, cols = np.indices((10, 12), dtype=np.float64)
    image = raster_of((100 + 7 * rows + 3 * cols)[None])
    source = ResampledSource(ArraySource(image), 25, 36)
    found = source.read(source.grid.window).bands[0]
    fine_rows = (np.arange(25) + 0.5) * 10 / 25 - 0.5
    fine_cols = (np.arange(36) + 0.5) * 12 / 36 - 0.5
    slope = 100 + 7 * fine_rows.clip(0, 9)[:, None] + 3 * fine_cols.clip(0, 11)
    np.testing.assert_allclose(found, slope, rtol=1e-12)


def test_values_that_are_no_measurements_do_not_count() -> None:
    bands = np.full((1, 8, 8), 5, np.float32)
    bands[0, 0, 0], bands[0, 1, 1], bands[0, 2:4, 2:4] = np.nan, 3e38, -np.inf
    source = ResampledSource(ArraySource(raster_of(bands)), 4, 4)
    found = source.read(source.grid.window)
    assert (found.bands[:, found.valid] == 5).all()
    assert np.argwhere(~found.valid).tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("sides", "shape", "dtype"),
    [
        ((2100, 2112), (160, 330), "uint8"),  # so large that it is read in several strips
        ((210, 331), (137, 128), "uint16"),
        ((210, 331), (137, 128), "float32"),
        ((210, 131), (290, 301), "float32"),
    ],
)
def test_what_is_read_does_not_depend_on_the_window(
    sides: tuple[int, int], shape: tuple[int, int], dtype: str
) -> None:
    source = ResampledSource(ArraySource(some(*sides, dtype, gaps=0.1, bands=1)), *shape)
    height, width = shape
    whole = source.read(source.grid.window)
    rng = np.random.default_rng(1)
    for _ in range(6):
        row, col = int(rng.integers(height - 70)), int(rng.integers(width - 90))
        window = Window(row, col, int(rng.integers(1, 70)), int(rng.integers(1, 90)))
        part, same = source.read(window), whole.crop(window)
        assert part.bands.tobytes() == same.bands.tobytes()
        assert np.array_equal(part.valid, same.valid)
        assert part.grid == same.grid
    held = run(source.held_steps()).read(source.grid.window)
    assert held.bands.tobytes() == whole.bands.tobytes()
    assert np.array_equal(held.valid, whole.valid)


def test_the_place_is_the_same() -> None:
    grid = Grid(30, 47, ROTATED, UTM31)
    bands = np.zeros((1, 30, 47), np.uint8)
    coarse = ResampledSource(ArraySource(Raster.from_array(bands, grid)), 7, 12).grid
    assert coarse.crs == grid.crs
    for corner in ((0, 0), (1, 0), (0, 1), (1, 1)):
        there = coarse.transform @ (corner[0] * 12, corner[1] * 7)
        np.testing.assert_allclose(there, grid.transform @ (corner[0] * 47, corner[1] * 30))


@dataclass
class CountingSink:
    """Keeps labels, and how often each pixel was written."""

    shape: tuple[int, int]
    labels: NDArray[np.uint8] = field(init=False)
    confidence: NDArray[np.uint8] = field(init=False)
    times: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.labels, self.confidence = (np.zeros(self.shape, np.uint8) for _ in range(2))
        self.times = np.zeros(self.shape, int)

    def write(
        self, window: Window, labels: NDArray[np.uint8], confidence: NDArray[np.uint8]
    ) -> None:
        self.labels[window.slices] = labels
        self.confidence[window.slices] = confidence
        self.times[window.slices] += 1


@pytest.mark.parametrize("shape", [(6, 5), (9, 20), (37, 29), (80, 23)])
@pytest.mark.parametrize("step", [3, 100])
def test_every_pixel_takes_the_label_of_the_cell_that_its_centre_lies_in(
    shape: tuple[int, int], step: int
) -> None:
    source = ResampledSource(ArraySource(some(37, 29)), *shape)
    rng = np.random.default_rng(0)
    labels, confidence = rng.integers(1, 255, (2, *shape)).astype(np.uint8)
    sink = CountingSink((37, 29))
    for row, col in product(range(0, shape[0], step), range(0, shape[1], step)):
        window = Window(row, col, min(step, shape[0] - row), min(step, shape[1] - col))
        NearestSink(sink, source).write(window, labels[window.slices], confidence[window.slices])
    assert (sink.times == 1).all()
    rows = [int(Fraction(2 * row + 1, 2) * shape[0] / 37) for row in range(37)]
    cols = [int(Fraction(2 * col + 1, 2) * shape[1] / 29) for col in range(29)]
    assert np.array_equal(sink.labels, labels[np.ix_(rows, cols)])
    assert np.array_equal(sink.confidence, confidence[np.ix_(rows, cols)])


@pytest.mark.parametrize("shape", [(101, 87), (250, 230)])
def test_pixels_without_data_get_no_label_and_all_others_get_one(shape: tuple[int, int]) -> None:
    image = some(203, 190, gaps=0.3)
    image.valid[150:, :60] = False
    image.valid[:70, 100:] = True
    source = ResampledSource(ArraySource(image), *shape)
    sink = ArraySink.of(image.grid, numbered_taxonomy(2))
    for window in (Window(0, 0, 70, shape[1]), Window(70, 0, shape[0] - 70, shape[1])):
        valid = source.read(window).valid
        labelled = np.where(valid, 2, 0).astype(np.uint8)
        NearestSink(sink, source).write(window, labelled, labelled * 100)
    assert np.array_equal(sink.labels == 2, image.valid)
    assert np.array_equal(sink.confidence == 200, image.valid)


def test_only_what_has_gaps_is_read_twice() -> None:
    valid = np.ones((1200, 1200), dtype=bool)
    valid[:, :5] = False
    watched = WatchedSource(raster_of(np.ones((1, 1200, 1200), np.uint8), valid))
    source = ResampledSource(watched, 300, 300)
    run(source.held_steps())
    pixels = sum(window.height * window.width for window in watched.windows)
    assert pixels == 1200 * 1200
    watched.windows.clear()
    ones = np.ones((300, 300), np.uint8)
    sink = ArraySink.of(watched.grid, numbered_taxonomy(2))
    NearestSink(sink, source).write(source.grid.window, ones, ones)
    assert watched.windows
    assert max(window.right for window in watched.windows) <= 4 * 64
    assert np.array_equal(sink.labels == 1, valid)


@pytest.mark.parametrize("sides", [(4096, 1911), (7, 7), (1000, 125), (100, 233), (1, 1)])
def test_weights_sum_to_the_same_for_all_cells(sides: tuple[int, int]) -> None:
    axis = Axis(*sides)
    pixels, weights = axis.taps(0, axis.cells)
    assert (weights.sum(1) == axis.weight).all()
    assert pixels.min() == 0
    assert pixels.max() == axis.pixels - 1
    assert (weights >= 0).all()
