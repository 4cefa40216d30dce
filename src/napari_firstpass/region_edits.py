"""What can be done with regions of labels: each edit tells which pixels of a window change.

Labels are never changed here. An edit holds what its window was and what it is to be, so that
whoever writes it can leave alone what was painted meanwhile.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from scipy import ndimage
from skimage.draw import line as pixels_of_line
from skimage.measure import label
from skimage.segmentation import watershed

from napari_firstpass.errors import PromptError
from napari_firstpass.inner_regions import inner_regions
from napari_firstpass.label_changes import Replacement
from napari_firstpass.label_regions import Region
from napari_firstpass.refiners.small_regions import merge_small_regions
from napari_firstpass.segmentation import label_dtype
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_firstpass.grid import Window
    from napari_firstpass.segmentation import LabelPixels, Labels

_SMOOTH_RADIUS = 3
"""Pixels around each that vote on its class."""

_SNAP = 6.0
"""Pixels by which a painted border may be off."""

SNAP_MARGIN = 16
"""Pixels around a region that are looked at where its border is moved."""

_FURTHER, _FURTHEST = 0.2, 20.0
"""By how much a drawn line goes on at its ends: of its length, and at most, in pixels."""

_SLIVER, _SLIVER_SHARE = 50, 0.01
"""What a line cuts off a region counts as a part from so many pixels on, or this share of it."""

_SIDES = ndimage.generate_binary_structure(2, 1)


def region_after(edit: Replacement, region: Region) -> Region | None:
    """Return what a region is once an edit is written: what has its class, and met it before."""
    numbers, _ = ndimage.label(edit.after == region.class_id, _SIDES)
    met = np.unique(numbers[region.within(edit.window)])
    mask = np.isin(numbers, met[met > 0])
    return Region.of(edit.window, mask, region.class_id) if mask.any() else None


def given_class(labels: LabelPixels, region: Region, class_id: int) -> Replacement:
    """Give a region a class; 0 takes it away."""
    return _edit(labels, region.window, lambda ids: np.where(region.mask, class_id, ids))


def neighbour_of(labels: LabelPixels, region: Region) -> int:
    """Return the class that a region shares its longest border with.

    Raises
    ------
    PromptError
        If it has no neighbour of another class.
    """
    ids, inside, _ = _around(labels, region, 1)
    found: list[NDArray[Any]] = []
    for axis in (0, 1):
        one, other = np.delete(ids, -1, axis), np.delete(ids, 0, axis)
        first, second = np.delete(inside, -1, axis), np.delete(inside, 0, axis)
        found += [other[first & ~second], one[second & ~first]]
    beside = np.concatenate(found)
    beside = beside[(beside != UNLABELLED) & (beside != region.class_id)]
    if not len(beside):
        raise PromptError(
            expected="a neighbour of another class",
            found="none beside this region",
            remedy="press the key of the class that it should have",
        )
    classes, counts = np.unique(beside, return_counts=True)
    return int(classes[counts.argmax()])


def smoothed(labels: LabelPixels, region: Region) -> Replacement:
    """Let the pixels around each vote on its class, inside a region and along its border.

    Pixels without a class keep none, and do not vote.
    """
    ids, inside, window = _around(labels, region, 2 * _SMOOTH_RADIUS)
    near = ndimage.binary_dilation(inside, iterations=_SMOOTH_RADIUS) & (ids != UNLABELLED)
    best, votes = ids.copy(), np.zeros(ids.shape, np.float32)
    for class_id in np.unique(ids[near]):
        share = ndimage.uniform_filter((ids == class_id).astype(np.float32), 2 * _SMOOTH_RADIUS + 1)
        more = share > votes + 1e-6
        best[more], votes[more] = class_id, share[more]
    return _replacement(labels, window, ids, np.where(near, best, ids))


def holes_filled(labels: LabelPixels, region: Region, most: int) -> Replacement:
    """Give the class of a region to what it encloses, if that has at most so many pixels."""

    def fill(ids: NDArray[Any]) -> NDArray[Any]:
        holes = label(ndimage.binary_fill_holes(region.mask) & ~region.mask, connectivity=1)
        small = np.bincount(holes.ravel()) <= most
        small[0] = False
        return np.where(small[holes], region.class_id, ids)

    return _edit(labels, region.window, fill)


def specks_removed(labels: LabelPixels, region: Region, least: int) -> Replacement:
    """Merge what has fewer pixels with its neighbour, in a region and in what it encloses."""
    ids, inside, window = _around(labels, region, 2)
    area = ndimage.binary_fill_holes(inside)
    narrow = cast("Labels", ids.astype(label_dtype(int(ids.max()))))
    merged = merge_small_regions(narrow, least).astype(ids.dtype)
    return _replacement(labels, window, ids, np.where(area, merged, ids))


def snapped(
    labels: LabelPixels, region: Region, picture: NDArray[np.float32], window: Window
) -> Replacement:
    """Move the border of a region to the strongest edge of the image nearby.

    Inside and outside grow towards each other from where neither is in doubt, and meet where the
    colour changes most (watershed).

    Parameters
    ----------
    labels : (H, W) integer array
        Class ids. What the region leaves gets the class of what is nearest to it.
    region : Region
        What is moved.
    picture : (3, h, w) float array
        Red, green and blue of ``window``, in [0, 1].
    window : Window
        The region with some margin around it.
    """
    inside = region.within(window)
    followed = watershed(_edges(picture), _cores(inside) + 2 * _cores(~inside)) == 1

    def move(ids: NDArray[Any]) -> NDArray[Any]:
        after = np.where(followed & (ids != UNLABELLED), region.class_id, ids)
        left = inside & ~followed
        if left.any() and not inside.all():
            rows, cols = ndimage.distance_transform_edt(
                inside, return_distances=False, return_indices=True
            )
            after[left] = ids[rows, cols][left]
        return after

    return _edit(labels, window, move)


def split_along(region: Region, stroke: NDArray[np.float64]) -> tuple[Region, ...]:
    """Take a region apart along a drawn line, which goes on straight at both ends.

    Parameters
    ----------
    region : Region
        What is taken apart.
    stroke : (n, 2) float array
        Rows and columns of the line in the image, at least two.

    Returns
    -------
    tuple of Region
        At least two, the smallest first. Pixels under the line belong to the nearest.

    Raises
    ------
    PromptError
        If the line does not cross it.
    """
    places = _longer(stroke) - (region.window.row, region.window.col)
    height, width = region.mask.shape
    cut = np.zeros((height, width), np.bool_)
    corners = np.floor(places).astype(int)
    for (top, left), (bottom, right) in pairwise(corners):
        rows, cols = pixels_of_line(top, left, bottom, right)
        for down, across in ((0, 0), (0, 1)):  # two wide, so that nothing slips through at corners
            under = np.stack([rows + down, cols + across])
            inner = ((under >= 0) & (under < [[height], [width]])).all(0)
            cut[tuple(under[:, inner])] = True
    return _parts(region, region.mask & ~cut, "a line that crosses the region", "draw it across")


def split_by_looks(region: Region, picture: NDArray[np.float32]) -> tuple[Region, ...]:
    """Take what looks different out of a region; see `inner_regions`.

    Parameters
    ----------
    region : Region
        What is taken apart.
    picture : (3, h, w) float array
        Its window in red, green and blue, in [0, 1].

    Returns
    -------
    tuple of Region
        What looks different, and the rest; the smaller one first.

    Raises
    ------
    PromptError
        If all of it looks alike, or it is too small to tell.
    """
    found = inner_regions(region.mask.astype(np.int64), picture) > 0
    if not found.any() or (found == region.mask).all():
        raise PromptError(
            expected="a region that looks like two things",
            found="one that looks alike throughout, or is too small to tell",
            remedy="choose Split and draw a line across it",
        )
    parts = [
        Region.of(region.window, mask, region.class_id) for mask in (found, region.mask & ~found)
    ]
    return tuple(sorted(parts, key=lambda part: part.pixels))


def _edges(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much colour changes at each pixel (h, w) of a picture (3, h, w)."""
    strength = np.zeros(picture.shape[1:], np.float32)
    for band in picture:
        for axis in (0, 1):
            strength += ndimage.gaussian_filter1d(band, 1.0, axis=axis, order=1) ** 2
    return np.sqrt(strength)


