"""Reading label files of others, as far as they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from rasters import NORTH_UP, UTM31, checkerboard, pixels, write_raster, write_rgb

from napari_firstpass.errors import ImageReadError, TaxonomyError
from napari_firstpass.grid import Grid
from napari_firstpass.io.label_file import is_label_file, read_segmentation, write_segmentation
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, numbered_taxonomy

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LIST = """<PAMDataset><PAMRasterBand band="1"><CategoryNames>
<Category>nothing</Category><Category>roof</Category><Category/><Category>tree</Category>
</CategoryNames></PAMRasterBand></PAMDataset>"""

TABLE = """<PAMDataset><PAMRasterBand band="1"><GDALRasterAttributeTable>
<FieldDefn index="0"><Name>v</Name><Type>0</Type><Usage>5</Usage></FieldDefn>
<FieldDefn index="1"><Name>n</Name><Type>2</Type><Usage>2</Usage></FieldDefn>
<Row index="0"><F>3</F><F>tree</F></Row><Row index="1"><F>1</F><F>roof</F></Row>
</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>"""


def foreign(path: Path, labels: NDArray[np.generic], **options: object) -> Path:
    return write_raster(path, labels[None], **options)


def names_of(path: Path) -> dict[int, str]:
    return {entry.id: entry.name for entry in read_segmentation(path).taxonomy.classes}


@pytest.mark.parametrize("sidecar", [LIST, TABLE], ids=["list", "table"])
def test_names_come_from_the_sidecar(tmp_path: Path, sidecar: str) -> None:
    path = foreign(tmp_path / "a.tif", checkerboard())
    (tmp_path / "a.tif.aux.xml").write_text(sidecar)
    assert names_of(path) == {1: "roof", 3: "tree", 2: "class 2"}


def test_names_that_repeat_get_their_number(tmp_path: Path) -> None:
    path = foreign(tmp_path / "a.tif", checkerboard())
    (tmp_path / "a.tif.aux.xml").write_text(LIST.replace("tree", "roof"))
    assert names_of(path) == {1: "roof (1)", 3: "roof (3)", 2: "class 2"}


@pytest.mark.parametrize("text", ["<PAMDataset>", "", "not XML", "<PAMDataset/>"])
def test_a_garbled_sidecar_only_costs_the_names(tmp_path: Path, text: str) -> None:
    path = foreign(tmp_path / "a.tif", checkerboard())
    (tmp_path / "a.tif.aux.xml").write_text(text)
    assert names_of(path) == {1: "class 1", 2: "class 2", 3: "class 3"}


def test_colours_come_from_the_colour_table(tmp_path: Path) -> None:
    path = foreign(tmp_path / "a.tif", checkerboard(), colors={2: (1, 2, 255, 255)})
    assert read_segmentation(path).taxonomy[2] == LabelClass(2, "class 2", "#0102FF")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint32"])
def test_any_integer_type_becomes_the_smallest(tmp_path: Path, dtype: str) -> None:
    segmentation = read_segmentation(foreign(tmp_path / "a.tif", checkerboard().astype(dtype)))
    assert segmentation.labels.dtype == np.uint8
    np.testing.assert_array_equal(segmentation.labels, checkerboard())
    assert segmentation.grid == Grid(48, 64, NORTH_UP, UTM31)
    assert segmentation.provenance == Provenance(source="a.tif")


def test_nodata_becomes_unlabelled(tmp_path: Path) -> None:
    labels = np.array([[1, 255], [2, 255]], np.uint8)
    segmentation = read_segmentation(foreign(tmp_path / "a.tif", labels, nodata=255))
    assert segmentation.labels.tolist() == [[1, 0], [2, 0]]


def test_nodata_beside_zero_stays_a_class(tmp_path: Path) -> None:
    labels = np.array([[1, 255], [0, 255]], np.uint8)
    segmentation = read_segmentation(foreign(tmp_path / "a.tif", labels, nodata=255))
    assert segmentation.labels.tolist() == [[1, 255], [0, 255]]
    assert segmentation.taxonomy[255].name == "no data"


def test_a_negative_nodata_value_becomes_unlabelled(tmp_path: Path) -> None:
    labels = np.array([[1, -9999]], np.int16)
    segmentation = read_segmentation(foreign(tmp_path / "a.tif", labels, nodata=-9999))
    assert segmentation.labels.tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("values", "found"), [([[1, -2]], "found -2 to 1"), ([[70_000, 1]], "found 1 to 70000")]
)
def test_ids_out_of_range_are_refused(tmp_path: Path, values: list[list[int]], found: str) -> None:
    path = foreign(tmp_path / "a.tif", np.array(values, np.int32))
    with pytest.raises(TaxonomyError, match=found):
        read_segmentation(path)


def test_fractions_are_refused(tmp_path: Path) -> None:
    path = foreign(tmp_path / "a.tif", np.ones((2, 2), np.float32))
    with pytest.raises(ImageReadError, match="found 1 of type float32"):
        read_segmentation(path)


def test_an_image_of_several_bands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="one band of whole numbers, found 3"):
        read_segmentation(write_rgb(tmp_path / "a.tif"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="found no file at"):
        read_segmentation(tmp_path / "a.tif")


def test_an_id_painted_elsewhere_gets_a_number(tmp_path: Path) -> None:
    labels = checkerboard()
    path = write_segmentation(
        tmp_path / "a.tif", Segmentation(labels, numbered_taxonomy(3), Grid(48, 64))
    )
    with rasterio.open(path, "r+") as dataset:
        dataset.write(np.full((1, 1, 1), 77, np.uint8), window=((0, 1), (0, 1)))
    assert read_segmentation(path).taxonomy[77].name == "class 77"
    assert read_segmentation(path).taxonomy[1].name == "cluster 1"


@pytest.mark.parametrize("tag", ["FIRSTPASS_TAXONOMY", "FIRSTPASS_PROVENANCE"])
def test_a_garbled_tag_does_not_lock_the_labels_up(tmp_path: Path, tag: str) -> None:
    before = Segmentation(checkerboard(), numbered_taxonomy(3), Grid(48, 64, NORTH_UP, UTM31))
    path = write_segmentation(tmp_path / "a.tif", before)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(**{tag: '{"classes": [{"id": 0}]}'})
    after = read_segmentation(path)
    np.testing.assert_array_equal(after.labels, before.labels)
    assert after.taxonomy == before.taxonomy


def test_a_large_map_is_read_reduced(tmp_path: Path) -> None:
    squares = np.kron(np.array([[1, 2], [3, 0]], np.uint8), np.ones((400, 400), np.uint8))
    grid = Grid(800, 800, NORTH_UP, UTM31)
    path = write_segmentation(tmp_path / "a.tif", Segmentation(squares, numbered_taxonomy(3), grid))
    small = read_segmentation(path, max_side=200)
    np.testing.assert_array_equal(small.labels, squares[::4, ::4])
    assert small.grid == Grid(200, 200, NORTH_UP @ NORTH_UP.scale(4), UTM31)


def test_label_files_are_told_from_images(tmp_path: Path) -> None:
    labels = Segmentation(checkerboard(), numbered_taxonomy(3), Grid(48, 64))
    assert is_label_file(write_segmentation(tmp_path / "ours.tif", labels))
    assert not is_label_file(write_rgb(tmp_path / "rgb.tif"))
    assert not is_label_file(write_raster(tmp_path / "grey.tif", pixels(1)))
    named = foreign(tmp_path / "named.tif", checkerboard())
    (tmp_path / "named.tif.aux.xml").write_text(LIST)
    assert is_label_file(named)


def test_whether_a_missing_file_holds_labels_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="found no file at"):
        is_label_file(tmp_path / "a.tif")
