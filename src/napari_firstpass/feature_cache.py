"""What networks make of images, on disk: computed once, found again by other runs and processes.

Nothing is locked. An entry is written under a name of its own and then moved to its place, so a
reader sees a whole entry or none. Whatever else may happen to a file (removed by another process,
damaged, replaced by something foreign) makes it a miss, never an error.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from napari_firstpass.errors import (
    FirstPassError,
    GridMismatchError,
    OptionError,
    OutputError,
    WeightsError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_firstpass.features import FeatureMap
    from napari_firstpass.grid import Grid

T = TypeVar("T")

FOLDER_VARIABLE = "FIRSTPASS_CACHE"
"""The environment variable that names the folder."""

DEFAULT_LIMIT = 20 * 10**9
"""Bytes of all entries together."""

_FREE_SHARE = 2
"""Of what would be free without the cache, it takes at most one part in so many."""

_LEFT = 0.9
"""Share of the limit that is left after an eviction, so that not every entry evicts one."""

_RESCAN = 0.1
"""Share of the limit that may be written before what others wrote is counted again."""

_STALE_S = 3600
"""Age at which a temporary file belongs to nobody: its process was killed."""

_KEY = re.compile(r"[0-9a-f]{64}")
_ENTRY = re.compile(r"[0-9a-f]{64}\.safetensors")
_PARTIAL = re.compile(r"\.[0-9a-f]{64}\.[0-9a-f]{8}\.partial")


@dataclass(frozen=True, slots=True)
class Contents:
    """What lies in a cache.

    Attributes
    ----------
    entries : int
        How many.
    size_bytes : int
        Of all of them.
    """

    entries: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _File:
    """A file of ours; ``used`` is when it was last written or read, in nanoseconds."""

    used: int
    path: str
    size: int


class FeatureCache:
    """A folder of feature maps, of which those unused for the longest time make room for others.

    A disk that is full, or a folder that cannot be written, stops no run: `trouble` tells, entries
    that are there are still read, and nothing further is written.

    Parameters
    ----------
    folder : Path
        Made when the first entry is written. Files that are not ours are left alone.
    limit : int
        Bytes of all entries together. If half of what would be free on the disk without them is
        less, that is the limit. While several processes write, it may be passed by what they are
        writing and by a tenth for each of them; the next eviction removes it again.

    Raises
    ------
    OptionError
        If the limit is negative.
    """

    def __init__(self, folder: Path, limit: int = DEFAULT_LIMIT) -> None:
        if limit < 0:
            raise OptionError(
                expected="a limit of at least 0 bytes",
                found=str(limit),
                remedy="give another limit; 0 keeps nothing",
            )
        self.folder = folder
        self._limit = limit
        self._used: int | None = None  # bytes; not known before the first look
        self._added = 0  # bytes since the last look
        self.trouble: FirstPassError | None = None
        """Why nothing is stored any more, None while all is well; for the caller to show once."""

    def get(self, key: str, grid: Grid) -> FeatureMap | None:
        """Return the features stored under ``key``, on the CPU, None if there are none.

        An entry that is damaged, or does not fit, is removed.

        Parameters
        ----------
        key : str
            64 hexadecimal digits.
        grid : Grid
            Of the image that the features describe.
        """
        from napari_firstpass.feature_file import unpack_features

        return self.load(key, lambda content: unpack_features(content, key, grid))

    def load(self, key: str, unpack: Callable[[bytes], T]) -> T | None:
        """Return what was stored under ``key`` by `store`, None if there is nothing.

        Parameters
        ----------
        key : str
            64 hexadecimal digits.
        unpack : callable
            Makes it of the bytes of an entry. If it raises `WeightsError` or `GridMismatchError`,
            the entry is damaged or does not fit, and is removed.
        """
        place = self._place(key)
        try:
            content = place.read_bytes()
        except OSError:  # there is none; or, on Windows, it is just being replaced
            return None
        try:
            found = unpack(content)
        except (WeightsError, GridMismatchError):
            _is_removed(place)
            return None
        with suppress(OSError):  # of a folder that may only be read, or just removed
            os.utime(place)
        return found

    def put(self, key: str, features: FeatureMap) -> None:
        """Store features under ``key``; what is larger than the limit is not stored.

        Parameters
        ----------
        key : str
            64 hexadecimal digits that stand for all that the features depend on.
        features : FeatureMap
            On any device.
        """
        from napari_firstpass.feature_file import pack_features

        self.store(key, lambda: pack_features(features, key))

    def store(self, key: str, pack: Callable[[], bytes]) -> None:
        """Store bytes under ``key``; what is larger than the limit is not stored.

        Parameters
        ----------
        key : str
            64 hexadecimal digits.
        pack : callable
            Makes the bytes, from which it can be told that they are whole; not called where
            nothing is kept any more.
        """
        place = self._place(key)
        if self.trouble is not None:
            return
        content = pack()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._has_room(len(content)):
                self._write(place, content)
        except OSError as error:
            self.trouble = OutputError(
                expected=f"to keep features in {self.folder}",
                found=error.strerror or str(error),
                remedy=f"free some space, or set {FOLDER_VARIABLE} to another folder; "
                "the run goes on without",
            )

    def contents(self) -> Contents:
        """Count the entries."""
        return _counted(self._files()[0])

    def limit(self) -> int:
        """Return the limit in bytes that holds now, as full as the disk is."""
        return self._limit_with(self.contents().size_bytes)

    def clear(self) -> Contents:
        """Remove every entry and all temporary files; return what entries there were.

        Raises
        ------
        OutputError
            If some may not be removed; the others are.
        """
        entries, partials = self._files()
        # A process that is just writing a temporary file does without: its entry is not stored.
        kept = [file for file in (*entries, *partials) if not _is_removed(file.path)]
        self._used = None
        if kept:
            raise OutputError(
                expected=f"to remove all entries in {self.folder}",
                found=f"{len(kept)} that are in use or may not be removed",
                remedy="end other runs, check who owns the folder, and clear it again",
            )
        return _counted(entries)

    def _place(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise OptionError(
                expected="a key of 64 hexadecimal digits",
                found=repr(key),
                remedy="use the SHA-256 of all that the features depend on",
            )
        return self.folder / key[:2] / f"{key}.safetensors"

    def _files(self) -> tuple[list[_File], list[_File]]:
        """Find entries and temporary files; what others remove meanwhile is passed over."""
        entries: list[_File] = []
        partials: list[_File] = []
        for index in range(256):
            with suppress(OSError), os.scandir(self.folder / f"{index:02x}") as found:
                for file in found:
                    if _ENTRY.fullmatch(file.name):
                        entries += _described(file)
                    elif _PARTIAL.fullmatch(file.name):
                        partials += _described(file)
        return entries, partials

    def _limit_with(self, used: int) -> int:
        return allowed_bytes(self._limit, used, _free_bytes(self.folder))

    def _has_room(self, needed: int) -> bool:
        """Return whether an entry of that size may be written; others make room if they must."""
        if self._used is None or self._added > _RESCAN * self._limit:
            self._look()
        allowed = self._limit_with(self._used or 0)
        if needed <= allowed < (self._used or 0) + needed:
            self._evict(needed)
        return (self._used or 0) + needed <= self._limit_with(self._used or 0)

    def _look(self) -> list[_File]:
        """Count what is there, also by others, and tidy up; the longest unused comes first."""
        entries, partials = self._files()
        oldest = time.time_ns() - _STALE_S * 10**9
        for partial in partials:
            if partial.used < oldest:
                _is_removed(partial.path)
        self._used, self._added = _counted(entries).size_bytes, 0
        return sorted(entries, key=lambda file: (file.used, file.path))

    def _evict(self, needed: int) -> None:
        files = self._look()
        used = _counted(files).size_bytes
        allowed = self._limit_with(used)
        if used + needed > allowed:
            for file in files:
                if used <= _LEFT * allowed - needed:
                    break
                used -= file.size if _is_removed(file.path) else 0
        self._used = used

    def _write(self, place: Path, content: bytes) -> None:
        """Write an entry; it is not flushed: what a power cut does to it is seen when it is read.

        Raises
        ------
        OSError
            If the disk is full, or may not be written.
        """
        place.parent.mkdir(exist_ok=True)
        partial = place.with_name(f".{place.stem}.{secrets.token_hex(4)}.partial")
        try:
            partial.write_bytes(content)
            # Another process reads the entry (on Windows), or has cleared ours away: not stored.
            with suppress(PermissionError, FileNotFoundError):
                partial.replace(place)
                self._used = (self._used or 0) + len(content)
                self._added += len(content)
        finally:
            _is_removed(partial)


@dataclass(frozen=True, slots=True)
class KeptFeatures:
    """Where features are kept, and in how much room.

    Attributes
    ----------
    folder : Path or None
        Preferred; see `default_folder`.
    limit : int
        Bytes; see `FeatureCache`.
    """

    folder: Path | None = None
    limit: int = DEFAULT_LIMIT

    def opened(self) -> FeatureCache:
        """Return the cache itself."""
        return FeatureCache(default_folder(self.folder), self.limit)


KEPT = KeptFeatures()
"""What nobody has set otherwise."""


def allowed_bytes(limit: int, used: int, free: int | None) -> int:
    """Return how large a cache of ``used`` bytes may be: half of the disk's room, or ``limit``.

    Parameters
    ----------
    limit : int
        Bytes that it never passes.
    used : int
        Bytes that it has now.
    free : int or None
        Bytes that are free beside it; None for disks that do not tell.
    """
    return limit if free is None else min(limit, (used + free) // _FREE_SHARE)


def default_folder(preferred: Path | None = None) -> Path:
    """Return where features are kept.

    That is what FIRSTPASS_CACHE says, else ``preferred``, else a folder in the user's caches.

    Raises
    ------
    OptionError
        If the system knows no folder of the user, or ``preferred`` is no full path: what a setting
        names must not depend on where a program was started.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    try:
        if not chosen and preferred is not None:
            return _full(preferred.expanduser())
        return Path(chosen) if chosen else _user_caches() / "napari-firstpass" / "features"
    except RuntimeError as error:
        raise OptionError(
            expected="a home folder to keep features in",
            found="a user without one",
            remedy=f"set {FOLDER_VARIABLE} to a folder",
        ) from error


