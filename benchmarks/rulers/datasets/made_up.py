"""Made-up images: small ones for a quick run, and those of the picture."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from napari_firstpass.bands import RGB
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.matching import Rule
from napari_firstpass.io.geotiff import read_raster
from napari_firstpass.raster import Raster
from napari_firstpass.scenes import make_scene
from napari_firstpass.scenes.classes import BUILDING
from rulers.datasets import DATA, DataSet
from rulers.pictures import Picture, Prediction, rgb_raster
from rulers.protocols.best_cluster import BestCluster
from rulers.protocols.classes import Classes
from rulers.protocols.regions import Regions
from rulers.protocols.saving import AnnotatorsSaving

_FREE_SAMPLES = ("neon_osbs_10cm_epsg32617", "neon_sjer_10cm_epsg32611")
"""CC0; the licences of the other samples are not confirmed, so they are not published."""


def _town(side: int, seed: int) -> Picture:
    """Make the visible bands of a town: the rows of comparison know no infrared."""
    scene = make_scene(side, side, seed=seed, pixel_size=0.2)
    grid = scene.raster.grid
    visible = Raster.from_array(scene.raster.bands[:3].copy(), grid, roles=RGB)
    return Picture(f"town {seed}", visible, (LabelImage.of(scene.truth.labels),))


def _towns() -> tuple[Picture, ...]:
    return tuple(_town(96, seed) for seed in (0, 3))


def _gallery() -> tuple[Picture, ...]:
    samples = [DATA / "georeferenced_samples" / f"{name}.tif" for name in _FREE_SAMPLES]
    return (
        *(_town(400, seed) for seed in (3, 4)),
        *(Picture(path.stem[:9], read_raster(path)) for path in samples if path.exists()),
    )


def _mosaics() -> tuple[Picture, ...]:
    """Make cells around random points; a second annotator joins every two of them."""
    return tuple(_mosaic(seed) for seed in (0, 1))


def _mosaic(seed: int) -> Picture:
    rng = np.random.default_rng(seed)
    shape, count = (64, 80), 10
    places = np.argwhere(np.ones(shape, dtype=bool))
    cells: Prediction = KDTree(rng.uniform(0, shape, (count, 2))).query(places)[1].reshape(shape)
    colours = rng.integers(40, 216, (count, 3))
    pixels = colours[cells] + rng.normal(0, 4, (*shape, 3))
    truths = (LabelImage.of(cells), LabelImage.of(cells // 2))
    return Picture(f"mosaic {seed}", rgb_raster(pixels.astype(np.uint8)), truths)


TOWNS = DataSet(
    name="town",
    load=_towns,
    split="made up",
    about="Two towns of 96 × 96 pixels. One fit over both. Seven classes.",
    ignored="none",
    joint=True,
    rulers=(
        Classes(7, Rule.SET),
        Classes(7, Rule.SET_MANY_TO_ONE),
        AnnotatorsSaving(7),
        BestCluster(7, BUILDING, "town"),
    ),
    shown=7,
)

MOSAICS = DataSet(
    name="mosaic",
    load=_mosaics,
    split="made up",
    about="Two images of 64 × 80 with two annotators. One fit for each; 6 clusters.",
    ignored="none",
    joint=False,
    rulers=(Regions(6),),
    regions=True,
)

GALLERY = DataSet(
    name="gallery",
    load=_gallery,
    split="made up, and samples",
    about="Two made-up towns and, where the data folder has them, two aerial images of NEON "
    "(CC0). One fit for each.",
    ignored="none",
    joint=False,
    rulers=(),
    shown=8,
)
