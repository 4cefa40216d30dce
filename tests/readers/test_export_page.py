"""Every line of the table of formats in ``docs/export.md`` is run by the reader that it names.

Readers that are not installed are skipped; ``.ci/reader_tests.sh`` has them.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasters import NORTH_UP, UTM31, pixels

from napari_firstpass.export_images import export_array
from napari_firstpass.exporting.blocks import SPLITS
from napari_firstpass.grid import Grid
from napari_firstpass.io.formats import EXPORTERS
from napari_firstpass.io.formats.chip_layouts import LAYOUTS
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy

pytestmark = pytest.mark.filterwarnings("ignore")

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
ROW = re.compile(r"^\| `([a-z-]+)` \| (?:`([^`]+)`)? ?\| ([^|]+) \| `(.+)` \|$", re.MULTILINE)
ROWS = [match.groups() for match in ROW.finditer(PAGE.read_text(encoding="utf-8"))]

SHAPE = (96, 128)
CLASSES = Taxonomy((LabelClass(1, "road", "#101010"), LabelClass(2, "a/<b>, '\"", "#202020")))


def labels() -> np.ndarray:
    ids = np.ones(SHAPE, np.uint8)
    ids[10:40, 20:60] = 2
    ids[50:60, 90:] = 0
    return ids


def test_the_table_has_every_format() -> None:
    assert {row[0] for row in ROWS} == set(EXPORTERS.built_in)


def test_the_table_has_every_layout_of_chips() -> None:
    told = {row[1] for row in ROWS if row[0] == "chips"}
    assert told - {None} == {f"layout={name}" for name in LAYOUTS if name not in ("plain", "yolo")}


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [pytest.param(r[0], r[1], r[3], id=f"{r[0]} {r[1] or ''}".strip()) for r in ROWS],
)
def test_the_line_loads_what_was_exported(
    name: str, options: str | None, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = re.sub(r'"[^"]*"', "", line)
    readers = set(re.findall(r"(?<![\w.])([A-Za-z]\w*)\.", code))
    needed = readers | ({"torchgeo"} if "torchgeo" in (options or "") else set())
    for reader in needed:
        if importlib.util.find_spec(reader) is None:
            pytest.skip(f"{reader} is installed by .ci/reader_tests.sh alone")
    given: dict[str, Any] = dict([options.split("=")]) if options else {}
    if name in ("chips", "yolo-seg"):
        given |= {"size": 16, "block": 32, "split": "0.5,0.25,0.25", "min_labelled": 0}
    held = Segmentation(labels(), CLASSES, Grid(*SHAPE, NORTH_UP, UTM31))
    export_array(
        pixels(height=96, width=128), held, tmp_path / "out", name, options=given, name="scene"
    )
    monkeypatch.chdir(tmp_path / "out")
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    monkeypatch.setitem(os.environ, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    known: dict[str, Any] = {word: importlib.import_module(word) for word in readers}
    for inner in ("pycocotools.coco", "PIL.Image", "pyogrio.raw"):
        if inner.split(".")[0] in readers:
            importlib.import_module(inner)
    exec(line, known)  # noqa: S102
    checks[f"{name} {options or ''}".strip()](known)


def _mask(found: dict[str, Any]) -> None:
    np.testing.assert_array_equal(found["mask"], np.where(labels() == 0, 255, labels()))


def _pairs(found: dict[str, Any]) -> None:
    assert len(found["pairs"]) == 6 * 8
    assert {(image.shape, mask.shape) for image, mask in found["pairs"]} == {
        ((3, 16, 16), (16, 16))
    }


def _config(found: dict[str, Any]) -> None:
    config = found["config"]
    prefix = config["data_prefix"]
    images = sorted(Path(prefix["img_path"]).glob(f"*{config['img_suffix']}"))
    masks = sorted(Path(prefix["seg_map_path"]).glob(f"*{config['seg_map_suffix']}"))
    assert [path.name for path in images] == [path.name for path in masks]
    assert len(images) == 24


def _torchgeo(found: dict[str, Any]) -> None:
    assert len(found["pairs"]) >= 24


def _datasets(found: dict[str, Any]) -> None:
    assert sum(len(part) for part in found["pairs"].values()) == 6 * 8
    assert len(found["pairs"]) == len(SPLITS)


def _instances(found: dict[str, Any]) -> None:
    areas = {a["category_id"]: a["area"] for a in found["instances"].anns.values()}
    assert areas[2] == 30 * 40


def _ids(found: dict[str, Any]) -> None:
    sizes = np.unique(found["ids"], return_counts=True)[1]
    assert sorted(sizes) == sorted([30 * 40, 380, 96 * 128 - 30 * 40 - 380])


def _polygons(found: dict[str, Any]) -> None:
    meta, _, _, columns = found["found"]
    codes = dict(zip(meta["fields"], columns, strict=True))["code"]
    assert sorted(int(code) for code in codes) == [1, 2]


def _annotated(found: dict[str, Any]) -> None:
    coco = found["instances"]
    assert len(coco.imgs) == 24
    assert {entry["category_id"] for entry in coco.anns.values()} == {1, 2}


def _named(found: dict[str, Any]) -> None:
    data = found["data"]
    assert list(data["names"].values()) == [entry.name for entry in CLASSES.classes]
    assert all(list(Path(data[split]).glob("*.png")) for split in SPLITS)


def _item(found: dict[str, Any]) -> None:
    assert Path(found["item"].assets["labels"].get_absolute_href()).is_file()


checks = {
    "geotiff": _mask,
    "cog": _mask,
    "chips layout=coco": _annotated,
    "yolo-seg": _named,
    "stac datetime=2024-05-31": _item,
    "chips": _pairs,
    "chips layout=mmseg": _config,
    "chips layout=torchgeo": _torchgeo,
    "chips layout=huggingface": _datasets,
    "coco": _instances,
    "coco-panoptic": _ids,
    "geopackage": _polygons,
    "geojson": _polygons,
}
