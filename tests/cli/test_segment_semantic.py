"""``firstpass segment --model``: the classes of a model, from its folder or its name."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from features import landscape
from models import LAND, build, save, save_semantic
from stopping import stopped_at

from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, INTERRUPTED, SOME_FAILED, UNFIT, USAGE
from napari_firstpass.grid import Grid
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.io.raster_file import write_raster
from napari_firstpass.io.sidecar import read_class_names
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.raster import Raster
from napari_firstpass.taxonomy import color_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "scene.tif")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_semantic("SegFormer", tmp_path / "my model")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def write_scene(path: Path) -> Path:
    grid = Grid(96, 112, crs="EPSG:3857")
    raster = Raster.from_array(landscape(96, 112), grid, roles=("red", "green", "blue"))
    return write_raster(path, raster)


def segment(scene: Path, *options: str) -> Path:
    out = scene.with_name("labels.tif")
    assert main(["segment", str(scene), "--out", str(out), *options]) == DONE
    return out


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the last line of standard error, which must be one sentence of ours."""
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.match(r"firstpass: .*expected .*, found .*; ", said)
    return said


def test_the_labels_bear_names_and_colours_of_the_model(scene: Path, folder: Path) -> None:
    out = segment(scene, "--model", str(folder), "--confidence")
    with rasterio.open(out) as file, rasterio.open(scene) as image:
        assert (file.crs, file.transform, file.shape) == (image.crs, image.transform, image.shape)
        ids = set(np.unique(file.read(1)))
        tags, colors = file.tags(1), file.colormap(1)
    assert ids <= {1, 2, 3, 4, 5}
    assert len(ids) > 1
    assert [tags[f"CLASS_{i}"] for i in range(1, 6)] == list(LAND)
    shown = ["#{:02X}{:02X}{:02X}".format(*colors[i][:3]) for i in range(1, 6)]
    assert shown == [color_of(i) for i in range(1, 6)]
    assert read_class_names(out) == dict(enumerate(("unlabelled", *LAND)))
    assert (scene.parent / "labels_confidence.tif").is_file()


def test_the_record_names_the_model_and_no_folder(scene: Path, folder: Path) -> None:
    record = read_segmentation(segment(scene, "--model", str(folder))).provenance
    assert record.config["method"] == "semantic"
    assert record.config["model"] == "my model"
    assert record.weights_sha256 == VisionFolder(folder).sha256()
    assert record.source == "scene.tif"
    assert "/" not in record.to_json()


def test_two_runs_write_the_same_bytes(scene: Path, folder: Path) -> None:
    first = segment(scene, "--model", str(folder)).read_bytes()
    again = segment(scene, "--model", str(folder), "--overwrite").read_bytes()
    assert first == again


