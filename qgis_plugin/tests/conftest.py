"""What tests of the plugin share: an image, and an environment with napari-firstpass."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from firstpass.environment import Environment

ROOT = Path(__file__).parents[2]
ODD = "Lüneburg 'süd' & \"nord\""
"""A name as people give them: spaces, umlauts, quotes."""


def real_python() -> Path:
    """Return the interpreter that has napari-firstpass: this one, or that of the project."""
    named = os.environ.get("FIRSTPASS_TEST_PYTHON")
    has_it = importlib.util.find_spec("napari_firstpass") is not None
    return Path(named or (sys.executable if has_it else ROOT / ".venv" / "bin" / "python"))


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An interpreter that runs the sources beside the plugin, whatever is installed."""
    python = tmp_path_factory.mktemp("environment") / "python"
    source = ROOT / "src"
    python.write_text(f"#!/bin/sh\nPYTHONPATH='{source}' exec '{real_python()}' \"$@\"\n")
    python.chmod(0o755)
    return Environment(python, "the test")


@pytest.fixture(scope="session")
def made_town(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in scene, 128 pixels wide, at a path as people give them."""
    folder = tmp_path_factory.mktemp("town") / ODD
    folder.mkdir()
    command = [str(environment.python), "-m", "napari_firstpass.cli", "sample", "--size", "128"]
    truth = folder / "truth.tif"
    image = folder / f"{ODD}.tif"
    subprocess.run([*command, "--out", str(image), "--truth", str(truth)], check=True)
    return image


@pytest.fixture
def town(made_town: Path, tmp_path: Path) -> Path:
    """A copy of it and its truth, since QGIS writes statistics beside what it opens."""
    folder = tmp_path / ODD
    folder.mkdir()
    for path in made_town.parent.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder / made_town.name
