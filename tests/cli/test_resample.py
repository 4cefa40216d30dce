"""``--resample`` of ``firstpass fit`` and ``firstpass segment``: images of several resolutions."""

from __future__ import annotations

import json
from math import cos, radians
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from affine import Affine
from features import agreement
from grounds import SHAPE, areas, write_tile
from rasters import NORTH_UP, write_raster

import napari_firstpass
from napari_firstpass.api import label_source_steps
from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, UNFIT, USAGE
from napari_firstpass.config import SegmentConfig
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.model_file import read_model
from napari_firstpass.own_classes import load_model_steps
from napari_firstpass.progress import run as drive

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FINE = Affine(0.05, 0.0, 500_000.0, 0.0, -0.05, 5_000_000.0)
DEGREES = Affine(
    0.1 / 111_320 / cos(radians(45.0)), 0.0, 7.0, 0.0, -0.1 / 111_320, 45.0
)  # 0.1 m at 45° north
COLOURS = np.array([[70, 110, 60], [70, 110, 60], [190, 90, 70], [60, 70, 150]])
GRAIN = np.array([4, 52, 4, 20])


def fine_picture(ids: NDArray[np.int64], seed: int) -> NDArray[np.uint8]:
    """The grounds of ``ids`` in pixels half as large: two of them differ by their grain alone."""
    finer = np.kron(ids, np.ones((2, 2), int))
    grain = np.random.default_rng(seed).normal(size=finer.shape) * GRAIN[finer]
    return np.clip(np.moveaxis(COLOURS[finer], -1, 0) + grain, 0, 255).astype(np.uint8)


