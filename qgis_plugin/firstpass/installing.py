"""Makes the managed environment with napari-firstpass, and removes it.

A new one is made beside the one in use and takes its place when it is complete and was tried; so
there is a way back until the end, and after a failure. Knows nothing of QGIS.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firstpass.children import Child
from firstpass.description import DESCRIPTION
from firstpass.environment import (
    CURRENT,
    Environment,
    check,
    child_variables,
    data_folder,
    python_of,
)
from firstpass.errors import CanceledError, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from firstpass.runner import Listener

LOG = "install.log"

_LEAST = (3, 11)
"""The oldest Python that napari-firstpass runs on."""

_STAGES = ("making the environment", "installing", "trying it")
_SHARES = (0.0, 0.1, 0.95)
"""How far it is when each begins."""


@dataclass(frozen=True)
class Recipe:
    """What is installed, and how.

    Attributes
    ----------
    requirement : str
        What pip is to install: a name with a version, a wheel, a folder with the sources.
    python : str
        The interpreter that the environment is made with; empty for that of QGIS.
    index : str
        Address of an index of packages; empty for that of pip's settings.
    proxy : str
        Address of a proxy; empty for that of the variables.
    """

    requirement: str = f"napari-firstpass=={DESCRIPTION['version']}"
    python: str = ""
    index: str = ""
    proxy: str = ""

    def variables(self) -> dict[str, str]:
        """Return the variables of pip."""
        names = ("HTTP_PROXY", "HTTPS_PROXY") if self.proxy else ()
        told = dict.fromkeys(names, self.proxy)
        return {**child_variables(), **told, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def command(self, python: Path) -> list[str]:
        """Return what installs it."""
        index = ["--index-url", self.index] if self.index else []
        options = ["--no-input", "--progress-bar", "off", *index]
        return [str(python), "-m", "pip", "install", *options, "--", self.requirement]


def install(recipe: Recipe, listener: Listener, folder: Path | None = None) -> Environment:
    """Make the environment, try it, and let it take the place of the one before.

    Parameters
    ----------
    recipe : Recipe
        What to install.
    listener : Listener
        Who is told, and may say stop.
    folder : Path or None
        Where environments are kept; None for `data_folder`.

    Raises
    ------
    CanceledError
        If the listener said stop; the environment before, if there was one, is in use as before.
    SetupError
        If it does not work, likewise; ``install.log`` in the folder has all that was said.
    """
    place = folder or data_folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with _alone(place):
            return _installed(recipe, listener, place)
    except OSError as error:
        raise SetupError(
            f"expected to write into {place}, found {error.strerror}; free some space, or see to "
            "its permissions"
        ) from error


def _installed(recipe: Recipe, listener: Listener, place: Path) -> Environment:
    made = place / f"environment-{secrets.token_hex(4)}"
    python = python_of(made)
    with (place / LOG).open("w", encoding="utf-8") as log:
        work = _Work(recipe, listener, log)
        try:
            work.do(0, [str(base_python(recipe.python)), "-m", "venv", str(made)])
            work.do(1, recipe.command(python))
            listener.progress(_SHARES[2], _STAGES[2])
            ready = Environment(python, "“Install environment”")
            check(ready)
            _take_over(place, made)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    _remove_others(place, made)
    return ready


class _Work:
    """Runs the programs of an installation, and keeps what they say."""

    def __init__(self, recipe: Recipe, listener: Listener, log: TextIO) -> None:
        self._variables = recipe.variables()
        self._listener = listener
        self._log = log

    def do(self, stage: int, command: list[str]) -> None:
        """Run one, passing on what it says."""
        low, high = _SHARES[stage : stage + 2]
        self._listener.progress(low, _STAGES[stage])
        said = ""
        heard = 0
        try:
            child = Child(command, self._variables, merge=True)
        except OSError as error:
            raise _failed(stage, f"{command[0]}: {error.strerror}") from error
        with child:
            for line in child.lines():
                if self._listener.is_canceled():
                    child.stop()
                    raise CanceledError
                if line:
                    heard += 1
                    said = _telling(said, line)
                    self._log.write(f"{line}\n")
                    # Nobody knows how many lines there will be: each takes a part of the rest.
                    share = low + (high - low) * (1 - 0.98**heard)
                    self._listener.progress(share, line.strip())
            if child.ended() != 0:
                raise _failed(stage, said)


def _telling(said: str, line: str) -> str:
    """Return the line that says best what went wrong: the last error, else the last line."""
    is_error = line.lower().startswith("error")
    return line.strip() if is_error or not said.lower().startswith("error") else said


def _failed(stage: int, said: str) -> SetupError:
    return SetupError(
        f"expected {_STAGES[stage]} to work, found {said or 'no word'}; {LOG} has all of it: "
        "look at the network, the proxy, or Python"
    )


def base_python(named: str = "") -> Path:
    """Return the interpreter to make an environment with: the one that is named, or QGIS's.

    Raises
    ------
    SetupError
        If it is too old, or there is none.
    """
    if named.strip():
        python = Path(named.strip()).expanduser()
        if not python.is_file():
            raise SetupError(
                f"expected Python at {python}, found none; name another, or leave it empty"
            )
        return python
    python = _own_python()
    if sys.version_info < _LEAST or not python.is_file():
        found = ".".join(map(str, sys.version_info[:2]))
        raise SetupError(
            f"expected Python {'.'.join(map(str, _LEAST))} or newer in QGIS, found {found}; "
            "install one from python.org, and name it as PYTHON"
        )
    return python


def _own_python() -> Path:
    """Return QGIS's interpreter: inside QGIS, ``sys.executable`` is QGIS on some systems."""
    if sys.platform == "win32":
        return Path(sys.base_exec_prefix) / "python.exe"
    return Path(sys.base_exec_prefix) / "bin" / "python3"


def remove(folder: Path | None = None) -> bool:
    """Remove the managed environment, and tell whether there was one.

    Raises
    ------
    SetupError
        If files of it cannot be removed: somebody uses it.
    """
    place = folder or data_folder()
    if not place.is_dir():
        return False
    with _alone(place):
        was_there = bool(_environments(place))
        (place / CURRENT).unlink(missing_ok=True)
        _remove_others(place, None)
        left = _environments(place)
    if left:
        raise SetupError(
            f"expected to remove {left[0]}, found files in use; end what runs in it, and remove "
            "the folder"
        )
    return was_there


def _environments(place: Path) -> list[Path]:
    return sorted(place.glob("environment-*"))


def _remove_others(place: Path, kept: Path | None) -> None:
    for other in _environments(place):
        if other != kept:
            shutil.rmtree(other, ignore_errors=True)


def _take_over(place: Path, made: Path) -> None:
    """Name an environment as the one in use; until then the one before is."""
    partial = place / f".{CURRENT}.partial"
    partial.write_text(json.dumps({"environment": made.name}), encoding="utf-8")
    partial.replace(place / CURRENT)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Let one process at a time change what is in a folder; the system frees it at its end."""
    with (place / ".lock").open("a+b") as file:
        try:
            _lock(file.fileno())
        except OSError as error:
            raise SetupError(
                f"expected to be alone with {place}, found another installation at work; wait for "
                "its end"
            ) from error
        yield


def _lock(number: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
