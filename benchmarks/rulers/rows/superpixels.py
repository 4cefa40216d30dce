"""Regions of similar colour, grouped by k-means on their mean colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_firstpass.clustering import kmeans, squared_distances
from napari_firstpass.progress import run
from napari_firstpass.superpixels import slic_regions
from rulers.pictures import rgb_pixels
from rulers.rows.colour import lab
from rulers.rows.felzenszwalb import regions_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_firstpass.raster import Raster
    from rulers.pictures import Prediction


@dataclass(frozen=True, slots=True)
class FelzenszwalbKMeans:
    """Groups the regions of a graph of pixels."""

    scale: int

    def label(self, rasters: Sequence[Raster], clusters: int, seed: int) -> list[Prediction]:
        """See `rulers.rows.Labeller`."""
        regions = [regions_of(raster, self.scale) for raster in rasters]
        return grouped(rasters, regions, clusters, seed)


@dataclass(frozen=True, slots=True)
class SlicKMeans:
    """Groups compact superpixels (Achanta et al. 2012)."""

    pixels: int

    def label(self, rasters: Sequence[Raster], clusters: int, seed: int) -> list[Prediction]:
        """See `rulers.rows.Labeller`."""
        images = [np.ascontiguousarray(rgb_pixels(raster)) for raster in rasters]
        regions = [slic_regions(image, pixels_per_segment=self.pixels) for image in images]
        return grouped(rasters, regions, clusters, seed)


def grouped(
    rasters: Sequence[Raster], regions: Sequence[Prediction], clusters: int, seed: int
) -> list[Prediction]:
    """Give every region the cluster of its mean Lab colour; a large one counts more."""
    means, sizes = zip(
        *(_means(lab(raster), ids) for raster, ids in zip(rasters, regions, strict=True)),
        strict=True,
    )
    vectors = torch.from_numpy(np.concatenate(means))
    weights = torch.from_numpy(np.concatenate(sizes))
    centres = run(kmeans(vectors, clusters, seed=seed, weights=weights))
    cluster = squared_distances(vectors, centres).argmin(1).numpy().astype(np.int32)
    starts = np.cumsum([0, *(len(size) for size in sizes[:-1])])
    return [cluster[start + ids] for start, ids in zip(starts, regions, strict=True)]


def _means(
    image: NDArray[np.float32], ids: Prediction
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean colour (n, 3) and the size (n,) of each region."""
    flat = ids.ravel()
    sizes = np.bincount(flat)
    sums = [np.bincount(flat, weights=band.ravel()) for band in np.moveaxis(image, -1, 0)]
    means = np.stack(sums, axis=1) / sizes[:, None]
    return means.astype(np.float32), sizes.astype(np.float32)
