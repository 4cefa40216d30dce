"""Three regions of clusters, and the classes that they are to have."""

from __future__ import annotations

import numpy as np

from napari_firstpass.grid import Grid
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy

TARGET = Taxonomy(
    (
        LabelClass(4, "building", "#0000FF", aliases=("roof",)),
        LabelClass(7, "tree", "#00FF00"),
        LabelClass(300, "water", "#00FFFF"),
    )
)

CLUSTERS = Taxonomy(
    (
        LabelClass(1, "cluster 1", "#E69F00"),
        LabelClass(2, "cluster 2", "#56B4E9"),
        LabelClass(9, "cluster 9", "#009E73"),
    )
)


def three_regions(taxonomy: Taxonomy = CLUSTERS) -> Segmentation:
    """Return three bands of 2 x 6 pixels, ids 1, 2 and 9, the last pixel unlabelled."""
    labels = np.repeat(np.array([1, 2, 9], np.uint8), 2)[:, None].repeat(6, axis=1)
    labels[-1, -1] = 0
    sure = np.full(labels.shape, 200, np.uint8)
    sure[-1, -1] = 0
    return Segmentation(labels, taxonomy, Grid(6, 6), sure, Provenance({"method": "kmeans"}))


def reference(*places: tuple[int, int, int], grid: Grid | None = None) -> Segmentation:
    """Return labels of the target at single pixels (row, col, id)."""
    grid = grid or Grid(6, 6)
    labels = np.zeros(grid.shape, np.uint16)
    for row, col, class_id in places:
        labels[row, col] = class_id
    return Segmentation(labels, TARGET, grid)
