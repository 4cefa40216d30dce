"""Images whose borders are known, and labels that miss them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage

from napari_firstpass.refinement import LabelGuide

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

COLOURS = np.array([[70, 110, 60], [170, 160, 150], [190, 90, 70], [60, 70, 140]])
GRAIN = 4


def areas(height: int = 96, width: int = 112, count: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Ids 1 … ``count`` (at most 4) in rounded areas."""
    rng = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(rng.normal(size=(count, height, width)), (0, 11, 11))
    return (fields.argmax(0) + 1).astype(np.uint8)


def picture(ids: NDArray[np.uint8], seed: int = 0) -> NDArray[np.uint8]:
    """An image (3, H, W) with a colour and some grain for each id."""
    grain = np.random.default_rng(seed).normal(size=ids.shape) * GRAIN
    image = np.moveaxis(COLOURS[ids - 1], -1, 0) + grain
    return np.clip(image, 0, 255).astype(np.uint8)


def beside(ids: NDArray[np.uint8], pixels: int = 2) -> NDArray[np.uint8]:
    """The same labels, ``pixels`` further down and to the right."""
    padded = np.pad(ids, ((pixels, 0), (pixels, 0)), mode="edge")
    return padded[: len(ids), : ids.shape[1]]


def eroded(ids: NDArray[np.uint8], pixels: int = 2) -> NDArray[np.uint8]:
    """The same labels, none within ``pixels`` of a border."""
    low, high = (f(ids, 2 * pixels + 1) for f in (ndimage.minimum_filter, ndimage.maximum_filter))
    return np.where(low == high, ids, 0).astype(np.uint8)


def guide_of(ids: NDArray[np.uint8], sure: float = 1.0, classes: int | None = None) -> LabelGuide:
    """Labels as refiners get them, all of one confidence."""
    labels = torch.from_numpy(ids.astype(np.int64))
    return LabelGuide(labels, torch.full(labels.shape, sure), classes or int(ids.max()))


def shown(image: NDArray[np.uint8]) -> Tensor:
    """An image as refiners get it."""
    return torch.from_numpy(image.astype(np.float32) / 255)


def agreement(found: NDArray[np.generic] | Tensor, truth: NDArray[np.uint8]) -> float:
    """Share of pixels that have their true id."""
    return float((np.asarray(found) == truth).mean())
