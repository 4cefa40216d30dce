"""Finer maps that follow the colours of the picture.

The linear model of the guided filter (`local_linear`) tells how features change with colour around
each coarse cell. A fine cell gets what lies between the coarse ones, as `bilinear` has it, and the
change that goes with the difference between its own colour and the colours that lie between those
of the coarse cells. Where the picture is even, nothing is added. The guided filter itself would
replace the features by what colours explain of them, which blurs: measured on features whose fine
form is known, it is no better than `bilinear` (docs/methods).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass.cells import cell_means
from napari_firstpass.local_linear import LocalLinear
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.upsampling.bilinear import enlarged

if TYPE_CHECKING:
    from torch import Tensor

_CHANNELS_AT_ONCE = 8
"""Each is held with three slopes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guided:
    """Adds to bilinear features what the colours of fine cells suggest.

    The model is fitted to mean colours of coarse cells (He and Sun, arXiv 1505.00996) and not to
    pixels: a vector stands for the mean of its cell, and what is linear in the colour of a pixel is
    linear in that mean with the same slopes.

    Attributes
    ----------
    radius : int
        Reach of the boxes in which the model is fitted, in coarse cells.
    smoothness : float
        Variance of colours, in [0, 1], below which they explain nothing.
    """

    radius: int = 1
    smoothness: float = 1e-3

    def finer(
        self, maps: Tensor, picture: Tensor, factor: int, shape: tuple[int, int]
    ) -> Steps[Tensor]:
        """Return maps on a finer grid; see `Upsampler`."""
        height, width = shape
        fine = cell_means(picture, picture.shape[1] // (maps.shape[1] * factor))
        coarse = cell_means(fine, factor)
        model = LocalLinear.of(coarse, 1, radius=self.radius, smoothness=self.smoothness)
        detail = (fine - enlarged(coarse, factor))[:, :height, :width]
        result = maps.new_empty((len(maps), height, width))
        for first in range(0, len(maps), _CHANNELS_AT_ONCE):
            yield Progress(first, len(maps), "making features finer")
            part = maps[first : first + _CHANNELS_AT_ONCE]
            slopes, _ = model.explain(part)
            found = result[first : first + len(part)]
            found.copy_(enlarged(part, factor)[:, :height, :width])
            for band, change in enumerate(detail):
                found.addcmul_(enlarged(slopes[:, band], factor)[:, :height, :width], change)
        return result