def _cores(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return 1 where pixels (h, w) lie well inside a mask: of what is thin, along its middle."""
    depth = ndimage.distance_transform_edt(mask)
    numbers, count = ndimage.label(mask, _SIDES)
    deepest = np.asarray(ndimage.maximum(depth, numbers, np.arange(count + 1)))
    core = mask & (depth > np.minimum(_SNAP, deepest / 2)[numbers])
    marked: NDArray[np.int32] = core.astype(np.int32)
    return marked


def _parts(
    region: Region, apart: NDArray[np.bool_], expected: str, remedy: str
) -> tuple[Region, ...]:
    """Return the connected parts of a region, which shares its other pixels among them."""
    numbers, count = ndimage.label(apart, _SIDES)
    before = ndimage.label(region.mask, _SIDES)[1]
    if count <= before:
        raise PromptError(expected=expected, found="one that ends inside it", remedy=remedy)
    sizes = np.bincount(numbers.ravel())
    slivers = sizes < min(_SLIVER, _SLIVER_SHARE * region.pixels)
    if np.count_nonzero(~slivers[1:]) > 1:  # a ragged border leaves some beside the line
        numbers = np.where(slivers[numbers], 0, numbers)
    rows, cols = ndimage.distance_transform_edt(
        numbers == 0, return_distances=False, return_indices=True
    )
    numbers = numbers[rows, cols] * region.mask
    sizes = np.bincount(numbers.ravel())[1:]
    order = [i + 1 for i in np.argsort(sizes, kind="stable") if sizes[i]]
    return tuple(Region.of(region.window, numbers == i, region.class_id) for i in order)


def _longer(stroke: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a line that goes on straight at both ends: who draws it stops a little early."""
    kept = [stroke[0], *(b for a, b in pairwise(stroke) if (a != b).any())]
    if len(kept) < 2:
        raise PromptError(expected="a line", found="a point", remedy="draw it across the region")
    line = np.array(kept, np.float64)
    far = min(_FURTHER * float(np.hypot(*np.ptp(line, 0))), _FURTHEST)
    ends = []
    for at, back in ((0, min(3, len(line) - 1)), (-1, -min(4, len(line)))):
        way = line[at] - line[back]
        ends.append(line[at] + way * far / max(float(np.hypot(*way)), 1e-9))
    return np.concatenate([ends[:1], line, ends[1:]])


def _around(
    labels: LabelPixels, region: Region, margin: int
) -> tuple[NDArray[Any], NDArray[np.bool_], Window]:
    """Return labels around a region, its pixels among them, and the window of both."""
    height, width = labels.shape
    window = region.window.grown(margin, height=height, width=width)
    return labels[window.slices].copy(), region.within(window), window


def _edit(
    labels: LabelPixels, window: Window, change: Callable[[NDArray[Any]], NDArray[Any]]
) -> Replacement:
    before = labels[window.slices].copy()
    return _replacement(labels, window, before, change(before))


def _replacement(
    labels: LabelPixels, window: Window, before: NDArray[Any], after: NDArray[Any]
) -> Replacement:
    return Replacement.within(labels.shape, window, before, after.astype(before.dtype))
