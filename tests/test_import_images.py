"""Labels of other tools: in colours, in numbers of their own, and what belongs to no class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from rasters import NORTH_UP, UTM31, write_raster

from napari_firstpass import read_taxonomy
from napari_firstpass.errors import ImageReadError, OptionError, TaxonomyError
from napari_firstpass.import_images import ImportRules, import_file
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.taxonomies import BUILT_IN
from napari_firstpass.taxonomies.color_codes import ColorCodes
from napari_firstpass.taxonomy import LabelClass, Taxonomy, color_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

POTSDAM = read_taxonomy("potsdam")
ISPRS = {1: (255, 255, 255), 2: (0, 0, 255), 3: (0, 255, 255), 4: (0, 255, 0), 5: (255, 255, 0),
         6: (255, 0, 0)}  # fmt: skip
"""As the contest publishes them."""


def ids_of(taxonomy: Taxonomy, height: int = 21, width: int = 34) -> NDArray[np.uint16]:
    """Return every id, and 0, in blocks."""
    ids = np.array([0, *taxonomy.ids], np.uint16)
    return np.resize(np.repeat(ids, 3), (height, width))


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_taxonomy_comes_back_from_a_picture_in_its_colours(
    name: str, tmp_path: Path
) -> None:
    taxonomy = read_taxonomy(name)
    ids = ids_of(taxonomy)
    picture = ColorCodes(taxonomy).colors_of(ids)
    empty = [255, 0, 255] if name == "dronedeploy" else [0, 0, 0]
    assert picture[:, 0, 0].tolist() == empty
    file = write_raster(tmp_path / "a.tif", picture)
    report = import_file(file, tmp_path / "out.tif", ImportRules(taxonomy=taxonomy))
    found = read_segmentation(report.path)
    np.testing.assert_array_equal(found.labels, ids)
    assert found.taxonomy == taxonomy
    assert (found.grid.transform, found.grid.crs) == (NORTH_UP, UTM31)


def test_isprs_colours_mean_what_the_contest_says(tmp_path: Path) -> None:
    ids = np.array([[1, 2, 3], [4, 5, 6]])
    picture = np.moveaxis(np.array([[ISPRS[i] for i in row] for row in ids.tolist()]), -1, 0)
    file = write_raster(tmp_path / "a.tif", picture.astype(np.uint8))
    import_file(file, tmp_path / "out.tif", ImportRules(taxonomy=POTSDAM))
    np.testing.assert_array_equal(read_segmentation(tmp_path / "out.tif").labels, ids)


def test_a_png_with_transparency_is_read_by_its_colours(tmp_path: Path) -> None:
    picture = np.zeros((4, 5, 4), np.uint8)
    picture[:2] = (0, 0, 255, 255)
    Image.fromarray(picture).save(tmp_path / "a.png")
    report = import_file(tmp_path / "a.png", tmp_path / "o.tif", ImportRules(taxonomy=POTSDAM))
    assert report.counts == {0: 10, 2: 10}


def test_unknown_colours_are_counted_and_refused(tmp_path: Path) -> None:
    picture = np.full((3, 6, 6), 255, np.uint8)
    picture[:, 0, :4] = np.array([[1], [2], [3]])
    picture[:, 5, 5] = (9, 8, 7)
    file = write_raster(tmp_path / "a.tif", picture)
    rules = ImportRules(taxonomy=POTSDAM)
    told = r"exact colours of 6 classes in a\.tif, found #010203 \(4 pixels\), #090807 \(1 pixels\)"
    with pytest.raises(TaxonomyError, match=f"{told}, 5 pixels in all; add their classes, or ask"):
        import_file(file, tmp_path / "out.tif", rules)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    kept = ImportRules(taxonomy=POTSDAM, keep_unknown=True)
    report = import_file(file, tmp_path / "out.tif", kept)
    assert (report.unknown, report.counts) == (5, {0: 5, 1: 31})
    history = read_segmentation(report.path).provenance
    assert history.config["imported"]["unknown_pixels"] == 5


def test_jpeg_is_refused_with_a_hint(tmp_path: Path) -> None:
    ids = np.kron(np.arange(1, 7).reshape(2, 3), np.ones((13, 13), int))
    picture = ColorCodes(POTSDAM).colors_of(ids.astype(np.uint8))
    Image.fromarray(np.moveaxis(picture, 0, -1)).save(tmp_path / "a.jpg", quality=90)
    with pytest.raises(TaxonomyError, match="as JPEG leaves them: take the original"):
        import_file(tmp_path / "a.jpg", tmp_path / "out.tif", ImportRules(taxonomy=POTSDAM))


def test_two_classes_of_one_colour_cannot_be_told_apart(tmp_path: Path) -> None:
    file = write_raster(tmp_path / "a.tif", np.zeros((3, 4, 4), np.uint8))
    same = Taxonomy((LabelClass(1, "a", "#00ff00"), LabelClass(2, "b", "#00FF00")))
    with pytest.raises(TaxonomyError, match="found #00FF00 for 'a' and 'b'; change one"):
        import_file(file, tmp_path / "out.tif", ImportRules(taxonomy=same))
    black = Taxonomy((LabelClass(1, "a", "#000000"),))
    with pytest.raises(TaxonomyError, match="found #000000 for 'unlabelled pixels' and 'a'"):
        import_file(file, tmp_path / "out.tif", ImportRules(taxonomy=black))


def test_codes_of_a_preset_are_turned_back(tmp_path: Path) -> None:
    # TorchGeo counts clutter 0, impervious 1 … car 5; we count clutter 6.
    codes = np.array([[[0, 1, 2, 3], [4, 5, 255, 0]]], np.uint8)
    file = write_raster(tmp_path / "a.tif", codes)
    import_file(file, tmp_path / "out.tif", ImportRules(preset="potsdam-torchgeo"))
    found = read_segmentation(tmp_path / "out.tif")
    assert found.labels.tolist() == [[6, 1, 2, 3], [4, 5, 0, 6]]
    assert found.taxonomy[6].name == "clutter"


def test_numbers_are_ids_or_export_codes_and_nodata_says_nothing(tmp_path: Path) -> None:
    taxonomy = read_taxonomy("cityscapes")  # road is 7, as a network gives it 0
    file = write_raster(tmp_path / "a.tif", np.array([[[0, 7, 255]]], np.int32), nodata=255)
    import_file(file, tmp_path / "ids.tif", ImportRules(taxonomy=taxonomy))
    assert read_segmentation(tmp_path / "ids.tif").labels.tolist() == [[0, 7, 0]]
    import_file(file, tmp_path / "codes.tif", ImportRules(taxonomy=taxonomy, by_code=True))
    assert read_segmentation(tmp_path / "codes.tif").labels.tolist() == [[7, 20, 0]]


def test_unknown_numbers_are_counted_and_refused(tmp_path: Path) -> None:
    values = np.array([[[1, -4, 70_000, 9, 9, 200]]], np.int32)
    file = write_raster(tmp_path / "a.tif", values)
    rules = ImportRules(taxonomy=POTSDAM, ignored=(200,))
    told = r"numbers of 6 classes in a\.tif, found 9 \(2 pixels\), -4 \(1 pixels\), 70000 \(1 pix"
    with pytest.raises(TaxonomyError, match=told):
        import_file(file, tmp_path / "out.tif", rules)
    clash = ImportRules(taxonomy=POTSDAM, ignored=(3,))
    with pytest.raises(TaxonomyError, match="found 3 for 'what is ignored' and 'low vegetation'"):
        import_file(file, tmp_path / "out.tif", clash)


def test_more_than_255_classes_are_16_bit(tmp_path: Path) -> None:
    many = Taxonomy(tuple(LabelClass(i, f"class {i}", color_of(i)) for i in range(1, 301)))
    ids = ids_of(many, 30, 31)
    file = write_raster(tmp_path / "a.tif", ColorCodes(many).colors_of(ids))
    import_file(file, tmp_path / "out.tif", ImportRules(taxonomy=many))
    found = read_segmentation(tmp_path / "out.tif").labels
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, ids)


def test_names_beside_a_file_are_kept(tmp_path: Path) -> None:
    first = tmp_path / "first.tif"
    file = write_raster(tmp_path / "a.tif", np.array([[[1, 2]]], np.uint8))
    import_file(file, first, ImportRules(taxonomy=POTSDAM))
    report = import_file(first, tmp_path / "second.tif")
    assert report.taxonomy == POTSDAM
    assert first.read_bytes() == report.path.read_bytes()


def test_what_is_no_label_map_is_told(tmp_path: Path) -> None:
    file = write_raster(tmp_path / "a.tif", np.zeros((2, 4, 4), np.float32))
    with pytest.raises(ImageReadError, match="or three of 8-bit colours, found 2 of type float32"):
        import_file(file, tmp_path / "out.tif", ImportRules(taxonomy=POTSDAM))
    with pytest.raises(OptionError, match="a taxonomy or a preset to say what numbers mean"):
        ImportRules(by_code=True)
    with pytest.raises(OptionError, match="a taxonomy or a preset, found both"):
        ImportRules(taxonomy=POTSDAM, preset="loveda")
