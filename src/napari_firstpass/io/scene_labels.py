"""Labels of a scene too large for memory: one window of them is an array that can be painted on.

The array is changed by whoever paints; `SceneLabels.take_strokes` finds out what that was and
brings it into the tiles. For a look at the whole scene, there is a smaller picture, in which the
rarest class of each square is seen: thin things do not vanish.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.class_areas import counts_after, require_classes
from napari_firstpass.grid import Window
from napari_firstpass.label_changes import Change, reassign, relabelled
from napari_firstpass.label_changes import replace as replaced
from napari_firstpass.progress import Progress, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import DTypeLike, NDArray

    from napari_firstpass.io.class_steps import ClassStep, Place
    from napari_firstpass.io.tile_store import TileStore
    from napari_firstpass.label_changes import Replacement
    from napari_firstpass.packed_pixels import Packed, PackedMask
    from napari_firstpass.progress import Steps

BEFORE, AFTER = "before", "after"
"""What `Reassigned` can be set to."""

PICTURE_SIDE = 4096
"""The picture of the whole scene has at most so many pixels a side."""

_AT_ONCE = 64
"""So many tiles are counted, or drawn, until somebody may want something else."""


class WindowArray(np.ndarray[Any, np.dtype[Any]]):
    """An array (h, w) that knows the scene of which it shows a part.

    Whoever keeps steps to take them back may do so for places of the scene (`ScenePlaces`): the
    part that is shown may be another one by then.
    """

    scene: SceneLabels

    def __array_finalize__(self, source: NDArray[Any] | None) -> None:
        """Let views know the scene, too."""
        if isinstance(source, WindowArray) and hasattr(source, "scene"):
            self.scene = source.scene

    def __setitem__(self, key: Any, value: Any) -> None:  # noqa: ANN401 - NumPy's own
        """Set values, here or in places of the scene."""
        if isinstance(key, Reassigned):
            self.scene.set_reassigned(key, back=value is BEFORE)
        elif isinstance(key, ScenePlaces):
            self.scene.put(key.where, np.asarray(value))
        else:
            super().__setitem__(key, value)


@dataclass(frozen=True, slots=True)
class ScenePlaces:
    """Pixels of a scene, as an index of any array that shows a part of it."""

    where: PackedMask


@dataclass(frozen=True, slots=True)
class Part:
    """What can be shown of a scene: a window at full resolution, or all of it, smaller.

    Attributes
    ----------
    window : Window
        Where it lies in the scene.
    stride : int
        Pixels of the scene along each side of one of its own: 1 where it can be painted on.
    values : WindowArray
        The pixels.
    version : int
        Of the scene, when it was read.
    """

    window: Window
    stride: int
    values: WindowArray
    version: int

    @property
    def corner(self) -> tuple[float, float]:
        """Where the centre of its first pixel lies, in pixels of the scene."""
        # Of a larger pixel, the place is its centre.
        middle = (self.stride - 1) / 2
        return self.window.row + middle, self.window.col + middle

    def seen_at(self, row: float, col: float) -> tuple[float, float]:
        """Return where in its values a place of the scene is."""
        top, left = self.corner
        return (row - top) / self.stride, (col - left) / self.stride

    def place_of(self, row: float, col: float) -> tuple[float, float]:
        """Return which place of the scene is seen at one of its values."""
        top, left = self.corner
        return row * self.stride + top, col * self.stride + left


@dataclass(slots=True, eq=False)
class Reassigned:
    """Classes of all of a scene that became others; to a history it is one step.

    Attributes
    ----------
    step : ClassStep
        In the tiles.
    picture : tuple of Change
        In the picture of the whole, until it is drawn anew.
    before : mapping of int to int
        How many pixels each id had then, as far as known.
    """

    step: ClassStep
    picture: tuple[Change, ...]
    before: Mapping[int, int]

    @property
    def pixels(self) -> int:
        """How many pixels became others, as far as known."""
        return sum(self.before.get(class_id, 0) for class_id in self.step.mapping)

    @property
    def packed(self) -> tuple[Packed, ...]:
        """All that is kept of it."""
        return (self.step.kept, *(part for change in self.picture for part in change.packed))


class SceneLabels:
    """Labels in tiles, and the part of them that is shown; to NumPy they look like an array (H, W).

    Parameters
    ----------
    store : TileStore
        The labels; of those that it holds already, `look_at_all` makes the picture.

    Attributes
    ----------
    is_held : bool
        Whether what changes in the array is no stroke, for a moment.
    """

    def __init__(self, store: TileStore) -> None:
        self.store = store
        self.shape, self.dtype = store.shape, store.dtype
        self.whole = Window(0, 0, *store.shape)
        self.stride = _stride(store.shape)
        self.is_held = False
        self._counts: Mapping[int, int] = {}
        self._version = 0
        self._stale: set[Place] = set()
        small = tuple(-(-side // self.stride) for side in store.shape)
        self._picture = np.zeros(small, self.dtype)
        self.part = self._overview()
        self._before = np.zeros((0, 0), self.dtype)

    ndim = 2

    @property
    def size(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all labels (H, W)."""
        del copy
        whole = self.store.read(self.whole)
        return whole if dtype is None else whole.astype(dtype, copy=False)

    @property
    def version(self) -> int:
        """A number that grows whenever something is changed."""
        return self._version

    def __getitem__(self, key: slice | tuple[slice, slice] | tuple[int, int]) -> Any:  # noqa: ANN401 - NumPy's own
        """Return whole rows (h, W), a window (h, w), or the class of one pixel."""
        return self.store[key]

    def fill(self, labels: NDArray[Any]) -> None:
        """Take over labels (H, W) of the whole scene; takes seconds."""
        self.store.take(labels)
        self.look_at_all()

    def look_at_all(self) -> dict[int, int]:
        """Make the picture of the whole scene anew; takes seconds. Returns what `counts` does."""
        self._counts = counts = self.counts()
        self._stale.update(self.store.places())
        while self._stale:
            self._draw_some()
        self.part = self._overview()
        return counts

    def counts(self) -> dict[int, int]:
        """Return how many pixels each id has; takes seconds at first, then little."""
        return run(self.count_steps())

    def count_steps(self) -> Steps[dict[int, int]]:
        """Count the pixels of each id; somebody may paint meanwhile.

        Raises
        ------
        TaxonomyError
            If some are no ids of classes.
        """
        found: Counter[int] = Counter()
        places, version = self.store.places(), self._version
        for done in range(0, len(places), _AT_ONCE):
            yield Progress(done, len(places), "counting pixels")
            for place in places[done : done + _AT_ONCE]:
                found.update(self.store.counts_at(place))
        require_classes(min(found), max(found))
        if version == self._version:
            self._counts = dict(found)
        return dict(found)

    @property
    def is_stale(self) -> bool:
        """Whether the picture of the whole is not what it should be; `load` draws some of it."""
        return bool(self._stale)

    def load(self, window: Window | None) -> Part:
        """Return a window to paint on, or for None all of the scene; it is not shown yet."""
        if window is None:
            self._draw_some()
            return self._overview()
        version = self._version
        return self._part(window, 1, self.store.read(window), version)

    def show(self, part: Part) -> None:
        """Note that a part is shown from now on; what was painted before was taken."""
        if part.stride == 1 and part.version != self._version:
            # Somebody has changed the scene since it was loaded.
            np.copyto(part.values, self.store.read(part.window))
        if part.stride > 1:
            np.copyto(part.values, self._picture)
        self.part = part
        self._before = np.array(part.values) if part.stride == 1 else part.values[:0, :0]

    def read(self, window: Window) -> NDArray[Any]:
        """Return the labels (h, w) of a window of the scene."""
        return self.store.read(window)

    def take_strokes(self) -> Change | None:
        """Bring what was painted since the last time into the scene; return what changed.

        On the picture of the whole scene nothing is painted: it is shown as it was.
        """
        part = self.part
        if part.stride > 1:
            np.copyto(part.values, self._picture)
            return None
        now = np.asarray(part.values)
        differing = now != self._before
        rows = np.flatnonzero(differing.any(1))
        if not len(rows):
            return None
        cols = np.flatnonzero(differing[rows[0] : rows[-1] + 1].any(0))
        inner = Window(int(rows[0]), int(cols[0]), int(np.ptp(rows)) + 1, int(np.ptp(cols)) + 1)
        after = now[inner.slices]
        change = replaced(self._before, inner, after)
        place = replace(inner, row=inner.row + part.window.row, col=inner.col + part.window.col)
        self._write(place, after)
        return None if change is None else _moved(change, place, self.shape)

    def change(self, window: Window, after: NDArray[Any]) -> Change | None:
        """Give a window of the scene other labels (h, w); return what changed."""
        before = self.store.read(window)
        inner = Window(0, 0, window.height, window.width)
        change = replaced(before, inner, after)
        if change is None:
            return None
        self._write(window, before)
        self._renew(window, before)
        return _moved(change, window, self.shape)

    def take(self, wanted: Replacement) -> Change | None:
        """Write what was computed, where the labels still are what they were; see `change`."""
        values = self.store.read(wanted.window)
        change = wanted.onto(values, self.shape)
        if change is not None:
            self._write(wanted.window, values)
            self._renew(wanted.window, values)
        return change

    def reassign(self, mapping: Mapping[int, int]) -> Reassigned:
        """Make classes others in all of the scene, at once: tiles follow when they are read."""
        picture = reassign(self._picture, mapping)
        done = Reassigned(self.store.replace_classes(mapping), picture, self._counts)
        self._counts = counts_after(self._counts, mapping)
        if self.part.stride == 1:
            shown = np.asarray(self.part.values)
            np.copyto(shown, relabelled(shown, mapping))
        self._note_all()
        return done

    def set_reassigned(self, done: Reassigned, *, back: bool) -> None:
        """Take back that classes became others, or make them so again."""
        if not back:
            self.store.make_again(done.step)
            done.picture = reassign(self._picture, done.step.mapping)
        elif self.store.take_back(done.step):
            for change in done.picture:
                np.copyto(self._picture, change.before, where=change.where.inside())
            self._counts = done.before
        if self.part.stride == 1:
            np.copyto(self.part.values, self.store.read(self.part.window))
        self._note_all()

    def _note_all(self) -> None:
        """Note that all of the scene may be other than it was, and show what is known of it."""
        self._version += 1
        self._stale.update(self.store.places())
        if self.part.stride == 1:
            np.copyto(self._before, self.part.values)
        else:
            np.copyto(self.part.values, self._picture)

    def put(self, where: PackedMask, values: NDArray[Any]) -> None:
        """Set pixels of the scene: take back a step, or make it again."""
        window, mask = where.window, where.inside()
        part = self.store.read(window)
        if values.ndim:
            part[mask] = values
        else:
            np.copyto(part, values, where=mask, casting="unsafe")
        self._write(window, part)
        self._renew(window, part)

    def _write(self, window: Window, values: NDArray[Any]) -> None:
        self._version += 1
        self.store.write(window, values)
        self._stale.update(self.store.places_in(window))

    def _renew(self, window: Window, values: NDArray[Any]) -> None:
        """Bring what changed into the window that is shown; the picture is drawn by `load`."""
        part = self.part
        if part.stride > 1:
            return
        top, left = max(window.row, part.window.row), max(window.col, part.window.col)
        bottom = min(window.bottom, part.window.bottom)
        right = min(window.right, part.window.right)
        if bottom <= top or right <= left:
            return
        both = Window(top, left, bottom - top, right - left)
        shown, inner = both.relative_to(part.window).slices, both.relative_to(window).slices
        np.asarray(part.values)[shown] = values[inner]
        self._before[shown] = values[inner]

    def _draw_some(self) -> None:
        """Draw what is not right any more, of so many tiles at most."""
        rank = _ranks(self._counts)
        for place in list(self._stale)[:_AT_ONCE]:
            self._stale.discard(place)  # before it is read: it may change meanwhile
            window = _aligned(self.store.window_at(place), self.stride, self.shape)
            small = rarest(self.store.read(window), self.stride, rank)
            row, col = window.row // self.stride, window.col // self.stride
            self._picture[row : row + small.shape[0], col : col + small.shape[1]] = small

    def _overview(self) -> Part:
        return self._part(self.whole, self.stride, self._picture.copy(), self._version)

    def _part(self, window: Window, stride: int, values: NDArray[Any], version: int) -> Part:
        array = values.view(WindowArray)
        array.scene = self
        return Part(window, stride, array, version)


