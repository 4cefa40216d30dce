"""Labels with hostile names, to export in any format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rasters import NORTH_UP, UTM31

from napari_firstpass.export_images import export_array
from napari_firstpass.exporting.rules import ExportRules
from napari_firstpass.grid import Grid
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy, numbered_taxonomy

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HOSTILE = Taxonomy(
    (
        LabelClass(1, "plants", "#009E73"),
        LabelClass(2, "a/b\\c \"<&>' é漢", "#E69F00", parent=1),
        LabelClass(3, "=HYPERLINK(1);../x\n", "#56B4E9"),
        LabelClass(7, "%{name}", "#D55E00"),
    )
)

# A ring with a hole in it, whose hole touches what is outside with a corner; 0 is unlabelled.
LABELS = np.array([
    [2, 2, 2, 0, 0, 3],
    [2, 1, 2, 0, 3, 3],
    [2, 2, 3, 3, 3, 3],
    [0, 0, 3, 3, 1, 3],
    [7, 7, 3, 3, 3, 3],
], np.uint8)  # fmt: skip

REGIONS = {1: 2, 2: 1, 3: 1, 7: 1}
"""How many regions each class has."""


def exported(
    out: Path,
    format_name: str,
    labels: NDArray[np.uint8] | NDArray[np.uint16] = LABELS,
    taxonomy: Taxonomy = HOSTILE,
    *,
    grid: Grid | None = None,
    confidence: NDArray[np.uint8] | None = None,
    provenance: Provenance | None = None,
    rules: ExportRules | None = None,
    **options: object,
) -> Path:
    """Export labels of an image that is named ``scene``; return the folder."""
    place = Grid(*labels.shape, NORTH_UP, UTM31) if grid is None else grid
    record = Provenance() if provenance is None else provenance
    export_array(
        np.full((3, *labels.shape), 9, np.uint8),
        Segmentation(labels, taxonomy, place, confidence, record),
        out,
        format_name,
        rules or ExportRules(),
        options,
        name="scene",
        roles=("red", "green", "blue"),
    )
    return out


def many_classes() -> tuple[NDArray[np.uint16], Taxonomy]:
    """Return labels of 300 classes, one pixel each."""
    return np.arange(1, 301, dtype=np.uint16).reshape(15, 20), numbered_taxonomy(300)
