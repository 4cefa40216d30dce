"""Labels as colours: pictures in which each class has its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.segmentation import label_dtype
from napari_firstpass.taxonomy import UNLABELLED, rgb_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.segmentation import Labels
    from napari_firstpass.taxonomies.unknown import Unknown
    from napari_firstpass.taxonomy import Taxonomy

_NEAR = 40
"""By how much JPEG changes a level in a label image, nearly everywhere."""


@dataclass(frozen=True)
class ColorCodes:
    """From colours to labels and back, for the classes of a taxonomy.

    Raises
    ------
    TaxonomyError
        If two classes have the same colour, or one has that of unlabelled pixels.
    """

    taxonomy: Taxonomy
    bands: ClassVar[int] = 3

    def __post_init__(self) -> None:
        names: dict[tuple[int, int, int], str] = {self.unlabelled: "unlabelled pixels"}
        for entry in self.taxonomy.classes:
            other = names.setdefault(entry.rgb, entry.name)
            if other != entry.name:
                raise TaxonomyError(
                    expected="a colour of its own for each class, to tell them apart in a picture",
                    found=f"{entry.color.upper()} for {other!r} and {entry.name!r}",
                    remedy="change one of them",
                )

    @property
    def unlabelled(self) -> tuple[int, int, int]:
        """Red, green and blue of pixels without a class."""
        return rgb_of(self.taxonomy.unlabelled_color)

    @cached_property
    def _ids(self) -> Labels:
        table = np.zeros(2**24, label_dtype(self.taxonomy.max_id))
        for entry in self.taxonomy.classes:
            table[_number(entry.rgb)] = entry.id
        return cast("Labels", table)

    def labels_of(self, bands: NDArray[np.uint8], unknown: Unknown) -> Labels:
        """Return the labels (h, w) of red, green and blue (3, h, w); unknown ones are counted."""
        red, green, blue = bands.astype(np.uint32)
        numbers = red << 16 | green << 8 | blue
        labels = cast("Labels", self._ids[numbers])
        unknown.add(numbers[(labels == UNLABELLED) & (numbers != _number(self.unlabelled))])
        return labels

    def colors_of(self, labels: Labels) -> NDArray[np.uint8]:
        """Return red, green and blue (3, h, w) of labels (h, w), whose ids are all known."""
        table = np.zeros((self.taxonomy.max_id + 1, 3), np.uint8)
        table[UNLABELLED] = self.unlabelled
        for entry in self.taxonomy.classes:
            table[entry.id] = entry.rgb
        return np.ascontiguousarray(np.moveaxis(table[labels], -1, 0))

    def refusal(self, unknown: Unknown, where: str) -> TaxonomyError:
        """Return what to say of unknown colours, and whether lossy compression made them."""
        remedy = "add their classes, or ask to leave them unlabelled"
        if self._are_near(unknown):
            remedy = "they are close to those of classes, as JPEG leaves them: take the original"
        return TaxonomyError(
            expected=f"the exact colours of {len(self.taxonomy)} classes in {where}",
            found=unknown.told(lambda number: f"#{number:06X}"),
            remedy=remedy,
        )

    def _are_near(self, unknown: Unknown) -> bool:
        """Tell whether most of the pixels have nearly the colour of a class, in many shades."""
        colors = [self.unlabelled, *(entry.rgb for entry in self.taxonomy.classes)]
        known = np.array(colors, np.int32)
        near = 0
        for number, count in unknown.counts.items():
            levels = np.array([number >> 16, number >> 8 & 255, number & 255], np.int32)
            near += count if np.abs(known - levels).max(1).min() <= _NEAR else 0
        return len(unknown.counts) > 3 and near > unknown.counts.total() / 2


def _number(rgb: tuple[int, int, int]) -> int:
    red, green, blue = rgb
    return red << 16 | green << 8 | blue
