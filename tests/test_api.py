from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from affine import Affine
from features import landscape
from models import save_semantic
from rasterio.crs import CRS

import napari_firstpass
from napari_firstpass.api import (
    label_file,
    label_file_steps,
    segment_array,
    segment_file,
    segment_file_steps,
)
from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import (
    ImageContentError,
    ImageReadError,
    OutputError,
    UnknownNameError,
)
from napari_firstpass.grid import Grid
from napari_firstpass.image_files import file_sha256
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.io.raster_file import write_raster
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.semantic import load_semantic
from napari_firstpass.progress import run
from napari_firstpass.raster import Raster
from napari_firstpass.semantic_labels import label_steps

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = SegmentConfig(classes=3)
TURNED = Affine.translation(350_000, 5_600_000) @ Affine.rotation(20) @ Affine.scale(0.2, -0.2)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    image = landscape(150, 170)
    grid = Grid(150, 170, TURNED, "EPSG:32631")
    raster = Raster.from_array(image, grid, roles=("red", "green", "blue"))
    return write_raster(tmp_path / "scene.tif", raster)


def test_a_file_becomes_a_label_file_in_the_same_place(scene: Path, tmp_path: Path) -> None:
    report = segment_file(scene, tmp_path / "labels.tif", CONFIG)
    with rasterio.open(report.labels) as labels, rasterio.open(scene) as image:
        assert labels.crs == image.crs == CRS.from_epsg(32631)
        assert labels.transform == image.transform
        assert labels.shape == image.shape
        assert labels.nodata == 0
        assert set(np.unique(labels.read(1))) == {1, 2, 3}


def test_file_and_array_give_the_same_labels(scene: Path, tmp_path: Path) -> None:
    segment_file(scene, tmp_path / "labels.tif", CONFIG)
    found = segment_array(landscape(150, 170), CONFIG)
    np.testing.assert_array_equal(read_segmentation(tmp_path / "labels.tif").labels, found.labels)


def test_two_runs_write_the_same_bytes(scene: Path, tmp_path: Path) -> None:
    one, other = (segment_file(scene, tmp_path / f"{i}.tif", CONFIG).labels for i in (1, 2))
    assert one.read_bytes() == other.read_bytes()


def test_the_label_file_knows_its_history(scene: Path, tmp_path: Path) -> None:
    segment_file(scene, tmp_path / "labels.tif", CONFIG, bands="r,g,b")
    record = read_segmentation(tmp_path / "labels.tif").provenance
    assert record.source == "scene.tif"
    assert record.source_sha256 == sha256(scene.read_bytes()).hexdigest()
    assert (record.config["classes"], record.config["seed"]) == (3, 0)
    assert record.config["bands"] == "r,g,b"


@pytest.mark.parametrize("backbone", ["embedded", "texture"])
def test_the_label_file_knows_which_weights_made_it(
    scene: Path, tmp_path: Path, backbone: str
) -> None:
    segment_file(scene, tmp_path / "labels.tif", SegmentConfig(classes=3, backbone=backbone))
    record = read_segmentation(tmp_path / "labels.tif").provenance
    weights = files("napari_firstpass.backbones") / "embedded.safetensors"
    shipped = sha256(weights.read_bytes()).hexdigest()
    assert record.weights_sha256 == (shipped if backbone == "embedded" else None)


def test_the_report_counts_the_pixels_of_each_class(scene: Path, tmp_path: Path) -> None:
    report = segment_file(scene, tmp_path / "labels.tif", CONFIG)
    labels = read_segmentation(tmp_path / "labels.tif").labels
    assert report.counts == {i: int((labels == i).sum()) for i in (1, 2, 3)}


def test_confidence_is_written_on_request(scene: Path, tmp_path: Path) -> None:
    segment_file(scene, tmp_path / "labels.tif", CONFIG, confidence=tmp_path / "sure.tif")
    expected = segment_array(landscape(150, 170), CONFIG).confidence
    with rasterio.open(tmp_path / "sure.tif") as file:
        np.testing.assert_array_equal(file.read(1), expected)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.93])
