"""Labels of any size in tiles: what changed is in memory, compressed, until it is on disk."""

from __future__ import annotations

import hashlib
import json
import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from napari_firstpass.errors import ImageReadError
from napari_firstpass.grid import Window
from napari_firstpass.io.json_file import json_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

Place = tuple[int, int]
"""Row and column of a tile, counted in tiles."""

T = TypeVar("T")

HEADER = ".zarray"
TILE = 512
_THREADS = 4
_FASTEST = 1
_TYPES = ("|u1", "<u2", "<i4", "<i8", "<u4", "<u8", "|i1", "<i2")
_MOST_PIXELS = 2**40


class TileStore:
    """A (H, W) array in a folder: a Zarr array of version 2, with zlib, that other programs open.

    Several threads may read and write it. Nothing touches the folder but reading: what changed is
    handed out by `pending`, and is forgotten here by `settle` once somebody has written it.

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
    """

    def __init__(
        self, folder: Path | None, shape: tuple[int, int], dtype: np.dtype[Any], tile: int = TILE
    ) -> None:
        self.folder, self.shape, self.tile = folder, shape, tile
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.damaged: set[Place] = set()
        self._lock = Lock()
        self._waiting: dict[Place, bytes] = {}
        self._digests: dict[Place, bytes] = {}
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
            other._waiting, other._digests = dict(self._waiting), dict(self._digests)
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

        def put(place: Place) -> None:
            inside, part = self._meeting(place, window)
            whole = part == self._extent(place)
            tile = None if whole else self._tile(place)
            tile = np.zeros((self.tile, self.tile), self.dtype) if tile is None else tile.copy()
            tile[part] = values[inside]
            self._put(place, tile)

        self._side_by_side(put, self._places(window))

    def take(self, labels: NDArray[Any]) -> int:
        """Take over all labels (H, W) of an image; return how many tiles are not as they were.

        Somebody may paint on them meanwhile: each tile is copied before it is looked at.
        """

        def put(place: Place) -> bool:
            height, width = (s.stop for s in self._extent(place))
            row, col = (i * self.tile for i in place)
            tile = np.zeros((self.tile, self.tile), self.dtype)
            tile[:height, :width] = labels[row : row + height, col : col + width]
            return self._put(place, tile)

        return sum(self._side_by_side(put, self._places(Window(0, 0, *self.shape))))

    def pending(self) -> dict[str, bytes | None]:
        """Return the files that are to be written, by their names; None for one to be removed."""
        with self._lock:
            files: dict[str, bytes | None] = {
                _name(place): packed or None for place, packed in sorted(self._waiting.items())
            }
        return {HEADER: self._header(), **files} if self._is_new else files

    def settle(self, written: Mapping[str, bytes | None]) -> None:
        """Forget what was written, unless it has changed since."""
        with self._lock:
            for place, packed in list(self._waiting.items()):
                if written.get(_name(place), b"") == (packed or None):
                    del self._waiting[place]
            self._is_new = self._is_new and HEADER not in written

    @property
    def waiting_bytes(self) -> int:
        """Bytes in memory that are not on disk yet."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def windows(self) -> Iterator[Window]:
        """Yield the windows of all tiles, row by row."""
        for place in self.places():
            yield self.window_at(place)

    def places(self) -> list[Place]:
        """Return the places of all tiles, row by row."""
        return self._places(Window(0, 0, *self.shape))

    def window_at(self, place: Place) -> Window:
        """Return the part of the image that a tile covers."""
        height, width = (s.stop for s in self._extent(place))
        return Window(place[0] * self.tile, place[1] * self.tile, height, width)

    def state(self, place: Place) -> tuple[NDArray[Any], bytes, bytes]:
        """Return the labels (h, w) of a tile, how they are kept, and a digest for `exchange`."""
        while True:
            with self._lock:
                noted = self._digests.get(place)
            packed, tile = self._kept(place)
            values = self.unpacked(b"") if tile is None else tile
            digest = noted or _digest(values.tobytes())
            with self._lock:
                if self._digests.setdefault(place, digest) == digest:  # nobody wrote meanwhile
                    return values[self._extent(place)], packed, digest

    def state_of(self, values: NDArray[Any]) -> tuple[bytes, bytes]:
        """Return how labels (h, w) of a tile are kept, and their digest; nothing is written."""
        tile = np.zeros((self.tile, self.tile), self.dtype)
        tile[: values.shape[0], : values.shape[1]] = values
        content = tile.tobytes()
        return zlib.compress(content, _FASTEST) if tile.any() else b"", _digest(content)

    def exchange(self, place: Place, expected: bytes, packed: bytes, digest: bytes) -> bool:
        """Replace a tile if it is still what is expected; return whether it was."""
        with self._lock:
            if self._digests.get(place) != expected:
                return False
            self._digests[place], self._waiting[place] = digest, packed
            return True

    def unpacked(self, packed: bytes) -> NDArray[Any]:
        """Return a whole tile from how it is kept; not to be modified."""
        side = self.tile
        if not packed:
            return np.zeros((side, side), self.dtype)
        content = _unpacked(packed, side * side * self.dtype.itemsize)
        return np.frombuffer(content, self.dtype).reshape(side, side)

    def _put(self, place: Place, tile: NDArray[Any]) -> bool:
        """Keep a tile if it is another one now; return whether it is."""
        content = tile.tobytes()
        digest = _digest(content)
        if self._digests.get(place) == digest:
            return False
        packed = zlib.compress(content, _FASTEST) if tile.any() else b""
        with self._lock:
            self._digests[place] = digest
            self._waiting[place] = packed
            self.damaged.discard(place)
        return True

    def _tile(self, place: Place) -> NDArray[Any] | None:
        """Return a tile, not to be modified; None for one without labels."""
        return self._kept(place)[1]

    def _kept(self, place: Place) -> tuple[bytes, NDArray[Any] | None]:
        """Return a tile as it is kept, and what that is; nothing for one without labels."""
        with self._lock:
            packed = self._waiting.get(place)
        try:
            if packed is None:
                packed = b"" if self.folder is None else (self.folder / _name(place)).read_bytes()
            return packed, self.unpacked(packed) if packed else None
        except FileNotFoundError:
            pass
        except (OSError, zlib.error, ValueError):
            with self._lock:
                self.damaged.add(place)
        return b"", None

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
        with ThreadPoolExecutor(_THREADS) as threads:
            return list(threads.map(do, places))


def _form(told: Mapping[str, Any]) -> tuple[tuple[int, int], int, np.dtype[Any]]:
    """Return shape, side of a tile and type that a header tells."""
    height, width = (int(side) for side in told["shape"])
    tile, across = told["chunks"]
    plain = told["zarr_format"] == 2 and told["compressor"]["id"] == "zlib"
    fits = plain and told["dtype"] in _TYPES and 16 <= tile == across <= 8192
    if not fits or min(height, width) < 1 or height * width > _MOST_PIXELS:
        raise ValueError("another form")
    return (height, width), tile, np.dtype(told["dtype"])


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


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
