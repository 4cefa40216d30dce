"""Hashes of files, large ones with progress."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from threading import Event
from typing import TYPE_CHECKING, Protocol

from napari_firstpass.progress import Progress, Steps, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from pathlib import Path
    from typing import Self

CHUNK = 2**24
"""Bytes read at once: some 20 ms of work."""


_AT_ONCE = min(4, os.cpu_count() or 1)
"""Files that are read side by side: hashing lets other threads go on."""

_PATIENCE = 0.1
"""Seconds between two looks at how far the hashing has come."""


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


def sha256_steps(path: Path) -> Steps[str]:
    """Return the sha256 of a file in hexadecimal; counts bytes."""
    return (yield from _digest(path, hashlib.sha256()))


def sha256_of_each_steps(paths: Sequence[Path]) -> Steps[list[str]]:
    """Return the sha256 of several files in hexadecimal, read side by side; counts bytes."""
    with Hashing(paths) as hashing:
        return (yield from hashing.result_steps())


class Hashing:
    """Hashes of files that other threads compute from ``with`` on, until its block ends.

    Parameters
    ----------
    paths : sequence of Path
        The files; `OSError` if there is none.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._size = sum(path.stat().st_size for path in paths)
        self._read = [0] * len(paths)
        self._stop = Event()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="firstpass")
        self._jobs: list[Future[str]] = []

    def __enter__(self) -> Self:
        self._jobs = [self._threads.submit(self._hashed, i) for i in range(len(self._paths))]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._threads.shutdown(cancel_futures=True)

    def result_steps(self) -> Steps[list[str]]:
        """Return the sha256 of each file in hexadecimal; counts bytes."""
        while wait(self._jobs, _PATIENCE).not_done:
            yield Progress(sum(self._read), self._size)
        return [job.result() for job in self._jobs]

    def _hashed(self, place: int) -> str:
        def count(progress: Progress) -> None:
            if self._stop.is_set():
                raise CancelledError
            self._read[place] = progress.done

        return run(sha256_steps(self._paths[place]), count)


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
