"""Hints: the few places where somebody says what is there, and where they lie."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from napari_firstpass.errors import ImageContentError, OptionError, TaxonomyError
from napari_firstpass.grid import Window
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.taxonomy import UNLABELLED, LabelClass, Taxonomy, color_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from napari_firstpass.grid import Grid
    from napari_firstpass.segmentation import Labels

SILENT = -1
"""In place of the index of a class, where nobody says anything."""

_SIDE = 64
"""Of the blocks that are read around hints, in pixels: hints are small, and may be many."""
_BLOCKS = 256
_STRIP = 256
_IDS = 2**16


class HintSource(Protocol):
    """Sparse labels of one image: an open file, or an array in memory."""

    @property
    def grid(self) -> Grid:
        """Size and place, those of the image."""
        ...

    def read(self, window: Window) -> Labels:
        """Return the ids under a window (h, w), which must lie inside the grid; 0 says nothing."""
        ...

    def classes_of(self, ids: Collection[int]) -> tuple[LabelClass, ...]:
        """Return the classes with these ids, in order of ids; those without a name are numbered."""
        ...


OpenHints: TypeAlias = "Callable[[], AbstractContextManager[HintSource]]"
"""Opens hints; it may be called several times."""


@dataclass(frozen=True, slots=True)
class NamedHints:
    """Hints on one image.

    Attributes
    ----------
    name : str
        What to call them in messages and records.
    open : callable
        Opens them.
    """

    name: str
    open: OpenHints


@dataclass(frozen=True, slots=True)
class MapHints:
    """Hints that lie on a map, on whichever images are there.

    Attributes
    ----------
    name : str
        What to call them in messages and records.
    classes : tuple of LabelClass
        Those that they name.
    on : callable
        Returns for the grid of an image what opens the hints on it; None where there are none.
    """

    name: str
    classes: tuple[LabelClass, ...]
    on: Callable[[Grid], OpenHints | None]


@dataclass(frozen=True, slots=True)
class ArrayHints:
    """A `HintSource` over labels in memory.

    Attributes
    ----------
    labels : (H, W) uint8 or uint16 array
        Ids; 0 says nothing.
    taxonomy : Taxonomy
        Their classes.
    grid : Grid
        Size and place.
    """

    labels: Labels
    taxonomy: Taxonomy
    grid: Grid

    def read(self, window: Window) -> Labels:
        """Return the ids under a window."""
        return self.labels[window.slices]

    def classes_of(self, ids: Collection[int]) -> tuple[LabelClass, ...]:
        """Return the classes with these ids; see `HintSource`."""
        return selected(self.taxonomy, ids)


def selected(
    taxonomy: Taxonomy, ids: Collection[int], colors: Mapping[int, str] | None = None
) -> tuple[LabelClass, ...]:
    """Return the classes with some ids, ascending; those that are missing are numbered.

    Parameters
    ----------
    taxonomy : Taxonomy
        What is known.
    ids : collection of int
        What is wanted.
    colors : mapping of int to str, optional
        Colours of those that are missing, as far as they have any.
    """
    known = {entry.id: entry for entry in taxonomy.classes}
    found = colors or {}
    return tuple(
        known.get(i) or LabelClass(i, f"class {i}", found.get(i, color_of(i))) for i in sorted(ids)
    )


@dataclass(frozen=True, slots=True)
class HintedBlock:
    """A piece of an image in which there are hints.

    Attributes
    ----------
    image : int
        The number of the image, from 0.
    window : Window
        The piece.
    ids : frozenset of int
        What is said there.
    """

    image: int
    window: Window
    ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class HintSet:
    """The hints of a set of images.

    Attributes
    ----------
    classes : tuple of LabelClass
        Those that have hints, in order of ids, as the files have them.
    opens : mapping of int to callable
        Opens the hints on an image, by its number from 0.
    blocks : tuple of HintedBlock
        Where they lie, in order of images, rows and columns.
    names : tuple of str
        What the hints are called.
    """

    classes: tuple[LabelClass, ...]
    opens: Mapping[int, OpenHints]
    blocks: tuple[HintedBlock, ...]
    names: tuple[str, ...]

    def indexes(self, ids: Labels) -> NDArray[np.int64]:
        """Return which of ``classes`` the pixels (h, w) are, `SILENT` where that is not said."""
        table = np.full(_IDS, SILENT, np.int64)
        table[[entry.id for entry in self.classes]] = np.arange(len(self.classes))
        return table[ids]

    @property
    def record(self) -> dict[str, list[str]]:
        """What a model's provenance tells: what the hints are called, and the classes they name."""
        return {"hints": list(self.names), "hinted": [entry.name for entry in self.classes]}

    def require_room(self, count: int) -> None:
        """Refuse more classes than a model is to have.

        Raises
        ------
        OptionError
            If ``count`` is less than the number of classes with hints.
        """
        if len(self.classes) > count:
            names = ", ".join(entry.name for entry in self.classes)
            raise OptionError(
                expected=f"at least {len(self.classes)} classes, those with hints ({names})",
                found=str(count),
                remedy=f"give --classes {len(self.classes)} or more, or hints on fewer classes",
            )

    def taxonomy(self, count: int) -> Taxonomy:
        """Return ``count`` classes: 1 … C as the hints name them, then clusters.

        Clusters have names and colours that no class with hints has.
        """
        number = {entry.id: i for i, entry in enumerate(self.classes, start=1)}
        named = [
            replace(entry, id=number[entry.id], parent=number.get(entry.parent or UNLABELLED))
            for entry in self.classes
        ]
        names = {entry.name for entry in named}
        colors = {entry.color.upper() for entry in named}
        free = (i for i in range(1, _IDS) if color_of(i) not in colors)
        clusters: list[LabelClass] = []
        for i in range(len(named) + 1, count + 1):
            name = f"cluster {i}"
            while name in names:
                name += "′"
            names.add(name)
            clusters.append(LabelClass(i, name, color_of(next(free))))
        return Taxonomy((*named, *clusters))


