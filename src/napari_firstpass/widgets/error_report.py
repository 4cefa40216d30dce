"""What a user can send along with a question: an error and the versions, without any file."""

from __future__ import annotations

import platform
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("napari-firstpass", "napari", "numpy", "rasterio", "torch", "qtpy", "PyQt6", "PyQt5")


def report_of(error: BaseException) -> str:
    """Return what happened, where in the program, and what is installed.

    Pixels and other contents of files are not in it; the user's own folder is written ``~``.
    """
    installed = [f"{name} {found}" for name in _PACKAGES if (found := _version(name))]
    system = f"Python {platform.python_version()} on {platform.platform()}"
    lines = traceback.format_exception(error)
    text = "\n".join([f"{type(error).__name__}: {error}", "", *installed, system, "", *lines])
    try:
        return text.replace(str(Path.home()), "~")
    except RuntimeError:  # a user without a folder
        return text


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
