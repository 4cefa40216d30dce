from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml
from exports import HOSTILE, LABELS, exported
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from skimage.io import imread

from napari_firstpass.run_length import RunLength

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LARGE = np.kron(LABELS, np.ones((8, 8), np.uint8))  # 40 x 48: padded to chips of 32
CODES = [entry.id for entry in HOSTILE.classes]


def drawn(polygons: list[tuple[int, list[float]]], size: int) -> NDArray[np.uint8]:
    """Return codes where pycocotools fills polygons (code, x and y in pixels)."""
    codes = np.full((size, size), 255, np.uint8)
    for code, points in polygons:
        runs = coco_mask.merge(coco_mask.frPyObjects([points], size, size))
        codes[RunLength.from_text(runs["counts"].decode(), size, size).mask] = code
    return codes


def test_lines_of_yolo_are_the_masks(tmp_path: Path) -> None:
    out = exported(tmp_path / "out", "yolo-seg", LARGE, size=32, split="1", min_labelled=0.0)
    data = yaml.safe_load((out / "data.yaml").read_text(encoding="utf-8"))
    assert list(data["names"].values()) == [entry.name for entry in HOSTILE.classes]
    assert (data["train"], data["val"]) == ("images/train", "images/train")
    images = sorted((out / data["train"]).glob("*.png"))
    assert len(images) == 4
    for image in images:
        assert imread(image).shape == (32, 32, 3)
        lines = (out / "labels/train" / f"{image.stem}.txt").read_text().splitlines()
        polygons = []
        for line in lines:
            index, *shares = line.split()
            points = np.array(shares, float)
            assert points.min() >= 0
            assert points.max() <= 1
            polygons.append((CODES[int(index)], np.round(32 * points, 3).tolist()))
        np.testing.assert_array_equal(drawn(polygons, 32), imread(out / "masks/train" / image.name))


def test_annotations_of_chips_are_the_masks(tmp_path: Path) -> None:
    options = {"layout": "coco", "size": 32, "split": "1", "min_labelled": 0.0}
    out = exported(tmp_path / "out", "chips", LARGE, **options)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(out / "annotations" / "instances_train.json"))
    assert len(coco.getImgIds()) == 4
    for image in coco.loadImgs(coco.getImgIds()):
        found = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
        polygons = [(entry["category_id"], entry["segmentation"][0]) for entry in found]
        mask = imread(out / "masks/train" / image["file_name"])
        np.testing.assert_array_equal(drawn(polygons, 32), mask)
        assert sum(entry["area"] for entry in found) == np.count_nonzero(mask != 255)


@pytest.mark.parametrize("layout", ["coco", "yolo"])
def test_chips_of_nothing_have_no_regions(tmp_path: Path, layout: str) -> None:
    options = {"layout": layout, "size": 32, "split": "1", "min_labelled": 0.0}
    out = exported(tmp_path / "out", "chips", np.zeros_like(LARGE), **options)
    if layout == "coco":
        path = out / "annotations" / "instances_train.json"
        assert json.loads(path.read_text())["annotations"] == []
    else:
        texts = list((out / "labels" / "train").iterdir())
        assert len(texts) == 4
        assert not any(path.read_text() for path in texts)
