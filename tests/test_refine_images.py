from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from affine import Affine
from borders import agreement, areas, beside, eroded, picture
from rasters import write_raster

import napari_firstpass
from napari_firstpass.config import RefineConfig
from napari_firstpass.errors import (
    FirstPassError,
    GridMismatchError,
    ImageContentError,
    ImageReadError,
    OptionError,
    OutputError,
    UnknownNameError,
)
from napari_firstpass.grid import Grid, Window
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.label_file import LabelFile, read_segmentation, write_segmentation
from napari_firstpass.progress import run
from napari_firstpass.provenance import Provenance
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.refine_images import (
    Changes,
    refine_array,
    refine_file,
    refine_file_steps,
    refine_source_steps,
)
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TRUTH = areas(150, 170, seed=1)
CLASSES = Taxonomy(
    (
        LabelClass(1, "grass", "#112233"),
        LabelClass(2, "roof", "#445566", aliases=("building",)),
        LabelClass(3, "road", "#778899", parent=None, export_code=9),
        LabelClass(4, "never seen", "#AABBCC"),
    )
)
RECORD = Provenance(config={"method": "kmeans", "seed": 3}, source="scene.tif")
GUIDED = RefineConfig(refiner="guided", device="cpu")


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "scene.tif", picture(TRUTH), nodata=0)


def place_of(path: Path) -> Grid:
    with open_raster(path) as source:
        return source.grid


def wrong(labels: NDArray[np.generic]) -> float:
    """Share of pixels whose id is not the true one."""
    return 1 - agreement(labels, TRUTH)


def write_labels(scene: Path, labels: NDArray[np.uint8]) -> Path:
    path = scene.with_name("labels.tif")
    return write_segmentation(path, Segmentation(labels, CLASSES, place_of(scene), None, RECORD))


def memory(labels: NDArray[np.uint8], sure: NDArray[np.uint8] | None = None) -> Segmentation:
    return Segmentation(labels, CLASSES, Grid(*labels.shape), sure, RECORD)


@pytest.mark.parametrize("refiner", ["guided", "superpixels"])
def test_a_label_file_gets_the_borders_of_the_image(scene: Path, refiner: str) -> None:
    labels = write_labels(scene, beside(TRUTH, 2))
    out = scene.with_name("finer.tif")
    report = refine_file(scene, labels, out, replace(GUIDED, refiner=refiner))
    found = read_segmentation(out)
    assert wrong(found.labels) < wrong(beside(TRUTH, 2)) / 2
    assert report.changes.moved == int((found.labels != beside(TRUTH, 2)).sum())
    assert (report.changes.gained, report.changes.lost) == (0, 0)
    assert napari_firstpass.refine_file is refine_file


def test_classes_place_and_history_are_kept(scene: Path) -> None:
    labels = write_labels(scene, beside(TRUTH))
    out = scene.with_name("finer.tif")
    refine_file(scene, labels, out, GUIDED)
    found = read_segmentation(out)
    assert (found.taxonomy, found.grid) == (CLASSES, place_of(scene))
    assert found.provenance.source == "scene.tif"
    assert {**found.provenance.config, "refined": None} == {**RECORD.config, "refined": None}
    (step,) = found.provenance.config["refined"]
    assert (step["refiner"], step["preset"], step["seed"]) == ("guided", "fast", 0)
    assert step["image"] == "scene.tif"
    assert len(step["image_sha256"]) == len(step["labels_sha256"]) == 64
    with rasterio.open(out) as dataset:
        assert (dataset.dtypes[0], dataset.nodata) == ("uint8", 0)
        assert dataset.colormap(1)[2] == (0x44, 0x55, 0x66, 255)


def test_refining_twice_is_told_twice(scene: Path) -> None:
    labels = write_labels(scene, beside(TRUTH))
    first, second = (scene.with_name(f"{i}.tif") for i in "ab")
    refine_file(scene, labels, first, GUIDED)
    refine_file(scene, first, second, replace(GUIDED, refiner="regions"))
    steps = read_segmentation(second).provenance.config["refined"]
    assert [step["refiner"] for step in steps] == ["guided", "regions"]


def test_the_same_input_gives_the_same_bytes(scene: Path) -> None:
    labels = write_labels(scene, beside(TRUTH))
    outs = [scene.with_name(f"{i}.tif") for i in "ab"]
    for out in outs:
        refine_file(scene, labels, out, GUIDED, confidence=out.with_name(f"{out.stem}_c.tif"))
    assert outs[0].read_bytes() == outs[1].read_bytes()
    sure = [out.with_name(f"{out.stem}_c.tif").read_bytes() for out in outs]
    assert sure[0] == sure[1]


