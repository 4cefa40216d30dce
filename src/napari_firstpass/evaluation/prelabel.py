"""What the simulated annotator is given to start with: regions which one click relabels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.errors import ImageContentError
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.pieces import split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

NO_CLASS = -1
"""The class of a region that carries none yet."""


@dataclass(frozen=True, slots=True)
class Prelabel:
    """Regions, the groups they belong to, and the truth classes they carry.

    Attributes
    ----------
    regions : (H, W) int32 array
        Region of each pixel, 0 to R - 1: connected pieces, or superpixels.
    groups : (R,) integer array
        Group of each region: those of one group can be relabelled together. Usually a cluster.
    classes : (R,) int64 array
        Id of the truth class that each region carries at the start; -1 for none.
    """

    regions: NDArray[np.int32]
    groups: NDArray[Any]
    classes: NDArray[np.int64]

    def __post_init__(self) -> None:
        count = len(self.classes)
        if self.regions.ndim != 2 or 0 in self.regions.shape or self.groups.shape != (count,):
            raise _contradiction(
                "regions (H, W), and a group and a class for each region",
                f"shapes {self.regions.shape}, {self.groups.shape}, {self.classes.shape}",
            )
        if self.regions.min() < 0 or self.regions.max() >= count:
            found = f"{self.regions.min()} to {self.regions.max()}"
            raise _contradiction(f"region numbers in [0, {count - 1}]", found)
        if self.classes.min() < NO_CLASS:
            raise _contradiction("class ids of at least 0, or -1", str(self.classes.min()))

    @classmethod
    def of(cls, pred: LabelImage) -> Prelabel:
        """Take a prediction whose ids are truth classes already.

        Its regions are the 4-connected pieces of one id, its groups the ids. Pixels that are not
        valid are pieces without a class.
        """
        regions, ids = _pieces(pred)
        return cls(regions, ids, ids)

    @classmethod
    def of_clusters(cls, pred: LabelImage, names: Mapping[int, int]) -> Prelabel:
        """Take clusters, and the truth class that each is named by; others have no class."""
        regions, ids = _pieces(pred)
        clusters, which = np.unique(ids, return_inverse=True)
        named = [names.get(cluster, NO_CLASS) for cluster in clusters.tolist()]
        return cls(regions, ids, np.array(named, dtype=np.int64)[which])

    @classmethod
    def of_regions(cls, regions: NDArray[np.integer[Any]]) -> Prelabel:
        """Take superpixels (H, W), numbered from 0: one group, and no classes yet."""
        count = int(regions.max()) + 1 if regions.size else 0
        nothing = np.full(count, NO_CLASS, dtype=np.int64)
        return cls(regions.astype(np.int32, copy=False), np.zeros_like(nothing), nothing)

    @classmethod
    def blank(cls, shape: tuple[int, int]) -> Prelabel:
        """Take nothing: one region without a class, which is where work from scratch starts."""
        return cls.of_regions(np.zeros(shape, dtype=np.int32))

    def within(self, valid: NDArray[np.bool_]) -> Prelabel:
        """Cut every region into its 4-connected pieces of valid pixels.

        Otherwise two pieces which only meet where the truth says nothing would be one, and pixels
        that nobody judges would change what a click does.

        Parameters
        ----------
        valid : (H, W) bool array
            Where the truth says something.

        Returns
        -------
        Prelabel
            What is not valid belongs to a group of its own and has no class.
        """
        pieces = split(LabelImage(self.regions, valid)).ids
        whole = _of_each(pieces, self.regions)
        inside = _of_each(pieces, valid)
        # A group that no truth pixel belongs to is nothing anybody would click.
        groups = np.where(inside, self.groups[whole], self.groups.max() + 1)
        return Prelabel(pieces, groups, np.where(inside, self.classes[whole], NO_CLASS))


def _pieces(pred: LabelImage) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the connected pieces of a label image, and the id of each; -1 where not valid."""
    pieces = split(pred).ids
    ids = np.where(pred.valid, pred.ids, NO_CLASS).astype(np.int64, copy=False)
    return pieces, _of_each(pieces, ids)


def _of_each(pieces: NDArray[np.int32], values: NDArray[Any]) -> NDArray[Any]:
    """Return the value (n,) of each piece, where ``values`` (H, W) is constant on pieces."""
    found = np.empty(int(pieces.max()) + 1, dtype=values.dtype)
    found[pieces.ravel()] = values.ravel()
    return found


def _contradiction(expected: str, found: str) -> ImageContentError:
    return ImageContentError(expected=expected, found=found, remedy="number the regions again")
