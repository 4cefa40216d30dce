from __future__ import annotations

import csv
import hashlib
import json
import os
import resource
import runpy
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from rasters import NORTH_UP, ROTATED, UTM31, pixels

from napari_firstpass.errors import FirstPassError, OutputError
from napari_firstpass.export_images import ExportReport, export_array
from napari_firstpass.exporting.rules import ExportRules
from napari_firstpass.grid import Grid
from napari_firstpass.io.export_folder import unfinished
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy, numbered_taxonomy

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = ('=cmd()"x', "a/b\\c", "</Category><x>&amp;", "Grünland 草地 \n two")
CLASSES = Taxonomy(
    tuple(LabelClass(i, name, f"#0000{i:02X}") for i, name in enumerate(HOSTILE, start=1))
)
SHAPE = (160, 200)
SMALL = {"size": 32, "block": 64, "split": "0.5,0.25,0.25"}
BANDS = pixels(height=SHAPE[0], width=SHAPE[1])


def held(grid: Grid | None = None, taxonomy: Taxonomy = CLASSES, seed: int = 1) -> Segmentation:
    ids = np.random.default_rng(seed).integers(1, 5, SHAPE).astype(np.uint8)
    ids[:10] = 0
    return Segmentation(ids, taxonomy, grid or Grid(*SHAPE, NORTH_UP, UTM31))


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def chips(out: Path, segmentation: Segmentation | None = None, **options: Any) -> Path:  # noqa: ANN401
    reported(out, segmentation, **options)
    return out


def reported(out: Path, segmentation: Segmentation | None = None, **options: Any) -> ExportReport:  # noqa: ANN401
    rules = options.pop("rules", ExportRules())
    chosen = {**SMALL, **options}
    return export_array(BANDS, segmentation or held(), out, "chips", rules, chosen, name="=scene")