def test_a_cancelled_run_leaves_nothing_behind(scene: Path, tmp_path: Path, share: float) -> None:
    steps = segment_file_steps(scene, tmp_path / "labels.tif", CONFIG)
    for progress in steps:
        if progress.done >= share * progress.total:
            break
    steps.close()
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def test_progress_of_a_file_never_goes_back(scene: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    segment_file(
        scene,
        tmp_path / "labels.tif",
        CONFIG,
        confidence=tmp_path / "sure.tif",
        on_progress=lambda p: seen.append(p.done / p.total),
    )
    assert seen == sorted(seen)


def test_the_image_is_never_replaced(scene: Path) -> None:
    before = scene.read_bytes()
    with pytest.raises(OutputError, match="which is an input"):
        segment_file(scene, scene, CONFIG, overwrite=True)
    assert scene.read_bytes() == before


def test_existing_labels_are_only_replaced_on_request(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.tif"
    out.write_text("precious")
    with pytest.raises(OutputError, match="does not exist yet"):
        segment_file(scene, out, CONFIG)
    assert out.read_text() == "precious"
    segment_file(scene, out, CONFIG, overwrite=True)
    assert read_segmentation(out).taxonomy.ids == (1, 2, 3)


def test_a_failed_run_leaves_existing_labels_alone(tmp_path: Path) -> None:
    flat = Raster.from_array(np.full((1, 32, 32), 7, np.uint8), Grid(32, 32))
    image, out = write_raster(tmp_path / "flat.tif", flat), tmp_path / "labels.tif"
    out.write_text("precious")
    with pytest.raises(ImageContentError, match="one value 7 everywhere"):
        segment_file(image, out, CONFIG, overwrite=True)
    assert out.read_text() == "precious"
    assert {path.name for path in tmp_path.iterdir()} == {"flat.tif", "labels.tif"}


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 3, 4, 5)), np.zeros(7), np.zeros((1, 4, 4), complex), np.zeros((0, 4, 4))],
    ids=["four axes", "one axis", "complex", "no band"],
)
def test_an_array_that_is_no_image_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ImageContentError, match=r"shape \(C, H, W\) or \(H, W\)"):
        segment_array(array, CONFIG)


def test_a_single_band_may_come_without_its_axis() -> None:
    grey = landscape(90, 80)[0]
    one, other = (segment_array(a, CONFIG).labels for a in (grey, grey[None]))
    np.testing.assert_array_equal(one, other)


def test_an_array_keeps_its_place() -> None:
    found = segment_array(landscape(64, 64), CONFIG, transform=TURNED, crs="EPSG:32631")
    assert found.grid == Grid(64, 64, TURNED, "EPSG:32631")


def test_the_image_array_is_not_modified() -> None:
    image = landscape(64, 64)
    before = image.copy()
    segment_array(image, CONFIG)
    np.testing.assert_array_equal(image, before)


def test_the_hash_is_that_of_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(range(256)) * 80_000)
    assert run(file_sha256(path)) == sha256(path.read_bytes()).hexdigest()


def test_what_is_no_ordinary_file_has_no_hash(tmp_path: Path) -> None:
    assert run(file_sha256(tmp_path)) is None


def test_a_missing_file_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="found no file at"):
        segment_file(tmp_path / "missing.tif", tmp_path / "out.tif", CONFIG)


# Labels by a model that knows classes


@pytest.fixture
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_semantic("SegFormer", tmp_path_factory.mktemp("models") / "five")


def test_a_model_labels_a_file_as_it_labels_an_array(
    scene: Path, tmp_path: Path, model: Path
) -> None:
    out, sure = tmp_path / "labels.tif", tmp_path / "sure.tif"
    report = label_file(scene, out, str(model), confidence=sure)
    raster = Raster.from_array(landscape(150, 170), Grid(150, 170), roles=("red", "green", "blue"))
    expected = run(label_steps(raster, load_semantic(VisionFolder(model))))
    np.testing.assert_array_equal(read_segmentation(out).labels, expected.labels)
    with rasterio.open(sure) as file:
        np.testing.assert_array_equal(file.read(1), expected.confidence)
    assert report.taxonomy == expected.taxonomy
    assert sum(report.counts.values()) == 150 * 170


def test_a_loaded_model_does_as_well_as_its_folder(
    scene: Path, tmp_path: Path, model: Path
) -> None:
    loaded = load_semantic(VisionFolder(model))
    one = label_file(scene, tmp_path / "1.tif", loaded, bands="r,g,b").labels
    other = label_file(scene, tmp_path / "2.tif", str(model), bands="r,g,b").labels
    assert one.read_bytes() == other.read_bytes()
    assert read_segmentation(one).provenance.config["bands"] == "r,g,b"


@pytest.mark.parametrize("share", [0.0, 0.08, 0.3, 0.9, 0.93])
def test_labelling_that_is_cancelled_leaves_nothing_behind(
    scene: Path, tmp_path: Path, model: Path, share: float
) -> None:
    steps = label_file_steps(scene, tmp_path / "labels.tif", str(model))
    for progress in steps:
        if progress.done >= share * progress.total:
            break
    steps.close()
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def test_progress_of_labelling_never_goes_back(scene: Path, tmp_path: Path, model: Path) -> None:
    seen: list[float] = []
    label_file(
        scene,
        tmp_path / "labels.tif",
        str(model),
        on_progress=lambda p: seen.append(p.done / p.total),
    )
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] > 0.9


def test_an_unknown_model_is_said_before_the_image_is_read(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"segformer-b0-ade.*found 'resnet'"):
        label_file(tmp_path / "missing.tif", tmp_path / "out.tif", "resnet")


def test_the_package_offers_its_functions() -> None:
    assert napari_firstpass.label_file is label_file
    assert napari_firstpass.segment_file is segment_file
    assert napari_firstpass.segment_array is segment_array
