"""Labels made once more from what they tell: the same bytes, or how they differ."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from rasters import write_raster

from napari_firstpass import fit_files, label_file, refine_file, segment_file
from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DIFFERS, DONE, UNFIT
from napari_firstpass.config import RefineConfig, SegmentConfig
from napari_firstpass.io.label_file import read_segmentation, write_segmentation
from napari_firstpass.model_file import write_model
from napari_firstpass.own_classes import load_model_steps
from napari_firstpass.progress import run
from napari_firstpass.provenance import ProvenanceError
from napari_firstpass.replaying import replay_file

if TYPE_CHECKING:
    from pathlib import Path

SMALL = SegmentConfig(classes=3, window=64, overlap=32, min_region=8, seed=7)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Three grounds with grain, 80 x 96 pixels."""
    rng = np.random.default_rng(0)
    looks = np.array([[60, 110, 60], [180, 90, 70], [70, 80, 150]])
    ids = np.kron(rng.integers(0, 3, (5, 6)), np.ones((16, 16), int))
    picture = np.moveaxis(looks[ids], -1, 0) + rng.normal(size=(3, 80, 96)) * 6
    return write_raster(tmp_path / "scene.tif", np.clip(picture, 1, 255).astype(np.uint8))


@pytest.mark.parametrize(
    "config", [SMALL, replace(SMALL, method="kmeans", backbone="texture", refine="guided")]
)
def test_a_run_makes_the_same_bytes_again(
    config: SegmentConfig, image: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels.tif"
    segment_file(image, out, config, bands="b,g,r")
    found = replay_file(out)
    assert (found.same_bytes, found.different_pixels, found.pixels) == (True, 0, 80 * 96)
    assert found.changes == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "labels.tif",
        "labels.tif.aux.xml",
        "scene.tif",
    ]


def test_what_was_changed_by_hand_is_counted(image: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.tif"
    segment_file(image, out, SMALL)
    made = read_segmentation(out)
    labels = made.labels.copy()
    labels[3, 4:9] = labels[3, 4:9] % 3 + 1
    write_segmentation(out, replace(made, labels=labels), overwrite=True)
    found = replay_file(out)
    assert (found.same_bytes, found.different_pixels) == (False, 5)
    assert main(["replay", str(out)]) == DIFFERS


def test_another_version_is_told(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "labels.tif"
    segment_file(image, out, SMALL)
    made = read_segmentation(out)
    older = replace(made.provenance, version="0.0.1")
    write_segmentation(out, replace(made, provenance=older), overwrite=True)
    assert main(["replay", str(out), "--json"]) == DIFFERS
    told = json.loads(capsys.readouterr().out)
    assert (told["same_bytes"], told["different_pixels"]) == (False, 0)
    assert told["changes"] == [f"version: 0.0.1, now {made.provenance.version}"]
    assert main(["replay", str(out)]) == DIFFERS
    assert "the same labels in a file with other bytes" in capsys.readouterr().out


def test_the_number_of_classes_that_the_image_decided_is_decided_again(
    image: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels.tif"
    segment_file(image, out, SMALL, auto_classes=True)
    assert main(["replay", str(out)]) == DONE


def test_labels_of_a_model_need_it(image: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "classes.firstpass", tmp_path / "labels.tif"
    write_model(model, fit_files([image], SMALL))
    label_file(image, out, run(load_model_steps(str(model), SMALL)), SMALL)
    with pytest.raises(ProvenanceError, match="labelled it; give this model"):
        replay_file(out)
    assert replay_file(out, model=model).same_bytes


def test_another_image_is_refused(image: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.tif"
    segment_file(image, out, SMALL)
    with rasterio.open(image, "r+") as dataset:
        dataset.write(dataset.read(1) + 1, 1)
    with pytest.raises(ProvenanceError, match=r"made of, SHA-256 .*; give the original"):
        replay_file(out)
    moved = tmp_path / "other"
    moved.mkdir()
    shutil.move(image, moved / "scene.tif")
    with pytest.raises(ProvenanceError, match=r"made of, scene\.tif, found none at"):
        replay_file(out)


def test_what_was_done_afterwards_is_told(image: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "labels.tif", tmp_path / "finer.tif"
    segment_file(image, first, SMALL)
    refine_file(image, first, second, config=RefineConfig(window=64, overlap=32))
    with pytest.raises(ProvenanceError, match="found labels refined; replay the file that they"):
        replay_file(second)
    values = write_raster(tmp_path / "a.tif", np.ones((1, 4, 4), np.uint8))
    assert main(["replay", str(values)]) == UNFIT
