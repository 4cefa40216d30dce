"""Hashes of files, large ones with progress."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Protocol

from napari_firstpass.progress import Progress, Steps, run

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 2**24
"""Bytes read at once: some 20 ms of work."""


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


def sha256_steps(path: Path) -> Steps[str]:
    """Return the sha256 of a file in hexadecimal; counts bytes."""
    return (yield from _digest(path, hashlib.sha256()))


def blob_sha1_steps(path: Path) -> Steps[str]:
    """Return the id that git gives to a file of this content; counts bytes."""
    # Nothing hangs on it but whether the transfer went well: git offers no other hash.
    head = b"blob %d\0" % path.stat().st_size
    return (yield from _digest(path, hashlib.sha1(head, usedforsecurity=False)))


def _digest(path: Path, digest: _Hash) -> Steps[str]:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            yield Progress(file.tell(), size, path.name)
    return digest.hexdigest()


def folder_sha256(path: Path, without: str) -> str:
    """Return one hash for the names and contents of all files in a folder.

    Parameters
    ----------
    path : Path
        The folder; hidden files and folders in it do not count.
    without : str
        Name of a file at its top that does not count either.

    Returns
    -------
    str
        64 hexadecimal digits; the same wherever the folder lies.
    """
    whole = hashlib.sha256()
    for file in visible_files(path):
        name = file.relative_to(path).as_posix()
        if name != without:
            whole.update(f"{run(sha256_steps(file))} {name}\n".encode())
    return whole.hexdigest()


def visible_files(folder: Path) -> list[Path]:
    """Return the files in a folder and below, in the order of their names, but no hidden ones."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    seen = [path for path in files if not _is_hidden(path.relative_to(folder))]
    return sorted(seen, key=lambda path: path.relative_to(folder).as_posix())


def _is_hidden(inner: Path) -> bool:
    return any(part.startswith(".") for part in inner.parts)
