"""Chips read by software that is not ours; run by ``.ci/reader_tests.sh``, which installs it."""

from __future__ import annotations

import importlib
import importlib.util
import runpy
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from rasters import NORTH_UP, UTM31, pixels

from napari_firstpass.export_images import export_array
from napari_firstpass.grid import Grid
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy

if TYPE_CHECKING:
    from pathlib import Path

# Theirs, on the way.
pytestmark = pytest.mark.filterwarnings("ignore")

NAMES = ('=cmd()"x', "a/b\\c", "</x>&amp;", "Grünland\n草地")
CLASSES = Taxonomy(tuple(LabelClass(i, n, f"#00{i:02X}00") for i, n in enumerate(NAMES, start=1)))
SHAPE = (160, 192)
BANDS = pixels(height=SHAPE[0], width=SHAPE[1])
GRID = Grid(*SHAPE, NORTH_UP, UTM31)
OPTIONS = {"size": 32, "block": 64, "split": "0.5,0.25,0.25"}


def need(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is installed by .ci/reader_tests.sh alone")


def labels() -> np.ndarray:
    ids = np.random.default_rng(0).integers(1, 5, SHAPE).astype(np.uint8)
    ids[:8] = 0
    return ids


def exported(out: Path, layout: str) -> Path:
    held = Segmentation(labels(), CLASSES, GRID)
    export_array(BANDS, held, out, "chips", options={**OPTIONS, "layout": layout}, name="scene")
    return out


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    return np.where(labels() == 0, 255, labels())


def test_torchgeo_reads_pairs_of_image_and_mask_at_their_place(
    tmp_path: Path, codes: np.ndarray
) -> None:
    need("torchgeo")
    out = exported(tmp_path / "out", "torchgeo")
    module = runpy.run_path(str(out / "dataset.py"))
    assert module["CLASSES"] == dict(enumerate(NAMES, start=1))
    pixels_seen = 0
    for split in ("train", "val", "test"):
        files = sorted((out / split / "masks").glob("*.tif"))
        pairs = module["pairs"](out, split)
        # Chips that only touch count as pairs there too.
        assert len(pairs) >= len(files) > 0
        for path in files:
            with rasterio.open(path) as mask:
                left, bottom, right, top = mask.bounds
            # TorchGeo takes neighbours that touch along with what is asked: stay a pixel inside.
            x, y = slice(left + 0.1, right - 0.1, 0.1), slice(bottom + 0.1, top - 0.1, 0.1)
            sample = pairs[x, y]
            row, col = round((5_000_000 - top) / 0.1) + 1, round((left - 500_000) / 0.1) + 1
            height, width = sample["mask"].shape[-2:]
            assert (height, width) == (30, 30)
            place = np.s_[row : row + height, col : col + width]
            found = sample["mask"].numpy().reshape(height, width)
            np.testing.assert_array_equal(found, codes[place])
            np.testing.assert_array_equal(
                sample["image"].numpy(), BANDS[(slice(None), *place)].astype(np.float32)
            )
            pixels_seen += height * width
    assert pixels_seen > 0.8 * codes.size


def test_datasets_reads_pairs_of_image_and_mask_by_split(tmp_path: Path, codes: np.ndarray) -> None:
    need("datasets")
    out = exported(tmp_path / "out", "huggingface")
    load = importlib.import_module("datasets").load_dataset
    found = load("imagefolder", data_dir=str(out), cache_dir=str(tmp_path / "cache"))
    assert set(found) == {"train", "validation", "test"}
    total = np.zeros(256, np.int64)
    for split in found.values():
        for row in split:
            assert (row["image"].size, row["image"].mode, row["mask"].mode) == (
                (32, 32),
                "RGB",
                "L",
            )
            total += np.bincount(np.asarray(row["mask"]).ravel(), minlength=256)
    np.testing.assert_array_equal(total, np.bincount(codes.ravel(), minlength=256))
