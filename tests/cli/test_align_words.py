"""``firstpass align`` by words, with a tiny CLIP and a tiny SAM from folders."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import rasterio
from affine import Affine
from models import save_semantic
from pycocotools import mask as coco
from rasters import write_raster
from sam import save_sam
from words import save_clip

from napari_firstpass.cli import main
from napari_firstpass.grid import Grid
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.label_file import write_segmentation
from napari_firstpass.io.taxonomy_file import write_taxonomy
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.semantic import load_semantic
from napari_firstpass.progress import run
from napari_firstpass.run_length import RunLength
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "alignment.json"
SIDE = 96
TABLE = """
always: [sea]
sources:
  roof: {default: roof, candidates: [roof, tree], padding: 40}
  road: {default: lake, candidates: [lake, tree]}
targets: {roof: [roof], tree: [tree], lake: [road], sea: [sea]}
"""
"""Lakes are called roads, since the tiny vocabulary has no lake."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("align")
    save_clip(home / "clip")
    save_sam("SAM", home / "sam")
    (home / "table.yaml").write_text(TABLE)
    names = ("roof", "tree", "lake", "sea")
    target = Taxonomy(tuple(LabelClass(5 + i, n, "#123456") for i, n in enumerate(names)))
    write_taxonomy(home / "classes.yaml", target)
    source = Taxonomy((LabelClass(1, "roof", "#FF0000"), LabelClass(2, "road", "#00FF00")))
    labels = np.ones((SIDE, SIDE), np.uint8)
    labels[:, SIDE // 2 :] = 2
    grid = Grid(SIDE, SIDE, Affine(1, 0, 500_000, 0, -1, 5_000_000), "EPSG:32631")
    write_segmentation(home / "labels.tif", Segmentation(labels, source, grid))
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (3, SIDE // 8, SIDE // 8), np.uint8).repeat(8, 1).repeat(8, 2)
    write_raster(home / "scene.tif", image, transform=grid.transform, crs=grid.crs)
    return home


def aligned(folder: Path, out: Path, *options: str) -> tuple[int, dict[str, object]]:
    code = main(
        [
            "align", str(folder / "labels.tif"), "--image", str(folder / "scene.tif"),
            "--taxonomy", str(folder / "classes.yaml"), "--model", str(folder / "clip"),
            "--out", str(out), *options,
        ]
    )  # fmt: skip
    place = out.with_name(f"{out.stem}_alignment.json")
    if not place.is_file():
        return code, {}
    record = json.loads(place.read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(record)
    return code, record


def test_masks_are_decided_on_and_everything_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "named.tif"
    options = ["--candidates", str(folder / "table.yaml"), "--overlay", "--overlap", "16"]
    code, record = aligned(folder, out, "--with", "dynalign", *options, "--window", "64")
    said = capsys.readouterr().out
    assert code == 0
    assert "looking at crops" in said
    with rasterio.open(out) as file:
        labels = file.read(1)
    assert set(np.unique(labels)) <= {5, 6, 7, 8}
    assert (tmp_path / "named_overlay.png").is_file()
    cost = record["report"]["cost"]
    assert cost["counts"]["texts"] == 4  # once, for four windows
    assert cost["counts"]["batches"] < cost["counts"]["crops"]
    assert {"loading", "reading words", "finding masks", "painting"} <= set(cost["seconds"])
    painted = np.zeros((SIDE, SIDE), bool)
    for region in record["regions"]:
        assert region["reason"] in {"clip", "default"}
        runs = RunLength.from_dict(region["segmentation"])
        assert (runs.height, runs.width, runs.area) == (SIDE, SIDE, region["area"])
        assert sum(share for _, share in region["scores"]) == pytest.approx(
            1 if region["scores"] else 0
        )
        assert {"source", "target", "confidence", "source_share", "window"} <= set(region)
        assert (labels[runs.mask] == region["target"]).all()  # own regions do not overlap
        painted |= runs.mask
    assert painted.all()
    whole = {str(key): np.asfortranarray(labels == key, np.uint8) for key in np.unique(labels)}
    spelt = {key: coco.encode(mask)["counts"].decode() for key, mask in whole.items()}
    assert {key: runs["counts"] for key, runs in record["semantic_mask"].items()} == spelt


def test_masks_of_segment_anything_take_part(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "named.tif"
    options = ["--candidates", str(folder / "table.yaml"), "--masks", str(folder / "sam")]
    code, record = aligned(folder, out, "--with", "dynalign", "--preset", "quick", *options)
    assert code == 0
    assert record["report"]["masks"] == "sam"
    assert len(record["how"]["masks_sha256"]) == 64


def test_the_network_that_made_the_labels_can_veto_them(folder: Path, tmp_path: Path) -> None:
    # Its outputs are in another order than the classes of the labels.
    net = save_semantic("SegFormer", tmp_path / "net", ("road", "roof"))
    options = ["--with", "dynalign", "--preset", "dense", "--source-model", str(net)]
    table = ["--candidates", str(folder / "table.yaml")]
    code, record = aligned(folder, tmp_path / "named.tif", *options, *table, "--veto", "0.6")
    assert code == 0
    assert (record["how"]["source_model"], record["how"]["veto"]) == ("net", 0.6)
    assert "asking the source" in record["report"]["cost"]["seconds"]
    assert record["report"]["paddings"] == {"0": 10, "1": 40, "2": 10}
    model = load_semantic(VisionFolder(net))
    with open_raster(folder / "scene.tif") as source:
        said = run(model.scores(source.read(source.grid.window)))
    likely = said.vectors.numpy().repeat(said.stride, 1).repeat(said.stride, 2)
    doubted = set()
    for region in record["regions"]:
        mask = RunLength.from_dict(region["segmentation"]).mask
        share = likely[{2: 0, 1: 1}[region["source"]]][mask].mean()
        assert region["source_share"] == pytest.approx(share, abs=1e-4)
        assert (region["source_by"], region["runner_up"]) == ("probabilities", 3 - region["source"])
        assert region["doubted"] == (share <= 0.6)
        own, other = ({5, 6}, {7, 6})[:: 1 if region["source"] == 1 else -1]
        asked = own | {8} | (other if region["doubted"] else set())
        assert {key for key, _ in region["scores"]} == asked
        doubted.add(region["doubted"])
    assert doubted == {True, False}


def test_words_name_whole_classes(folder: Path, tmp_path: Path) -> None:
    code, record = aligned(folder, tmp_path / "named.tif", "--with", "text")
    assert code == 0
    assert [entry["source"] for entry in record["classes"]] == [1, 2]
    assert "semantic_mask" not in record
    for entry in record["classes"]:
        assert {key for key, _ in entry["scores"]} == {5, 6, 7, 8}
        assert sum(share for _, share in entry["scores"]) == pytest.approx(1)
    assert record["report"]["cost"]["counts"]["texts"] == 4


def test_what_cannot_be_done_is_refused_before_the_work(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "named.tif"
    bad = tmp_path / "bad.yaml"
    bad.write_text(TABLE.replace("  road: {default: lake, candidates: [lake, tree]}\n", ""))
    code, _ = aligned(folder, out, "--with", "dynalign", "--candidates", str(bad))
    assert code != 0
    assert (
        "a default for every class of the labels, found none for 'road'" in capsys.readouterr().err
    )
    assert not out.exists()
    other = save_semantic("SegFormer", tmp_path / "net")
    words = ["--with", "dynalign", "--preset", "dense", "--source-model", str(other)]
    code, _ = aligned(folder, out, *words)
    assert code != 0
    assert "labels that have all classes of net, found no 'grass' and 2" in capsys.readouterr().err
    code, _ = aligned(folder, out, *words[:3], "paper", *words[4:])
    assert code != 0
    assert "found the preset paper, or a veto of 0" in capsys.readouterr().err
    labels = str(folder / "labels.tif")
    without = ["align", labels, "--taxonomy", str(folder / "classes.yaml"), "--with", "dynalign"]
    assert main([*without, "--out", str(out)]) != 0
    assert "align with table or reference, which need none" in capsys.readouterr().err
    assert not out.exists()
