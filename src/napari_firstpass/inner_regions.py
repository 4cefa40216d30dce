"""Regions inside a class that look different from the rest of it: perhaps a class of their own.

A class looks like two where the colours in it, blurred, fall into two groups. Neither labels nor
classes change: it is for a person to say whether the difference means something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.measure import label

from napari_firstpass.progress import Progress, Span, relay, run

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.progress import Steps

KINDS = ("darker", "lighter", "greener", "redder", "bluer", "yellower")
"""How a region differs from the rest of its class, by number from 1: along L*, a* or b*."""

_BLUR = 3.0
"""Spread in pixels of the blur before colours are compared: grain is no difference."""

_RIM = 4
"""Pixels along the borders of classes that do not count: what lies there is a mixture."""

_FEWEST, _MOST = 1000, 20_000
"""Pixels of a class that is looked at, and how many of them at most."""

_TWO = 0.8
"""Share of the variance that a threshold takes away where there are two groups. Of a normal
distribution it takes 64 %, of a uniform one 75 %."""

_VISIBLE = 6.0
"""Distance in CIELAB of the two groups' means from which on they are told apart."""

_ROWS_AT_ONCE = 256

_SHARE, _AREA = 0.1, 0.005
"""Share of its class that the smaller group has at least; share of all labels that a region has."""

_SLENDER = 6.0
"""Regions are broad up to this many times the radius of the largest circle in them, as the side of
a square of their size."""


def inner_regions(labels: NDArray[np.int64], picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Do the work of `inner_regions_steps` at once."""
    return run(inner_regions_steps(labels, picture))


def inner_regions_steps(
    labels: NDArray[np.int64], picture: NDArray[np.float32]
) -> Steps[NDArray[np.uint8]]:
    """Find regions that look different from the rest of their class.

    Parameters
    ----------
    labels : (H, W) int64 array
        Class ids; 0 says nothing.
    picture : (3, H, W) float32 array
        Red, green and blue in [0, 1].

    Returns
    -------
    (H, W) uint8 array
        How a region differs: 1 and an index of `KINDS`; 0 elsewhere.
    """
    looking = Progress(0, 2, "looking inside classes")
    colours = np.empty((*labels.shape, 3), np.float32)
    for top in range(0, len(labels), _ROWS_AT_ONCE):
        yield looking
        rows = slice(top, top + _ROWS_AT_ONCE)
        colours[rows] = rgb2lab(np.moveaxis(picture[:, rows], 0, -1))
    for band in range(3):
        yield looking
        colours[..., band] = ndimage.gaussian_filter(colours[..., band], _BLUR)
    size = 2 * _RIM + 1
    yield looking
    low = ndimage.minimum_filter(labels, size)
    yield looking
    inner = labels * (low == ndimage.maximum_filter(labels, size))
    found = np.zeros(labels.shape, np.uint8)
    for name, count in enumerate(np.bincount(inner.ravel())):
        if name and count >= _FEWEST:
            yield looking
            inside = labels == name
            found[inside] = _different(colours[inside], colours[inner == name])
    least = _AREA * np.count_nonzero(labels)
    keys = labels * (len(KINDS) + 1) + found
    return found * (yield from relay(_broad_steps(keys, found > 0, least), Span(1, 2, 2)))


def _different(colours: NDArray[np.float32], sure: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Tell for colours (n, 3) of a class how they differ from most of it, 0 where they do not.

    Along the direction in which those that are sure (m, 3) differ most, a threshold is drawn that
    leaves the least spread on both sides (Otsu 1979).
    """
    sample = sure[:: -(-len(sure) // _MOST)].astype(np.float64)
    centre = sample.mean(0)
    main = np.linalg.eigh(np.cov((sample - centre).T))[1][:, -1]
    axis = int(np.abs(main).argmax())
    main *= np.sign(main[axis])
    along = (sample - centre) @ main
    # Few pixels far off, such as a car on a road, must not decide.
    values = np.sort(np.clip(along, *np.quantile(along, (0.02, 0.98))))
    at = _threshold(values)
    low, high = values[:at], values[at:]
    is_low = len(low) <= len(high)
    fit = min(len(low), len(high)) >= _SHARE * len(values)
    if not fit or not _are_two(low, high):
        return np.zeros(len(colours), np.uint8)
    side = (colours - centre.astype(np.float32)) @ main.astype(np.float32)
    beyond = side < values[at] if is_low else side >= values[at]
    kind = 2 * axis + 1 + (not is_low)
    return np.where(beyond, kind, 0).astype(np.uint8)


def _threshold(values: NDArray[np.float64]) -> int:
    """Return where to divide sorted values so that both parts spread least."""
    count = np.arange(1, len(values))
    below = np.cumsum(values - values.mean())[:-1]
    # The deviations sum to 0, so both parts' sums are alike but for the sign.
    return int((below**2 * (1 / count + 1 / (len(values) - count))).argmax()) + 1


def _are_two(low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    """Tell whether two parts of sorted values are two groups."""
    left = len(low) * low.var() + len(high) * high.var()
    whole = (len(low) + len(high)) * np.concatenate([low, high]).var()
    return bool(left <= (1 - _TWO) * whole and high.mean() - low.mean() >= _VISIBLE)


def broad_regions(
    keys: NDArray[np.int64], mask: NDArray[np.bool_], least: float
) -> NDArray[np.bool_]:
    """Find regions of one key that are large, and broad: no seams along borders.

    Parameters
    ----------
    keys : (H, W) int64 array
        At least 0; connected pixels of one key are a region.
    mask : (H, W) bool array
        Where regions are looked for.
    least : float
        Pixels that they have at least.

    Returns
    -------
    (H, W) bool array
        True in regions in which a circle has room whose radius is a sixth of the side of a square
        of their size. A square has room for three times that, a strip as long as nine times its
        width just so.
    """
    return run(_broad_steps(keys, mask, least))


def _broad_steps(
    keys: NDArray[np.int64], mask: NDArray[np.bool_], least: float
) -> Steps[NDArray[np.bool_]]:
    """Do the work of `broad_regions`."""
    looking = Progress(0, 1, "looking inside classes")
    regions = label(np.where(mask, keys + 1, 0), background=0, connectivity=1)
    sizes = np.bincount(regions.ravel())
    yield looking
    inside = regions == ndimage.minimum_filter(regions, 3)
    inside &= regions == ndimage.maximum_filter(regions, 3)
    yield looking
    depth = ndimage.distance_transform_edt(inside)
    yield looking
    radius = np.asarray(ndimage.maximum(depth, regions, np.arange(len(sizes))))
    kept = (sizes >= least) & (radius * _SLENDER >= np.sqrt(sizes))
    kept[0] = False
    found: NDArray[np.bool_] = kept[regions]
    return found