def hint_set_steps(hints: Sequence[tuple[int, NamedHints]]) -> Steps[HintSet]:
    """Look where hints lie, and of which classes they are.

    Parameters
    ----------
    hints : sequence of (int, NamedHints)
        The number of an image, from 0, and the hints on it; of each image at most once.

    Raises
    ------
    ImageContentError
        If one of them says nothing.
    TaxonomyError
        If an id, or a name, does not mean the same in all of them.
    """
    classes: dict[int, LabelClass] = {}
    blocks: list[HintedBlock] = []
    ordered = sorted(hints, key=lambda pair: pair[0])
    for done, (image, hint) in enumerate(ordered):
        with hint.open() as source:
            looking = relay(_blocks_of(source, image), Span(done, done + 1, len(ordered)))
            found = yield from looking
            said = source.classes_of(frozenset().union(*(block.ids for block in found)))
        if not found:
            raise ImageContentError(
                expected=f"hints in {hint.name}",
                found="no labelled pixel",
                remedy="paint some, or leave it out",
            )
        add_agreeing(classes, said, hint.name)
        blocks += found
    together = one_list(classes)
    opens = {image: hint.open for image, hint in ordered}
    names = tuple(dict.fromkeys(hint.name for _, hint in hints))
    return HintSet(together, opens, tuple(blocks), names)


