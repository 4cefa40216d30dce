"""What tests inside QGIS share. Without QGIS, none of them is collected."""

from __future__ import annotations

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from firstpass.environment import Environment

collect_ignore_glob = [] if find_spec("qgis") else ["test_*.py"]

PLUGINS = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def chosen(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that the plugin finds."""
    monkeypatch.setenv("FIRSTPASS_PYTHON", str(environment.python))


@pytest.fixture(scope="session")
def provider(qgis_processing: None) -> Iterator[object]:  # noqa: ARG001 - must come first
    """The algorithms, in the registry of QGIS."""
    from firstpass.plugin import FirstPassPlugin

    plugin = FirstPassPlugin()
    plugin.initProcessing()
    yield plugin._provider
    plugin.unload()


@pytest.fixture(scope="session")
def firstpass(environment: Environment) -> Callable[..., None]:
    """The command line."""

    def call(*arguments: str) -> None:
        command = [str(environment.python), "-m", "napari_firstpass.cli", *arguments]
        subprocess.run(command, check=True, capture_output=True)

    return call


@pytest.fixture(scope="session")
def qgis_variables(
    environment: Environment, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Variables of a QGIS of our own, with the plugin switched on."""
    home = tmp_path_factory.mktemp("home")
    variables = {
        # pytest-qgis has set some for the QGIS inside this process.
        **{key: value for key, value in os.environ.items() if not key.startswith("QGIS_")},
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "QGIS_PLUGINPATH": str(PLUGINS),
        "FIRSTPASS_PYTHON": str(environment.python),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    enable = ["qgis_process.bin", "plugins", "enable", "firstpass"]
    done = subprocess.run(
        enable, env=variables, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return variables