@pytest.mark.usefixtures("two_threads")  # so that windows are refined side by side
@pytest.mark.parametrize("refiner", ["guided", "regions"])
def test_windows_leave_no_seam(refiner: str) -> None:
    ids = areas(300, 330, seed=2)
    raster = Raster.from_array(picture(ids), Grid(300, 330), roles=("red", "green", "blue"))
    labels = beside(ids)
    labels[::17, ::13] = 2
    guide = memory(labels)
    whole, cut = (
        run(refine_source_steps(ArraySource(raster), guide, replace(GUIDED, refiner=refiner, **kw)))
        for kw in ({}, {"window": 128})
    )
    np.testing.assert_array_equal(whole.labels, cut.labels)
    assert (np.abs(whole.confidence.astype(int) - cut.confidence) <= 1).all()


@pytest.mark.parametrize("refiner", ["superpixels", "crf"])
def test_windows_of_what_looks_far_differ_little(refiner: str) -> None:
    ids = areas(160, 300, seed=2)
    guide, config = memory(beside(ids)), replace(GUIDED, refiner=refiner)
    whole, cut = (
        refine_array(picture(ids), guide, one) for one in (config, replace(config, window=160))
    )
    assert agreement(whole.labels, cut.labels) > 0.99


def test_one_network_is_trained_for_all_windows() -> None:
    ids = areas(150, 200, seed=2)
    raster = Raster.from_array(picture(ids), Grid(150, 200), roles=("red", "green", "blue"))
    guide, config = memory(beside(ids)), RefineConfig(refiner="dynaguide", window=96)
    told: list[str] = []
    steps = refine_source_steps(ArraySource(raster), guide, config)
    refined = run(steps, lambda progress: told.append(progress.message))
    first = next(at for at, message in enumerate(told) if message.startswith("window 1 of "))
    assert told[first] != "window 1 of 1"
    assert "training" in told[:first]
    assert "training" not in told[first:]
    assert agreement(refined.labels, ids) > agreement(guide.labels, ids)


def test_only_the_area_changes(scene: Path) -> None:
    guide, area = memory(beside(TRUTH)), Window(37, 41, 60, 71)
    with open_raster(scene) as source:
        guide = replace(guide, grid=source.grid)
        part = run(refine_source_steps(source, guide, GUIDED, area=area))
        whole = run(refine_source_steps(source, guide, GUIDED))
    outside = np.ones(TRUTH.shape, bool)
    outside[area.slices] = False
    np.testing.assert_array_equal(part.labels[outside], guide.labels[outside])
    np.testing.assert_array_equal(part.labels[area.slices], whole.labels[area.slices])
    assert (part.labels != guide.labels).any()


def test_nodata_of_the_image_gets_no_label_and_gaps_do(scene: Path) -> None:
    image = picture(TRUTH)
    image[:, 100:] = 0
    write_raster(scene, image, nodata=0)
    labels = write_labels(scene, eroded(TRUTH, 2))
    report = refine_file(scene, labels, scene.with_name("finer.tif"), GUIDED)
    found = read_segmentation(report.written.labels).labels
    assert not found[100:].any()
    assert agreement(found[:100], TRUTH[:100]) > 0.98
    assert report.changes.lost == int((eroded(TRUTH, 2)[100:] > 0).sum())
    assert report.changes.gained > 0.9 * int((eroded(TRUTH, 2)[:100] == 0).sum())


def test_the_confidence_beside_the_labels_counts(scene: Path) -> None:
    """Of two halves of one colour, the one that is sure takes the strip that is not."""
    ids = np.full((64, 96), 1, np.uint8)
    ids[:, 48:] = 2
    image = np.full((3, 64, 96), 60, np.uint8)
    image[:, :, 54:] = 180
    sure = np.full(ids.shape, 250, np.uint8)
    sure[:, 48:54] = 10
    write_raster(scene, image)
    path = scene.with_name("labels.tif")
    confidence = scene.with_name("labels_confidence.tif")
    with LabelFile(
        path,
        grid=place_of(scene),
        taxonomy=CLASSES,
        provenance=RECORD,
        confidence_path=confidence,
    ) as file:
        file.write(Window(0, 0, 64, 96), ids, sure)
    report = refine_file(scene, path, scene.with_name("finer.tif"), GUIDED)
    assert report.guide_confidence == confidence
    assert bool((read_segmentation(report.written.labels).labels[:, 50:53] == 1).all())


