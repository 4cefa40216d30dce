"""Connected regions of one class: all of an image, ranked by doubt; or those that are meant."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from math import hypot
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components
from skimage.draw import polygon
from skimage.measure import label

from napari_firstpass.errors import PromptError
from napari_firstpass.grid import Window
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.segmentation import SURE
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.progress import Steps
    from napari_firstpass.reviewed import Reviewed
    from napari_firstpass.segmentation import LabelPixels

_ROWS_AT_ONCE = 256
_FIRST_SIDE = 512
"""Of the window in which a region is looked for first, in pixels."""

_TOGETHER = 64 * 2**20
"""Pixels of the box around regions that are joined, at most."""


_MOST_SO_FAR = 2000
"""Regions that are told of while others are looked for."""

_MEASURES = ("class_ids", "pixels", "doubts", "reviewed", "seeds")
"""Of each region, in this order."""


@dataclass(frozen=True, slots=True)
class Region:
    """Pixels of labels that belong together.

    Attributes
    ----------
    window : Window
        Their box.
    mask : (h, w) bool array
        The pixels of the box; at least one, and some in each row and column at its sides.
    class_id : int
        What most of them are, when they were found.
    """

    window: Window
    mask: NDArray[np.bool_]
    class_id: int

    @classmethod
    def of(cls, window: Window, mask: NDArray[np.bool_], class_id: int) -> Region:
        """Return pixels of a window that need not fit tightly; not all are False."""
        rows, cols = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        (top, bottom), (left, right) = ((int(some[0]), int(some[-1]) + 1) for some in (rows, cols))
        box = Window(window.row + top, window.col + left, bottom - top, right - left)
        return cls(box, mask[top:bottom, left:right].copy(), class_id)

    @property
    def pixels(self) -> int:
        """How many there are."""
        return int(np.count_nonzero(self.mask))

    def within(self, window: Window) -> NDArray[np.bool_]:
        """Return the pixels of a window (h, w) that holds the box."""
        mask = np.zeros((window.height, window.width), np.bool_)
        mask[self.window.relative_to(window).slices] = self.mask
        return mask

    def holds(self, row: int, col: int) -> bool:
        """Tell whether a pixel of the image is one of them."""
        box = self.window
        inside = box.row <= row < box.bottom and box.col <= col < box.right
        return inside and bool(self.mask[row - box.row, col - box.col])


@dataclass(frozen=True, slots=True)
class RegionTable:
    """The regions of an image, in the order in which their first pixels are read.

    Of an image that was gone through in squares, it is that order in each of them.

    Attributes
    ----------
    class_ids : (n,) int array
        Their classes.
    pixels : (n,) int array
        Their sizes.
    doubts : (n,) float array
        Uncertainty times size: over their pixels, the sum of 1 − confidence ∕ 255.
    reviewed : (n,) int array
        How many of their pixels somebody has looked at.
    seeds : (n, 2) int array
        Row and column of their first pixels.
    labelled, looked_at : int
        Pixels of the image that have a class, and those of them that somebody has looked at.
    """

    class_ids: NDArray[np.int64]
    pixels: NDArray[np.int64]
    doubts: NDArray[np.float64]
    reviewed: NDArray[np.int64]
    seeds: NDArray[np.int64]
    labelled: int
    looked_at: int

    def __len__(self) -> int:
        return len(self.pixels)

    @classmethod
    def together(cls, tables: list[RegionTable]) -> RegionTable:
        """Return the regions of several tables, one after the other."""
        tables = [_no_regions(), *tables]
        class_ids, pixels, doubts, reviewed, seeds = (
            np.concatenate([getattr(table, name) for table in tables]) for name in _MEASURES
        )
        labelled = sum(table.labelled for table in tables)
        looked_at = sum(table.looked_at for table in tables)
        return cls(class_ids, pixels, doubts, reviewed, seeds, labelled, looked_at)

    def first(self, most: int, class_id: int | None = None) -> RegionTable:
        """Return so many of `ranked` at most, in that order, as a table."""
        chosen = self.ranked(class_id)[:most]
        return replace(self, **{name: getattr(self, name)[chosen] for name in _MEASURES})

    def ranked(self, class_id: int | None = None) -> NDArray[np.int64]:
        """Return the regions that are to be looked at, the most doubtful first.

        Left out are those of which more than half was looked at, and those of other classes if
        one is named.
        """
        order = np.lexsort((-self.pixels, -self.doubts))
        left = 2 * self.reviewed[order] <= self.pixels[order]
        if class_id is not None:
            left &= self.class_ids[order] == class_id
        return order[left]


def _no_regions() -> RegionTable:
    none = np.zeros(0, np.int64)
    return RegionTable(none, none, np.zeros(0), none, np.zeros((0, 2), np.int64), 0, 0)


@dataclass(frozen=True, slots=True)
class SoFar(Progress):
    """Progress of a listing, with the most doubtful of those regions that were found already.

    Attributes
    ----------
    table : RegionTable
        Some, the most doubtful first; of all that were found, what was looked at is counted.
    """

    table: RegionTable = field(default_factory=lambda: RegionTable.together([]))


def list_regions_steps(
    labels: LabelPixels,
    confidence: LabelPixels | None = None,
    reviewed: Reviewed | None = None,
    *,
    least: int = 1,
    square: int | None = None,
    around: tuple[float, float] = (0, 0),
    class_id: int | None = None,
) -> Steps[RegionTable]:
    """List the regions of an image, strip by strip; the arrays may change meanwhile.

    Parameters
    ----------
    labels : (H, W) integer array
        Class ids; pixels that touch at a side and have one id are a region, 0 is none.
    confidence : (H, W) uint8 array, optional
        How sure they are; where nobody knows, all are equally doubtful.
    reviewed : Reviewed, optional
        What somebody has looked at.
    least : int
        Pixels of a region at least; smaller ones are counted, and not listed.
    square : int, optional
        Where labels are too large for memory: regions are listed in squares of this side, each by
        itself; one that crosses their borders is listed several times, in parts. After each square,
        `SoFar` tells what was found.
    around : (float, float)
        Row and column: of squares, those nearby come first.
    class_id : int, optional
        The only class of which `SoFar` tells.
    """
    height, width = labels.shape
    windows = [Window(0, 0, height, width)]
    if square is not None:
        corners = product(range(0, height, square), range(0, width, square))
        windows = [square_of(labels, row, col, square) for row, col in corners]
        windows.sort(key=lambda window: _distance(window, around))
    tables: list[RegionTable] = []
    best = RegionTable.together([])
    for done, window in enumerate(windows):
        listing = _list_steps(labels, confidence, reviewed, window, least)
        tables.append((yield from relay(listing, Span(done, done + 1, len(windows)))))
        best = RegionTable.together([best, tables[-1]]).first(_MOST_SO_FAR, class_id)
        yield SoFar(done + 1, len(windows), "looking for regions", best)
    return RegionTable.together(tables)


def _distance(window: Window, place: tuple[float, float]) -> float:
    """Return how far the middle of a window is from a place."""
    row, col = window.row + window.height / 2, window.col + window.width / 2
    return hypot(row - place[0], col - place[1])


def _list_steps(
    labels: LabelPixels,
    confidence: LabelPixels | None,
    reviewed: Reviewed | None,
    window: Window,
    least: int,
) -> Steps[RegionTable]:
    """List the regions of a window; see `list_regions_steps`."""
    strips: list[_Pieces] = []
    seams: list[NDArray[np.int64]] = []
    above: _LastRow | None = None
    count = 0
    for top in range(window.row, window.bottom, _ROWS_AT_ONCE):
        yield Progress(top - window.row, window.height, "looking for regions")
        strip = replace(window, row=top, height=min(_ROWS_AT_ONCE, window.bottom - top))
        ids = np.array(labels[strip.slices])
        doubt = None if confidence is None else SURE - confidence[strip.slices].astype(np.int64)
        seen = None if reviewed is None else reviewed.within(strip)
        numbers = label(ids, background=UNLABELLED, connectivity=1)
        strips.append(_Pieces.of(ids, numbers, doubt, seen, (top, window.col)))
        if above is not None:
            seams.append(above.seam(ids[0], numbers[0], count))
        above = _LastRow(ids[-1], numbers[-1], count)
        count += len(strips[-1].pixels)
    return _joined(_Pieces.together(strips), seams, count, least)


@dataclass(frozen=True, slots=True)
class _Pieces:
    """What is measured of the parts of regions in a strip; see `RegionTable`."""

    class_ids: NDArray[np.int64]
    pixels: NDArray[np.int64]
    doubts: NDArray[np.float64]
    reviewed: NDArray[np.int64]
    seeds: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        ids: NDArray[Any],
        numbers: NDArray[np.int64],
        doubt: NDArray[np.int64] | None,
        seen: NDArray[np.bool_] | None,
        corner: tuple[int, int],
    ) -> _Pieces:
        """Measure the pieces of a strip (h, w), numbered from 1 in reading order, by their runs."""
        flat = numbers.ravel()
        width = ids.shape[1]
        changes = np.flatnonzero(np.diff(flat)) + 1
        starts = np.unique(np.concatenate([[0], changes, np.arange(0, len(flat), width)]))
        ends = np.append(starts[1:], len(flat))
        kept = flat[starts] > 0
        starts, ends = starts[kept], ends[kept]
        piece = flat[starts] - 1
        count = int(flat.max(initial=0))
        pixels = np.bincount(piece, ends - starts, minlength=count)
        doubts = pixels if doubt is None else _run_sums(doubt, starts, ends, piece, count) / SURE
        looked = np.zeros(count) if seen is None else _run_sums(seen, starts, ends, piece, count)
        first = starts[np.unique(piece, return_index=True)[1]]
        seeds = np.stack([first // width, first % width], 1) + corner
        return cls(
            ids.ravel()[first].astype(np.int64),
            pixels.astype(np.int64),
            doubts.astype(np.float64),
            looked.astype(np.int64),
            seeds.astype(np.int64),
        )

    @classmethod
    def together(cls, strips: list[_Pieces]) -> _Pieces:
        """Return the pieces of all strips."""
        return cls(
            *(np.concatenate([getattr(strip, name) for strip in strips]) for name in _MEASURES)
        )


def _run_sums(
    values: NDArray[Any],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    piece: NDArray[np.int64],
    count: int,
) -> NDArray[np.float64]:
    """Add up values (h, w) over the runs of each piece."""
    sums = np.concatenate([[0], np.cumsum(values.ravel(), dtype=np.int64)])
    weights = (sums[ends] - sums[starts]).astype(np.float64)
    return np.bincount(piece, weights, minlength=count).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _LastRow:
    """The last row of a strip: its ids, the numbers of its pieces, and how many came before."""

    ids: NDArray[Any]
    numbers: NDArray[np.int64]
    before: int

    def seam(self, ids: NDArray[Any], numbers: NDArray[np.int64], before: int) -> NDArray[np.int64]:
        """Return which pieces (m, 2) go on in the row below."""
        on = (self.ids == ids) & (ids != UNLABELLED)
        pairs = np.stack([self.numbers[on] - 1 + self.before, numbers[on] - 1 + before], 1)
        return np.unique(pairs, axis=0).astype(np.int64)


def _joined(pieces: _Pieces, seams: list[NDArray[np.int64]], count: int, least: int) -> RegionTable:
    """Return the regions that pieces make up."""
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *seams])
    ones = np.ones(len(pairs), np.bool_)
    graph = sparse.coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    groups, group = connected_components(graph, directed=False) if count else (0, np.zeros(0, int))
    pixels, doubts, looked = (
        np.bincount(group, values, minlength=groups)
        for values in (pieces.pixels, pieces.doubts, pieces.reviewed)
    )
    first = np.unique(group, return_index=True)[1]
    order = first[np.argsort(first)]  # in reading order
    order = order[pixels[group[order]] >= least]
    kept = group[order]
    return RegionTable(
        pieces.class_ids[order],
        pixels[kept].astype(np.int64),
        doubts[kept],
        looked[kept].astype(np.int64),
        pieces.seeds[order],
        int(pixels.sum()),
        int(looked.sum()),
    )


def region_at_steps(
    labels: LabelPixels, row: int, col: int, square: int | None = None
) -> Steps[Region]:
    """Find the region of a pixel: in a window around it, which grows as long as the region does.

    Parameters
    ----------
    labels : (H, W) integer array
        Class ids.
    row, col : int
        The pixel; one without a class has a region too.
    square : int, optional
        Where labels are too large for memory: of a region that goes further than this, only what
        lies together in one of the squares of this side, side by side from the top-left corner.
    """
    height, width = labels.shape
    class_id = int(labels[row, col])
    side = _FIRST_SIDE
    while True:
        yield Progress(0, 1, "looking for the region")
        window = Window(row, col, 1, 1).grown(side // 2, height=height, width=width)
        mask = _connected(labels, window, row, col, class_id)
        if not _reaches_on(mask, window, height, width):
            return Region.of(window, mask, class_id)
        if square is not None and side >= 2 * square:
            window = square_of(labels, row, col, square)
            mask = _connected(labels, window, row, col, class_id)
            return Region.of(window, mask, class_id)
        side *= 2


def square_of(labels: LabelPixels, row: int, col: int, side: int) -> Window:
    """Return which of the squares side by side from the top-left corner holds a pixel."""
    height, width = labels.shape
    top, left = row // side * side, col // side * side
    return Window(top, left, min(side, height - top), min(side, width - left))


def _connected(
    labels: LabelPixels, window: Window, row: int, col: int, class_id: int
) -> NDArray[np.bool_]:
    """Return the pixels of a window (h, w) that hang together with one of a class."""
    numbers, _ = ndimage.label(labels[window.slices] == class_id)
    at = numbers[row - window.row, col - window.col]
    mask: NDArray[np.bool_] = numbers == at
    if not at:  # painted over in this very moment
        mask[row - window.row, col - window.col] = True
    return mask


def _reaches_on(mask: NDArray[np.bool_], window: Window, height: int, width: int) -> bool:
    """Tell whether a mask touches a side of its window that is none of the image."""
    sides = (
        (window.row > 0, mask[0]),
        (window.bottom < height, mask[-1]),
        (window.col > 0, mask[:, 0]),
        (window.right < width, mask[:, -1]),
    )
    return any(inner and bool(side.any()) for inner, side in sides)


def regions_inside_steps(
    labels: LabelPixels, outline: NDArray[np.float64], square: int | None = None
) -> Steps[Region]:
    """Find all regions of which more than half lies inside a drawn outline.

    Parameters
    ----------
    labels : (H, W) integer array
        Class ids; 0 is no region.
    outline : (n, 2) float array
        Rows and columns of its corners.
    square : int, optional
        Where labels are too large for memory: what lies further than about so many pixels from
        the middle of the outline does not count.

    Raises
    ------
    PromptError
        If there is none.
    """
    yield Progress(0, 2, "looking for regions")
    height, width = labels.shape
    low = np.clip(np.floor(outline.min(0)), 0, (height - 1, width - 1)).astype(int)
    high = np.clip(np.ceil(outline.max(0)), low + 1, (height, width)).astype(int)
    box = Window(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
    longest = max(box.height, box.width)
    # What is half inside ends within as much again.
    margin = longest if square is None else min(longest, max(square - longest // 2, 1))
    window = box.grown(margin, height=height, width=width)
    numbers = label(labels[window.slices], background=UNLABELLED, connectivity=1)
    yield Progress(1, 2, "looking for regions")
    corner = (window.row + 0.5, window.col + 0.5)
    rows, cols = (outline - corner).T
    places = polygon(rows, cols, numbers.shape)
    sizes = np.bincount(numbers.ravel())
    inside = np.bincount(numbers[places], minlength=len(sizes))
    chosen = 2 * inside > sizes
    chosen[0] = False
    if not chosen.any():
        raise PromptError(
            expected="regions inside the drawn outline",
            found="none with more than half of it there",
            remedy="draw around whole regions, or click on one",
        )
    mask = chosen[numbers]
    ids, counts = np.unique(labels[window.slices][mask], return_counts=True)
    return Region.of(window, mask, int(ids[counts.argmax()]))


def joined_regions(one: Region, other: Region) -> Region:
    """Return the pixels of both; of the class of the first.

    Raises
    ------
    PromptError
        If they lie too far apart.
    """
    top, left = (min(a, b) for a, b in zip(_corner(one), _corner(other), strict=True))
    bottom = max(one.window.bottom, other.window.bottom)
    right = max(one.window.right, other.window.right)
    window = Window(top, left, bottom - top, right - left)
    if window.height * window.width > _TOGETHER:
        raise PromptError(
            expected="regions that lie close together",
            found=f"{window.height} × {window.width} pixels around them",
            remedy="change them one after the other",
        )
    return replace(one, window=window, mask=one.within(window) | other.within(window))


def beyond(region: Region, row: int, col: int, *, down: int, right: int) -> tuple[int, int]:
    """Return the first pixel outside a region on the way from a pixel of it.

    Parameters
    ----------
    region : Region
        What is left.
    row, col : int
        Where the way begins; returned as they are if they are no pixel of the region.
    down, right : int
        One of them is 1 or -1, the other one 0.

    Returns
    -------
    (int, int)
        Row and column; outside the image if the region reaches its border there.
    """
    if not region.holds(row, col):
        return row, col
    i, j = row - region.window.row, col - region.window.col
    way = region.mask[i, j::right] if right else region.mask[i::down, j]
    steps = int(way.argmin()) or len(way)  # 0 if all of them belong to it
    return row + down * steps, col + right * steps


def _corner(region: Region) -> tuple[int, int]:
    return region.window.row, region.window.col
