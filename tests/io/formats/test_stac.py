from __future__ import annotations

import json
import re
import warnings
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pystac
import pytest
import rasterio
from exports import HOSTILE, LABELS, exported, many_classes
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from rasterio.warp import transform_bounds
from rasters import NORTH_UP, UTM31, write_raster

from napari_firstpass.errors import GridMismatchError, OptionError
from napari_firstpass.export_images import ExportFiles, export_file
from napari_firstpass.grid import Grid
from napari_firstpass.io.formats.stac import SCHEMAS
from napari_firstpass.io.label_file import write_segmentation
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import Segmentation

with warnings.catch_warnings():
    # pystac calls the extension unmaintained; consumers of labels know no other.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pystac.extensions.label import LabelExtension

if TYPE_CHECKING:
    from pathlib import Path

DAY = "2024-05-31"
MADE = Provenance(config={"method": "kmeans"}, source="scene.tif")


OLDER = "https://stac-extensions.github.io/label/v1.0.0/schema.json"


def validate(content: dict[str, Any]) -> None:
    """Let pystac validate an item, by the schemas that it brings and those that we ship."""
    validator = JsonSchemaSTACValidator()
    kind, version = pystac.STACObjectType.ITEM, content["stac_version"]
    validator.validate_core(content, kind, version)
    shipped = files("napari_firstpass.io.formats") / "stac_schemas"
    for url, name in SCHEMAS.items():
        validator.schema_cache[url] = json.loads((shipped / name).read_text(encoding="utf-8"))
        assert url in content["stac_extensions"]
        validator.validate_extension(content, kind, version, url)


def item_in(folder: Path) -> pystac.Item:
    """Return the item, valid under the schemas that pystac brings and those that we ship."""
    path = folder / "scene.json"
    validate(json.loads(path.read_text(encoding="utf-8")))
    return pystac.Item.from_file(str(path))


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("label:type", "vector"),
        ("label:methods", ["automatic"]),
        ("ml-aoi:split", "val"),
        ("proj:shape", [5]),
        ("proj:code", None),
    ],
)
def test_the_schemas_refuse_what_the_extensions_do(
    tmp_path: Path, name: str, broken: object
) -> None:
    out = exported(tmp_path / "out", "stac", datetime=DAY, provenance=MADE, split="train")
    content = json.loads((out / "scene.json").read_text(encoding="utf-8"))
    validate(content)
    assert name in content["properties"]
    content["properties"][name] = broken
    with pytest.raises(pystac.STACValidationError):
        validate(content)


def test_the_schemas_know_the_assets_and_the_older_name_of_the_label_extension(
    tmp_path: Path,
) -> None:
    out = exported(tmp_path / "out", "stac", datetime=DAY, provenance=MADE)
    text = (out / "scene.json").read_text(encoding="utf-8")
    nameless, alone = json.loads(text), json.loads(text)
    nameless["assets"]["labels"]["classification:classes"][0]["name"] = "a b"
    # The published schema of 1.0.1 looks for 1.0.0.
    alone["stac_extensions"].remove(OLDER)
    for content in (nameless, alone):
        with pytest.raises(pystac.STACValidationError):
            validate(content)


def test_pystac_takes_the_item_and_finds_the_mask(tmp_path: Path) -> None:
    item = item_in(exported(tmp_path / "out", "stac", datetime=DAY, provenance=MADE))
    assert item.datetime is not None
    assert item.datetime.isoformat() == "2024-05-31T00:00:00+00:00"
    with rasterio.open(item.assets["labels"].get_absolute_href()) as mask:
        written = mask.read(1)
        assert item.bbox == pytest.approx(transform_bounds(mask.crs, "EPSG:4326", *mask.bounds))
    np.testing.assert_array_equal(written, np.where(LABELS == 0, 255, LABELS))
    assert ProjectionExtension.ext(item).epsg == int(UTM31.removeprefix("EPSG:"))


def test_its_outline_runs_against_the_clock_and_closes(tmp_path: Path) -> None:
    item = item_in(exported(tmp_path / "out", "stac", datetime=DAY, provenance=MADE))
    (ring,) = item.geometry["coordinates"]
    assert ring[0] == ring[-1]
    x, y = (np.array(ring) - ring[0]).T
    assert np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) > 0
    extent = json.loads((tmp_path / "out" / "scene_extent.geojson").read_text())
    assert extent["features"][0]["geometry"] == item.geometry


def test_the_label_extension_names_counts_and_methods(tmp_path: Path) -> None:
    label = LabelExtension.ext(
        item_in(exported(tmp_path / "a", "stac", datetime=DAY, provenance=MADE))
    )
    assert label.label_type == "raster"
    assert label.label_tasks == ["segmentation"]
    (classes,) = label.label_classes or []
    assert classes.classes == [entry.name for entry in HOSTILE.classes]
    (overview,) = label.label_overviews or []
    counts = {count.name: count.count for count in overview.counts or []}
    assert counts[HOSTILE[3].name] == 14
    assert label.label_methods == ["automated"]