def halved(bands: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What a camera of half the resolution would see."""
    count, height, width = bands.shape
    blocks = bands.reshape(count, height // 2, 2, width // 2, 2)
    return blocks.mean((2, 4)).round().astype(np.uint8)


@pytest.fixture(scope="module")
def truth() -> list[NDArray[np.int64]]:
    return [areas((0, 1, 2, 3), 1), areas((3, 1, 0), 2), areas((2, 0, 1), 3)]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory, truth: list[NDArray[np.int64]]) -> list[Path]:
    """Pixels of 10 cm, of 5 cm, and of 10 cm in degrees; no two show the same."""
    folder = tmp_path_factory.mktemp("campaign")
    pictures = [fine_picture(ids, seed) for seed, ids in enumerate(truth)]
    degrees = write_raster(
        folder / "degrees.tif",
        halved(pictures[2]),
        crs="EPSG:4326",
        transform=DEGREES,
        photometric="RGB",
    )
    return [
        write_tile(folder / "coarse.tif", halved(pictures[0])),
        write_tile(folder / "fine.tif", pictures[1], FINE),
        degrees,
    ]


@pytest.fixture(scope="module")
def model(tiles: list[Path]) -> Path:
    out = tiles[0].with_name("mixed.firstpass")
    fit = ["fit", *map(str, tiles), "--out", str(out), "--classes", "4", "--resample"]
    assert main(fit) == DONE
    return out


def label(image: Path, out: Path, *options: str) -> NDArray[np.integer]:
    assert main(["segment", str(image), "--out", str(out), *options]) == DONE
    found = read_segmentation(out)
    with rasterio.open(image) as there, rasterio.open(out) as here:
        assert (here.shape, here.transform, here.crs) == (there.shape, there.transform, there.crs)
    return found.labels


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_classes_mean_the_same_in_images_of_different_resolution(
    tiles: list[Path], truth: list[NDArray[np.int64]], model: Path, tmp_path: Path
) -> None:
    labels = [
        label(tile, tmp_path / tile.name, "--model", str(model), "--resample") for tile in tiles
    ]
    assert [found.shape for found in labels] == [SHAPE, (2 * SHAPE[0], 2 * SHAPE[1]), SHAPE]
    finer = np.kron(truth[1], np.ones((2, 2), int))
    everything = [truth[0], finer, truth[2]]
    flat = [np.concatenate([part.ravel() for part in parts]) for parts in (labels, everything)]
    assert agreement(*flat) > 0.9
    assert agreement(labels[1], finer) > 0.85


def test_without_the_flag_they_are_refused_and_it_is_named(
    tiles: list[Path], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.firstpass"
    assert main(["fit", *map(str, tiles), "--out", str(out)]) == UNFIT
    assert (
        "pixels of 0.1 m in fine.tif, as in coarse.tif, found 0.05 m; resample it (--resample"
        in (said(capsys))
    )
    labels = tmp_path / "labels.tif"
    segment = ["segment", str(tiles[1]), "--model", str(model), "--out", str(labels)]
    assert main(segment) == UNFIT
    assert "as in mixed.firstpass, found 0.05 m; resample it (--resample" in said(capsys)
    assert not list(tmp_path.iterdir())


def test_model_and_labels_tell_at_which_size_images_were_read(
    tiles: list[Path], model: Path, tmp_path: Path
) -> None:
    made = read_model(model)
    assert made.imagery.metres == pytest.approx(0.1)
    assert made.provenance.config["fitted_at_m"] == made.imagery.metres
    label(tiles[1], tmp_path / "a.tif", "--model", str(model), "--resample")
    assert read_segmentation(tmp_path / "a.tif").provenance.config["resample_m"] == (
        made.imagery.metres
    )
    label(tiles[0], tmp_path / "b.tif", "--model", str(model))
    assert "resample_m" not in read_segmentation(tmp_path / "b.tif").provenance.config


def test_python_does_the_same(tiles: list[Path], model: Path, tmp_path: Path) -> None:
    config = SegmentConfig(classes=4)
    fitted = napari_firstpass.fit_files(tiles, config, metres="auto")
    assert fitted.imagery == read_model(model).imagery
    assert fitted.stats == read_model(model).stats
    report = napari_firstpass.label_file(
        tiles[1], tmp_path / "python.tif", model, config, metres="auto"
    )
    other = label(tiles[1], tmp_path / "shell.tif", "--model", str(model), "--resample")
    assert np.array_equal(read_segmentation(report.labels).labels, other)
    ready = drive(load_model_steps(str(model), config))
    with open_raster(tiles[1]) as source:
        steps = label_source_steps(source, ready, config, name="a layer", metres="auto")
        assert np.array_equal(drive(steps).labels, other)


def test_an_image_is_segmented_in_larger_pixels_and_labelled_in_its_own(
    tiles: list[Path], truth: list[NDArray[np.int64]], tmp_path: Path
) -> None:
    run = ["--classes", "3", "--resample", "0.1", "--confidence", "--overlay"]
    labels = label(tiles[1], tmp_path / "labels.tif", *run)
    blocks = labels.reshape(SHAPE[0], 2, SHAPE[1], 2)
    assert (blocks == blocks[:, :1, :, :1]).all()
    assert agreement(labels, np.kron(truth[1], np.ones((2, 2), int))) > 0.85
    sure = rasterio.open(tmp_path / "labels_confidence.tif").read(1)
    assert sure.shape == labels.shape
    assert len(np.unique(sure)) > 10
    record = read_segmentation(tmp_path / "labels.tif").provenance.config
    assert record["resample_m"] == 0.1
    assert (tmp_path / "labels_overlay.png").exists()


@pytest.mark.parametrize("metres", ["0.23", "0.04"])
def test_no_data_stays_unlabelled_to_the_pixel(tmp_path: Path, metres: str) -> None:
    bands = halved(fine_picture(areas((0, 2, 3), 7), 7)).clip(1)
    bands[:, :, :13] = 0
    bands[:, 90:101, 70:77] = 0
    bands[:, -5:] = 0
    image = write_raster(tmp_path / "a.tif", bands, transform=NORTH_UP, nodata=0, photometric="RGB")
    labels = label(image, tmp_path / "l.tif", "--classes", "3", "--resample", metres)
    assert np.array_equal(labels == 0, (bands == 0).all(0))


def test_sizes_that_are_none_or_not_known_are_refused(
    tiles: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    segment = ["segment", str(tiles[0]), "--out", str(tmp_path / "l.tif")]
    assert main([*segment, "--resample"]) == USAGE
    assert "say it, such as --resample 0.2" in said(capsys)
    assert main([*segment, "--resample", "-3"]) == USAGE
    assert "a pixel size in metres, larger than 0, found -3.0" in said(capsys)
    with pytest.raises(SystemExit, match="2"):
        main(["fit", "--resample", str(tiles[0]), "--out", str(tmp_path / "m.firstpass")])
    assert "write --resample after the images" in said(capsys)
    assert main([*segment, "--resample", "9"]) == UNFIT
    assert "0.025 to 3.2 m for the image, whose own is 0.1 m" in said(capsys)
    nowhere = write_raster(tmp_path / "nowhere.tif", np.ones((3, 64, 64), np.uint8), crs=None)
    fit = ["fit", str(tiles[0]), str(nowhere), "--out", str(tmp_path / "m.firstpass")]
    assert main([*fit, "--resample", "0.2"]) == UNFIT
    assert "to resample nowhere.tif, found no coordinate reference system" in said(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["nowhere.tif"]


def test_the_size_is_part_of_the_result_in_json(
    tiles: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["fit", *map(str, tiles[:2]), "--out", str(tmp_path / "m.firstpass"), "--json"]
    assert main([*run, "--classes", "3", "--method", "kmeans", "--resample", "0.2"]) == DONE
    found = json.loads(capsys.readouterr().out)
    assert found["metres_per_pixel"] == 0.2
