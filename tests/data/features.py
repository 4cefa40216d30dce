"""Made-up feature maps and images with known answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage

from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.matching import many_to_one_scores
from napari_firstpass.evaluation.overlap import Overlap
from napari_firstpass.features import FeatureMap
from napari_firstpass.grid import Grid
from napari_firstpass.raster import Raster

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.bands import Role

RGB: tuple[Role, ...] = ("red", "green", "blue")


def stripes(height: int = 24, width: int = 24, count: int = 3) -> NDArray[np.int64]:
    """Ids 0 … count − 1 in upright stripes of equal width."""
    return np.broadcast_to(np.arange(width) * count // width, (height, width)).copy()


def feature_map(ids: NDArray[np.int64], *, noise: float = 0.1, dims: int = 6) -> FeatureMap:
    """Vectors around one random unit vector for each id."""
    rng = torch.Generator().manual_seed(0)
    centres = torch.linalg.qr(torch.randn(dims, dims, generator=rng)).Q[: int(ids.max()) + 1]
    vectors = centres[torch.from_numpy(ids)].movedim(-1, 0)
    vectors = vectors + noise * torch.randn(vectors.shape, generator=rng)
    return with_vectors(vectors)


def with_vectors(vectors: Tensor) -> FeatureMap:
    """Wrap vectors (D, h, w), all valid, as cells of 4 x 4 pixels."""
    shape = (int(vectors.shape[1]), int(vectors.shape[2]))
    return FeatureMap(vectors, torch.ones(shape, dtype=torch.bool), Grid(*shape), 4)


def agreement(found: NDArray[np.integer], truth: NDArray[np.integer]) -> float:
    """Share of pixels that agree when every found id is named after its most frequent truth."""
    overlap = Overlap.of(*(LabelImage.of(np.atleast_2d(ids)) for ids in (truth, found)))
    return many_to_one_scores([overlap]).accuracy


def landscape(height: int = 256, width: int = 320, seed: int = 0) -> NDArray[np.uint8]:
    """An RGB image (3, H, W) of smooth and rough areas in several colours."""
    rng = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(rng.normal(size=(4, height, width)), (0, 14, 14))
    areas = fields.argmax(axis=0)
    colours = np.array([[70, 110, 60], [150, 140, 130], [190, 90, 70], [60, 70, 110]])
    roughness = np.array([25, 4, 10, 2])
    grain = rng.normal(size=(height, width)) * roughness[areas]
    image = np.moveaxis(colours[areas], -1, 0) + grain
    return np.clip(image, 0, 255).astype(np.uint8)


def rgb_raster(image: NDArray[np.uint8], valid: NDArray[np.bool_] | None = None) -> Raster:
    """Wrap an RGB image (3, H, W)."""
    return Raster.from_array(image, Grid(*image.shape[1:]), roles=RGB, valid=valid)
