from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from exports import HOSTILE, LABELS, REGIONS, exported, many_classes
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from skimage.io import imread

from napari_firstpass.errors import OptionError
from napari_firstpass.exporting.rules import ExportRules
from napari_firstpass.run_length import RunLength

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

VOID = 0


def opened(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def masked(coco: COCO, annotation: dict) -> NDArray[np.bool_]:
    """Return what pycocotools takes an annotation for."""
    runs = coco.annToRLE(annotation)
    text = runs["counts"] if isinstance(runs["counts"], str) else runs["counts"].decode()
    return RunLength.from_text(text, *runs["size"]).mask


@pytest.mark.parametrize("masks", ["polygons", "rle"])
def test_pycocotools_finds_each_region_where_it_is(tmp_path: Path, masks: str) -> None:
    coco = opened(exported(tmp_path / "out", "coco", masks=masks) / "instances.json")
    drawn, seen = np.zeros_like(LABELS), dict.fromkeys(REGIONS, 0)
    for annotation in coco.loadAnns(coco.getAnnIds()):
        mask = masked(coco, annotation)
        drawn[mask] = annotation["category_id"]
        seen[annotation["category_id"]] += 1
        assert annotation["area"] == mask.sum()
        runs = coco.annToRLE(annotation)
        assert annotation["bbox"] == coco_mask.toBbox(runs).tolist()
    np.testing.assert_array_equal(drawn, LABELS)
    assert seen == REGIONS


def test_categories_have_their_parents_above_them(tmp_path: Path) -> None:
    coco = opened(exported(tmp_path / "out", "coco") / "instances.json")
    found = {c["id"]: (c["name"], c["supercategory"]) for c in coco.loadCats(coco.getCatIds())}
    assert found[2] == (HOSTILE[2].name, "plants")
    assert found[3] == (HOSTILE[3].name,) * 2
    (image,) = coco.loadImgs(coco.getImgIds())
    assert (image["file_name"], image["height"], image["width"]) == ("scene", 5, 6)


def test_small_regions_are_left_out_if_asked(tmp_path: Path) -> None:
    coco = opened(exported(tmp_path / "out", "coco", min_pixels=2) / "instances.json")
    assert sorted(a["area"] for a in coco.loadAnns(coco.getAnnIds())) == [2, 7, 14]
    with pytest.raises(OptionError, match="min_pixels of at least 1"):
        exported(tmp_path / "other", "coco", min_pixels=0)
    with pytest.raises(OptionError, match="polygons, rle"):
        exported(tmp_path / "other", "coco", masks="boxes")


@pytest.mark.parametrize("format_name", ["coco", "coco-panoptic"])
def test_300_classes_and_none(tmp_path: Path, format_name: str) -> None:
    labels, taxonomy = many_classes()
    name = {"coco": "instances.json", "coco-panoptic": "panoptic.json"}[format_name]
    many = json.loads(
        (exported(tmp_path / "many", format_name, labels, taxonomy) / name).read_text()
    )
    assert [entry["id"] for entry in many["categories"]] == list(range(1, 301))
    empty = exported(tmp_path / "none", format_name, np.zeros((4, 5), np.uint8)) / name
    found = json.loads(empty.read_text())["annotations"]
    assert found == [] or found[0]["segments_info"] == []


def numbers_in(path: Path) -> NDArray[np.int64]:
    """Return the segments of a picture as COCO says: R + 256 G + 256² B."""
    return imread(path).astype(np.int64) @ (1, 256, 256**2)


@pytest.mark.parametrize("things", ["", "plants", f"plants, {HOSTILE[3].name}"])
def test_panoptic_segments_cover_the_labels(tmp_path: Path, things: str) -> None:
    out = exported(tmp_path / "out", "coco-panoptic", things=things)
    told = json.loads((out / "panoptic.json").read_text())
    (annotation,) = told["annotations"]
    numbers = numbers_in(out / "panoptic" / annotation["file_name"])
    drawn = np.zeros_like(LABELS)
    for segment in annotation["segments_info"]:
        mask = numbers == segment["id"]
        rows, cols = np.nonzero(mask)
        drawn[mask] = segment["category_id"]
        assert segment["area"] == mask.sum()
        col, row, width, height = segment["bbox"]
        assert (rows.min(), cols.min()) == (row, col)
        assert (rows.max() + 1, cols.max() + 1) == (row + height, col + width)
    np.testing.assert_array_equal(drawn, LABELS)
    np.testing.assert_array_equal(numbers == VOID, LABELS == 0)
    is_thing = {entry["id"]: entry["isthing"] for entry in told["categories"]}
    expected = sum(REGIONS[code] if is_thing[code] else 1 for code in REGIONS)
    assert len(annotation["segments_info"]) == expected


def test_things_hang_together_across_strips(tmp_path: Path) -> None:
    labels = np.zeros((1100, 40), np.uint8)
    labels[:, ::2] = 1  # twenty stripes through three strips
    labels[::2, 1::2] = 2  # and 11,000 pixels of their own, more than two bytes count
    names = ",".join(HOSTILE[i].name for i in (1, 2))
    out = exported(tmp_path / "out", "coco-panoptic", labels, things=names)
    numbers = numbers_in(out / "panoptic" / "scene.png")
    assert len(np.unique(numbers[labels == 1])) == 20
    assert len(np.unique(numbers[labels == 2])) == 11_000


def test_a_thing_that_is_no_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"things out of plants, (?s:.*) found 'cars'"):
        exported(tmp_path / "out", "coco-panoptic", things="plants,cars")


def test_the_category_0_is_pointed_out(tmp_path: Path) -> None:
    rules = ExportRules(codes=(("plants", 0), ("%{name}", 1), (HOSTILE[3].name, 2)), ignore=255)
    out = exported(tmp_path / "out", "coco", rules=rules)
    notes = json.loads((out / "export.json").read_text())["notes"]
    assert any("'plants' has the id 0" in note for note in notes)
