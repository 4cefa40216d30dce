"""Superpixels that vote: every patch of one colour gets the class of most of its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from napari_firstpass.config import DEFAULT_PRESET
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.refinement import Refinement, decided, lead_of, preset_of
from napari_firstpass.superpixels import slic_regions

if TYPE_CHECKING:
    from torch import Tensor

    from napari_firstpass.refinement import LabelGuide


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperpixelRefiner:
    """Lets the pixels of SLIC superpixels vote; looks as far as a superpixel reaches.

    Attributes
    ----------
    pixels : int
        Size of a superpixel that is aimed at.
    """

    pixels: int
    reentrant: ClassVar[bool] = True

    def refine(self, picture: Tensor, valid: Tensor, guide: LabelGuide) -> Steps[Refinement]:
        """Return labels with one class in each superpixel; see `Refiner`."""
        yield Progress(0, 10, "finding superpixels")
        image = picture.movedim(0, -1).cpu().numpy()
        regions = slic_regions(image, pixels_per_segment=self.pixels)
        yield Progress(9, 10, "counting votes")
        places = torch.from_numpy(regions).long().to(picture.device)
        ids = guide.present
        shares = _shares(places, valid, guide, ids)
        best, lead = lead_of(shares)
        return decided(ids[best][places], lead[places], valid, guide)


def _shares(places: Tensor, valid: Tensor, guide: LabelGuide, ids: Tensor) -> Tensor:
    """Return (G, R): the votes in each region for each class, divided by its pixels with data."""
    count = int(places.max()) + 1
    voting = valid & (guide.labels > 0)
    kind = torch.searchsorted(ids, guide.labels[voting])
    slots = kind * count + places[voting]
    votes = torch.bincount(slots, guide.weight[voting].double(), minlength=len(ids) * count)
    pixels = torch.bincount(places[valid], minlength=count).clamp_min(1)
    return (votes.reshape(len(ids), count) / pixels).float()


_PRESETS = {DEFAULT_PRESET: 40}


def superpixel_refiner(*, preset: str, seed: int, device: torch.device) -> SuperpixelRefiner:
    """Return the refiner ``superpixels``; see `RefinerFactory`. It draws nothing."""
    del seed, device
    return SuperpixelRefiner(pixels=preset_of("superpixels", _PRESETS, preset))
