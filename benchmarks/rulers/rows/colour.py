"""k-means on colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from skimage.color import rgb2lab

from napari_firstpass.clustering import kmeans, squared_distances
from napari_firstpass.progress import run
from rulers.pictures import rgb_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.raster import Raster
    from rulers.pictures import Prediction

_PIXELS_FOR_FITTING = 400_000


class ColourKMeans:
    """Groups pixels by Lab colour."""

    def label(self, rasters: Sequence[Raster], clusters: int, seed: int) -> list[Prediction]:
        """See `rulers.rows.Labeller`."""
        images = [lab(raster) for raster in rasters]
        step = -(-sum(image[..., 0].size for image in images) // _PIXELS_FOR_FITTING)
        sample = np.concatenate([image.reshape(-1, 3)[::step] for image in images])
        centres = run(kmeans(torch.from_numpy(sample), clusters, seed=seed))
        return [nearest(image, centres) for image in images]


def lab(raster: Raster) -> NDArray[np.float32]:
    """Return an image in Lab (H, W, 3)."""
    pixels = rgb_pixels(raster)
    # In strips: scikit-image computes in doubles, and several copies of them.
    strips = [pixels[top : top + 256] for top in range(0, len(pixels), 256)]
    return np.concatenate([rgb2lab(strip).astype(np.float32) for strip in strips])


def nearest(image: NDArray[np.float32], centres: Tensor) -> Prediction:
    """Return for each pixel of (H, W, D) the nearest of the (K, D) centres."""
    labels: Prediction = np.empty(image.shape[:2], dtype=np.int32)
    for row, colours in enumerate(image):
        labels[row] = squared_distances(torch.from_numpy(colours), centres).argmin(1)
    return labels