@pytest.mark.parametrize(
    ("provenance", "methods"),
    [
        (Provenance(config={"method": "kmeans"}, edited=0.01), ["automated", "manual"]),
        (Provenance(edited=1.0), ["manual"]),
        (Provenance(), None),
    ],
)
def test_methods_tell_automatic_from_corrected(
    tmp_path: Path, provenance: Provenance, methods: list[str] | None
) -> None:
    item = item_in(exported(tmp_path / "out", "stac", datetime=DAY, provenance=provenance))
    assert LabelExtension.ext(item).label_methods == methods


def test_each_class_has_a_name_of_plain_letters_of_its_own(tmp_path: Path) -> None:
    labels, taxonomy = many_classes()
    out = exported(tmp_path / "many", "stac", labels, taxonomy, datetime=DAY, provenance=MADE)
    for folder, known in (
        (out, taxonomy),
        (exported(tmp_path / "few", "stac", datetime=DAY), HOSTILE),
    ):
        asset = item_in(folder).assets["labels"]
        *classes, ignored = ClassificationExtension.ext(asset).classes or []
        names = [entry.name for entry in (*classes, ignored)]
        assert len(set(names)) == len(names) == len(known) + 1
        assert all(re.fullmatch(r"[0-9A-Za-z_-]+", name or "") for name in names)
        for entry in classes:
            told: dict[str, Any] = entry.to_dict()
            assert told["title"] == known[entry.value].name
            assert f"#{entry.color_hint}" == known[entry.value].color.upper()
        assert ignored.to_dict()["nodata"] is True


def test_what_it_is_for_is_told(tmp_path: Path) -> None:
    out = exported(tmp_path / "out", "stac", datetime=DAY, split="train", image_href="../scene.tif")
    item = item_in(out)
    assert item.properties["ml-aoi:split"] == "train"
    assert item.assets["labels"].extra_fields["ml-aoi:role"] == "label"
    (source,) = item.get_links("source")
    assert source.href == "../scene.tif"


def test_a_date_is_needed_and_has_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="found no date; give one, such as -o datetime=2024"):
        exported(tmp_path / "out", "stac")
    with pytest.raises(OptionError, match="a date such as 2024-05-31"):
        exported(tmp_path / "out", "stac", datetime="yesterday")
    with pytest.raises(OptionError, match="a split out of train, validate and test"):
        exported(tmp_path / "out", "stac", datetime=DAY, split="val")
    out = exported(tmp_path / "out", "stac", datetime="2024-05-31T10:00:00+02:00")
    assert item_in(out).properties["datetime"] == "2024-05-31T08:00:00Z"


def test_an_image_without_a_crs_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(GridMismatchError, match="an image with a CRS for stac"):
        exported(tmp_path / "out", "stac", datetime=DAY, grid=Grid(*LABELS.shape))


@pytest.mark.parametrize(
    ("name", "domain", "tags", "moment"),
    [
        ("a.tif", None, {}, None),
        ("flight_2023-04-05_1.tif", None, {}, "2023-04-05T00:00:00Z"),
        ("T31_20230405.tif", None, {}, "2023-04-05T00:00:00Z"),
        ("tile_20239999_120230405.tif", None, {}, None),
        ("a.tif", None, {"TIFFTAG_DATETIME": "2022:01:02 03:04:05"}, "2022-01-02T03:04:05Z"),
        ("a.tif", None, {"TIFFTAG_DATETIME": "0000:00:00 00:00:00"}, None),
        ("20230405.tif", None, {"TIFFTAG_DATETIME": "2022:01:02 03:04:05"}, "2023-04-05T00:00:00Z"),
        (
            *("20230405.tif", "IMAGERY"),
            {"ACQUISITIONDATETIME": "2021-06-07 08:09:10"},
            "2021-06-07T08:09:10Z",
        ),
    ],
)
def test_the_image_tells_when_it_was_taken(
    tmp_path: Path, name: str, domain: str | None, tags: dict[str, str], moment: str | None
) -> None:
    image = write_raster(tmp_path / name, np.full((3, *LABELS.shape), 9, np.uint8))
    with rasterio.open(image, "r+") as dataset:
        dataset.update_tags(ns=domain, **tags)
    grid = Grid(*LABELS.shape, NORTH_UP, UTM31)
    labels = write_segmentation(tmp_path / "labels.tif", Segmentation(LABELS, HOSTILE, grid))
    asked = (ExportFiles(image=image, labels=labels), tmp_path / "out", "stac")
    if moment is None:
        with pytest.raises(OptionError, match="found no date; give one"):
            export_file(*asked)
        return
    report = export_file(*asked)
    item = json.loads((tmp_path / "out" / name.replace(".tif", ".json")).read_text())
    assert item["properties"]["datetime"] == moment
    assert any(f"was taken {moment}, as the " in note.text for note in report.preview.notes)
