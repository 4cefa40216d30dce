"""Choosing and reading the windows that classes are fitted on: of one image, or of many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from napari_firstpass.hints import SILENT, chosen_blocks
from napari_firstpass.normalize import BandStats, filled, usable
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.tiling import spread_windows, tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from napari_firstpass.grid import Grid, Window
    from napari_firstpass.hints import HintSet
    from napari_firstpass.raster import Raster, RasterSource

Sample: TypeAlias = "list[tuple[Raster, Window]]"
"""Windows with context, without gaps, and the place in each of the part that counts."""


@dataclass(frozen=True, slots=True)
class HintedWindow:
    """A window with context, as in a `Sample`, and what somebody says of the part that counts.

    Attributes
    ----------
    raster : Raster
        The window with context, without gaps.
    inner : Window
        The place in it of the part that counts.
    classes : (h, w) int64 array
        Of the pixels of that part: the index of a class from 0, or `SILENT`.
    """

    raster: Raster
    inner: Window
    classes: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HintedSample:
    """What somebody says of some places.

    Attributes
    ----------
    names : tuple of str
        The classes.
    windows : list of HintedWindow
        The places.
    """

    names: tuple[str, ...]
    windows: list[HintedWindow]


OpenSource: TypeAlias = "Callable[[], AbstractContextManager[RasterSource]]"
"""Opens an image."""

_SIDE = 256
_CONTEXT = 64
_WINDOWS = 32
_WINDOWS_OF_A_SET = 256
_BYTES = 128 * 2**20
_BYTES_OF_A_SET = 512 * 2**20
_ENOUGH_PIXELS = 128 * 128


def sample_area(source: RasterSource) -> int:
    """Return how many pixels `sample_steps` looks at."""
    side = _SIDE + 2 * _CONTEXT
    return min(source.grid.height * source.grid.width, _WINDOWS * side * side)


def sample_steps(source: RasterSource, seed: int) -> Steps[Sample]:
    """Read windows that are spread over an image.

    They depend on the size of the image and the seed only. Where they meet next to no data, the
    whole image is searched for some.
    """
    return (yield from _sample_of(source, seed, min(_WINDOWS, _affordable(source, _BYTES))))


def band_stats_steps(source: RasterSource, seed: int) -> Steps[BandStats]:
    """Measure the bands on the sample of an image that classes are fitted on.

    Raises
    ------
    ImageContentError
        If the image holds no data, or one value everywhere.
    """
    sample = yield from sample_steps(source, seed)
    return BandStats.of([raster.crop(inner) for raster, inner in sample])


def set_sample_steps(images: Sequence[OpenSource], seed: int) -> Steps[Sample]:
    """Read windows that are spread over many images, of each about as many.

    Parameters
    ----------
    images : sequence of callable
        Each opens one; no two are open at once. Of very many, some are drawn.
    seed : int
        Drives the choice.
    """
    with images[0]() as source:
        most = min(_WINDOWS_OF_A_SET, _affordable(source, _BYTES_OF_A_SET))
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.permutation(len(images))[:most])
    limit = min(most // len(drawn), _WINDOWS)
    sample: Sample = []
    for done, index in enumerate(drawn):
        with images[index]() as source:
            steps = _sample_of(source, seed, limit)
            place = f"reading image {done + 1} of {len(drawn)}"
            sample += yield from relay(steps, Span(done, done + 1, len(drawn)), place)
    return sample


def hint_sample_steps(
    images: Sequence[OpenSource], hints: HintSet, seed: int
) -> Steps[HintedSample]:
    """Read small windows around hints; where there are very many, around some (`chosen_blocks`).

    Parameters
    ----------
    images : sequence of callable
        Each opens one; no two are open at once.
    hints : HintSet
        The hints on them.
    seed : int
        Drives the choice.
    """
    chosen = chosen_blocks(hints.blocks, seed)
    found: list[HintedWindow] = []
    for index in sorted({block.image for block in chosen}):
        with hints.opens[index]() as source:
            windows = [block.window for block in chosen if block.image == index]
            said = [hints.indexes(source.read(window)) for window in windows]
        with images[index]() as image:
            height, width = image.grid.shape
            for window, classes in zip(windows, said, strict=True):
                yield Progress(len(found), len(chosen), "reading what is around hints")
                context = window.grown(_CONTEXT, height=height, width=width)
                raster, inner = usable(image.read(context)), window.relative_to(context)
                classes[~raster.valid[inner.slices]] = SILENT
                if (classes != SILENT).any():
                    found.append(HintedWindow(filled(raster), inner, classes))
    return HintedSample(tuple(entry.name for entry in hints.classes), found)


def _affordable(source: RasterSource, limit: int) -> int:
    """Return how many windows of an image fit into ``limit`` bytes."""
    side = _SIDE + 2 * _CONTEXT
    return max(4, limit // (side * side * len(source.names) * source.dtype.itemsize))


def _sample_of(source: RasterSource, seed: int, limit: int) -> Steps[Sample]:
    spread = spread_windows(source.grid, side=_SIDE, limit=limit, seed=seed)
    sample = yield from _read_windows(source, spread)
    enough = min(_ENOUGH_PIXELS, source.grid.height * source.grid.width // 2)
    if sum(int(raster.crop(inner).valid.sum()) for raster, inner in sample) >= enough:
        return sample
    holding: list[Window] = []
    for window in _all_windows(source.grid):
        yield Progress(0, 1, "looking for data")
        if usable(source.read(window)).valid.any():
            holding.append(window)
    return (yield from _read_windows(source, holding[:: -(-len(holding) // limit) or 1]))


def _read_windows(source: RasterSource, windows: Sequence[Window]) -> Steps[Sample]:
    sample: Sample = []
    height, width = source.grid.shape
    for window in windows:
        yield Progress(0, 1, "reading a sample")
        context = window.grown(_CONTEXT, height=height, width=width)
        raster, inner = usable(source.read(context)), window.relative_to(context)
        if raster.valid[inner.slices].any():
            sample.append((filled(raster), inner))
    return sample


def _all_windows(grid: Grid) -> Iterator[Window]:
    return (tile.core for tile in tiles(grid, window=_SIDE, overlap=0))
