"""Label files: what they hold, and that they appear whole or not at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp
from rasters import NORTH_UP, ROTATED, UTM31, checkerboard

from napari_firstpass.errors import GridMismatchError, OutputError, TaxonomyError
from napari_firstpass.grid import IDENTITY, Grid, Window
from napari_firstpass.io.label_file import LabelFile, read_segmentation, write_segmentation
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy, numbered_taxonomy

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from affine import Affine

TOWN = Taxonomy(
    (
        LabelClass(1, "roof", "#FF0000"),
        LabelClass(2, "road & path", "#808080"),
        LabelClass(3, "Bäume", "#00FF00", parent=1, aliases=("trees",)),
    )
)
GRID = Grid(48, 64, NORTH_UP, UTM31)
MADE = Provenance({"method": "kmeans", "seed": 3}, "scene.tif", "ab" * 32)


def town(grid: Grid = GRID) -> Segmentation:
    return Segmentation(checkerboard(*grid.shape), TOWN, grid, None, MADE)


def label_file(path: Path, **options: object) -> LabelFile:
    return LabelFile(path, grid=GRID, taxonomy=TOWN, provenance=MADE, **options)


def test_pixels_place_type_and_nodata_are_in_the_file(tmp_path: Path) -> None:
    write_segmentation(tmp_path / "a.tif", town())
    with rasterio.open(tmp_path / "a.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), checkerboard())
        assert dataset.crs.to_epsg() == 32631
        assert dataset.transform == NORTH_UP
        assert (dataset.count, dataset.dtypes, dataset.nodata) == (1, ("uint8",), 0)
        assert dataset.profile["tiled"]


def test_colours_are_in_the_file(tmp_path: Path) -> None:
    write_segmentation(tmp_path / "a.tif", town())
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.colorinterp == (ColorInterp.palette,)
        table = dataset.colormap(1)
    assert [table[i][:3] for i in (1, 2, 3)] == [(255, 0, 0), (128, 128, 128), (0, 255, 0)]


def test_names_and_history_are_in_tags(tmp_path: Path) -> None:
    write_segmentation(tmp_path / "a.tif", town())
    with rasterio.open(tmp_path / "a.tif") as dataset:
        tags, band_tags = dataset.tags(), dataset.tags(1)
    names = [entry["name"] for entry in json.loads(tags["FIRSTPASS_TAXONOMY"])["classes"]]
    assert names == ["roof", "road & path", "Bäume"]
    assert json.loads(tags["FIRSTPASS_PROVENANCE"])["config"] == {"method": "kmeans", "seed": 3}
    assert (band_tags["CLASS_1"], band_tags["CLASS_3"]) == ("roof", "Bäume")


def test_gdal_itself_sees_names_colours_and_counts(tmp_path: Path) -> None:
    path = write_segmentation(tmp_path / "a.tif", town())
    # rasterio cannot ask for them; a VRT made by GDAL tells what GDAL knows.
    rasterio.shutil.copy(str(path), str(tmp_path / "a.vrt"), driver="VRT")
    vrt = (tmp_path / "a.vrt").read_text(encoding="utf-8")
    listed = [
        "unlabelled",
        "roof",
        "road &amp; path",
        "Bäume",
    ]
    assert [vrt.count(f"<Category>{name}</Category>") for name in listed] == [1, 1, 1, 1]
    roofs = int((checkerboard() == 1).sum())
    row = "".join(f"<F>{value}</F>" for value in (1, "roof", 255, 0, 0, roofs))
    assert row in "".join(vrt.split("\n")).replace(" ", "")


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED, IDENTITY], ids=["up", "rotated", "none"])
@pytest.mark.parametrize(
    "crs",
    [
        UTM31,
        "EPSG:4326",
        "ESRI:54009",
        None,
        "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +R=6371229",
    ],
)
def test_what_is_written_is_read_back(tmp_path: Path, transform: Affine, crs: str | None) -> None:
    text = rasterio.crs.CRS.from_user_input(crs).to_wkt() if crs and "+" in crs else crs
    before = town(Grid(48, 64, transform, text))
    after = read_segmentation(write_segmentation(tmp_path / "a.tif", before))
    np.testing.assert_array_equal(after.labels, before.labels)
    assert (after.taxonomy, after.provenance) == (TOWN, MADE)
    assert after.grid.transform == transform
    if crs is None or after.grid.crs is None:
        assert after.grid.crs is crs
    else:
        crs_of = rasterio.crs.CRS.from_user_input
        assert crs_of(after.grid.crs) == crs_of(crs)


def test_more_than_255_classes_need_sixteen_bits(tmp_path: Path) -> None:
    labels = np.arange(301, dtype=np.uint16).reshape(7, 43)
    before = Segmentation(labels, numbered_taxonomy(300), Grid(7, 43, NORTH_UP, UTM31))
    after = read_segmentation(write_segmentation(tmp_path / "a.tif", before))
    assert after.labels.dtype == np.uint16
    np.testing.assert_array_equal(after.labels, labels)
    assert after.taxonomy == before.taxonomy


def test_the_same_labels_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_segmentation(tmp_path / f"{name}.tif", town())
    for suffix in (".tif", ".tif.aux.xml"):
        first, second = (tmp_path / f"{name}{suffix}" for name in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()


def test_pixels_that_were_never_written_are_unlabelled(tmp_path: Path) -> None:
    with label_file(tmp_path / "a.tif") as file:
        file.write(Window(10, 20, 2, 3), np.full((2, 3), 2, np.uint8))
    labels = read_segmentation(tmp_path / "a.tif").labels
    assert labels.sum() == 12
    assert (labels[10:12, 20:23] == 2).all()


def test_confidence_goes_to_its_own_file(tmp_path: Path) -> None:
    confidence = np.arange(48 * 64, dtype=np.uint32).reshape(48, 64).astype(np.uint8)
    with label_file(tmp_path / "a.tif", confidence_path=tmp_path / "c.tif") as file:
        file.write(GRID.window, checkerboard(), confidence)
    with rasterio.open(tmp_path / "c.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), confidence)
        assert dataset.transform == NORTH_UP
        assert dataset.descriptions == ("confidence",)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tif", "a.tif.aux.xml", "c.tif"]


def test_an_error_while_labelling_leaves_nothing(tmp_path: Path) -> None:
    file = label_file(tmp_path / "a.tif", confidence_path=tmp_path / "c.tif")
    with pytest.raises(GridMismatchError), file:
        file.write(GRID.window, np.ones((2, 2), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_run_leaves_nothing(tmp_path: Path) -> None:
    def steps() -> Generator[int, None, None]:
        with label_file(tmp_path / "a.tif") as file:
            file.write(GRID.window, checkerboard())
            yield 1

    running = steps()
    next(running)
    running.close()
    assert list(tmp_path.iterdir()) == []


def test_an_id_without_a_class_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    gap = Taxonomy((LabelClass(1, "a", "#000000"), LabelClass(3, "b", "#FFFFFF")))
    file = LabelFile(tmp_path / "a.tif", grid=GRID, taxonomy=gap, provenance=MADE)
    file.__enter__().write(Window(0, 0, 1, 1), np.array([[2]], np.uint8))
    with pytest.raises(TaxonomyError, match="ids 2 without a class"):
        file.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


def test_an_id_above_all_classes_is_refused_at_once(tmp_path: Path) -> None:
    with (
        pytest.raises(TaxonomyError, match="ids 4 without a class"),
        label_file(tmp_path / "a.tif") as file,
    ):
        file.write(Window(0, 0, 1, 1), np.array([[4]], np.uint8))


def test_names_of_an_overwritten_file_do_not_survive(tmp_path: Path) -> None:
    path = write_segmentation(tmp_path / "a.tif", town())
    renamed = Segmentation(checkerboard(), numbered_taxonomy(3, "thing"), GRID)
    write_segmentation(path, renamed, overwrite=True)
    assert "roof" not in (tmp_path / "a.tif.aux.xml").read_text(encoding="utf-8")
    assert read_segmentation(path).taxonomy == renamed.taxonomy


def test_an_existing_file_stays_unless_overwriting_is_asked_for(tmp_path: Path) -> None:
    path = write_segmentation(tmp_path / "a.tif", town())
    before = path.read_bytes()
    with pytest.raises(OutputError, match="ask to overwrite it"):
        write_segmentation(path, town())
    assert path.read_bytes() == before


def test_the_image_is_never_the_output(tmp_path: Path) -> None:
    image = tmp_path / "scene.tif"
    image.write_bytes(b"the only copy")
    with pytest.raises(OutputError, match="which is an input"):
        write_segmentation(image, town(), overwrite=True, forbid=[image])
    assert image.read_bytes() == b"the only copy"


@pytest.mark.parametrize("name", ["a.png", "a", "a.tif.gz"])
def test_a_label_file_ends_in_tif(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"ends in \.tif or \.tiff"):
        write_segmentation(tmp_path / name, town())


def test_labels_and_confidence_cannot_share_a_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="expected two outputs"):
        label_file(tmp_path / "a.tif", confidence_path=tmp_path / "." / "a.tif")


def test_a_source_name_that_is_not_utf8_is_no_obstacle(tmp_path: Path) -> None:
    odd = Provenance(source="Stra\udcdfe.tif")
    before = Segmentation(checkerboard(), TOWN, GRID, None, odd)
    assert read_segmentation(write_segmentation(tmp_path / "a.tif", before)).provenance == odd


def test_a_name_with_a_control_character_is_no_obstacle(tmp_path: Path) -> None:
    bell = Taxonomy((LabelClass(1, "ring\a", "#123456"),))
    labels = np.ones((48, 64), np.uint8)
    path = write_segmentation(tmp_path / "a.tif", Segmentation(labels, bell, GRID))
    assert read_segmentation(path).taxonomy == bell
    assert "<Category>ring</Category>" in (tmp_path / "a.tif.aux.xml").read_text(encoding="utf-8")


def test_a_full_disk_leaves_nothing(small_disk: Path) -> None:
    noise = np.random.default_rng(0).integers(1, 4, (400, 600), dtype=np.uint8)
    before = Segmentation(noise, TOWN, Grid(400, 600, NORTH_UP, UTM31))
    with pytest.raises(OutputError, match="free some space"):
        write_segmentation(small_disk / "a.tif", before)
    assert list(small_disk.iterdir()) == []


def test_a_run_that_fits_its_disk_succeeds_there(small_disk: Path) -> None:
    write_segmentation(small_disk / "a.tif", town())
    assert sorted(p.name for p in small_disk.iterdir()) == ["a.tif", "a.tif.aux.xml"]