def digests(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_chips_hold_what_lies_under_them_at_their_place(tmp_path: Path) -> None:
    out = chips(tmp_path / "out", stride=24)
    labels = held().labels
    listed = rows(out)
    for row in listed:
        top, left, height, width = (int(row[key]) for key in ("row", "col", "height", "width"))
        with rasterio.open(out / row["image"]) as image, rasterio.open(out / row["mask"]) as mask:
            bands, codes = image.read(), mask.read(1)
            assert (mask.nodata, mask.crs.to_epsg(), mask.shape) == (255, 32631, (32, 32))
            assert mask.transform == image.transform
            assert mask.transform @ (0, 0) == pytest.approx(NORTH_UP @ (left, top))
        inside = np.s_[top : top + height, left : left + width]
        expected = np.full((32, 32), 255, np.uint8)
        expected[:height, :width] = np.where(labels[inside] == 0, 255, labels[inside])
        np.testing.assert_array_equal(codes, expected)
        np.testing.assert_array_equal(bands[:, :height, :width], BANDS[(slice(None), *inside)])
        assert not bands[:, height:].any()
        counted = [int(row[f"pixels_{code}"]) for code in range(1, 5)]
        assert counted == [int((codes == code).sum()) for code in range(1, 5)]
        for what in ("image", "mask"):
            content = (out / row[what]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == row[f"{what}_sha256"]
    assert {row["split"] for row in listed} == {"train", "val", "test"}
    assert any(int(row["width"]) < 32 for row in listed)
    told = json.loads((out / "classes.json").read_text(encoding="utf-8"))
    assert tuple(entry["name"] for entry in told["classes"]) == HOSTILE
    # No cell of the table is a formula.
    assert not any(value[:1] in tuple("=+-@\t") for row in listed for value in row.values())


def test_chips_that_are_not_compressed_hold_the_same(tmp_path: Path) -> None:
    small, large = chips(tmp_path / "a"), chips(tmp_path / "b", compress="no")
    row = rows(small)[4]
    with rasterio.open(small / row["image"]) as one, rasterio.open(large / row["image"]) as other:
        np.testing.assert_array_equal(one.read(), other.read())
        assert (one.profile.get("compress"), other.profile.get("compress")) == ("deflate", None)


def test_no_pixel_of_validation_is_in_a_chip_for_training(tmp_path: Path) -> None:
    seen = {split: np.zeros(SHAPE, bool) for split in ("train", "val", "test")}
    for row in rows(chips(tmp_path / "out", stride=16)):
        top, left, height, width = (int(row[key]) for key in ("row", "col", "height", "width"))
        seen[row["split"]][top : top + height, left : left + width] = True
    assert all(pixels.any() for pixels in seen.values())
    assert sum(pixels.astype(int) for pixels in seen.values()).max() == 1


def test_png_chips_have_world_files(tmp_path: Path) -> None:
    out = chips(tmp_path / "out", held(Grid(*SHAPE, ROTATED, UTM31)), form="png")
    row = rows(out)[3]
    with rasterio.open(out / row["mask"]) as mask:
        # GDAL reads the world file; its numbers are rounded by nobody.
        placed = ROTATED @ ROTATED.translation(int(row["col"]), int(row["row"]))
        assert tuple(mask.transform)[:6] == pytest.approx(tuple(placed)[:6], abs=1e-7)
    plain = chips(tmp_path / "plain", held(Grid(*SHAPE)), form="png")
    assert not list(plain.rglob("*.pgw"))
    assert rows(plain)[0]["west"] == ""


def test_chips_with_little_in_them_are_left_out(tmp_path: Path) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[:32, :32] = 1
    few = Segmentation(labels, CLASSES, Grid(*SHAPE, NORTH_UP, UTM31))
    assert len(rows(chips(tmp_path / "few", few))) == 1
    assert len(rows(chips(tmp_path / "all", few, min_labelled=0.0))) == 5 * 7
    empty = Segmentation(np.zeros(SHAPE, np.uint8), CLASSES, Grid(*SHAPE, NORTH_UP, UTM31))
    assert rows(chips(tmp_path / "empty", empty)) == []


def test_a_limit_holds_for_training_and_can_favour_rare_classes(tmp_path: Path) -> None:
    labels = np.ones(SHAPE, np.uint8)
    labels[100:104, 100:140] = 2
    rare = Segmentation(labels, CLASSES, Grid(*SHAPE, NORTH_UP, UTM31))
    everything = rows(chips(tmp_path / "all", rare))
    some = rows(chips(tmp_path / "some", rare, limit=3, balance=True))
    for split in ("val", "test"):
        kept = [row["image"] for row in some if row["split"] == split]
        assert kept == [row["image"] for row in everything if row["split"] == split]
    training = [row for row in some if row["split"] == "train"]
    assert len(training) == 3
    best = sorted(int(r["pixels_2"]) for r in everything if r["split"] == "train")[-3:]
    assert sum(int(row["pixels_2"]) for row in training) == sum(best)
    assert len(rows(chips(tmp_path / "any", rare, limit=3))) == len(some)


def test_mmseg_folders_have_a_configuration_that_states_how_codes_are_read(tmp_path: Path) -> None:
    out = chips(tmp_path / "out", layout="mmseg")
    assert len(list((out / "img_dir").rglob("*.png"))) == len(rows(out))
    config = runpy.run_path(str(out / "dataset.py"))
    assert config["metainfo"]["classes"] == HOSTILE
    assert config["metainfo"]["palette"][2] == [0, 0, 3]
    assert (config["reduce_zero_label"], config["num_classes"]) == (True, 4)
    anew = chips(tmp_path / "anew", layout="mmseg", rules=ExportRules(renumber=True))
    config = runpy.run_path(str(anew / "dataset.py"))
    assert config["reduce_zero_label"] is False
    assert config["val_dataloader"]["dataset"]["data_prefix"]["seg_map_path"] == "ann_dir/val"
    with rasterio.open(anew / rows(anew)[9]["mask"]) as mask:
        assert set(np.unique(mask.read(1))) <= {0, 1, 2, 3, 255}


def test_what_a_layout_cannot_hold_is_refused_by_name(tmp_path: Path) -> None:
    out = tmp_path / "out"
    cases: list[tuple[str, dict[str, Any], Segmentation | None]] = [
        ("a CRS, for chips that TorchGeo reads", {"layout": "torchgeo"}, held(Grid(*SHAPE))),
        (
            "without gaps, for mmsegmentation",
            {"layout": "mmseg", "rules": ExportRules(ignore=255, codes=(("a/b\\c", 3),))},
            None,
        ),
        ("for mmsegmentation", {"layout": "mmseg"}, held(taxonomy=numbered_taxonomy(300))),
        (
            "codes, for chips that TorchGeo reads",
            {"layout": "torchgeo", "rules": ExportRules(preset="isprs-rgb", allow_loss=True)},
            None,
        ),
        ("blocks of 32 pixels or more", {"block": 16}, None),
        ("a limit, to choose chips", {"balance": True}, None),
        ("min_labelled in", {"min_labelled": 2.0}, None),
        ("a layout out of plain, mmseg", {"layout": "pascal"}, None),
        ("an image of 3 blocks", {"size": 256, "block": 0}, None),
    ]
    for said, options, segmentation in cases:
        with pytest.raises(FirstPassError, match=said):
            chips(out, segmentation, **options)
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(FirstPassError, match="chips in PNG, found 4 of type uint8"):
        export_array(pixels(4, *SHAPE), held(), out, "chips", options={**SMALL, "form": "png"})


def test_of_four_bands_png_holds_those_that_are_seen_and_it_is_said(tmp_path: Path) -> None:
    bands, out = pixels(4, *SHAPE), tmp_path / "out"
    report = export_array(
        bands,
        held(),
        out,
        "chips",
        options={**SMALL, "form": "png"},
        roles=("nir", "red", "green", "blue"),
    )
    assert any("nir is left out" in note.text for note in report.preview.notes)
    row = rows(out)[5]
    with rasterio.open(out / row["image"]) as image:
        top, left = int(row["row"]), int(row["col"])
        np.testing.assert_array_equal(image.read()[:, 0, 0], bands[1:, top, left])


def test_three_hundred_classes_and_colours_are_written(tmp_path: Path) -> None:
    many = held(taxonomy=numbered_taxonomy(300))
    out = chips(tmp_path / "many", many)
    with rasterio.open(out / rows(out)[0]["mask"]) as mask:
        assert (mask.dtypes[0], mask.nodata) == ("uint16", 65535)
    names = ("road", "building", "grass", "tree")
    town = Taxonomy(tuple(LabelClass(i, n, "#000000") for i, n in enumerate(names, start=1)))
    out = chips(tmp_path / "rgb", held(taxonomy=town), rules=ExportRules(preset="isprs-rgb"))
    row = rows(out)[9]
    with rasterio.open(out / row["mask"]) as mask:
        shown = {tuple(color) for color in mask.read().reshape(3, -1).T.tolist()}
    assert shown <= {(255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (0, 0, 0)}
    assert len(shown) >= 4


def killed(out: Path, after: int) -> None:
    """Start an export in a process of its own and kill it when some chips are there."""
    script = (
        "import sys; sys.path[:0] = sys.argv[2:]; from pathlib import Path\n"
        "import test_chips; test_chips.chips(Path(sys.argv[1]), stride=8)"
    )
    here = os.path.dirname(__file__)  # noqa: PTH120
    command = [sys.executable, "-c", script, str(out), here, *sys.path[:8]]
    process = subprocess.Popen(command)
    try:
        while process.poll() is None and len(list(unfinished(out).rglob("*.tif"))) < after:
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _image_of(mask: Path) -> Path:
    return mask.parents[1] / "images" / mask.name


def test_a_killed_export_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    killed(out, after=20)
    assert not out.exists()
    left = [p for p in unfinished(out).rglob("*.tif") if not p.name.startswith(".")]
    times = {p.relative_to(unfinished(out)): p.stat().st_mtime_ns for p in left}
    assert len(times) >= 20
    pairs = sum("masks" in name.parts and _image_of(name) in times for name in times)
    report = reported(out, stride=8)
    told = [note.text for note in report.preview.notes if "earlier run" in note.text]
    assert len(told) == 1
    assert told[0].startswith(f"{pairs} of at most ")
    assert all((out / name).stat().st_mtime_ns == stamp for name, stamp in times.items())
    assert digests(out) == digests(chips(tmp_path / "undisturbed", stride=8))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "undisturbed"]


def test_a_full_disk_leaves_finished_chips_and_a_rerun_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    noise = np.random.default_rng(0).integers(0, 256, (3, *SHAPE)).astype(np.uint8)
    noise[:, : SHAPE[0] // 2] = 7

    def export() -> None:
        export_array(noise, held(), out, "chips", options=SMALL, name="x")

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # Masks and one colour are smaller than that, noise is not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (3200, before[1]))
    try:
        told = r"a limit on the size of files, with [1-9]\d* of at most \d+ chips finished in .* on"
        with pytest.raises(OutputError, match=told):
            export()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not out.exists()
    assert not list(unfinished(out).rglob(".*.partial"))
    export()
    assert len(rows(out)) > 20
    assert not unfinished(out).exists()
