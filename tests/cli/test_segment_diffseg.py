"""``--method diffseg``: on features that need no weights, and on Stable Diffusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from features import agreement, rgb_raster
from mosaics import mosaic

from diffusion import save_diffusion
from napari_firstpass.api import segment_array
from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, UNFIT, USAGE
from napari_firstpass.config import SegmentConfig
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.io.raster_file import write_raster

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "scene.tif", rgb_raster(mosaic(4, seed=2)[0]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_diffusion(tmp_path_factory.mktemp("diffusion") / "tiny sd")


def test_a_mosaic_is_segmented_and_its_model_kept(scene: Path, tmp_path: Path) -> None:
    out, model = tmp_path / "labels.tif", tmp_path / "m.firstpass"
    run = [str(scene), "--method", "diffseg", "--classes", "4", "--device", "cpu"]
    assert main(["segment", *run, "--out", str(out)]) == DONE
    assert agreement(read_segmentation(out).labels, mosaic(4, seed=2)[1]) > 0.9
    assert main(["fit", *run, "--out", str(model)]) == DONE
    again = tmp_path / "again.tif"
    assert main(["segment", str(scene), "--model", str(model), "--out", str(again)]) == DONE
    assert np.array_equal(read_segmentation(again).labels, read_segmentation(out).labels)


def test_a_folder_with_stable_diffusion_gives_regions(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = mosaic(4, seed=2)[0][:, :60, :60]
    scene = write_raster(tmp_path / "small.tif", rgb_raster(image))
    out = tmp_path / "labels.tif"
    run = ["segment", str(scene), "--method", "diffseg", "--backbone", str(folder)]
    run += ["--classes", "auto", "--device", "cpu", "--out", str(out), "--confidence"]
    assert main(run) == DONE
    found = read_segmentation(out)
    assert found.labels.shape == (60, 60)
    assert (found.labels > 0).all()
    assert found.taxonomy[1].name == "region 1"
    assert len(found.taxonomy) == found.labels.max()
    record = found.provenance
    assert record.config["backbone"] == "tiny sd"
    assert record.config["regions"]["merging"]["threshold"] == 1.1
    assert record.config["timestep"] == 300
    assert record.weights_sha256 is not None
    assert record.source_sha256 is not None
    assert out.with_name("labels_confidence.tif").is_file()
    assert "region 1" in capsys.readouterr().out
    config = SegmentConfig(method="diffseg", backbone=str(folder), device="cpu")
    array = segment_array(image, config, auto_classes=True)
    assert np.array_equal(array.labels, found.labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "8 asked for; add --classes auto"),
        (["--classes", "5"], "5 asked for; add --classes auto"),
        (["--classes", "auto", "--upsample", "guided"], "--upsample; leave them out"),
        (["--classes", "auto", "--refine", "regions"], "--refine regions; leave it out, and"),
    ],
)
def test_what_attention_cannot_take_is_refused(
    scene: Path, folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    out = scene.with_name("labels.tif")
    run = ["segment", str(scene), "--method", "diffseg", "--backbone", str(folder), "--out"]
    assert main([*run, str(out), *options]) == USAGE
    assert message in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("backbone", ["sd-1-5", "./nowhere"])
def test_missing_weights_say_how_to_get_them_and_what_needs_none(
    scene: Path,
    backbone: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", str(scene.with_name("weights")))
    run = ["segment", str(scene), "--method", "diffseg", "--backbone", backbone]
    assert main([*run, "--out", str(scene.with_name("labels.tif"))]) == UNFIT
    said = capsys.readouterr().err
    assert "or leave out the backbone: diffseg then works on features that need no weights" in said
    if backbone == "sd-1-5":
        assert 'run "firstpass models fetch sd-1-5"' in said


def test_a_model_that_is_damaged_is_named(
    scene: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model_index.json").write_bytes((folder / "model_index.json").read_bytes())
    run = ["segment", str(scene), "--method", "diffseg", "--backbone", str(broken)]
    run += ["--classes", "auto", "--out", str(tmp_path / "labels.tif")]
    assert main(run) == UNFIT
    said = capsys.readouterr().err
    assert "get the missing files of the model; or leave out the backbone" in said
