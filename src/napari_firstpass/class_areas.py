"""How much of an image each class covers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.progress import Progress
from napari_firstpass.taxonomy import MAX_CLASS_ID, UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_firstpass.progress import Steps

_ROWS_AT_ONCE = 256
_SQUARE_METRES = 10_000


class LabelRows(Protocol):
    """Labels (H, W) that give their rows, some at once."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice, /) -> NDArray[Any]: ...


def count_steps(labels: LabelRows) -> Steps[dict[int, int]]:
    """Count the pixels of each id that occurs; the array may change meanwhile.

    Parameters
    ----------
    labels : (H, W) integer array, or what gives its rows
        Class ids in [0, 65535].

    Raises
    ------
    TaxonomyError
        If there are others.
    """
    counts = np.zeros(MAX_CLASS_ID + 1, np.int64)
    for top in range(0, len(labels), _ROWS_AT_ONCE):
        yield Progress(top, len(labels), "counting pixels")
        strip = labels[top : top + _ROWS_AT_ONCE].ravel()
        require_classes(int(strip.min()), int(strip.max()))
        found = np.bincount(strip)
        counts[: len(found)] += found
    return {int(class_id): int(counts[class_id]) for class_id in np.flatnonzero(counts)}


def require_classes(low: int, high: int) -> None:
    """Refuse labels that are no ids of classes.

    Raises
    ------
    TaxonomyError
        If the lowest or the highest is out of range.
    """
    if low < UNLABELLED or high > MAX_CLASS_ID:
        raise TaxonomyError(
            expected=f"class ids in [0, {MAX_CLASS_ID}]",
            found=f"{low} to {high}",
            remedy="select labels of classes; these number single things",
        )


def counts_after(counts: Mapping[int, int], mapping: Mapping[int, int]) -> dict[int, int]:
    """Return how many pixels ids have after some became others."""
    found: dict[int, int] = {}
    for class_id, pixels in counts.items():
        now = mapping.get(class_id, class_id)
        found[now] = found.get(now, 0) + pixels
    return found


def area_text(pixels: int, pixel_area: float | None) -> str:
    """Return ``4.1 ha`` where a pixel's area in square metres is known, else ``41 000 px``."""
    if pixel_area is None:
        return f"{pixels:,} px".replace(",", " ")
    hectares = pixels * pixel_area / _SQUARE_METRES
    return f"{hectares:.2g} ha" if hectares < 1 else f"{hectares:,.1f} ha".replace(",", " ")


def share_text(pixels: int, whole: int) -> str:
    """Return ``62 %``, of a whole that is not empty."""
    share = 100 * pixels / whole
    return "<1 %" if 0 < share < 1 else f"{share:.0f} %"
