"""Aerial images: land cover chips, mosaics with buildings, and two satellite-like tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.matching import Rule
from napari_firstpass.grid import Window
from napari_firstpass.io.geotiff import open_raster
from rulers.datasets import DATA, DataSet
from rulers.pictures import Picture, image_pixels, rgb_raster
from rulers.protocols.best_cluster import BestCluster
from rulers.protocols.classes import Classes
from rulers.protocols.saving import AnnotatorsSaving

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.raster import Raster

_IGNORED = 255
_MERGED = np.full(256, _IGNORED, dtype=np.uint8)
_MERGED[:6] = (0, 0, 1, 2, 2, 2)
"""Building and clutter → 0, vegetation → 1, water, ground and car → 2."""

_MOSAICS = ("site1_a_15cm", "site1_a_7cm", "site1_b_7cm", "site5_a_7cm")
_LARGEST_SIDE = 2048


def _land_cover() -> tuple[Picture, ...]:
    images = sorted((DATA / "aerial_landcover" / "images").glob("*.png"))[1::2]
    return tuple(_chip(path) for path in images)


def _chip(path: Path) -> Picture:
    labels = _MERGED[image_pixels(path.parents[1] / "labels" / path.name)]
    truth = LabelImage.of(labels, ignore=[_IGNORED])
    return Picture(path.stem, rgb_raster(image_pixels(path)), (truth,))


def _mosaics() -> tuple[Picture, ...]:
    folder = DATA / "aerial_geotiff"
    return tuple(
        Picture(
            name,
            _centre(folder / f"{name}.tif"),
            (LabelImage.of(_centre(folder / f"{name}_buildings.tif").bands[0]),),
        )
        for name in _MOSAICS
    )


def _centre(path: Path) -> Raster:
    """Read the middle of a file."""
    with open_raster(path) as source:
        grid = source.grid
        height, width = min(grid.height, _LARGEST_SIDE), min(grid.width, _LARGEST_SIDE)
        corner = ((grid.height - height) // 2, (grid.width - width) // 2)
        return source.read(Window(*corner, height, width))


def _loveda() -> tuple[Picture, ...]:
    truths = sorted((DATA / "loveda").glob("*_label.png"))
    return tuple(
        Picture(
            path.stem.removesuffix("_label"),
            rgb_raster(image_pixels(path.with_name(path.name.replace("_label", "")))),
            (LabelImage.of(image_pixels(path), ignore=[0]),),
        )
        for path in truths
    )


LAND_COVER = DataSet(
    name="aerial_landcover",
    folder="aerial_landcover",
    load=_land_cover,
    split="test, the odd-numbered chips",
    about="112 of 224 chips, 300 × 300 of 0.10 m; the even-numbered ones are for development. One "
    "fit over all. Three classes: building with clutter, vegetation, ground with water and car.",
    ignored="255",
    joint=True,
    rulers=(Classes(3, Rule.SET), Classes(12, Rule.SET_MANY_TO_ONE), AnnotatorsSaving(12)),
)

BUILDINGS = DataSet(
    name="aerial_geotiff",
    folder="aerial_geotiff",
    load=_mosaics,
    split="sites 1 and 5, centres",
    about="At most 2048 × 2048 pixels of three mosaics of site 1 (0.07 and 0.15 m) and one of site "
    "5 (0.07 m). One fit for each. Buildings against all else.",
    ignored="none",
    joint=False,
    rulers=(BestCluster(12, 1, "site1"), BestCluster(12, 1, "site5")),
)

LOVEDA = DataSet(
    name="loveda",
    folder="loveda",
    load=_loveda,
    split="two tiles",
    about="1024 × 1024 pixels of 0.3 m. One fit over both. Those of the seven classes that occur.",
    ignored="0",
    joint=True,
    rulers=(Classes(12, Rule.SET_MANY_TO_ONE),),
)
