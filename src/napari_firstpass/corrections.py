"""Learning from corrections: what looks like a place that was corrected is proposed to change too.

Each kind of correction, of one class into another, is learned from by itself (`lessons`): in the
class that was wrong, places are looked for that look like those that were corrected rather than
like the rest. Where that would not find again what was corrected, nothing is proposed. What was
corrected or reviewed never is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from napari_firstpass.cells import cell_means
from napari_firstpass.errors import LayerError
from napari_firstpass.feature_memory import FeatureMemory
from napari_firstpass.grid import Window
from napari_firstpass.hints import SILENT, cell_classes
from napari_firstpass.label_changes import Replacement
from napari_firstpass.lessons import Cells, Kind, Lesson, learn_kind_steps
from napari_firstpass.looking import Looking
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.refiners.small_regions import merge_small_regions
from napari_firstpass.segmentation import label_dtype, present_ids
from napari_firstpass.taxonomy import UNLABELLED
from napari_firstpass.tiling import Tile, affordable, tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.grid import Grid
    from napari_firstpass.looking import Seen
    from napari_firstpass.progress import Steps
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.reviewed import Reviewed
    from napari_firstpass.segmentation import LabelPixels, Labels

_WINDOW, _OVERLAP = 1024, 64
_SPECK = 30
"""Proposals of fewer pixels are none."""

_CELLS = 20_000
"""Of a kind, and of a class, at most; of more, some in a grid are looked at."""

_MOST = 2.0
"""As much is proposed as was corrected, times this: the surest; the rest after another look."""

_ELSEWHERE = 24
"""Windows outside the part that is looked at, with corrections to learn from."""

_ALIGNED = 16
_PAIRS = 2**16


@dataclass(frozen=True, slots=True)
class Taught:
    """What one kind of correction taught, and what is proposed for it.

    Attributes
    ----------
    lesson : Lesson
        What was learned.
    pixels, places : int
        What would change: so many pixels, in so many places.
    """

    lesson: Lesson
    pixels: int = 0
    places: int = 0


@dataclass(frozen=True, slots=True)
class Learned:
    """What is proposed.

    Attributes
    ----------
    replacement : Replacement
        Labels as they were, and as they would be.
    corrected : int
        Pixels that were corrected.
    taught : tuple of Taught
        What each kind of correction taught, that of the most pixels first.
    """

    replacement: Replacement
    corrected: int
    taught: tuple[Taught, ...] = ()


def _nobody_knows(_: Window) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class CorrectedLabels:
    """Labels as they were made and as they are, and what was reviewed.

    Attributes
    ----------
    made, now : (H, W) integer array
        Class ids; not changed by anybody. Windows are read of those too large for memory.
    reviewed : Reviewed or None
        What somebody has looked at.
    taken : Reviewed or None
        What was proposed and accepted before: it differs from what was made, and yet nobody
        corrected it.
    untouched : callable
        Tells of a window whether nothing was changed in it; False also where only a look at the
        labels would tell.
    """

    made: LabelPixels
    now: LabelPixels
    reviewed: Reviewed | None = None
    taken: Reviewed | None = None
    untouched: Callable[[Window], bool] = _nobody_knows

    def within(self, window: Window) -> _Said:
        """Return what is said of a window."""
        now = np.asarray(self.now[window.slices])
        made = now if self.untouched(window) else np.asarray(self.made[window.slices])
        if made is not now and self.taken is not None and self.taken.pixels:
            made = np.where(self.taken.within(window), now, made)
        shape = (window.height, window.width)
        seen = np.zeros(shape, np.bool_) if self.reviewed is None else self.reviewed.within(window)
        return _Said(made, now, seen)


@dataclass(frozen=True, slots=True)
class _Said:
    """Labels (h, w) of a window as they were made and as they are, and what was looked at."""

    made: NDArray[Any]
    now: NDArray[Any]
    seen: NDArray[np.bool_]

    @property
    def corrected(self) -> NDArray[np.bool_]:
        """Where another class was given."""
        different: NDArray[np.bool_] = self.made != self.now
        return different

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Where somebody has decided: corrected or reviewed."""
        return self.corrected | self.seen


