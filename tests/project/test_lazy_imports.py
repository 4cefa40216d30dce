"""What importing costs: only those who segment pay for torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "rasterio", "transformers", "diffusers", "napari", "skimage", "openvino")


def heavy_modules_after(statement: str) -> list[str]:
    """Run a statement in a fresh interpreter; return which heavy packages it loaded."""
    code = f"import sys; {statement}; print(*({set(HEAVY)!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    return done.stdout.split()


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert heavy_modules_after("import napari_firstpass") == []


def test_the_probe_sees_a_heavy_package_when_there_is_one() -> None:
    assert heavy_modules_after("import rasterio") == ["rasterio"]


@pytest.mark.parametrize("module", ["grid", "bands", "taxonomy", "config", "raster", "tiling"])
def test_values_load_nothing_heavy(module: str) -> None:
    assert heavy_modules_after(f"import napari_firstpass.{module}") == []
