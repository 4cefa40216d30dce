"""One fetch of some weights at a time, whichever process it runs in."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from napari_firstpass.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock while the block runs; the system frees it when the process dies, however.

    Parameters
    ----------
    path : Path
        A file for it; stays, empty. Deleting it could give two processes one lock each.

    Raises
    ------
    WeightsError
        If another process holds it.
    """
    with path.open("ab") as file:
        try:
            _lock(file)
        except (BlockingIOError, PermissionError) as error:
            raise WeightsError(
                expected="one fetch of these weights at a time",
                found="another one that is running",
                remedy="wait for it, or stop it",
            ) from error
        yield
