"""An image with its truths, and what a row says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_firstpass.bands import RGB
from napari_firstpass.grid import Grid
from napari_firstpass.raster import Raster

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.evaluation.label_image import LabelImage

Prediction: TypeAlias = NDArray[np.int32]
"""The cluster, or the region, of each pixel (H, W), from 0."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of a data set.

    Attributes
    ----------
    name : str
        What it is called, for grouping and for titles.
    raster : Raster
        Red, green and blue, 8 bits: all rows see the same.
    truths : tuple of LabelImage
        One for each annotator; none where nothing is known.
    """

    name: str
    raster: Raster
    truths: tuple[LabelImage, ...] = ()

    @property
    def megapixels(self) -> float:
        """Size of the image."""
        return self.raster.valid.size / 1e6


def image_pixels(path: Path) -> NDArray[np.uint8]:
    """Read a PNG or JPEG file as (H, W) or (H, W, channels)."""
    with Image.open(path) as image:
        return np.asarray(image)


def rgb_raster(pixels: NDArray[np.uint8]) -> Raster:
    """Wrap an image (H, W, 3 or more) as it comes from a PNG or JPEG file."""
    bands = np.ascontiguousarray(np.moveaxis(pixels[..., :3], -1, 0))
    return Raster.from_array(bands, Grid(*bands.shape[1:]), roles=RGB)


def rgb_pixels(raster: Raster) -> NDArray[np.uint8]:
    """Return the image as (H, W, 3), the way scikit-image takes it."""
    pixels: NDArray[np.uint8] = np.moveaxis(raster.bands[:3], 0, -1)
    return pixels
