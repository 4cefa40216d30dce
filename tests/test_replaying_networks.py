"""Labels by networks made once more; all networks are tiny and random."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from features import landscape
from models import build, save, save_semantic
from words import save_clip

from diffusion import save_diffusion
from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, UNFIT
from napari_firstpass.diffusion.word_presets import FAST, PRESETS
from napari_firstpass.grid import Grid
from napari_firstpass.io.label_file import write_segmentation
from napari_firstpass.io.raster_file import write_raster
from napari_firstpass.raster import Raster
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy

SHAPE = (64, 80)


@pytest.fixture
def scene(tmp_path: Path) -> str:
    grid = Grid(*SHAPE, crs="EPSG:3857")
    raster = Raster.from_array(landscape(*SHAPE), grid, roles=("red", "green", "blue"))
    return str(write_raster(tmp_path / "scene.tif", raster))


def test_a_backbone_and_a_model_from_folders_are_found_by_name(
    scene: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("networks")
    network = save(build("DINOv2"), home / "tiny dino")
    semantic = save_semantic("SegFormer", home / "tiny classes")
    first, second = str(tmp_path / "1.tif"), str(tmp_path / "2.tif")
    how = ["--backbone", str(network), "--classes", "3", "--no-cache"]
    assert main(["segment", scene, "--out", first, *how]) == DONE
    assert main(["segment", scene, "--out", second, "--model", str(semantic)]) == DONE
    assert main(["replay", first]) == UNFIT
    assert main(["replay", first, "--input", str(network)]) == DONE
    assert main(["replay", second, "--input", str(semantic)]) == DONE


def test_names_are_looked_for_again(
    scene: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "fast", replace(FAST, side=128))
    model = save_diffusion(tmp_path / "diffusion", tokens=120)
    out, tags = tmp_path / "labels", tmp_path / "tags.txt"
    tags.write_text("scene: road\n")
    words = ["--text", "roof;road;tree", "--model", str(model), "--tags", str(tags)]
    (tmp_path / "images").mkdir()
    moved = Path(scene).rename(tmp_path / "images" / "scene.tif")
    assert main(["prompt", str(moved.parent), *words, "--out", str(out)]) == DONE
    tags.unlink()
    (labels,) = out.glob("*.tif")
    given = ["--image", str(moved), "--input", str(model)]
    assert main(["replay", str(labels), *given]) == DONE


def test_words_that_decided_do_so_again(scene: str, tmp_path: Path) -> None:
    save_clip(tmp_path / "clip")
    halves = np.ones(SHAPE, np.uint8)
    halves[:, 40:] = 2
    source = Taxonomy((LabelClass(1, "roof", "#FF0000"), LabelClass(2, "road", "#00FF00")))
    named = Segmentation(halves, source, Grid(*SHAPE, crs="EPSG:3857"))
    labels = write_segmentation(tmp_path / "labels.tif", named)
    table = tmp_path / "table.yaml"
    table.write_text(
        "sources: {roof: {default: tree, candidates: [tree, roof]}, road: {default: road}}\n"
        "targets: {roof: [roof], tree: [tree], road: [road]}\n"
    )
    classes = tmp_path / "classes.csv"
    classes.write_text("id,name\n4,roof\n5,tree\n6,road\n")
    out, clip = str(tmp_path / "named.tif"), str(tmp_path / "clip")
    how = ["--with", "text", "--model", clip, "--candidates", str(table), "--image", scene]
    assert main(["align", str(labels), "--taxonomy", str(classes), *how, "--out", out]) == DONE
    # Nobody knows what made these labels: it begins with them.
    given = ["--input", str(labels), "--input", clip]
    assert main(["replay", out, *given]) == UNFIT
    assert main(["replay", out, *given, "--input", str(table)]) == DONE
