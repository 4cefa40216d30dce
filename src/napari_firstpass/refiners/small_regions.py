"""Removing regions too small to be meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch
from skimage.measure import label

from napari_firstpass.config import DEFAULT_PRESET
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.refinement import Refinement, preset_of
from napari_firstpass.segmentation import label_dtype
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.refinement import LabelGuide
    from napari_firstpass.segmentation import Labels


def merge_small_regions(labels: Labels, min_region: int) -> Labels:
    """Give every small region the label of the neighbour it shares the longest border with.

    Parameters
    ----------
    labels : (H, W) uint8 or uint16 array
        Class ids; 0 stays 0 and is nobody's neighbour. The input is not modified.
    min_region : int
        Regions (4-connected, of one id) of fewer pixels are merged; 0 or 1 keeps all.

    Returns
    -------
    (H, W) array of the same type
        A small region amid other small ones takes its turn once a neighbour is settled; one that
        has none (an island in no data) keeps its label.
    """
    if min_region <= 1:
        return labels
    regions = label(labels, background=UNLABELLED, connectivity=1)
    sizes = np.bincount(regions.ravel())
    settled = sizes >= min_region
    settled[0] = False
    if bool(settled[1:].all()):
        return labels
    ids = np.zeros(len(sizes), dtype=labels.dtype)
    ids[regions.ravel()] = labels.ravel()
    borders = _Borders.of(regions)
    while True:
        small, new_ids = borders.best_neighbours(ids, settled)
        if len(small) == 0:
            merged: Labels = ids[regions]
            return merged
        ids[small] = new_ids
        settled[small] = True


@dataclass(frozen=True, slots=True)
class _Borders:
    """Which regions touch, in both directions, and along how many pixel edges."""

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    length: NDArray[np.int64]

    @classmethod
    def of(cls, regions: NDArray[np.integer[Any]]) -> _Borders:
        count = int(regions.max()) + 1
        beside = _touching(regions[:, :-1], regions[:, 1:])
        below = _touching(regions[:-1], regions[1:])
        one, other = np.concatenate([beside, below], axis=1)
        keys, length = np.unique(
            np.concatenate([one * count + other, other * count + one]), return_counts=True
        )
        return cls(keys // count, keys % count, length)

    def best_neighbours(
        self, ids: NDArray[np.integer[Any]], settled: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.integer[Any]]]:
        """Return the unsettled regions that touch settled ones, and the id each should take."""
        usable = ~settled[self.source] & settled[self.target]
        source, wanted, length = self.source[usable], ids[self.target[usable]], self.length[usable]
        base = np.int64(ids.max()) + 1
        keys, group = np.unique(source * base + wanted, return_inverse=True)
        shared = np.bincount(group, weights=length, minlength=len(keys))
        owner, candidate = keys // base, keys % base
        # Longest border last within each region; among equals the smallest id.
        order = np.lexsort((-candidate, shared, owner))
        last = np.flatnonzero(np.diff(owner[order], append=-1))
        return owner[order][last], candidate[order][last].astype(ids.dtype)


def _touching(one: NDArray[np.integer[Any]], other: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return pairs (2, n) of different regions that lie side by side; 0 is no region."""
    different = (one != other) & (one > 0) & (other > 0)
    return np.stack([one[different], other[different]]).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionsRefiner:
    """Gives small regions to what surrounds them; does not look at the image.

    Attributes
    ----------
    min_region : int
        Regions of fewer pixels are merged.
    """

    min_region: int
    reentrant: ClassVar[bool] = True

    def refine(self, picture: Tensor, valid: Tensor, guide: LabelGuide) -> Steps[Refinement]:
        """Return labels without specks; see `Refiner`. What was merged has confidence 0."""
        del picture
        yield Progress(0, 1, "merging small regions")
        said = guide.labels.masked_fill(~valid, UNLABELLED)
        narrow = cast("Labels", said.cpu().numpy().astype(label_dtype(guide.classes)))
        merged = merge_small_regions(narrow, self.min_region)
        labels = torch.from_numpy(merged.astype(np.int64)).to(said.device)
        unsure = (labels != said) | (labels == UNLABELLED)
        return Refinement(labels, guide.confidence.float().masked_fill(unsure, 0.0))


_PRESETS = {DEFAULT_PRESET: 48}


def regions_refiner(*, preset: str, seed: int, device: torch.device) -> RegionsRefiner:
    """Return the refiner ``regions``; see `RefinerFactory`. It draws nothing, and goes anywhere."""
    del seed, device
    return RegionsRefiner(min_region=preset_of("regions", _PRESETS, preset))
