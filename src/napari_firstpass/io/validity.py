"""Which pixels of a file hold data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.enums import MaskFlags

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

    from napari_firstpass.io.layout import Layout


@dataclass(frozen=True, slots=True)
class Validity:
    """How a file says where it has no data.

    A pixel has no data where its transparency or mask band is zero, where any band is not a finite
    number, and by the declared nodata value:

    - a value that is also a possible brightness (0 to 65535) marks a pixel that has it in *all*
      bands: a red car has no blue, and glass roofs saturate single bands;
    - any other value (negative, huge) marks a pixel that has it in *any* band: it would otherwise
      be taken for a brightness.

    Attributes
    ----------
    nodata : tuple of float or None
        The declared value of each band that is read.
    masks : tuple of int
        Bands whose mask band (internal or ``.msk``) is read.
    """

    nodata: tuple[float | None, ...]
    masks: tuple[int, ...]

    @property
    def may_find(self) -> bool:
        """Whether a mask, or a value, can say that a pixel has no data."""
        return bool(self.masks) or any(value is not None for value in self.nodata)

    def of_values(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where raw values (C, H, W) are data, by value alone; shape (H, W)."""
        valid = np.ones(values.shape[1:], dtype=bool)
        blank = None
        for band, nodata in zip(values, self.nodata, strict=True):
            if band.dtype.kind == "f":
                valid &= np.isfinite(band)
            if nodata is None:
                continue
            hit = _equals(band, nodata)
            if 0 <= nodata <= 65535:
                blank = hit if blank is None else blank & hit
            else:
                valid &= ~hit
        return valid if blank is None else valid & ~blank


def validity_of(dataset: DatasetReader, layout: Layout) -> Validity:
    """Find out how a file says where it has no data."""
    flags = {index: dataset.mask_flag_enums[index - 1] for index in layout.indexes}
    masked = [
        index
        for index, flag in flags.items()
        # Values are compared by us; a band marked as transparency may be none.
        if MaskFlags.all_valid not in flag
        and MaskFlags.alpha not in flag
        and flag != [MaskFlags.nodata]
    ]
    shared = [index for index in masked if MaskFlags.per_dataset in flags[index]]
    return Validity(
        nodata=tuple(dataset.nodatavals[index - 1] for index in layout.indexes),
        masks=tuple(shared[:1] or masked),
    )


def _equals(band: NDArray[Any], nodata: float) -> NDArray[np.bool_]:
    if band.dtype.kind == "f":
        # A double written as text need not survive the way to float32 and back.
        with np.errstate(over="ignore"):
            nodata = float(band.dtype.type(nodata))
    result: NDArray[np.bool_] = band == nodata
    return result
