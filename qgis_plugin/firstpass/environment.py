"""The environment with napari-firstpass: where it is, whether it fits, what it may know.

Knows nothing of QGIS, and runs on Python 3.9.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firstpass.description import DESCRIPTION
from firstpass.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MODULE = "napari_firstpass.cli"
VARIABLE = "FIRSTPASS_PYTHON"
CURRENT = "current.json"
"""The file that names the managed environment in use."""

PROTOCOL = 1
"""The events that `firstpass.runner` understands."""

_START_S = 120
"""Seconds that an interpreter has for its version: the first start on a slow disk takes long."""

_DROPPED = (
    "PYTHON", "QGIS", "QT_", "GDAL_", "PROJ_", "OGR_", "OSGEO4W", "GRASS", "VIRTUAL_ENV", "CONDA",
    "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "O4W_",
    "GISBASE", "__PYVENV_LAUNCHER__",
)  # fmt: skip
"""Beginnings of variables that QGIS, or who started it, sets for itself."""

_HOMES = ("OSGEO4W_ROOT", "QGIS_PREFIX_PATH")
"""Variables with folders of QGIS, whose programs and libraries are not ours."""


@dataclass(frozen=True)
class Environment:
    """A Python that has napari-firstpass, or should.

    Attributes
    ----------
    python : Path
        The interpreter.
    origin : str
        Who named it, for people.
    """

    python: Path
    origin: str


def child_variables(own: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of a program in our environment: those here, without QGIS's own.

    A ``PYTHONHOME`` or ``PROJ_LIB`` of QGIS would let another Python, or its GDAL, fail, or work
    with the wrong libraries without a word.
    """
    here = dict(os.environ if own is None else own)
    homes = [here[name] for name in _HOMES if here.get(name)]
    kept = {key: value for key, value in here.items() if not key.upper().startswith(_DROPPED)}
    folders = kept.get("PATH", "").split(os.pathsep)
    kept["PATH"] = os.pathsep.join(
        folder for folder in folders if not any(_is_inside(folder, home) for home in homes)
    )
    return {
        **kept,
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
    }


def _is_inside(folder: str, home: str) -> bool:
    # /usr is QGIS's home on Linux, and everybody's.
    one, other = os.path.normcase(folder), os.path.normcase(home.rstrip("/\\"))
    return other not in ("", "/usr") and (one == other or one.startswith(other + os.sep))


def data_folder(own: Mapping[str, str] | None = None) -> Path:
    """Return the user's folder for the managed environment; QGIS's updates leave it alone."""
    here = os.environ if own is None else own
    if sys.platform == "win32":
        base = here.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Application Support")
    else:
        base = here.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "napari-firstpass" / "qgis"


def managed_python(folder: Path) -> Path | None:
    """Return the interpreter of the managed environment in a folder, None if there is none."""
    try:
        name = json.loads((folder / CURRENT).read_text(encoding="utf-8"))["environment"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return python_of(folder / str(name))


def python_of(environment: Path) -> Path:
    """Return where a virtual environment has its interpreter."""
    if sys.platform == "win32":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


def find(setting: str = "", folder: Path | None = None) -> Environment:
    """Return the environment to use: of the variable, else of the setting, else the managed one.

    Parameters
    ----------
    setting : str
        A Python that the user chose; empty for none.
    folder : Path or None
        Where the managed environment is; None for `data_folder`.

    Raises
    ------
    SetupError
        If none is named, or the first that is has no interpreter.
    """
    for python, origin in _named(setting, folder or data_folder()):
        if not python.is_file():
            raise SetupError(
                f"expected Python at {python}, found none; {origin} names it: correct that, or "
                "run “Install environment”"
            )
        return Environment(python, origin)
    raise SetupError(
        "expected an environment with napari-firstpass, found none; run “Install environment” of "
        "the group Environment, or choose one that is there with “Choose environment”"
    )


def _named(setting: str, folder: Path) -> Iterator[tuple[Path, str]]:
    variable = os.environ.get(VARIABLE, "").strip()
    if variable:
        yield Path(variable).expanduser(), f"the variable {VARIABLE}"
    if setting.strip():
        yield Path(setting.strip()).expanduser(), "the setting of “Choose environment”"
    managed = managed_python(folder)
    if managed is not None:
        yield managed, "“Install environment”"


_FITTING: dict[tuple[str, float], str] = {}
"""Versions of interpreters that were asked, by path and the time of their last change."""


def check(environment: Environment) -> str:
    """Return the version of napari-firstpass in an environment; it is asked once.

    Raises
    ------
    SetupError
        If there is none, or one that this plugin does not understand.
    """
    key = (str(environment.python), _changed(environment.python))
    if key not in _FITTING:
        _FITTING[key] = _fitting_version(_asked(environment.python), environment)
    return _FITTING[key]


def _changed(python: Path) -> float:
    try:
        # Not that of what a link in a virtual environment points to, which may be there still.
        return max(path.stat().st_mtime for path in (python, python.parent))
    except OSError as error:
        raise SetupError(
            f"expected Python at {python}, found none; it was removed or moved: run “Install "
            "environment” again, or choose another"
        ) from error


def _asked(python: Path) -> dict[str, object]:
    """Ask an interpreter which version it has."""
    try:
        done = subprocess.run(
            [str(python), "-m", MODULE, "--version", "--json"],
            env=child_variables(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_START_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(
            f"expected {python} to start, found {error}; choose another environment"
        ) from error
    try:
        found = json.loads(done.stdout.decode("utf-8", "replace"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise SetupError(
            f"expected napari-firstpass in the environment of {python}, found "
            f"{lines[-1] if lines else 'no answer'}; run “Install environment”, or choose another"
        )
    return found


def _fitting_version(found: dict[str, object], environment: Environment) -> str:
    version, protocol = str(found.get("version", "none")), found.get("protocol")
    if protocol != PROTOCOL or _numbers(version) < _numbers(DESCRIPTION["version"]):
        raise SetupError(
            f"expected napari-firstpass {DESCRIPTION['version']} or newer that tells events "
            f"{PROTOCOL}, found {version} with {protocol} at {environment.python}; update it, or "
            "this plugin"
        )
    return version


def _numbers(version: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in version.split("+")[0].split(".")[:3]]
