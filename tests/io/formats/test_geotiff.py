"""Exported masks: what GDAL's own tools see in them, and that they can be edited again."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio
from rasters import NORTH_UP, UTM31, pixels

from napari_firstpass.errors import OptionError, TaxonomyError
from napari_firstpass.export_images import export_array
from napari_firstpass.exporting.rules import ExportRules
from napari_firstpass.grid import Grid
from napari_firstpass.import_images import ImportRules, import_file
from napari_firstpass.io.hint_file import open_hints
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.io.label_source import LabelSource
from napari_firstpass.io.sidecar import read_class_names
from napari_firstpass.io.taxonomy_file import read_taxonomy
from napari_firstpass.progress import run
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy, color_of

if TYPE_CHECKING:
    from pathlib import Path

GRID = Grid(60, 70, NORTH_UP, UTM31)
NAMES = ("road", "house", "lawn", "tree", "car", "clutter")
CLASSES = Taxonomy(tuple(LabelClass(i, n, color_of(i)) for i, n in enumerate(NAMES, 1)))
HOSTILE = ("a/b\\\"<&>'", "=1+1", "Straße 名 🌳", "x" * 300, "a;b,c")


def held(classes: Taxonomy = CLASSES, grid: Grid = GRID) -> Segmentation:
    """Every class, and 0, in blocks of 9 pixels."""
    ids = np.resize(np.repeat([0, *classes.ids], 9), grid.shape)
    dtype = np.uint8 if classes.max_id < 256 else np.uint16
    return Segmentation(ids.astype(dtype), classes, grid, provenance=Provenance(source="a.tif"))


def exported(
    folder: Path, segmentation: Segmentation, name: str = "cog", rules: ExportRules | None = None,
    **options: str,
) -> Path:  # fmt: skip
    bands = pixels(3, *segmentation.grid.shape)
    export_array(
        bands, segmentation, folder / "out", name, rules or ExportRules(), options, name="a"
    )
    return folder / "out" / "a.tif"


def gdalinfo(path: Path) -> dict[str, Any]:
    command = ["gdalinfo", "-json", "-mdd", "all", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", ["geotiff", "cog"])
def test_gdal_sees_names_colours_nodata_and_place(name: str, tmp_path: Path) -> None:
    path = exported(tmp_path, held(grid=Grid(1100, 1300, NORTH_UP, UTM31)), name)
    found = gdalinfo(path)
    (band,) = found["bands"]
    assert (band["type"], band["noDataValue"], band["block"]) == ("Byte", 255, [512, 512])
    assert band["colorInterpretation"] == "Palette"
    assert band["colorTable"]["entries"][2][:3] == list(CLASSES[2].rgb)
    assert [level["size"] for level in band["overviews"]] == [[650, 550], [325, 275]]
    assert found["stac"]["proj:epsg"] == 32631
    assert found["geoTransform"] == list(NORTH_UP.to_gdal())
    assert found["metadata"]["IMAGE_STRUCTURE"]["COMPRESSION"] == "DEFLATE"
    assert found["metadata"]["IMAGE_STRUCTURE"].get("LAYOUT") == ("COG" if name == "cog" else None)
    assert list(read_class_names(path).values()) == ["unlabelled", *NAMES]
    rows = ET.parse(f"{path}.aux.xml").getroot().findall(".//Row")  # noqa: S314 - our own file
    assert [row.findall("F")[1].text for row in rows] == list(NAMES)


def test_overviews_are_by_majority(tmp_path: Path) -> None:
    ids = np.ones((1024, 1024), np.uint8)
    ids[::2, ::2] = 2  # one of four
    grid = Grid(1024, 1024, NORTH_UP, UTM31)
    path = exported(tmp_path, Segmentation(ids, CLASSES, grid))
    with rasterio.open(path, OVERVIEW_LEVEL=0) as half:
        assert np.unique(half.read(1)).tolist() == [1]


def test_the_style_has_exactly_the_named_classes(tmp_path: Path) -> None:
    path = exported(tmp_path, held(), rules=ExportRules(preset="potsdam-torchgeo"))
    style = ET.parse(path.with_suffix(".qml")).getroot()  # noqa: S314 - our own file
    entries = style.findall("pipe/rasterrenderer[@type='paletted']/colorPalette/paletteEntry")
    assert [(e.get("value"), e.get("label"), e.get("color")) for e in entries] == [
        ("0", "clutter", "#ff0000"),
        ("1", "impervious surfaces", "#ffffff"),
        ("2", "building", "#0000ff"),
        ("3", "low vegetation", "#00ffff"),
        ("4", "tree", "#00ff00"),
        ("5", "car", "#ffff00"),
    ]


@pytest.mark.parametrize("name", ["geotiff", "cog"])
@pytest.mark.parametrize(
    "rules",
    [
        ExportRules(),
        ExportRules(keep_unlabelled=True),
        ExportRules(renumber=True),
        ExportRules(preset="potsdam-mmseg"),
        ExportRules(preset="potsdam-torchgeo"),
        ExportRules(codes=tuple((name, 20 - i) for i, name in enumerate(NAMES))),
    ],
)
def test_ids_come_back_whatever_was_written(name: str, rules: ExportRules, tmp_path: Path) -> None:
    segmentation = held()
    path = exported(tmp_path, segmentation, name, rules)
    found = read_segmentation(path)
    np.testing.assert_array_equal(found.labels, segmentation.labels)
    assert found.taxonomy.ids == CLASSES.ids
    assert found.provenance == segmentation.provenance
    if rules.preset is None:
        assert tuple(entry.name for entry in found.taxonomy.classes) == NAMES
    with LabelSource(path) as source:
        run(source.look_steps())
        np.testing.assert_array_equal(source.read(GRID.window), segmentation.labels)
        assert source.taxonomy == found.taxonomy
        assert sum(source.counts.values()) == GRID.height * GRID.width
    with open_hints(path) as hints:
        np.testing.assert_array_equal(hints.read(GRID.window), segmentation.labels)
        assert hints.classes_of([6]) == (found.taxonomy[6],)


def test_a_tree_is_written_on_a_level_and_comes_back_as_that(tmp_path: Path) -> None:
    tree = Taxonomy(
        (
            LabelClass(1, "oak", "#112233", parent=9),
            LabelClass(2, "lawn", "#223344", parent=9),
            LabelClass(3, "road", "#334455"),
            LabelClass(9, "green", "#445566"),
        )
    )
    segmentation = held(tree)
    found = read_segmentation(exported(tmp_path, segmentation, rules=ExportRules(level=1)))
    expected = np.array([0, 9, 9, 3, 0, 0, 0, 0, 0, 9])[segmentation.labels]
    np.testing.assert_array_equal(found.labels, expected)
    assert {entry.id: entry.name for entry in found.taxonomy.classes} == {3: "road", 9: "green"}
    (tmp_path / "whole").mkdir()
    whole = read_segmentation(exported(tmp_path / "whole", segmentation))
    assert {c.name: c.parent for c in whole.taxonomy.classes}["oak"] == 9


def test_hostile_names_and_300_classes_come_back(tmp_path: Path) -> None:
    names = [*HOSTILE, *(f"class {i}" for i in range(len(HOSTILE) + 1, 301))]
    many = Taxonomy(tuple(LabelClass(i, n, color_of(i)) for i, n in enumerate(names, 1)))
    segmentation = held(many)
    path = exported(tmp_path, segmentation)
    found = read_segmentation(path)
    np.testing.assert_array_equal(found.labels, segmentation.labels)
    assert [entry.name for entry in found.taxonomy.classes] == names
    band = gdalinfo(path)["bands"][0]
    assert (band["type"], band["noDataValue"]) == ("UInt16", 65535)
    style = ET.parse(path.with_suffix(".qml"))  # noqa: S314 - our own file
    assert [node.get("label") for node in style.iter("paletteEntry")] == names


@pytest.mark.parametrize("compress", ["deflate", "zstd", "lzw"])
def test_each_compression_is_read_by_gdal(compress: str, tmp_path: Path) -> None:
    found = gdalinfo(exported(tmp_path, held(), compress=compress))
    assert found["metadata"]["IMAGE_STRUCTURE"]["COMPRESSION"] == compress.upper()


def test_the_same_labels_give_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in "ab":
        (tmp_path / name).mkdir()
        out = exported(tmp_path / name, held(grid=Grid(700, 600, NORTH_UP, UTM31))).parent
        written.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert written[0].keys() == {"a.tif", "a.tif.aux.xml", "a.qml", "export.json"}
    assert written[0] == written[1]


def test_colours_of_isprs_are_written_and_read(tmp_path: Path) -> None:
    segmentation = held()
    path = exported(tmp_path, segmentation, "geotiff", ExportRules(preset="isprs-rgb"))
    with rasterio.open(path) as dataset:
        assert dataset.count == 3
        assert dataset.read()[:, 0, 9].tolist() == [255, 255, 255]  # road
        assert dataset.read()[:, 0, 0].tolist() == [0, 0, 0]
    out = tmp_path / "labels.tif"
    import_file(path, out, ImportRules(taxonomy=read_taxonomy("potsdam")))
    np.testing.assert_array_equal(read_segmentation(out).labels, segmentation.labels)
    (tmp_path / "cog").mkdir()
    with pytest.raises(OptionError, match="codes for cog, found the preset isprs-rgb"):
        exported(tmp_path / "cog", segmentation, "cog", ExportRules(preset="isprs-rgb"))


def test_numbers_that_another_program_put_in_are_told(tmp_path: Path) -> None:
    path = exported(tmp_path, held(), "geotiff", ExportRules(preset="potsdam-torchgeo"))
    with rasterio.open(path, "r+") as dataset:
        values = dataset.read(1)
        values[0, :3] = 77
        dataset.write(values, 1)
    with pytest.raises(TaxonomyError, match=r"numbers of 6 classes.*found 77 \(3 pixels\)"):
        read_segmentation(path)
    with LabelSource(path) as source, pytest.raises(TaxonomyError, match=r"77 \(3 pixels\)"):
        run(source.look_steps())


def test_an_image_without_crs_is_told_and_a_compression_nobody_knows_refused(
    tmp_path: Path,
) -> None:
    path = exported(tmp_path, held(grid=Grid(60, 70, NORTH_UP)))
    told = json.loads((path.parent / "export.json").read_text())
    assert "the image has no CRS, and so the mask has none either" in told["notes"]
    with pytest.raises(OptionError, match="compress out of deflate, zstd, lzw, found 'jpeg'"):
        exported(tmp_path / "b", held(), compress="jpeg")
