"""The napari manifest of the checkout."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from typing import TYPE_CHECKING

from npe2 import PluginManifest

if TYPE_CHECKING:
    from pathlib import Path


def test_the_manifest_at_the_root_is_the_one_in_the_package(root: Path) -> None:
    packaged = root / "src" / "napari_firstpass" / "napari.yaml"
    assert (root / "napari.yaml").read_bytes() == packaged.read_bytes()


def test_npe2_accepts_the_editable_install() -> None:
    command = [sys.executable, "-m", "npe2", "validate", "napari-firstpass"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_of_the_manifest_can_be_imported() -> None:
    manifest = PluginManifest.from_distribution("napari-firstpass")
    commands = manifest.contributions.commands
    assert commands
    for command in commands:
        assert callable(pkgutil.resolve_name(str(command.python_name)))
