"""How well clusters fit known classes, when each cluster is named after its most frequent class."""

from __future__ import annotations

import numpy as np

from napari_firstpass.api import segment_source_steps
from napari_firstpass.config import SegmentConfig
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource
from napari_firstpass.scenes import make_scene
from napari_firstpass.segmenters import SEGMENTERS


def main() -> None:
    """Print the accuracy of every method on the same made-up town."""
    scene = make_scene(512, 512, seed=1)
    truth = scene.truth.labels
    for method in SEGMENTERS.names:
        config = SegmentConfig(method=method, classes=12)
        found = run(segment_source_steps(ArraySource(scene.raster), config, name="town"))
        table = np.zeros((13, int(truth.max()) + 1), dtype=int)
        np.add.at(table, (found.labels, truth), 1)
        print(f"{method}: {table.max(axis=1).sum() / truth.size:.1%} of pixels")


if __name__ == "__main__":
    main()
