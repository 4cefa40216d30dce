"""The classes of the built-in scene."""

from __future__ import annotations

from napari_firstpass.taxonomy import LabelClass, Taxonomy

PAVED, BUILDING, GRASS, TREE, CAR, SOIL, WATER = range(1, 8)

SCENE_TAXONOMY = Taxonomy(
    (
        LabelClass(PAVED, "paved", "#999999", aliases=("road", "impervious", "parking")),
        LabelClass(BUILDING, "building", "#D55E00", aliases=("roof",)),
        LabelClass(GRASS, "grass", "#F0E442", aliases=("low vegetation", "lawn")),
        LabelClass(TREE, "tree", "#009E73", aliases=("shrub", "hedge")),
        LabelClass(CAR, "car", "#CC79A7", aliases=("vehicle",)),
        LabelClass(SOIL, "bare soil", "#E69F00", aliases=("gravel", "sand", "flower bed")),
        LabelClass(WATER, "water", "#0072B2", aliases=("pool", "pond")),
    )
)
