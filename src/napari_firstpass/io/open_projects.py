"""Which projects are open now: what a killed process leaves here is offered at the next start."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from napari_firstpass.io.project_lock import was_left

FOLDER_VARIABLE = "FIRSTPASS_STATE"
"""The environment variable that names the folder of these notes."""

_MOST = 200


def state_folder() -> Path:
    """Return where we note what is open: what FIRSTPASS_STATE says, or the user's own data."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen)
    return _user_state() / "napari-firstpass"


def note_open(project: Path) -> None:
    """Note that a project is open; whether that can be noted is not vital."""
    with suppress(OSError, RuntimeError):
        note = _note(project)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(str(project), encoding="utf-8")


def note_closed(project: Path) -> None:
    """Note that it is not."""
    with suppress(OSError, RuntimeError):
        _note(project).unlink(missing_ok=True)


def left_open() -> tuple[Path, ...]:
    """Return the projects in which a process has died, the last first."""
    found: list[tuple[float, Path]] = []
    with suppress(OSError, RuntimeError):
        for note in sorted((state_folder() / "open").iterdir())[:_MOST]:
            with suppress(OSError, ValueError):
                project = Path(note.read_text(encoding="utf-8"))
                if was_left(project):
                    found.append((note.stat().st_mtime, project))
                elif not project.is_dir():
                    note.unlink()
    return tuple(project for _, project in sorted(found, reverse=True))


def _note(project: Path) -> Path:
    return state_folder() / "open" / sha256(os.fsencode(project)).hexdigest()[:24]


def _user_state() -> Path:
    chosen = os.environ.get("XDG_STATE_HOME", "")
    if Path(chosen).is_absolute():
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path.home() / (
        "Library/Application Support" if sys.platform == "darwin" else ".local/state"
    )
