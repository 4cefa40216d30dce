"""A mark in a folder that says who works in it; that of a process that has died counts no more."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from napari_firstpass.errors import OutputError
from napari_firstpass.io.files import writing
from napari_firstpass.io.json_file import json_bytes

LOCK = "lock.json"
_TRIES = 5
_SYNCHRONIZE = 0x100000


@dataclass(frozen=True, slots=True)
class ProjectLock:
    """The right to write into a folder.

    Attributes
    ----------
    path : Path
        The file that says so.
    token : str
        Tells it from that of another window of the same process.
    was_left : bool
        Whether a process had died here before.
    """

    path: Path
    token: str
    was_left: bool

    @classmethod
    def take(cls, folder: Path) -> ProjectLock:
        """Take the right to write into a folder that exists.

        Raises
        ------
        OutputError
            If somebody has it, or the folder may not be written.
        """
        path, token, was_left = folder / LOCK, secrets.token_hex(8), False
        mine = {"host": socket.gethostname(), "pid": os.getpid(), "token": token}
        mine["began"] = _began(os.getpid())
        for _ in range(_TRIES):
            with writing(folder), suppress(FileExistsError):
                with path.open("xb") as file:
                    file.write(json_bytes(mine))
                return cls(path, token, was_left)
            holder = holder_of(folder)
            if holder is not None:
                raise OutputError(
                    expected=f"to be the only one who works in {folder.name}",
                    found=f"it open in {holder}",
                    remedy="close it there first",
                )
            was_left = True
            _remove_left(path)
        raise OutputError(
            expected=f"to lock {folder}",
            found="others who do so at the same time",
            remedy="try again",
        )

    def release(self) -> None:
        """Give the right back."""
        with suppress(OSError, ValueError):
            if json.loads(self.path.read_bytes())["token"] == self.token:
                self.path.unlink()


def holder_of(folder: Path) -> str | None:
    """Return who works in a folder: ``process 123``; None for nobody who is alive."""
    try:
        told = json.loads((folder / LOCK).read_bytes())
        host, pid, began = told["host"], int(told["pid"]), told["began"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if host != socket.gethostname():
        return f"process {pid} of {host}"
    if not _is_alive(pid) or (began is not None and began != _began(pid)):
        return None
    return "another window" if pid == os.getpid() else f"process {pid}"


def was_left(folder: Path) -> bool:
    """Tell whether a process has died while it worked in a folder."""
    return (folder / LOCK).exists() and holder_of(folder) is None


def _remove_left(path: Path) -> None:
    """Remove the mark of a process that died; of two who do so, one removes it."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with suppress(OSError):
        path.rename(aside)
        aside.unlink()


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":  # where the call below would end the process
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(_SYNCHRONIZE, 0, pid)
        ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to somebody else
        return True
    return True


def _began(pid: int) -> str | None:
    """Return when a process began, where the system tells: numbers are given out anew."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    return None
