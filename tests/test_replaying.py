"""Labels made once more from what they tell: the same bytes, or how they differ."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasters import write_raster

from napari_firstpass import align_file, fit_files, label_file, refine_file, segment_file
from napari_firstpass.aligning import AlignConfig
from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DIFFERS, DONE, UNFIT
from napari_firstpass.config import RefineConfig, SegmentConfig
from napari_firstpass.export_images import ExportFiles, export_file
from napari_firstpass.import_images import ImportRules, import_file
from napari_firstpass.io.label_file import read_segmentation, write_segmentation
from napari_firstpass.model_file import write_model
from napari_firstpass.own_classes import load_model_steps
from napari_firstpass.progress import run
from napari_firstpass.provenance import Provenance, ProvenanceError
from napari_firstpass.replaying import replay_file
from napari_firstpass.taxonomy import LabelClass, Taxonomy

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
    assert replay_file(out).same_bytes
    elsewhere = model.rename(tmp_path.parent / model.name)
    with pytest.raises(ProvenanceError, match=r"that labelled, classes\.firstpass, found none at"):
        replay_file(out)
    assert replay_file(out, model=elsewhere).same_bytes
    write_model(model, fit_files([image], replace(SMALL, seed=8)))
    with pytest.raises(ProvenanceError, match=r"model classes\.firstpass that labelled, SHA-256"):
        replay_file(out)


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


RED = "#FF0000"
WINDOWS = {"window": 64, "overlap": 32}


def test_a_chain_is_replayed_from_the_image_to_the_export(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [str(tmp_path / name) for name in ("0.tif", "1.tif", "2.tif", "3.tif", "masks")]
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("source,target\ncluster 1,building\ncluster 2,tree\n*,unlabelled\n")
    small = ["--window", "64", "--overlap", "32"]
    run_ = ["--method", "kmeans", "--backbone", "texture", "--classes", "3"]
    aligned = ["--with", "table", "--table", str(pairs), "--taxonomy", "potsdam"]
    here, point = str(image), ("--points", "40,40", "--class", "pond")
    commands = [
        ["segment", here, "--out", where[0], *run_, *small, "--confidence"],
        ["align", where[0], *aligned, "--out", where[1], "--confidence"],
        ["refine", here, where[1], "--out", where[2], *small],
        ["prompt", here, *point, "--into", where[2], "--out", where[3]],
        ["export", "--image", here, "--labels", where[3], "--format", "cog", "--out", where[4]],
    ]  # fmt: skip
    for command in commands:
        assert main(command) == DONE, command
    with rasterio.open(where[3]) as dataset:
        found = json.loads(dataset.tags()["FIRSTPASS_PROVENANCE"])["config"]
    told = {
        key: [step["step"] for step in found[key]] for key in ("aligned", "refined", "prompted")
    }
    assert told == {"aligned": [1], "refined": [2], "prompted": [3]}
    # Nothing but the image is there.
    for name in where[:3]:
        Path(name).unlink()
    capsys.readouterr()
    for place in (where[3], f"{where[4]}/scene.tif"):
        assert main(["replay", place]) == DONE
        assert "the same bytes" in capsys.readouterr().out
    shutil.copy(f"{where[4]}/scene.tif", tmp_path / "alone.tif")
    assert main(["replay", str(tmp_path / "alone.tif")]) == UNFIT
    assert "export.json beside" in capsys.readouterr().err


def test_an_export_whose_files_were_changed_names_them(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, out = tmp_path / "labels.tif", tmp_path / "chips"
    segment_file(image, labels, SMALL)
    export_file(ExportFiles(image=image, labels=labels), out, "chips", options={"size": 32})
    chip = sorted(out.glob("*/masks/*"))[1]
    chip.write_bytes(chip.read_bytes()[:-1])
    assert main(["replay", str(chip)]) == DIFFERS
    told = capsys.readouterr().out
    assert f"{out}: 1 files have other bytes" in told
    assert f"other bytes: {chip.relative_to(out)}" in told


def test_what_a_person_changed_is_told_and_left_out(image: Path, tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{name}.tif" for name in ("labels", "painted", "finer"))
    segment_file(image, first, SMALL)
    made = read_segmentation(first)
    labels = made.labels.copy()
    labels[:8, :48] = 1
    share = float((labels != made.labels).mean())
    told = replace(made.provenance, edited=share)
    write_segmentation(second, replace(made, labels=labels, provenance=told))
    found = replay_file(second)
    assert (found.different_pixels, found.edited) == (int((labels != made.labels).sum()), share)
    refine_file(image, second, third, config=RefineConfig(**WINDOWS))
    lost = replay_file(third)
    assert lost.left_out == ("what a person had changed before step 1 (refined)",)
    # With the labels that were painted on, all that came after can be done again.
    found = replay_file(third, inputs=[second])
    assert (found.same_bytes, found.left_out) == (True, ())


def test_imported_labels_are_read_again_or_missed_by_name(image: Path, tmp_path: Path) -> None:
    ids = np.kron([[1, 2], [9, 1]], np.ones((40, 48))).astype(np.uint8)
    foreign = write_raster(tmp_path / "theirs.tif", ids[None])
    roof, road = (
        LabelClass(3, "roof", RED, export_code=1),
        LabelClass(5, "road", RED, export_code=2),
    )
    classes = Taxonomy((roof, road))
    rules = ImportRules(taxonomy=classes, by_code=True, keep_unknown=True)
    first, second = tmp_path / "ours.tif", tmp_path / "finer.tif"
    import_file(foreign, first, rules)
    refine_file(image, first, second, config=RefineConfig(**WINDOWS))
    assert replay_file(first).same_bytes
    assert replay_file(second).same_bytes
    moved = foreign.rename(tmp_path.parent / foreign.name)
    with pytest.raises(ProvenanceError, match=r"that were imported, theirs\.tif, found none at"):
        replay_file(first)
    assert replay_file(first, inputs=[moved]).same_bytes
    write_raster(foreign, 3 - ids[None] // 5)
    with pytest.raises(ProvenanceError, match=r"that were imported, SHA-256 .*; give the original"):
        replay_file(first)


def test_what_was_pointed_at_is_found_again(image: Path, tmp_path: Path) -> None:
    out = tmp_path / "things.tif"
    places = ["--points", "20,20,+;70,90,-", "--boxes", "0,0,48,48", "--confidence"]
    assert main(["prompt", str(image), *places, "--class", "roof", "--out", str(out)]) == DONE
    assert replay_file(out).same_bytes


def test_a_reference_must_be_there_and_the_same(image: Path, tmp_path: Path) -> None:
    labels, hints, out = (tmp_path / f"{name}.tif" for name in ("labels", "hints", "named"))
    segment_file(image, labels, SMALL)
    made = read_segmentation(labels)
    named = Taxonomy(tuple(LabelClass(i, name, RED) for i, name in enumerate("abc", start=1)))
    write_segmentation(hints, replace(made, taxonomy=named, provenance=Provenance()))
    align_file(labels, out, named, AlignConfig(way="reference"), reference=[hints])
    assert replay_file(out).same_bytes
    hints.write_bytes(hints.read_bytes() + b"\0")
    with pytest.raises(ProvenanceError, match="the reference that labels were aligned by, SHA-256"):
        replay_file(out)


def test_records_without_the_order_of_steps_are_replayed_as_far_as_it_is_known() -> None:
    old = Provenance({"refined": [{"image": "a"}, {"image": "b"}]})
    new = old.with_step("aligned", {"way": "table"})
    assert [(kind, told.get("image")) for kind, told in new.steps] == [
        ("refined", "a"),
        ("refined", "b"),
        ("aligned", None),
    ]
    with pytest.raises(ProvenanceError, match="found refined and aligned, in no order"):
        _ = Provenance({"refined": [{}], "aligned": [{}]}).steps


def test_labels_without_a_record_are_refused(tmp_path: Path) -> None:
    values = write_raster(tmp_path / "a.tif", np.ones((1, 4, 4), np.uint8))
    assert main(["replay", str(values)]) == UNFIT
