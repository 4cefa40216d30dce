"""Edges that follow the image: labels, averaged over cells, sharpened as the pipeline's scores are.

The guided filter itself is in `sharpening`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch.nn import functional

from napari_firstpass.config import DEFAULT_PRESET
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.refinement import Refinement, decided, preset_of
from napari_firstpass.sharpening import GuidedFilterConfig, sharpen

if TYPE_CHECKING:
    from torch import Tensor

    from napari_firstpass.refinement import LabelGuide


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidedRefiner:
    """Filters the votes of labels for their classes; looks 4 · stride · radius pixels far at most.

    Attributes
    ----------
    stride : int
        Pixels of a cell, along each axis, on which the filter is fitted.
    config : GuidedFilterConfig
        Reach and smoothness.
    """

    stride: int
    config: GuidedFilterConfig
    reentrant: ClassVar[bool] = True

    def refine(self, picture: Tensor, valid: Tensor, guide: LabelGuide) -> Steps[Refinement]:
        """Return labels whose borders follow the image; see `Refiner`."""
        yield Progress(0, 10, "following edges")
        ids = guide.present
        cells = torch.cat([_on_cells(guide.votes(one[None]), self.stride) for one in ids])
        sharp = yield from sharpen(cells, picture, self.stride, self.config)
        return decided(ids[sharp.winner], sharp.margin, valid, guide)


def _on_cells(votes: Tensor, stride: int) -> Tensor:
    """Average (k, H, W) over cells; those that reach beyond the window over what is inside."""
    return functional.avg_pool2d(votes, stride, ceil_mode=True)


_PRESETS = {
    DEFAULT_PRESET: (2, GuidedFilterConfig(radius=2)),
    "wide": (2, GuidedFilterConfig(radius=4)),
}


def guided_refiner(*, preset: str, seed: int, device: torch.device) -> GuidedRefiner:
    """Return the refiner ``guided``; see `RefinerFactory`. It draws nothing, and goes anywhere."""
    del seed, device
    stride, config = preset_of("guided", _PRESETS, preset)
    return GuidedRefiner(stride=stride, config=config)