def test_a_hundred_and_fifty_classes_are_all_in_the_file(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("wall", "door, double door", "bar & <grill>", "Übergang", "screen", "screen")
    names += tuple(f"thing {i}" for i in range(7, 151))
    model = save_semantic("SegFormer", tmp_path / "ade", names)
    out = segment(scene, "--model", str(model), "--json")
    found = read_segmentation(out)
    assert found.labels.dtype == np.uint8
    listed = [entry.name for entry in found.taxonomy.classes]
    assert listed == [*names[:5], "screen (2)", *names[6:]]
    assert len({entry.color for entry in found.taxonomy.classes}) == 150
    assert read_class_names(out) == dict(enumerate(("unlabelled", *listed)))
    classes = json.loads(capsys.readouterr().out)["classes"]
    assert [entry["name"] for entry in classes] == listed
    assert sum(entry["share"] for entry in classes) == pytest.approx(1, abs=1e-4)


def test_of_many_classes_the_summary_shows_the_largest_first(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tuple(f"thing-{i}" for i in range(1, 41))
    out = segment(scene, "--model", str(save_semantic("SegFormer", tmp_path / "m", names)))
    lines = capsys.readouterr().out.splitlines()
    line = next(x for x in lines if x.startswith("  classes "))
    labels = read_segmentation(out).labels
    found = re.findall(r"thing-(\d+) ", line)
    counts = [int((labels == int(i)).sum()) for i in found]
    assert len(found) == 12
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == np.bincount(labels.ravel()).max()


def test_more_than_255_classes_need_larger_numbers(scene: Path, tmp_path: Path) -> None:
    names = tuple(f"thing {i}" for i in range(300))
    out = segment(scene, "--model", str(save_semantic("SegFormer", tmp_path / "m", names)))
    found = read_segmentation(out)
    assert found.labels.dtype == np.uint16
    assert len(found.taxonomy) == 300


def test_several_images_go_into_a_folder_with_one_model(
    scene: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_scene(tmp_path / "other.tif")
    missing = tmp_path / "missing.tif"
    images = [str(scene), str(missing), str(other)]
    out = tmp_path / "out"
    code = main(["segment", *images, "--out", str(out), "--model", str(folder), "--overlay"])
    assert code == SOME_FAILED
    assert {path.name for path in out.iterdir()} == {
        f"{name}_{end}"
        for name in ("scene", "other")
        for end in ("labels.tif", "labels.tif.aux.xml", "labels_overlay.png")
    }
    said = capsys.readouterr().err
    assert said.count("loading the model") == 1
    assert f"firstpass: {missing}: expected" in said


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("--classes", "8"), "--classes"),
        (("--method", "primaps"), "--method"),
        (("--backbone", "embedded"), "--backbone"),
        (("--runtime", "torch"), "--runtime"),
        (("--classes", "3", "--method", "kmeans"), "--method and --classes"),
    ],
)
def test_what_is_for_clusters_is_refused_even_if_it_is_the_default(
    scene: Path, given: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = scene.with_name("labels.tif")
    run = ["segment", str(scene), "--out", str(out), "--model", "./my model"]
    assert main([*run, *given]) == USAGE
    assert f"found {named}; leave out" in refusal(capsys)
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "code", "found"),
    [
        ("segnet", USAGE, "found 'segnet'; choose"),
        ("dinov2-s", USAGE, "found 'dinov2-s', weights for features; choose"),
        ("./nothing", UNFIT, "found no such folder"),
        ("nvidia/segformer-b0-finetuned-ade-512-512", UNFIT, "short name, segformer-b0-ade"),
    ],
)
def test_what_is_no_model_is_refused_before_anything_is_read(
    scene: Path, name: str, code: int, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.write_bytes(b"not an image, and nobody notices")
    out = scene.with_name("labels.tif")
    assert main(["segment", str(scene), "--out", str(out), "--model", name]) == code
    said = refusal(capsys)
    assert found in said
    if code == USAGE:
        assert "out of segformer-b0-ade, mask2former-s-ade, oneformer-t-ade, a file of" in said
    assert [path.name for path in scene.parent.iterdir()] == ["scene.tif"]


def test_a_backbone_is_no_model_that_names_what_it_sees(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone = save(build("DINOv2"), tmp_path / "dino")
    out = scene.with_name("labels.tif")
    run = ["segment", str(scene), "--out", str(out), "--model", str(backbone)]
    assert main(run) == UNFIT
    assert "found model_type 'dinov2' (Dinov2Model)" in refusal(capsys)
    assert not out.exists()


def test_a_known_name_tells_how_to_get_the_weights_and_works_once_they_are_there(
    scene: Path, folder: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = scene.with_name("labels.tif")
    run = ["segment", str(scene), "--out", str(out), "--model", "segformer-b0-ade"]
    assert main(run) == UNFIT
    said = refusal(capsys)
    assert 'run "firstpass models fetch segformer-b0-ade"' in said
    assert "--from-folder" in said
    assert not out.exists()
    fetch = ["models", "fetch", "segformer-b0-ade", "--from-folder", str(folder)]
    assert main(fetch) == DONE
    assert (weights / "segformer-b0-ade").is_dir()
    assert main(run) == DONE
    assert read_segmentation(out).provenance.config["model"] == "segformer-b0-ade"


def test_an_existing_file_stays_unless_it_may_be_replaced(
    scene: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = scene.with_name("labels.tif")
    out.write_text("precious")
    run = ["segment", str(scene), "--out", str(out), "--model", str(folder)]
    assert main(run) == UNFIT
    refusal(capsys)
    assert out.read_text() == "precious"
    before = scene.read_bytes()
    run[3] = str(scene)
    assert main([*run, "--overwrite"]) == UNFIT
    assert scene.read_bytes() == before


@pytest.mark.parametrize("moment", ["loading the model", "reading the file"])
def test_an_interrupted_run_leaves_nothing_behind(scene: Path, folder: Path, moment: str) -> None:
    before = {path.name for path in scene.parent.iterdir()}
    command = ["segment", str(scene), "--out", str(scene.with_name("labels.tif"))]
    with stopped_at(moment) as said:
        assert main([*command, "--model", str(folder)]) == INTERRUPTED
    assert "interrupted" in said.getvalue()
    assert {path.name for path in scene.parent.iterdir()} == before
