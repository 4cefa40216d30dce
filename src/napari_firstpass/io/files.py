"""Writing files whole or not at all, and never over another one by accident."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.errors import FirstPassError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SIDECARS = (".aux.xml", ".ovr", ".msk")
"""Suffixes that GDAL appends to a file's whole name, for what it keeps beside the file."""

_REASONS = {
    errno.ENOSPC: ("a full disk", "free some space or choose another disk"),
    errno.EDQUOT: ("a full quota", "free some space or choose another disk"),
    errno.EFBIG: ("a limit on the size of files", "raise it or choose another disk"),
    errno.EROFS: ("a read-only disk", "choose another folder"),
    errno.EACCES: ("a folder or file that may not be written", "choose another folder"),
    errno.EPERM: ("a folder or file that may not be written", "choose another folder"),
    errno.ENOENT: ("no such folder", "create the folder first"),
    errno.ENOTDIR: ("a file where its folder should be", "choose another folder"),
    errno.ENAMETOOLONG: ("a name too long for this disk", "choose a shorter name"),
}


@contextmanager
def whole_file(
    path: str | os.PathLike[str], *, overwrite: bool = False, forbid: Iterable[Path] = ()
) -> Iterator[Path]:
    """Write a file through a hidden neighbour, which replaces it only when all went well.

    Sidecars (`SIDECARS`) that were written beside the neighbour move along; those of a file that
    is replaced vanish with it. Whatever ends the block early (an error, Ctrl-C, a generator that
    is closed) removes the neighbour and leaves ``path`` as it was.

    Parameters
    ----------
    path : path
        The file to write.
    overwrite : bool
        Whether ``path`` and its sidecars may be replaced.
    forbid : iterable of Path
        Files that must not be replaced even then: the inputs.

    Yields
    ------
    Path
        The neighbour: an empty file in the same folder, with the same suffix.

    Raises
    ------
    OutputError
        If the folder is missing, full or read-only, ``path`` exists or is an input.
    """
    target = Path(path)
    partial = target.with_name(f".{target.stem[:64]}.{secrets.token_hex(4)}.partial{target.suffix}")
    with writing(target):
        check_output(target, overwrite=overwrite, forbid=forbid)
        partial.touch(exist_ok=False)
    try:
        yield partial
        with writing(target):
            _commit(partial, target)
    finally:
        for leftover in (partial, *sidecars(partial)):
            leftover.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the operating system says while ``path`` is written into an `OutputError`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FirstPassError):
            raise
        default = (error.strerror or str(error), "choose another folder")
        found, remedy = _REASONS.get(error.errno or 0, default)
        raise OutputError(expected=f"to write {path}", found=found, remedy=remedy) from error


def check_output(path: Path, *, overwrite: bool, forbid: Iterable[Path] = ()) -> None:
    """Refuse a path that may not be written; nothing is touched.

    Raises
    ------
    OutputError
        If ``path`` is one of ``forbid``, a folder, or exists without ``overwrite``.
    """
    if any(_is_same_file(path, other) for other in forbid):
        raise OutputError(
            expected="an output beside the input",
            found=f"{path}, which is an input",
            remedy="choose another output name",
        )
    if not path.parent.is_dir():
        raise OutputError(
            expected=f"an existing folder for {path.name}",
            found=f"none at {path.parent}",
            remedy="create the folder first",
        )
    if path.exists() and not path.is_file():
        raise OutputError(
            expected="a path for a file",
            found=f"{path}, which is a folder or a device",
            remedy="add a file name",
        )
    existing = next((p for p in (path, *sidecars(path)) if os.path.lexists(p)), None)
    if existing is not None and not overwrite:
        raise OutputError(
            expected="an output that does not exist yet",
            found=f"{existing}",
            remedy="choose another name, or ask to overwrite it",
        )


def sidecars(path: Path) -> tuple[Path, ...]:
    """Return where GDAL would keep what belongs to ``path``, whether the files exist or not."""
    return tuple(path.with_name(path.name + suffix) for suffix in SIDECARS)


def check_growth(path: Path, size: int) -> None:
    """Make sure that a file can grow by ``size`` bytes: the room is taken and given back.

    Raises
    ------
    OSError
        If the disk or quota is too full, or files may not get that large.
    """
    before = path.stat().st_size
    with path.open("r+b") as file:
        try:
            if sys.platform == "linux":
                os.posix_fallocate(file.fileno(), before, size)
            else:
                _check_free(path, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
            _check_free(path, size)  # a disk that cannot set room aside
        finally:
            file.truncate(before)


def _check_free(path: Path, size: int) -> None:
    if shutil.disk_usage(path.parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _is_same_file(path: Path, other: Path) -> bool:
    # Also true for hard and symbolic links, and for other spellings of one path.
    return path.exists() and other.exists() and path.samefile(other)


def _commit(partial: Path, target: Path) -> None:
    """Move a finished neighbour and its sidecars into place."""
    moved = (partial, *sidecars(partial))
    places = (target, *sidecars(target))
    for source in moved:
        if source.exists():
            _flush_to_disk(source)
    # The file itself comes first: if it cannot be replaced (on Windows: open in a GIS), its old
    # sidecars still fit.
    for source, place in zip(moved, places, strict=True):
        if source.exists():
            source.replace(place)
        else:
            place.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    # Network file systems report a full disk or quota only now.
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
