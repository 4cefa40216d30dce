"""Hashes of files, large ones with progress."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Protocol

from napari_firstpass.progress import Progress, Steps

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
