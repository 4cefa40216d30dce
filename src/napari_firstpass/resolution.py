"""One size of pixels on the ground, for images that have several."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from napari_firstpass.errors import ImageryError, OptionError
from napari_firstpass.imagery import AUTO, Imagery, as_large
from napari_firstpass.io.ground import metres_per_pixel, pixel_sides
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.resampling import NearestSink, ResampledSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_firstpass.grid import Grid
    from napari_firstpass.imagery import Metres
    from napari_firstpass.protocols import LabelSink
    from napari_firstpass.provenance import Provenance
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.sampling import OpenSource

Labelling: TypeAlias = "Callable[[RasterSource, LabelSink], Steps[None]]"
"""Writes labels of an image."""

_FINEST, _COARSEST = 1 / 4, 32
"""How many times as large as those of the image pixels may be read."""

_LEAST_SIDE = 8
"""Fewer pixels than that tell nothing, and their size could not be what was asked for."""


def labelling_metres(metres: Metres, own: float | None = None) -> float | None:
    """Return at which size of pixels to label.

    Parameters
    ----------
    metres : float, "auto" or None
        What was asked for.
    own : float or None
        What ``"auto"`` stands for: the size of a model's images, None where there is none.

    Raises
    ------
    OptionError
        If it is no size, or not known.
    """
    _check(metres)
    if metres != AUTO:
        return None if metres is None else float(metres)
    if own is None:
        raise OptionError(
            expected="a pixel size in metres",
            found="none, and no model that has one",
            remedy="say it, such as --resample 0.2 (in Python metres=0.2)",
        )
    return own


def label_at_steps(
    labels: Labelling, metres: float, source: RasterSource, sink: LabelSink
) -> Steps[None]:
    """Label an image that is read with pixels of another size; labels are of its own pixels.

    Parameters
    ----------
    labels : callable
        Labels what it is given.
    metres : float
        Side of the pixels that it is given. Those of the image are, if they are about as large.
    source : RasterSource
        The image.
    sink : LabelSink
        Takes labels and confidence of the image.

    Raises
    ------
    ImageryError
        As `at_metres`.
    """
    resampled = at_metres(source, metres, "the image")
    if not isinstance(resampled, ResampledSource):
        return (yield from labels(source, sink))
    held = yield from relay(resampled.held_steps(), Span(0, 30, 100))
    back = NearestSink(sink, resampled)
    return (yield from relay(labels(held, back), Span(30, 100, 100)))


def resampling_noted(record: Provenance, metres: float) -> Provenance:
    """Add to the record of labels at which size of pixels the image was read."""
    return replace(record, config={**record.config, "resample_m": metres})


def common_imagery_steps(
    images: Sequence[tuple[str, OpenSource]], metres: Metres = None
) -> Steps[Imagery]:
    """Return what kind images are of that are to share classes.

    Parameters
    ----------
    images : sequence of (str, callable)
        What to call each in messages, and what opens it.
    metres : float, "auto" or None
        Side of pixels on the ground that they are going to be read with; ``"auto"`` for that of the
        coarsest. None for images that must be of one size.

    Raises
    ------
    ImageryError
        Naming the first image that is of another kind, or cannot be resampled.
    OptionError
        If ``metres`` is no size.
    """
    _check(metres)
    grids: list[Grid] = []
    kinds: list[Imagery] = []
    for done, (name, opening) in enumerate(images):
        yield Progress(done, len(images), "looking at the images")
        with opening() as source:
            grids.append(source.grid)
            kinds.append(Imagery.of(source, metres_per_pixel(source.grid)))
        first = kinds[0] if metres is None else replace(kinds[0], metres=None)
        first.require(kinds[-1], name=name, like=images[0][0])
    if metres is None:
        return kinds[0]
    names = [name for name, _ in images]
    sizes = [_sides(grid, name)[0] for grid, name in zip(grids, names, strict=True)]
    common = max(sizes) if metres == AUTO else float(metres)
    for grid, name in zip(grids, names, strict=True):
        _shape_at(grid, common, name)
    return replace(kinds[0], metres=common)


def opened_at(opening: OpenSource, metres: float, name: str) -> OpenSource:
    """Return what opens an image to be read with pixels of another size; see `at_metres`."""
    return partial(_opened_at, opening, metres, name)


@contextmanager
def _opened_at(opening: OpenSource, metres: float, name: str) -> Iterator[RasterSource]:
    with opening() as source:
        yield at_metres(source, metres, name)


def at_metres(source: RasterSource, metres: float, name: str) -> RasterSource:
    """Return an image with square pixels of another size on the ground.

    Parameters
    ----------
    source : RasterSource
        The image.
    metres : float
        Side of the pixels; changed a little so that whole ones cover the image.
    name : str
        What to call the image.

    Returns
    -------
    RasterSource
        A `ResampledSource`, or ``source`` itself if its pixels differ by no more than a tenth.

    Raises
    ------
    ImageryError
        If the size of the image's pixels is not known, or too far away, or next to nothing would
        be left of the image.
    """
    shape = _shape_at(source.grid, metres, name)
    return source if shape == source.grid.shape else ResampledSource(source, *shape)


def _shape_at(grid: Grid, metres: float, name: str) -> tuple[int, int]:
    sides = _sides(grid, name)
    if all(as_large(side, metres) for side in sides):
        return grid.shape
    down, across = (metres / side for side in sides)
    if min(down, across) < _FINEST or max(down, across) > _COARSEST:
        raise ImageryError(
            expected=f"a pixel size of {_FINEST * max(sides):.3g} to {_COARSEST * min(sides):.3g} m"
            f" for {name}, whose own is {sides[0]:.3g} m",
            found=f"{metres:.3g} m",
            remedy="choose another, or leave the image out",
        )
    height, width = round(grid.height / down), round(grid.width / across)
    if min(height, width) < _LEAST_SIDE:
        raise ImageryError(
            expected=f"at least {_LEAST_SIDE} x {_LEAST_SIDE} pixels of {metres:.3g} m in {name}",
            found=f"{height} x {width}",
            remedy="choose smaller pixels, or leave the image out",
        )
    return height, width


def _sides(grid: Grid, name: str) -> tuple[float, float]:
    sides = pixel_sides(grid)
    if sides is None:
        raise ImageryError(
            expected=f"a known pixel size on the ground, to resample {name}",
            found="no coordinate reference system that tells it",
            remedy="give the image its georeference, or do not resample",
        )
    return sides


def _check(metres: Metres) -> None:
    if metres is None or metres == AUTO:
        return
    if isinstance(metres, int | float) and not isinstance(metres, bool) and 0 < metres < inf:
        return
    raise OptionError(
        expected="a pixel size in metres, larger than 0", found=repr(metres), remedy="change it"
    )