def _blocks_of(source: HintSource, image: int) -> Steps[list[HintedBlock]]:
    height, width = source.grid.shape
    found: list[HintedBlock] = []
    for top in range(0, height, _STRIP):
        yield Progress(top, height, "looking for hints")
        strip = source.read(Window(top, 0, min(_STRIP, height - top), width))
        rows, cols = np.nonzero(strip)
        places = (rows // _SIDE * _IDS + cols // _SIDE) * _IDS + strip[rows, cols]
        ids: dict[tuple[int, int], set[int]] = {}
        for place in np.unique(places).tolist():
            at, said = divmod(place, _IDS)
            ids.setdefault(divmod(at, _IDS), set()).add(said)
        for (row, col), said_there in ids.items():
            start = top + row * _SIDE, col * _SIDE
            size = min(_SIDE, height - start[0]), min(_SIDE, width - start[1])
            found.append(HintedBlock(image, Window(*start, *size), frozenset(said_there)))
    return found


def add_agreeing(classes: dict[int, LabelClass], more: Iterable[LabelClass], name: str) -> None:
    """Add what ``name`` calls its classes to those of other hints, by ids.

    Raises
    ------
    TaxonomyError
        If an id means something else there.
    """
    for entry in more:
        first = classes.setdefault(entry.id, entry)
        if first.name != entry.name:
            raise TaxonomyError(
                expected=f"class {first.id} to be {first.name!r} in all hints",
                found=f"{entry.name!r} in {name}",
                remedy="use one list of classes for all images",
            )


def one_list(found: Mapping[int, LabelClass]) -> tuple[LabelClass, ...]:
    """Return classes in order of ids.

    Raises
    ------
    TaxonomyError
        If two have one name.
    """
    classes = tuple(found[i] for i in sorted(found))
    for entry in classes:
        ids = [str(other.id) for other in classes if other.name == entry.name]
        if len(ids) > 1:
            raise TaxonomyError(
                expected=f"one id for {entry.name!r} in all hints",
                found=" and ".join(ids),
                remedy="use one list of classes for all images",
            )
    return classes


def chosen_blocks(
    blocks: Sequence[HintedBlock], seed: int, limit: int = _BLOCKS
) -> list[HintedBlock]:
    """Return at most ``limit`` blocks, drawn so that classes, and images, take turns.

    Parameters
    ----------
    blocks : sequence of HintedBlock
        All there are.
    seed : int
        Drives the draw.
    limit : int
        Bounds memory and time.

    Returns
    -------
    list of HintedBlock
        In the order given.
    """
    if len(blocks) <= limit:
        return list(blocks)
    queues: dict[int, list[tuple[int, int]]] = {}
    seen: Counter[tuple[int, int]] = Counter()
    for index in np.random.default_rng(seed).permutation(len(blocks)).tolist():
        for said in sorted(blocks[index].ids):
            seen[said, blocks[index].image] += 1
            queues.setdefault(said, []).append((seen[said, blocks[index].image], index))
    # Of each class first one block of every image, then a second one, and so on.
    turns = [sorted(queues[said], key=itemgetter(0)) for said in sorted(queues)]
    taken: set[int] = set()
    while len(taken) < limit:
        for turn in turns:
            index = next((index for _, index in turn if index not in taken), None)
            if index is not None and len(taken) < limit:
                taken.add(index)
    return [blocks[index] for index in sorted(taken)]


def cell_classes(classes: NDArray[np.int64], stride: int) -> NDArray[np.int64]:
    """Return the class of cells: that of most of its pixels that say something.

    Parameters
    ----------
    classes : (H, W) int64 array
        Indices from 0, or `SILENT`.
    stride : int
        Pixels per cell, along each axis.

    Returns
    -------
    (h, w) int64 array
        Likewise; cells reach beyond the border where it is ragged. Ties go to the smaller index.
    """
    height, width = classes.shape
    rows, cols = -(-height // stride), -(-width // stride)
    count = max(int(classes.max(initial=SILENT)) + 1, 1)
    cells = np.arange(height)[:, None] // stride * cols + np.arange(width) // stride
    said = classes != SILENT
    votes = np.bincount((cells * count + classes)[said], minlength=rows * cols * count)
    votes = votes.reshape(rows, cols, count)
    return np.where(votes.any(2), votes.argmax(2), SILENT)
