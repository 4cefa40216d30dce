"""What importing costs: only those who segment pay for torch."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = (
    "torch", "rasterio", "transformers", "diffusers", "napari", "skimage", "scipy", "openvino"
)  # fmt: skip


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


def test_the_options_of_all_commands_are_read_without_anything_heavy() -> None:
    assert heavy_modules_after("from napari_firstpass.cli import parser; parser()") == []


COMPUTING = """
import sys
import numpy as np
import torch
from napari_firstpass.backbones.embedded import EmbeddedBackbone
from napari_firstpass.grid import Grid
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run
from napari_firstpass.raster import Raster

def loaded(*names):
    return sorted(name for name in sys.modules if name.startswith(names))

image = np.arange(3 * 32 * 32, dtype=np.float32).reshape(3, 32, 32)
raster = Raster.from_array(image, Grid(32, 32))
stats = BandStats.of([raster])
run(EmbeddedBackbone(stats, raster.roles, torch.device("cpu")).extract(raster))
print("features:", *loaded("training", "safetensors", "napari_firstpass.tensor_file"))

import napari_firstpass.backbones.vit, napari_firstpass.semantic_labels
print("networks:", *loaded("transformers"))

from napari_firstpass.descent import Adam
from napari_firstpass.refinement import LabelGuide
from napari_firstpass.refiners.dynaguide import DynaGuideRefiner

number = torch.ones(2, requires_grad=True)
Adam([number], 0.1).descend(number.sum())
labels = torch.arange(64).reshape(8, 8) % 2 + 1
guide = LabelGuide(labels, torch.ones(8, 8), 2)
run(DynaGuideRefiner().refine(torch.rand(3, 8, 8), labels > 0, guide))
print("training:", *loaded("torch._dynamo"))
"""
"""One process for all: torch alone takes seconds to load."""


def test_our_features_need_no_other_package_networks_come_late_and_training_needs_no_compiler(
    root: Path,
) -> None:
    # From the top of the checkout, where `import training` would work.
    done = subprocess.run(
        [sys.executable, "-c", COMPUTING], check=False, capture_output=True, text=True, cwd=root
    )
    assert done.returncode == 0, done.stderr
    features, networks, training = done.stdout.splitlines()
    assert features == "features: napari_firstpass.tensor_file"
    assert networks == "networks:"
    assert training == "training:"