def _full(path: Path) -> Path:
    if path.is_absolute():
        return path
    raise OptionError(
        expected="a full path of a folder to keep features in",
        found=str(path),
        remedy="write it in full, or leave it empty",
    )


def _user_caches() -> Path:
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    if Path(chosen).is_absolute():  # the specification tells to ignore others
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")


def _counted(files: list[_File]) -> Contents:
    return Contents(len(files), sum(file.size for file in files))


def _described(file: os.DirEntry[str]) -> list[_File]:
    """Return a file with its size and time, nothing if it is no file or no longer there."""
    with suppress(OSError):
        if file.is_file(follow_symlinks=False):
            # Asked anew: Windows keeps no fresh size and time in the folder itself.
            status = Path(file.path).stat()
            return [_File(status.st_mtime_ns, file.path, status.st_size)]
    return []


def _free_bytes(folder: Path) -> int | None:
    """Return what is free on the disk of a folder, which need not exist yet."""
    for place in (folder, *folder.absolute().parents):
        with suppress(OSError):
            usage = shutil.disk_usage(place)
            return usage.free if usage.total else None  # some network disks do not tell
    return None


def _is_removed(path: str | Path) -> bool:
    """Remove a file; return whether it is gone, whoever removed it."""
    try:
        Path(path).unlink(missing_ok=True)
    except OSError:  # in use on Windows, or a folder that may only be read
        return False
    return True