def learn_steps(
    source: RasterSource,
    labels: CorrectedLabels,
    config: SegmentConfig,
    *,
    part: Window | None = None,
    cache: FeatureCache | None = None,
    memory: FeatureMemory | None = None,
) -> Steps[Learned]:
    """Propose what else is to change after some places were corrected.

    Parameters
    ----------
    source : RasterSource
        The image.
    labels : CorrectedLabels
        What was made, and what became of it.
    config : SegmentConfig
        Of this, the backbone, what follows it, the seed and the device count.
    part : Window, optional
        The only part of a large image in which something is proposed; it is learned from
        corrections elsewhere, too.
    cache : FeatureCache, optional
        Where features that are expensive are kept.
    memory : FeatureMemory, optional
        What was computed the last time; takes what is computed now.

    Raises
    ------
    LayerError
        If nothing was corrected.
    ImageContentError, WeightsError
        See `pipeline.fit_sample_steps`.
    """
    area = part or source.grid.window
    found = yield from relay(_survey_steps(labels, source.grid, area), Span(0, 10, 100))
    beginning = Looking.of_steps(source, config, cache, memory or FeatureMemory())
    looking = yield from relay(beginning, Span(10, 25, 100))
    window, overlap = affordable(
        _WINDOW, _OVERLAP, bands=len(source.names), classes=1, features=looking.features
    )
    cuts = _cuts(source.grid, area, window, overlap)
    elsewhere = [_tile(source.grid, box, overlap) for box in found.outside(area)]
    collector = yield from relay(
        _collected_steps(looking, labels, found, cuts, elsewhere), Span(25, 70, 100)
    )
    lessons = []
    for done, kind in enumerate(collector.kinds(found)):
        span = Span(70 + 10 * done // found.kinds, 70 + 10 * (done + 1) // found.kinds, 100)
        lessons.append((yield from relay(learn_kind_steps(kind, config.seed), span)))
    before = np.array(labels.now[area.slices])
    proposing = _proposed_steps(looking, labels, lessons, cuts, area, before)
    after, taught = yield from relay(proposing, Span(80, 99, 100))
    yield Progress(99, 100, "comparing")
    replacement = Replacement.within(source.grid.shape, area, before, after)
    return Learned(replacement, found.corrected, taught)


@dataclass(frozen=True, slots=True)
class _Survey:
    """What was corrected, and where.

    Attributes
    ----------
    pairs : dict of (int, int) to int
        Pixels of each kind: the class before and after; the most frequent first.
    classes : dict of int to int
        Pixels of each class that nobody has corrected, where one may look for more to correct.
    boxes : tuple of (Window, int)
        Windows around what was corrected, and how many pixels that is.
    """

    pairs: dict[tuple[int, int], int]
    classes: dict[int, int]
    boxes: tuple[tuple[Window, int], ...]

    @property
    def corrected(self) -> int:
        """How many pixels were corrected."""
        return sum(self.pairs.values())

    @property
    def kinds(self) -> int:
        """How many kinds of correction there are."""
        return len(self.pairs)

    def outside(self, part: Window) -> list[Window]:
        """Return windows around corrections that do not lie in a part, those with most first."""
        others = [(box, count) for box, count in self.boxes if not _holds(part, box)]
        others.sort(key=lambda pair: -pair[1])
        return [box for box, _ in others[:_ELSEWHERE]]


def _holds(part: Window, box: Window) -> bool:
    rows = part.row <= box.row and box.bottom <= part.bottom
    return rows and part.col <= box.col and box.right <= part.right


def _meet(one: Window, other: Window) -> bool:
    rows = one.row < other.bottom and other.row < one.bottom
    return rows and one.col < other.right and other.col < one.right


def _survey_steps(labels: CorrectedLabels, grid: Grid, area: Window) -> Steps[_Survey]:
    """Look what was corrected, and what there is in an area.

    Raises
    ------
    LayerError
        If nothing was.
    """
    pairs: dict[tuple[int, int], int] = {}
    classes: dict[int, int] = {}
    boxes = []
    cuts = tiles(grid, window=_WINDOW, overlap=0)
    for done, tile in enumerate(cuts):
        yield Progress(done, len(cuts), "looking for what was corrected")
        if not _meet(area, tile.core) and labels.untouched(tile.core):
            continue
        said = labels.within(tile.core)
        corrected = said.corrected & (said.now != UNLABELLED) & (said.made != UNLABELLED)
        _count(classes, said.now[~said.corrected])
        if not corrected.any():
            continue
        codes = said.made[corrected].astype(np.int64) * _PAIRS + said.now[corrected]
        keys, counts = np.unique(codes, return_counts=True)
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            pair = divmod(key, _PAIRS)
            pairs[pair] = pairs.get(pair, 0) + count
        boxes.append((_box(corrected, tile.core), int(counts.sum())))
    if not pairs:
        raise LayerError(
            expected="labels of which something was corrected",
            found="none that differ from what was made",
            remedy="correct a few regions first: under Fix, click one and press a class key",
        )
    ordered = dict(sorted(pairs.items(), key=lambda item: (-item[1], item[0])))
    return _Survey(ordered, classes, tuple(boxes))


def _count(counts: dict[int, int], ids: NDArray[Any]) -> None:
    found = np.bincount(ids.ravel())
    for class_id in np.flatnonzero(found).tolist():
        counts[class_id] = counts.get(class_id, 0) + int(found[class_id])


def _box(mask: NDArray[np.bool_], window: Window) -> Window:
    """Return the part of a window around the pixels of a mask (h, w), on the grid of cells."""
    rows, cols = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    top, left = (int(some[0]) // _ALIGNED * _ALIGNED for some in (rows, cols))
    bottom, right = (-(-(int(some[-1]) + 1) // _ALIGNED) * _ALIGNED for some in (rows, cols))
    height, width = min(bottom, window.height) - top, min(right, window.width) - left
    return Window(window.row + top, window.col + left, height, width)


def _tile(grid: Grid, core: Window, overlap: int) -> Tile:
    return Tile(core, core.grown(overlap, height=grid.height, width=grid.width))


def _cuts(grid: Grid, part: Window, window: int, overlap: int) -> list[Tile]:
    """Cut a part of an image into tiles, which are read with what is around them."""
    cores = (tile.core for tile in tiles(grid.crop(part), window=window, overlap=0))
    moved = (replace(core, row=core.row + part.row, col=core.col + part.col) for core in cores)
    return [_tile(grid, core, overlap) for core in moved]


@dataclass(slots=True)
class _Gathered:
    """Cells of one kind or class: every ``step``-th of each row and column."""

    step: int
    vectors: list[NDArray[np.float32]]
    places: list[NDArray[np.int64]]

    def take(self, vectors: Tensor, mask: NDArray[np.bool_], row: int, col: int) -> None:
        """Take cells (D, h, w) of a mask (h, w), of which the first has a place."""
        rows, cols = np.nonzero(mask)
        on = ((rows + row) % self.step == 0) & ((cols + col) % self.step == 0)
        rows, cols = rows[on], cols[on]
        if len(rows):
            there = torch.from_numpy(rows), torch.from_numpy(cols)
            self.vectors.append(vectors[:, there[0], there[1]].T.cpu().numpy())
            self.places.append(np.stack([rows + row, cols + col], 1))

    @property
    def count(self) -> int:
        """About how many there are, with those between."""
        return self.step**2 * sum(map(len, self.places))

    def cells(self, *, close: bool = False) -> Cells:
        """Return them; ``close`` puts cells that follow each other side by side."""
        if not self.vectors:
            return Cells(np.zeros((0, 1), np.float32), np.zeros((0, 2), np.int64))
        places = np.concatenate(self.places)
        return Cells(np.concatenate(self.vectors), places // self.step if close else places)


@dataclass(frozen=True, slots=True)
class _Collector:
    """Cells by what is said of them: each kind of correction, what was left, and the rest."""

    corrected: dict[tuple[int, int], _Gathered]
    left: dict[int, _Gathered]
    rest: dict[int, _Gathered]

    @classmethod
    def of(cls, found: _Survey, stride: int) -> _Collector:
        """Begin with none, for so many pixels of each."""

        def begun(pixels: int) -> _Gathered:
            cells = pixels / stride**2
            return _Gathered(max(1, int(np.ceil((cells / _CELLS) ** 0.5))), [], [])

        wrong = {before for before, _ in found.pairs}
        return cls(
            {pair: begun(count) for pair, count in found.pairs.items()},
            {class_id: begun(found.classes.get(class_id, 0)) for class_id in wrong},
            {class_id: begun(found.classes.get(class_id, 0)) for class_id in wrong},
        )

    def take(self, seen: Seen, said: _Said, window: Window, *, inside: bool) -> None:
        """Take the cells of a window; of one outside the part, only what somebody decided."""
        stride, vectors = seen.stride, seen.vectors
        now = _cell_ids(said.now, stride)
        made = _cell_ids(said.made, stride) if said.corrected.any() else now
        row, col = window.row // stride, window.col // stride
        corrected = _shares(said.corrected, stride) >= 0.5
        for (before, after), gathered in self.corrected.items():
            gathered.take(vectors, corrected & (made == before) & (now == after), row, col)
        left = (_shares(said.seen & ~said.corrected, stride) >= 0.5) & (made == now)
        free = _shares(said.decided, stride) == 0
        for class_id, gathered in self.left.items():
            gathered.take(vectors, left & (now == class_id), row, col)
            if inside:
                self.rest[class_id].take(vectors, free & (now == class_id), row, col)

    def kinds(self, found: _Survey) -> list[Kind]:
        """Return what is known of each kind of correction."""
        return [self._kind(*pair) for pair in found.pairs]

    def _kind(self, before: int, after: int) -> Kind:
        corrected, rest = self.corrected[before, after], self.rest[before]
        most = _MOST * corrected.count / max(rest.count, 1)
        cells = corrected.cells(close=True), self.left[before].cells(), rest.cells()
        return Kind(before, after, *cells, most)


def _cell_ids(ids: NDArray[Any], stride: int) -> NDArray[np.int64]:
    """Return the class of most pixels (H, W) of each cell (h, w); 0 for those without any."""
    known = np.array([UNLABELLED, *present_ids(ids)], np.int64)
    index = np.full(int(known[-1]) + 1, SILENT, np.int64)
    index[known[1:]] = np.arange(1, len(known))
    found: NDArray[np.int64] = known[np.maximum(cell_classes(index[ids], stride), 0)]
    return found


def _shares(mask: NDArray[np.bool_], stride: int) -> NDArray[np.float32]:
    """Return which share of each cell (h, w) a mask (H, W) covers."""
    height, width = mask.shape
    whole = np.pad(mask.astype(np.float32), ((0, -height % stride), (0, -width % stride)))
    shares: NDArray[np.float32] = cell_means(torch.from_numpy(whole), stride).numpy()
    return shares


def _collected_steps(
    looking: Looking,
    labels: CorrectedLabels,
    found: _Survey,
    cuts: Sequence[Tile],
    elsewhere: Sequence[Tile],
) -> Steps[_Collector]:
    """Look at the tiles of a part, and at corrections elsewhere."""
    collector: _Collector | None = None
    count = len(cuts) + len(elsewhere)
    for done, tile in enumerate((*cuts, *elsewhere)):
        span = Span(done, done + 1, count)
        yield Progress(done, count, "learning")
        seen = yield from relay(looking.at(tile), span, "learning")
        if seen is None:
            continue
        if collector is None:
            collector = _Collector.of(found, seen.stride)
        collector.take(seen, labels.within(tile.core), tile.core, inside=done < len(cuts))
    return collector or _Collector.of(found, 1)


def _proposed_steps(
    looking: Looking,
    labels: CorrectedLabels,
    lessons: Sequence[Lesson],
    cuts: Sequence[Tile],
    part: Window,
    before: NDArray[Any],
) -> Steps[tuple[NDArray[Any], tuple[Taught, ...]]]:
    """Return labels (h, w) of a part with what is proposed, and what that is by lesson."""
    after, counts = before.copy(), np.zeros((len(lessons), 2), np.int64)
    # What stands out most is written last.
    order = sorted(range(len(lessons)), key=lambda index: lessons[index].lift)
    learned = [index for index in order if lessons[index].line is not None]
    for done, tile in enumerate(cuts if learned else ()):
        yield Progress(done, len(cuts), "looking on")
        seen = yield from relay(looking.at(tile), Span(done, done + 1, len(cuts)), "looking on")
        if seen is None:
            continue
        said = labels.within(tile.core)
        there = _proposed(seen, said, [lessons[index] for index in learned])
        after[tile.core.relative_to(part).slices] = there
        for index in learned:
            lesson = lessons[index]
            changed = (said.now == lesson.before) & (there == lesson.after)
            counts[index] += np.count_nonzero(changed), ndimage.label(changed)[1]
    told = zip(lessons, counts.tolist(), strict=True)
    return after, tuple(Taught(lesson, *count) for lesson, count in told)


def _proposed(seen: Seen, said: _Said, lessons: Sequence[Lesson]) -> NDArray[Any]:
    """Return labels (h, w) of a window with what is proposed."""
    now, stride = said.now, seen.stride
    shape = seen.vectors.shape[1:]
    flat = seen.vectors.flatten(1).T.cpu().numpy()
    free = (now != UNLABELLED) & ~said.decided
    wanted = now.astype(label_dtype(max(int(now.max()), *(one.after for one in lessons))))
    for lesson in lessons:
        if lesson.line is None:
            continue
        above = torch.from_numpy(lesson.line.above(flat).reshape(1, 1, *shape)).float()
        fine = functional.interpolate(above, scale_factor=stride, mode="bilinear")[0, 0]
        inside = fine.numpy()[: now.shape[0], : now.shape[1]] >= 0
        wanted[free & inside & (now == lesson.before)] = lesson.after
    calm = merge_small_regions(cast("Labels", wanted), _SPECK)
    kept = free & (wanted != now) & (calm == wanted)
    return np.where(kept, wanted, now).astype(now.dtype)
