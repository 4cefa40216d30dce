"""Labels as numbers that others have fixed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.segmentation import label_dtype
from napari_firstpass.taxonomies.unknown import Unknown
from napari_firstpass.taxonomy import MAX_CLASS_ID, UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.segmentation import Labels
    from napari_firstpass.taxonomy import Taxonomy


@dataclass(frozen=True)
class NumberCodes:
    """From numbers in pixels to labels, for the classes of a taxonomy.

    Attributes
    ----------
    taxonomy : Taxonomy
        The classes.
    by_code : bool
        Whether pixels hold the export codes of classes that have one, rather than their ids.
    ignored : tuple of int
        Numbers that say nothing. Where no class has 0, that says nothing either.

    Raises
    ------
    TaxonomyError
        If two classes have the same code, or one has an ignored one.
    """

    taxonomy: Taxonomy
    by_code: bool = False
    ignored: tuple[int, ...] = ()
    bands: ClassVar[int] = 1

    def __post_init__(self) -> None:
        names = dict.fromkeys(self.ignored, "what is ignored")
        for entry in self.taxonomy.classes:
            code = entry.export_code if self.by_code else None
            code = entry.id if code is None else code
            other = names.setdefault(code, entry.name)
            if other != entry.name:
                raise TaxonomyError(
                    expected="a code of its own for each class, to tell them apart",
                    found=f"{code} for {other!r} and {entry.name!r}",
                    remedy="change one of them",
                )

    @cached_property
    def _tables(self) -> tuple[Labels, NDArray[np.bool_]]:
        """The id of each number, and which numbers mean something."""
        ids = np.zeros(MAX_CLASS_ID + 1, label_dtype(self.taxonomy.max_id))
        known = np.zeros(len(ids), np.bool_)
        known[UNLABELLED] = True
        known[[i for i in self.ignored if 0 <= i <= MAX_CLASS_ID]] = True
        for entry in self.taxonomy.classes:
            code = entry.export_code if self.by_code else None
            code = entry.id if code is None else code
            ids[code], known[code] = entry.id, True
        return cast("Labels", ids), known

    def labels_of(self, bands: NDArray[np.integer[Any]], unknown: Unknown) -> Labels:
        """Return the labels (h, w) of numbers (1, h, w); unknown ones are counted."""
        ids, known = self._tables
        values = bands[0].astype(np.int64)
        outside = (values < 0) | (values > MAX_CLASS_ID)
        places = np.where(outside, 0, values)
        said = known[places] & ~outside
        strange = ~said
        unknown.add(values[strange & ~np.isin(values, self.ignored)])
        return cast("Labels", np.where(said, ids[places], ids.dtype.type(UNLABELLED)))

    def known_labels_of(self, bands: NDArray[np.integer[Any]], where: str) -> Labels:
        """Return the labels (h, w) of numbers (1, h, w); a `TaxonomyError` if one is unknown."""
        unknown = Unknown()
        labels = self.labels_of(bands, unknown)
        if unknown.pixels:
            raise self.refusal(unknown, where)
        return labels

    def refusal(self, unknown: Unknown, where: str) -> TaxonomyError:
        """Return what to say of unknown numbers."""
        return TaxonomyError(
            expected=f"the numbers of {len(self.taxonomy)} classes in {where}",
            found=unknown.told(),
            remedy="add their classes, or ask to leave them unlabelled",
        )
