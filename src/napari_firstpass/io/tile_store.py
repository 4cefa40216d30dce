"""Labels of any size in tiles: what changed is in memory, compressed, until it is on disk."""

from __future__ import annotations

import hashlib
import json
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, product
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import numpy as np

from napari_firstpass.class_areas import counts_after
from napari_firstpass.errors import ImageReadError
from napari_firstpass.grid import Window
from napari_firstpass.io.class_steps import ClassStep, ClassSteps, KeptTile, Place
from napari_firstpass.io.json_file import json_bytes
from napari_firstpass.label_changes import relabelled
from napari_firstpass.segmentation import id_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

T = TypeVar("T")
State: TypeAlias = "tuple[int, int, tuple[tuple[int, int], ...]]"

_NUMBERS = count()
"""Of stores, so that no two of them are mixed up."""

HEADER, ATTRIBUTES = ".zarray", ".zattrs"
TILE = 512
_THREADS = 4
_FASTEST = 1
_TYPES = ("|u1", "<u2", "<i4", "<i8", "<u4", "<u8", "|i1", "<i2")
_MOST_PIXELS = 2**40
_MOST_LOOSE_BYTES = 32 * 2**20
"""Of tiles that wait to be compressed: nobody who paints waits for that."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A tile as it was found.

    Attributes
    ----------
    packed : bytes or None
        As it is kept; None while it waits to be packed.
    values : (tile, tile) array or None
        The same; None without any labels.
    level, writing : int
        How many steps it knows of, and which writing it was.
    became : mapping of int to int
        What its ids are by now.
    newest : ClassStep or None
        The newest step then.
    """

    packed: bytes | None
    values: NDArray[Any] | None
    level: int
    writing: int
    became: Mapping[int, int]
    newest: ClassStep | None


