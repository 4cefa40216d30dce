"""One piece of work at a time, whichever process it runs in."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_firstpass.errors import FirstPassError

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def alone(path: Path, busy: FirstPassError) -> Iterator[None]:
    """Hold a lock while the block runs; the system frees it when the process dies, however.

    Parameters
    ----------
    path : Path
        A file for it; stays as it is. Deleting it could give two processes one lock each.
    busy : FirstPassError
        What to say if another process holds it.

    Raises
    ------
    FirstPassError
        ``busy``.
    """
    with path.open("ab") as file:
        try:
            _lock(file)
        except (BlockingIOError, PermissionError) as error:
            raise busy from error
        yield
