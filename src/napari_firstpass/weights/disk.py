"""What happens to a disk when weights come and go."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_firstpass.errors import FirstPassError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VARIABLE = "FIRSTPASS_WEIGHTS"
"""Environment variable that names another folder of weights."""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the operating system says while a folder is written into a `WeightsError`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FirstPassError):
            raise
        raise WeightsError(
            expected=f"to write into {folder}",
            found=f"{error.strerror or error}",
            remedy=f"free some space there, or set {VARIABLE} to another folder",
        ) from error


def check_space(folder: Path, needed: int) -> None:
    """Make sure that a disk has room.

    Raises
    ------
    OSError
        If fewer than ``needed`` bytes are free.
    """
    if (free := shutil.disk_usage(folder).free) < needed:
        missing = f"{needed / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free"
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({missing})")


def flush(path: Path) -> None:
    """Wait until a file is on the disk."""
    # Network file systems report a full disk or quota only now.
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def discard(folder: Path) -> None:
    """Delete a folder; it loses its name first, so that nobody finds half of it."""
    doomed = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.removed")
    folder.replace(doomed)
    shutil.rmtree(doomed)