class TileStore:
    """A (H, W) array in a folder: a Zarr array of version 2, with zlib, that other programs open.

    Several threads may read and write it. Nothing touches the folder but reading: what changed is
    handed out by `pending`, and is forgotten here by `settle` once somebody has written it.

    Classes can become others in all of it at once (`replace_classes`): whoever reads a tile gets it
    so from then on, and the tiles themselves follow later (`catch_up`).

    Parameters
    ----------
    folder : Path or None
        Need not exist yet; None while nobody knows where to.
    shape : (int, int)
        Height and width.
    dtype : dtype
        Of whole numbers.
    tile : int
        Side of a tile in pixels.

    Attributes
    ----------
    damaged : set of Place
        Tiles that could not be read.
    trouble : str
        What else is lost of a store that was opened; empty for nothing.
    """

    def __init__(
        self, folder: Path | None, shape: tuple[int, int], dtype: np.dtype[Any], tile: int = TILE
    ) -> None:
        self.folder, self.shape, self.tile = folder, shape, tile
        self._number = next(_NUMBERS)
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.damaged: set[Place] = set()
        self.trouble = ""
        self._lock = Lock()
        self._loose: dict[Place, NDArray[Any]] = {}
        self._waiting: dict[Place, bytes] = {}
        self._digests: dict[Place, bytes] = {}
        self._writings: dict[Place, int] = {}
        self._count = 0
        self._steps, self._levels = ClassSteps(), dict[Place, int]()
        self._counted: dict[Place, tuple[int, dict[int, int]]] = {}
        self._told: bytes | None = None
        self._may_be_told = False  # it was handed out, and nobody has said that it was written
        self._is_new = True

    @classmethod
    def open(cls, folder: Path) -> TileStore:
        """Open what was written before.

        Raises
        ------
        ImageReadError
            If its header is missing or of another kind.
        """
        try:
            told = json.loads((folder / HEADER).read_bytes())
            shape, tile, dtype = _form(told)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ImageReadError(
                expected=f"labels in tiles at {folder}",
                found=f"{type(error).__name__}: {error}",
                remedy="they cannot be read",
            ) from error
        store = cls(folder, shape, dtype, tile)
        store._is_new = False
        with suppress(FileNotFoundError):
            store._take_attributes((folder / ATTRIBUTES).read_bytes())
        return store

    def __getitem__(self, key: slice | tuple[slice, slice] | tuple[int, int]) -> Any:  # noqa: ANN401 - NumPy's own
        """Return whole rows (h, W), a window (h, w), or the label of one pixel."""
        rows, cols = key if isinstance(key, tuple) else (key, slice(None))
        if not (isinstance(rows, slice) and isinstance(cols, slice)):
            row, col = cast("tuple[int, int]", (rows, cols))
            return self.read(Window(int(row), int(col), 1, 1))[0, 0]
        top, bottom, _ = rows.indices(self.shape[0])
        left, right, _ = cols.indices(self.shape[1])
        return self.read(Window(top, left, bottom - top, right - left))

    def copy(self) -> TileStore:
        """Return another one that holds what this holds in memory, and from now on goes its way."""
        other = TileStore(None, self.shape, self.dtype, self.tile)
        with self._lock:
            other._loose, other._waiting = dict(self._loose), dict(self._waiting)
            other._digests = dict(self._digests)
            other._steps, other._levels = self._steps.copy(), dict(self._levels)
        return other

    def read(self, window: Window) -> NDArray[Any]:
        """Return the labels (h, w) of a window; 0 where there are none, or none to be read."""
        values = np.zeros((window.height, window.width), self.dtype)

        def fill(place: Place) -> None:
            tile = self._tile(place)
            if tile is not None:
                inside, part = self._meeting(place, window)
                values[inside] = tile[part]

        self._side_by_side(fill, self._places(window))
        return values

    def write(self, window: Window, values: NDArray[Any]) -> None:
        """Replace the labels of a window by others (h, w)."""
        for place in self._places(window):
            inside, part = self._meeting(place, window)
            whole = part == self._extent(place)
            tile = None if whole else self._tile(place)
            tile = np.zeros((self.tile, self.tile), self.dtype) if tile is None else tile.copy()
            tile[part] = values[inside]
            self._put(place, tile)
        most = max(1, _MOST_LOOSE_BYTES // (self.tile**2 * self.dtype.itemsize))
        with self._lock:
            surplus = list(self._loose)[:-most]
        self._side_by_side(self._pack, surplus)

    def take(self, labels: NDArray[Any]) -> int:
        """Take over all labels (H, W) of an image; return how many tiles are not as they were.

        Somebody may paint on them meanwhile: each tile is copied before it is looked at.
        """

        def put(place: Place) -> bool:
            height, width = (s.stop for s in self._extent(place))
            row, col = (i * self.tile for i in place)
            tile = np.zeros((self.tile, self.tile), self.dtype)
            tile[:height, :width] = labels[row : row + height, col : col + width]
            digest = hashlib.blake2b(tile.tobytes(), digest_size=16).digest()
            if self._digests.get(place) == digest:
                return False
            self._put(place, tile)
            self._pack(place)
            self._digests[place] = digest
            return True

        return sum(self._side_by_side(put, self.places()))

    def replace_classes(self, mapping: Mapping[int, int]) -> ClassStep:
        """Make classes others in all tiles at once: all ids of ``mapping`` at the same time."""
        step = ClassStep(dict(mapping))
        self.make_again(step)
        return step

    def make_again(self, step: ClassStep) -> None:
        """Make a step again that was taken back."""
        with self._lock:
            if step not in self._steps:
                self._steps.add(step)

    def take_back(self, step: ClassStep) -> bool:
        """Take the newest step back; return whether that could be done.

        Pixels that were painted since stay as they are.
        """
        with self._lock:
            if self._steps.newest is not step or not step.can_be_taken_back:
                return False
            self._steps.remove_newest()
            level = len(self._steps)
            self._levels = {place: min(n, level) for place, n in self._levels.items()}
            kept, step.kept.tiles = step.kept.tiles, {}
            late = [place for place in kept if self._writings.get(place, 0) != kept[place].after]
            for place in kept.keys() - set(late):
                self._loose.pop(place, None)
                self._waiting[place] = kept[place].packed
                self._levels[place] = kept[place].level
                self._writings[place] = kept[place].before
        for place in late:
            self._unmerge(place, kept[place], step)
        return True

    def catch_up(self, most: int) -> None:
        """Bring what classes have become into some tiles themselves."""
        self._side_by_side(self._catch_up, self._behind()[:most])

    @property
    def is_behind(self) -> bool:
        """Whether some tiles still hold what classes were before they became others."""
        return bool(self._behind())

    def pending(self) -> dict[str, bytes | None]:
        """Return the files that are to be written, by their names; None for one to be removed."""
        self._side_by_side(self._pack, list(self._loose))
        with self._lock:
            files: dict[str, bytes | None] = {
                _name(place): packed or None for place, packed in sorted(self._waiting.items())
            }
            told = self._attributes()
            if told != self._told or self._may_be_told:
                files[ATTRIBUTES], self._may_be_told = told, True
        return {HEADER: self._header(), **files} if self._is_new else files

    def settle(self, written: Mapping[str, bytes | None]) -> None:
        """Forget what was written, unless it has changed since."""
        with self._lock:
            for place, packed in list(self._waiting.items()):
                if written.get(_name(place), b"") == (packed or None):
                    del self._waiting[place]
            if ATTRIBUTES in written:
                self._told, self._may_be_told = written[ATTRIBUTES], False
            self._is_new = self._is_new and HEADER not in written

    @property
    def waiting_bytes(self) -> int:
        """Bytes in memory that are not on disk yet."""
        with self._lock:
            packed = sum(map(len, self._waiting.values()))
            return packed + sum(tile.nbytes for tile in self._loose.values())

    def windows(self) -> Iterator[Window]:
        """Yield the windows of all tiles, row by row."""
        for place in self.places():
            yield self.window_at(place)

    def places(self) -> list[Place]:
        """Return the places of all tiles, row by row."""
        return self._places(Window(0, 0, *self.shape))

    def places_in(self, window: Window) -> list[Place]:
        """Return the places of the tiles that a window touches, row by row."""
        return self._places(window)

    def window_at(self, place: Place) -> Window:
        """Return the part of the image that a tile covers."""
        height, width = (s.stop for s in self._extent(place))
        return Window(place[0] * self.tile, place[1] * self.tile, height, width)

    def counts_at(self, place: Place) -> dict[int, int]:
        """Return how many pixels each id has in a tile; it is counted once."""
        with self._lock:
            writing, counted = self._writings.get(place, 0), self._counted.get(place)
            became = self._steps.since(self._levels.get(place, 0))
        if counted is None or counted[0] != writing:
            found = self._found(place)
            became = found.became
            counted = found.writing, _counts(self._values(found)[self._extent(place)])
            self._counted[place] = counted
        return counts_after(counted[1], became)

    def state_at(self, place: Place) -> State:
        """Return what differs from what it was before, or is of another store, if a tile does."""
        with self._lock:
            became = self._steps.since(self._levels.get(place, 0))
            return self._number, self._writings.get(place, 0), tuple(sorted(became.items()))

    def packed_at(self, place: Place) -> bytes | None:
        """Return a tile as it is kept, without what classes became; None if it is not packed."""
        with self._lock:
            loose, packed = place in self._loose, self._waiting.get(place)
        if packed is not None or loose:
            return packed
        try:
            return b"" if self.folder is None else (self.folder / _name(place)).read_bytes()
        except OSError:
            return None

    def _put(self, place: Place, tile: NDArray[Any]) -> None:
        """Keep a whole tile, which nobody modifies any more, as it is now."""
        found = self._found(place) if self._levels.get(place, 0) < len(self._steps) else None
        packed = None if found is None or not self._differs(found) else self._as_kept(found)
        with self._lock:
            if found is not None and packed is not None:
                self._keep(place, found, packed, -1)
            self._loose.pop(place, None)  # so that it becomes the newest
            self._loose[place] = tile
            self._waiting.pop(place, None)
            self._digests.pop(place, None)
            self._note_writing(place)
            self.damaged.discard(place)

    def _note_writing(self, place: Place) -> None:
        self._count += 1
        self._writings[place] = self._count
        if len(self._steps):
            self._levels[place] = len(self._steps)

    def _keep(self, place: Place, found: _Found, packed: bytes, after: int) -> None:
        """Keep a tile for the moment in which the newest step is taken back."""
        step = self._steps.newest
        if step is not None and step is found.newest and step.can_be_taken_back:
            kept = KeptTile(packed, found.level, found.writing, after)
            step.kept.tiles.setdefault(place, kept)

    def _catch_up(self, place: Place) -> None:
        """Bring what classes have become into one tile."""
        found = self._found(place)
        differs = self._differs(found) and place not in self.damaged
        became = relabelled(self._values(found), found.became) if differs else None
        packed = b"" if became is None else self._packed(became)
        with self._lock:
            same = self._writings.get(place, 0) == found.writing
            if not same or self._steps.newest is not found.newest:
                return
            if differs:
                self._keep(place, found, self._as_kept(found), self._count + 1)
                self._loose.pop(place, None)
                self._waiting[place] = packed
                self._note_writing(place)
                counted = self._counted.get(place)
                if counted is not None and counted[0] == found.writing:
                    self._counted[place] = self._count, counts_after(counted[1], found.became)
            self._levels[place] = len(self._steps)

    def _unmerge(self, place: Place, kept: KeptTile, step: ClassStep) -> None:
        """Take a step back in a tile that was painted on since."""
        with self._lock:
            became = self._steps.since(kept.level)
        was = relabelled(self._unpacked(kept.packed), became)
        becomes = relabelled(was, step.mapping)
        now = self._values(self._found(place)).copy()
        np.copyto(now, was, where=(was != becomes) & (now == becomes))
        self._put(place, now)

    def _behind(self) -> list[Place]:
        """Return the places of tiles that do not know of all steps."""
        with self._lock:
            newest = len(self._steps)
            return [p for p in self.places() if self._levels.get(p, 0) < newest] if newest else []

    def _differs(self, found: _Found) -> bool:
        """Tell whether a tile has pixels of classes that became others."""
        values = self._values(found)
        return any(bool((values == class_id).any()) for class_id in found.became)

    def _tile(self, place: Place) -> NDArray[Any] | None:
        """Return a tile, not to be modified; None for one without labels."""
        found = self._found(place)
        if found.values is None and not found.became.get(0):
            return None
        values = self._values(found)
        return relabelled(values, found.became) if found.became else values

    def _values(self, found: _Found) -> NDArray[Any]:
        """Return a whole tile as it is kept; not to be modified."""
        if found.values is not None:
            return found.values
        return np.zeros((self.tile, self.tile), self.dtype)

    def _found(self, place: Place) -> _Found:
        """Return a tile as it is kept; nothing for one without labels, or that is damaged."""
        while True:
            with self._lock:
                level, writing = self._levels.get(place, 0), self._writings.get(place, 0)
                known = level, writing, self._steps.since(level), self._steps.newest
                loose, packed = self._loose.get(place), self._waiting.get(place)
            if loose is not None:
                return _Found(None, loose, *known)
            try:
                if packed is not None:
                    return _Found(packed, self._unpacked(packed) if packed else None, *known)
                packed = b"" if self.folder is None else (self.folder / _name(place)).read_bytes()
                # Where there are no labels there is no file: an empty one was cut off.
                there = None if self.folder is None else self._unpacked(packed or b"cut off")
                found = _Found(packed, there, *known)
            except FileNotFoundError:
                found = _Found(b"", None, *known)
            except (OSError, zlib.error, ValueError):
                found = _Found(b"", None, *known)
                with self._lock:
                    self.damaged.add(place)
            with self._lock:  # what is on disk may be newer than what was noted of it
                if self._writings.get(place, 0) == writing:
                    return found

    def _as_kept(self, found: _Found) -> bytes:
        return self._packed(self._values(found)) if found.packed is None else found.packed

    def _pack(self, place: Place) -> None:
        """Compress a tile that waits."""
        tile = self._loose.get(place)
        if tile is None:
            return
        packed = self._packed(tile)
        with self._lock:
            if self._loose.get(place) is tile:
                del self._loose[place]
                self._waiting[place] = packed

    @staticmethod
    def _packed(tile: NDArray[Any]) -> bytes:
        """Return a whole tile as it is kept."""
        return zlib.compress(tile.tobytes(), _FASTEST) if tile.any() else b""

    def _unpacked(self, packed: bytes) -> NDArray[Any]:
        """Return a whole tile from how it is kept; not to be modified."""
        side = self.tile
        if not packed:
            return np.zeros((side, side), self.dtype)
        content = _unpacked(packed, side * side * self.dtype.itemsize)
        return np.frombuffer(content, self.dtype).reshape(side, side)

    def _places(self, window: Window) -> list[Place]:
        rows = range(window.row // self.tile, -(-window.bottom // self.tile))
        cols = range(window.col // self.tile, -(-window.right // self.tile))
        return list(product(rows, cols))

    def _extent(self, place: Place) -> tuple[slice, slice]:
        """Return the part of a tile that lies in the image."""
        height, width = (
            min(self.tile, side - i * self.tile) for i, side in zip(place, self.shape, strict=True)
        )
        return slice(0, height), slice(0, width)

    def _meeting(
        self, place: Place, window: Window
    ) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return where a tile and a window meet: in the window, and in the tile."""
        row, col = (i * self.tile for i in place)
        height, width = (s.stop for s in self._extent(place))
        top, left = max(window.row, row), max(window.col, col)
        bottom, right = min(window.bottom, row + height), min(window.right, col + width)
        inside = (
            slice(top - window.row, bottom - window.row),
            slice(left - window.col, right - window.col),
        )
        return inside, (slice(top - row, bottom - row), slice(left - col, right - col))

    def _attributes(self) -> bytes | None:
        """Return what other programs are told of classes that are not in all tiles yet."""
        told = self._steps.told(self._levels, len(self.places())) if len(self._steps) else None
        return None if told is None else json_bytes(told)

    def _take_attributes(self, content: bytes) -> None:
        """Take over what `_attributes` told."""
        self._told = content
        try:
            self._steps, self._levels = ClassSteps.of(json.loads(content))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.trouble = f"what classes became is lost ({type(error).__name__}: {error})"

    def _header(self) -> bytes:
        return json_bytes(
            {
                "zarr_format": 2,
                "shape": list(self.shape),
                "chunks": [self.tile, self.tile],
                "dtype": self.dtype.str,
                "compressor": {"id": "zlib", "level": _FASTEST},
                "fill_value": 0,
                "filters": None,
                "order": "C",
            }
        )

    @staticmethod
    def _side_by_side(do: Callable[[Place], T], places: list[Place]) -> list[T]:
        if len(places) < 3:
            return [do(place) for place in places]
        with ThreadPoolExecutor(_THREADS) as threads, suppress(RuntimeError):
            return list(threads.map(do, places))
        # Python ends, and begins no more threads; what is written last is written all the same.
        return [do(place) for place in places]


def _form(told: Mapping[str, Any]) -> tuple[tuple[int, int], int, np.dtype[Any]]:
    """Return shape, side of a tile and type that a header tells."""
    height, width = (int(side) for side in told["shape"])
    tile, across = told["chunks"]
    plain = told["zarr_format"] == 2 and told["compressor"]["id"] == "zlib"
    fits = plain and told["dtype"] in _TYPES and 16 <= tile == across <= 8192
    if not fits or min(height, width) < 1 or height * width > _MOST_PIXELS:
        raise ValueError("another form")
    return (height, width), tile, np.dtype(told["dtype"])


def _counts(values: NDArray[Any]) -> dict[int, int]:
    """Return how many pixels each id has."""
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        counts = id_counts(values)
        return {int(class_id): int(counts[class_id]) for class_id in np.flatnonzero(counts)}
    ids, pixels = np.unique(values, return_counts=True)
    return dict(zip(ids.tolist(), pixels.tolist(), strict=True))


def _name(place: tuple[int, int]) -> str:
    return f"{place[0]}.{place[1]}"


def _unpacked(packed: bytes, size: int) -> bytes:
    """Return what was compressed, never more than is expected of it."""
    stream = zlib.decompressobj()
    content = stream.decompress(packed, size)
    # A stream may have given all without having said that it ends.
    if len(content) != size or stream.decompress(stream.unconsumed_tail, 1) or not stream.eof:
        raise ValueError("a tile of another size")
    return content
