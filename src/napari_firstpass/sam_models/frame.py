"""Where an image lies in the square picture that a Segment Anything model is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_firstpass.networks.viewing import scaled

if TYPE_CHECKING:
    from torch import Tensor

    from napari_firstpass.networks.folder import PixelScaling

_CENTRE = 0.5
"""These models count positions from the centre of the first pixel; we count from its corner."""

_SURE = 8.0
"""What a pixel of a mask counts, as the logit that a model would have given it: ours to choose."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An image inside the picture of a model.

    Attributes
    ----------
    height, width : int
        Of the image.
    side : int
        Of the picture, which is square.
    keeps_ratio : bool
        True if the longer side of the image fills the picture and what is left over is empty, at
        its right or its bottom; False if the image is stretched to fill it.
    """

    height: int
    width: int
    side: int
    keeps_ratio: bool

    @property
    def shown(self) -> tuple[int, int]:
        """Rows and columns of the picture that show the image, from its top left."""
        if not self.keeps_ratio:
            return self.side, self.side
        longest = max(self.height, self.width)
        rows, cols = (int(one * self.side / longest + 0.5) for one in (self.height, self.width))
        return max(rows, 1), max(cols, 1)

    def picture(self, image: Tensor, scaling: PixelScaling) -> Tensor:
        """Return what the model is shown: (3, side, side), 0 where there is no image.

        Parameters
        ----------
        image : (3, height, width) float32 tensor
            In [0, 1].
        scaling : PixelScaling
            What the model expects of colours.
        """
        seen = scaled(_resized(image, self.shown), scaling)
        return self._padded(seen)

    def places(self, positions: Tensor) -> Tensor:
        """Return positions (P, 2) of rows and columns in the image as x and y of the model.

        The model adds half a pixel to what it is given; so that much is taken off here.
        """
        rows, cols = self.shown
        scale = positions.new_tensor([rows / self.height, cols / self.width])
        return (positions * scale).flip(-1) - _CENTRE

    def start(self, mask: Tensor, side: int) -> Tensor:
        """Return a mask (height, width) as logits (side, side), which a model takes as a start."""
        seen = self._padded(_resized(mask[None].float(), self.shown))
        return (_resized(seen, (side, side))[0] * 2 - 1) * _SURE

    def logits(self, said: Tensor) -> Tensor:
        """Return what a model says of its picture, (N, h, w), for the image: (N, height, width)."""
        if self.keeps_ratio:
            rows, cols = self.shown
            said = _stretched(said, (self.side, self.side))[:, :rows, :cols]
        return _stretched(said, (self.height, self.width))

    def _padded(self, seen: Tensor) -> Tensor:
        rows, cols = self.shown
        return functional.pad(seen, (0, self.side - cols, 0, self.side - rows))


def _resized(maps: Tensor, shape: tuple[int, int]) -> Tensor:
    """Resize maps (N, H, W) as pictures are: averaged where they become smaller."""
    if tuple(maps.shape[1:]) == shape:
        return maps
    resized: Tensor = functional.interpolate(maps[None], shape, mode="bilinear", antialias=True)
    return resized[0]


def _stretched(maps: Tensor, shape: tuple[int, int]) -> Tensor:
    """Interpolate maps (N, H, W) between their pixels."""
    stretched: Tensor = functional.interpolate(maps[None], shape, mode="bilinear")
    return torch.as_tensor(stretched[0])
