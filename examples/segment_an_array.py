"""An array from any source becomes labels: here one of scikit-image's bundled photographs."""

from __future__ import annotations

import numpy as np
from skimage.data import astronaut

from napari_firstpass import segment_array
from napari_firstpass.config import SegmentConfig


def main() -> None:
    """Segment a photograph and print how much of it each class covers."""
    photograph = np.moveaxis(astronaut(), -1, 0)  # (H, W, 3) to (3, H, W)
    found = segment_array(photograph, SegmentConfig(method="kmeans", classes=5))
    for entry in found.taxonomy.classes:
        print(f"{entry.name}: {np.mean(found.labels == entry.id):.0%}")


if __name__ == "__main__":
    main()