def scene_behind(labels: object) -> SceneLabels | None:
    """Return the scene of which an array shows a part, None for one that is all there is."""
    if not isinstance(labels, WindowArray):
        return None
    # By the name of our package, napari takes it for a part of itself, and gives out proxies.
    return getattr(labels.scene, "__wrapped__", labels.scene)


def rarest(labels: NDArray[Any], stride: int, rank: NDArray[np.int64]) -> NDArray[Any]:
    """Return labels with larger pixels, each of the class in it that is the rarest of the scene.

    Parameters
    ----------
    labels : (H, W) integer array
        Ids from 0 on.
    stride : int
        Pixels along each side of a larger one; at the right and at the bottom there may be fewer.
    rank : (n,) int array
        Place of each id among all, the rarest last; ids beyond are rarer still.
    """
    most = int(labels.max(initial=0)) + 1
    order = np.concatenate([rank, len(rank) + np.arange(max(0, most - len(rank)))]) + 1
    dtype = np.min_scalar_type(int(order.max(initial=0)))
    height, width = (-(-side // stride) for side in labels.shape)
    ranks = np.zeros((height * stride, width * stride), dtype)
    ranks[: labels.shape[0], : labels.shape[1]] = order.astype(dtype)[labels]
    # Row by row first: neighbours in memory are compared many at a time.
    rows = ranks.reshape(height, stride, width * stride).max(1)
    ids = np.zeros(len(order) + 1, labels.dtype)
    ids[order] = np.arange(len(order))
    small: NDArray[Any] = ids[rows.reshape(height, width, stride).max(2)]
    return small


def _ranks(counts: Mapping[int, int]) -> NDArray[np.int64]:
    """Return the place of each id, the rarest last; unlabelled pixels come first."""
    most = max(counts, default=0) + 1
    order = sorted(range(most), key=lambda i: (i != 0, i not in counts, -counts.get(i, 0)))
    rank = np.zeros(most, np.int64)
    rank[order] = np.arange(most)
    return rank


def _moved(change: Change, window: Window, shape: tuple[int, int]) -> Change:
    """Return a change of a window, counted from its corner, as one of the scene."""
    where = change.where
    inner = where.window
    place = (change.first[0] - inner.row + window.row, change.first[1] - inner.col + window.col)
    outer = Window(window.row, window.col, inner.height, inner.width)
    return replace(change, where=replace(where, shape=shape, window=outer), first=place)


def _aligned(window: Window, stride: int, shape: tuple[int, int]) -> Window:
    """Return a window grown to multiples of the stride, inside the scene."""
    row, col = window.row // stride * stride, window.col // stride * stride
    bottom = min(-(-window.bottom // stride) * stride, shape[0])
    right = min(-(-window.right // stride) * stride, shape[1])
    return Window(row, col, bottom - row, right - col)


def _stride(shape: tuple[int, int]) -> int:
    stride = 2
    while max(shape) > stride * PICTURE_SIDE:
        stride *= 2
    return stride