def test_an_array_is_refined_and_left_as_it_was() -> None:
    guide = memory(beside(TRUTH))
    before = guide.labels.copy()
    found = refine_array(picture(TRUTH), guide, GUIDED)
    assert wrong(found.labels) < wrong(before) / 2
    np.testing.assert_array_equal(guide.labels, before)
    assert found.confidence is not None
    assert found.provenance.config["refined"][0]["image_sha256"] is None
    grey = refine_array(picture(TRUTH).mean(0), guide, GUIDED)
    assert wrong(grey.labels) < wrong(before)
    with pytest.raises(GridMismatchError, match="150, 170"):
        refine_array(picture(TRUTH)[:, 1:], guide, GUIDED)


def refuse(scene: Path, labels: Path, error: type[FirstPassError], match: str) -> None:
    """Make sure that refining is refused and leaves nothing."""
    before = sorted(scene.parent.iterdir())
    with pytest.raises(error, match=match):
        refine_file(scene, labels, scene.with_name("finer.tif"), GUIDED)
    assert sorted(scene.parent.iterdir()) == before


def test_other_grids_are_refused(scene: Path) -> None:
    smaller = Segmentation(TRUTH[1:].copy(), CLASSES, Grid(149, 170))
    refuse(scene, write_segmentation(scene.with_name("s.tif"), smaller), GridMismatchError, "149")
    grid = place_of(scene)
    moved = replace(grid, transform=grid.transform @ Affine.translation(5, 0))
    path = write_segmentation(scene.with_name("m.tif"), Segmentation(TRUTH, CLASSES, moved))
    refuse(scene, path, GridMismatchError, "on the grid of the image")


def test_labels_without_a_place_of_the_same_size_are_taken(scene: Path) -> None:
    path = write_segmentation(scene.with_name("s.tif"), memory(beside(TRUTH)))
    report = refine_file(scene, path, scene.with_name("finer.tif"), GUIDED)
    assert report.written.grid == place_of(scene)


def test_one_class_and_no_class_are_refused(scene: Path) -> None:
    one = write_labels(scene, np.where(TRUTH == 2, 2, 0).astype(np.uint8))
    refuse(scene, one, ImageContentError, "class 2 alone")
    none = scene.with_name("none.tif")
    write_segmentation(none, Segmentation(TRUTH * 0, CLASSES, place_of(scene)))
    refuse(scene, none, ImageContentError, "all pixels are unlabelled")


def test_an_image_without_data_is_refused(scene: Path) -> None:
    labels = write_labels(scene, TRUTH)
    write_raster(scene, picture(TRUTH) * 0, nodata=0)
    refuse(scene, labels, ImageContentError, "valid pixels, found none")


def test_what_is_no_label_file_is_refused(scene: Path) -> None:
    refuse(scene, scene, ImageReadError, "a label map")


def test_inputs_are_never_replaced(scene: Path) -> None:
    labels = write_labels(scene, beside(TRUTH))
    for target in (scene, labels):
        before = target.read_bytes()
        with pytest.raises(OutputError, match="which is an input"):
            refine_file(scene, labels, target, GUIDED, overwrite=True)
        assert target.read_bytes() == before
    out = scene.with_name("finer.tif")
    out.write_bytes(b"mine")
    with pytest.raises(OutputError, match="does not exist yet"):
        refine_file(scene, labels, out, GUIDED)
    assert out.read_bytes() == b"mine"
    refine_file(scene, labels, out, GUIDED, overwrite=True)


def test_unknown_options_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    nothing = tmp_path / "no.tif"
    for config, match in (
        (RefineConfig(refiner="magic"), "crf, dynaguide, guided"),
        (RefineConfig(refiner="crf", preset="slow"), "fast, paper"),
    ):
        with pytest.raises(UnknownNameError, match=match):
            refine_file(nothing, nothing, nothing, config)
    with pytest.raises(OptionError, match="window"):
        RefineConfig(window=100)
    with pytest.raises(OptionError, match="seed"):
        RefineConfig(seed=-1)


def test_a_run_that_is_dropped_leaves_nothing(scene: Path) -> None:
    labels = write_labels(scene, beside(TRUTH))
    before = sorted(scene.parent.iterdir())
    steps = refine_file_steps(scene, labels, scene.with_name("finer.tif"), GUIDED)
    progress = [next(steps) for _ in range(12)]
    steps.close()
    shares = [p.done / p.total for p in progress]
    assert shares == sorted(shares)
    assert sorted(scene.parent.iterdir()) == before


def test_changes_are_counted() -> None:
    before, after = np.array([[0, 0, 1, 2, 2]], np.uint8), np.array([[0, 3, 2, 2, 0]], np.uint8)
    assert Changes.between(before, after) == Changes(moved=1, gained=1, lost=1)
    assert Changes(1, 2, 3).plus(Changes(10, 20, 30)) == Changes(11, 22, 33)
