"""Somebody's work on one image in a folder: labels in tiles, and all else as JSON."""

from __future__ import annotations

import json
import re
import shutil
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from napari_firstpass.errors import FirstPassError, ImageReadError, OutputError
from napari_firstpass.grid import Window
from napari_firstpass.io.journal import commit, finish, put_aside
from napari_firstpass.io.json_file import json_bytes
from napari_firstpass.io.tile_store import HEADER, TileStore
from napari_firstpass.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_firstpass.progress import Steps

SUFFIX = ".firstpass"
RECORD, BEFORE, MARKS = "project.json", "project.before.json", "prompts.geojson"
_FORMAT = "napari-firstpass project"
_VERSION = 1
_LAYERS, _ARRAYS = "layers", "arrays"
_LARGEST_RECORD = 2**28
_HELD_PIXELS = 64 * 2**20
_AT_ONCE = 128
"""Tiles that are brought up to date in one go, after classes of all of them became others."""
_PLACE = re.compile(r"(layers|arrays)/[0-9a-z-]{1,64}(\.[a-z]{1,32})?")


@dataclass(frozen=True, slots=True)
class SavedLayer:
    """A labels layer, on its way to a folder or from it.

    Attributes
    ----------
    number : int
        Tells it from the other layers of the project, for ever.
    about : dict
        All but pixels, as plain values for JSON.
    labels : (H, W) integer array or TileStore
        Class ids. Somebody may paint on them while they are written.
    arrays : dict of str to (H, W) array or TileStore
        Others that belong to it, which nobody modifies.
    parts : dict of str to bytes
        What has a form of its own.
    """

    number: int
    about: dict[str, Any]
    labels: NDArray[Any] | TileStore
    arrays: dict[str, NDArray[Any] | TileStore] = field(default_factory=dict)
    parts: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a folder holds.

    Attributes
    ----------
    image : dict
        The image it belongs to, as plain values; empty if nobody knows any more.
    layers : tuple of SavedLayer
        The labels.
    troubles : tuple of str
        What could not be read, a sentence each.
    marks : bytes or None
        What was pointed at and not accepted yet, as GeoJSON.
    """

    image: dict[str, Any]
    layers: tuple[SavedLayer, ...]
    troubles: tuple[str, ...] = ()
    marks: bytes | None = None


class ProjectFolder:
    """Writes work on one image, of which only what changed; used by one thread at a time.

    Parameters
    ----------
    path : Path
        The folder.
    tile : int
        Side of the tiles of labels that are written for the first time.
    """

    def __init__(self, path: Path, tile: int = 512) -> None:
        self.path, self._tile = path, tile
        self._stores: dict[str, TileStore] = {}
        self._names: dict[int, tuple[weakref.ref[NDArray[Any]], str]] = {}
        self._record = b""
        self._parts: dict[str, bytes] = {}

    def save_steps(
        self, image: Mapping[str, Any], layers: Sequence[SavedLayer], marks: bytes | None = None
    ) -> Steps[int]:
        """Write what changed, all of it or nothing; return how many bytes that were.

        Parameters
        ----------
        image : mapping
            What it is, as plain values.
        layers : sequence of SavedLayer
            The labels.
        marks : bytes or None
            What is pointed at and not accepted yet, as GeoJSON.

        What somebody has removed from the folder meanwhile is written again.

        Raises
        ------
        OutputError
            If the disk is full or may not be written, or if tiles of a large scene were removed,
            which are nowhere else. What was saved before is still there.
        """
        told: list[dict[str, Any]] = []
        stores: dict[str, TileStore] = {}
        contents = {} if marks is None else {MARKS: marks}
        for index, layer in enumerate(layers):
            yield Progress(index, len(layers) + 1, "looking what changed")
            name, store = self._labels(layer)
            store.catch_up(_AT_ONCE)
            arrays = {key: self._array(layer, key, stores) for key in layer.arrays}
            stores[name] = store
            parts = {key: f"{_LAYERS}/{layer.number}.{key}" for key in layer.parts}
            contents |= {parts[key]: content for key, content in layer.parts.items()}
            told.append(
                {"number": layer.number, "labels": name, "arrays": arrays, "parts": parts}
                | {"about": layer.about}
            )
        written = {name: store.pending() for name, store in stores.items()}
        files: dict[str, bytes | None] = {
            name: content
            for name, content in contents.items()
            if self._parts.get(name) != content or not (self.path / name).exists()
        }
        if marks is None and (self.path / MARKS).exists():
            files[MARKS] = None
        for name, tiles in written.items():
            files |= {f"{name}/{tile}": content for tile, content in tiles.items()}
        yield Progress(len(layers), len(layers) + 1, "writing")
        record = json_bytes(
            {"format": _FORMAT, "version": _VERSION, "image": dict(image), "layers": told}
        )
        is_there = record == self._record and (self.path / RECORD).exists()
        if not files and is_there:
            return 0
        before = {BEFORE: self._record} if self._record else {}
        records = {} if is_there else {**before, RECORD: record}
        commit(self.path, {**files, **records})
        for name, tiles in written.items():
            stores[name].settle(tiles)
        self._stores, self._record, self._parts = stores, record, contents
        self._tidy(stores)
        return sum(len(content) for content in files.values() if content)

    def _labels(self, layer: SavedLayer) -> tuple[str, TileStore]:
        """Return the store of a layer, which holds its pixels as they are now."""
        labels = layer.labels
        height, width = labels.shape[:2]
        # Of another size or type, they are other files.
        name = f"{_LAYERS}/{layer.number}-{height}x{width}-{labels.dtype.str[1:]}"
        if isinstance(labels, TileStore):
            if name in self._stores and not (self.path / name / HEADER).exists():
                raise OutputError(
                    expected=f"the tiles of a large scene in {self.path / name}",
                    found="that they were removed",
                    remedy="put the folder back, or reopen the image",
                )
            labels.folder = self.path / name
            return name, labels
        store = self._store(name)
        if store is None:
            store = TileStore(self.path / name, (height, width), labels.dtype, self._tile)
        store.take(labels)
        return name, store

    def _store(self, name: str) -> TileStore | None:
        """Return the tiles of this name, if they are on the disk."""
        return self._stores.get(name) if (self.path / name / HEADER).exists() else None

    def _array(self, layer: SavedLayer, key: str, stores: dict[str, TileStore]) -> str:
        """Return the name of an array that nobody modifies; it is written once."""
        values = layer.arrays[key]
        if isinstance(values, TileStore):
            name = f"{_ARRAYS}/{layer.number}-{key}"
            values.folder = self.path / name
            stores[name] = values
            return name
        known = self._names.get(id(values))
        if known is None or known[0]() is not values:
            digest = sha256(repr((values.shape, values.dtype.str)).encode())
            for row in range(0, len(values), self._tile):
                digest.update(values[row : row + self._tile].tobytes())
            name = f"{_ARRAYS}/{digest.hexdigest()[:32]}"
            self._names[id(values)] = weakref.ref(values), name
        name = self._names[id(values)][1]
        if name not in stores:
            store = self._store(name)
            if store is None:
                shape = values.shape[0], values.shape[1]
                store = TileStore(self.path / name, shape, values.dtype, self._tile)
                store.take(values)
            stores[name] = store
        return name

    def _tidy(self, stores: Mapping[str, TileStore]) -> None:
        """Remove labels that nothing refers to any more."""
        for group in (_LAYERS, _ARRAYS):
            with suppress(OSError):
                for folder in (self.path / group).iterdir():
                    if folder.is_dir() and f"{group}/{folder.name}" not in stores:
                        shutil.rmtree(folder, ignore_errors=True)


def read_project_steps(path: Path) -> Steps[Recovered]:
    """Read what a project holds; of a damaged one, what is still there.

    Raises
    ------
    ImageReadError
        If there is nothing that could be read, or a newer version of this package wrote it.
    """
    yield Progress(0, 1, "reading the project")
    _refuse_newer(path)
    troubles: list[str] = []
    try:
        finish(path)
    except FirstPassError as error:
        put_aside(path)
        troubles.append(f"The last change is lost: {error}.")
    told = _record(path, troubles)
    layers = []
    for index, entry in enumerate(told["layers"]):
        yield Progress(index, len(told["layers"]), "reading labels")
        try:
            layers.append(_layer(path, entry, index + 1, troubles))
        except (FirstPassError, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
            troubles.append(f"Labels {index + 1} are lost: {error}.")
    marks = _marks(path, troubles)
    if not layers and marks is None:
        raise ImageReadError(
            expected=f"labels in {path}",
            found=" ".join(troubles) or "none",
            remedy="check the folder, or begin anew",
        )
    return Recovered(dict(told["image"]), tuple(layers), tuple(troubles), marks)


def holds_work(path: Path) -> bool:
    """Tell whether a project holds anything that somebody would miss; in doubt, it does."""
    try:
        return bool(_checked(path / RECORD)["layers"]) or (path / MARKS).exists()
    except (OSError, ValueError):
        return True


def remove_empty(path: Path) -> None:
    """Remove a project in which nothing is left: neither labels nor marks, nor files of others."""
    if not holds_work(path):
        for name in (BEFORE, RECORD):
            (path / name).unlink(missing_ok=True)
        for name in (_LAYERS, _ARRAYS, ""):
            with suppress(OSError):
                (path / name).rmdir()


def peek(path: Path) -> dict[str, Any]:
    """Return the image that a project belongs to, as plain values; empty if nobody knows."""
    for name in (RECORD, BEFORE):
        with suppress(FirstPassError, OSError, ValueError, KeyError, TypeError):
            return dict(_told(path / name)["image"])
    return {}


def _refuse_newer(path: Path) -> None:
    """Leave a project alone that a newer version of this package wrote."""
    version = None
    with suppress(OSError, ValueError):
        version = _told(path / RECORD).get("version")
    if isinstance(version, int) and version > _VERSION:
        raise ImageReadError(
            expected=f"a project of version {_VERSION} in {path}",
            found=f"one of version {version}",
            remedy="update napari-firstpass; the project is as it was",
        )


def _record(path: Path, troubles: list[str]) -> dict[str, Any]:
    """Return the list of labels: the newest, else the one before, else what the folder shows."""
    for name in (RECORD, BEFORE):
        try:
            found = _checked(path / name)
        except (OSError, ValueError) as error:
            if not isinstance(error, FileNotFoundError) or name == RECORD:
                troubles.append(f"{name} is damaged: {error}.")
            continue
        if name == BEFORE:
            troubles.append("Names and classes are those of the save before the last.")
        return found
    headers = sorted((path / _LAYERS).glob(f"*/{HEADER}"))
    troubles.append("Names and classes are lost; the pixels are there.")
    return {
        "image": {},
        "layers": [
            {"number": number, "labels": f"{_LAYERS}/{header.parent.name}", "about": {}}
            for number, header in enumerate(headers, start=1)
        ],
    }


def _told(path: Path) -> dict[str, Any]:
    """Read a record of any version."""
    if path.stat().st_size > _LARGEST_RECORD:
        raise ValueError("too large")
    told = json.loads(path.read_bytes())
    if not isinstance(told, dict) or told.get("format") != _FORMAT:
        raise ValueError("another kind of file")
    return told


def _checked(path: Path) -> dict[str, Any]:
    """Read a record, and make sure that it is one of this version."""
    told = _told(path)
    if told.get("version") != _VERSION:
        raise ValueError("another version")
    if not (isinstance(told.get("layers"), list) and isinstance(told.get("image"), dict)):
        raise ValueError("an incomplete list")  # noqa: TRY004 - of a file, not of an argument
    return told


def _marks(path: Path, troubles: list[str]) -> bytes | None:
    try:
        return (path / MARKS).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        troubles.append(f"Marks that were not accepted are lost: {error}.")
        return None


def _layer(
    path: Path, entry: Mapping[str, Any], place_in_list: int, troubles: list[str]
) -> SavedLayer:
    """Read labels, and of all that belongs to them what can be read."""
    told, about = entry.get("number"), _mapping(entry, "about")
    number = told if isinstance(told, int) else place_in_list
    name = about.get("name", f"labels {number}")
    store = _opened(path, entry["labels"])
    if store.trouble:
        troubles.append(f"Of “{name}”, {store.trouble}.")
    labels = _held(store, name, troubles)
    arrays, parts = {}, {}
    for key, place in _mapping(entry, "arrays").items():
        try:
            arrays[key] = _held(_opened(path, place), f"{name}, {key}", troubles)
        except (FirstPassError, TypeError, ValueError):
            troubles.append(f"{key} of “{name}” is lost.")
    for key, place in _mapping(entry, "parts").items():
        try:
            parts[key] = (path / _allowed(place)).read_bytes()
        except (OSError, TypeError, ValueError):
            troubles.append(f"{key} of “{name}” is lost.")
    return SavedLayer(number, about, labels, arrays, parts)


def _mapping(entry: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a part of a record, empty if it is none."""
    found = entry.get(key)
    return dict(found) if isinstance(found, dict) else {}


def _opened(path: Path, place: str) -> TileStore:
    return TileStore.open(path / _allowed(place))


def _allowed(place: str) -> str:
    """Return a place if it lies in the folder."""
    if not _PLACE.fullmatch(place):
        raise ValueError(f"{place!r} is no place in a project")
    return place


def _held(store: TileStore, name: str, troubles: list[str]) -> NDArray[Any] | TileStore:
    """Return all values, or where they are read from if they are too many for memory."""
    if store.shape[0] * store.shape[1] > _HELD_PIXELS:
        return store
    values = store.read(Window(0, 0, *store.shape))
    if store.damaged:
        count = sum(1 for _ in store.windows())
        troubles.append(f"{len(store.damaged)} of {count} tiles of “{name}” are damaged.")
    return values
