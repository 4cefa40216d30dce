"""QGIS itself, on a screen: names and colours in its legends are those of the classes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from exports import HOSTILE, LABELS, exported
from rasters import pixels, write_raster
from skimage.io import imread

SCRIPT = Path(__file__).parents[2] / "docs" / "qgis_screenshot.py"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("qgis") is None, reason="QGIS is not installed (Debian: qgis)")
@pytest.mark.skipif("DISPLAY" not in os.environ, reason="QGIS needs a screen")
@pytest.mark.parametrize("mask", ["geotiff", "cog"])
def test_qgis_shows_names_and_colours(tmp_path: Path, mask: str) -> None:
    image = write_raster(
        tmp_path / "scene.tif", pixels(height=LABELS.shape[0], width=LABELS.shape[1])
    )
    masks = exported(tmp_path / "mask", mask, taxonomy=HOSTILE)
    polygons = exported(tmp_path / "polygons", "geopackage")
    layers = (image, masks / "scene.tif", polygons / "scene.gpkg")
    own = tmp_path / "run"
    own.mkdir(mode=0o700)
    environment = {
        "PATH": os.environ["PATH"],
        **{name: os.environ[name] for name in ("DISPLAY", "XAUTHORITY") if name in os.environ},
        "HOME": str(own),
        "XDG_RUNTIME_DIR": str(own),
        "FIRSTPASS_LAYERS": ":".join(map(str, layers)),
        "FIRSTPASS_PICTURE": str(tmp_path / "shown.png"),
    }
    command = ["qgis", "--nologo", "--noversioncheck", "--profile", "firstpass", "--code", SCRIPT]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert imread(tmp_path / "shown.png").std() > 0
