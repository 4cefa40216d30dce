"""Which pixels of labels a mask changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

Where = Literal["everywhere", "unlabelled", "class"]
"""All pixels of the mask; those without a class; those of the class that most of it has."""

PLACES: tuple[Where, ...] = get_args(Where)


def class_under(labels: NDArray[Any], mask: NDArray[np.bool_]) -> int:
    """Return the id that most pixels of a mask have, the smaller of two; 0 for an empty mask.

    Parameters
    ----------
    labels : (h, w) integer array
        Class ids from 0 on.
    mask : (h, w) bool array
        The pixels.
    """
    ids, counts = np.unique(labels[mask], return_counts=True)
    return int(ids[counts.argmax()]) if len(ids) else UNLABELLED


def changed_by(
    labels: NDArray[Any], mask: NDArray[np.bool_], where: Where, under: int
) -> NDArray[np.bool_]:
    """Return the pixels (h, w) of a mask that are to get a class.

    Parameters
    ----------
    labels : (h, w) integer array
        Class ids as they are.
    mask : (h, w) bool array
        The pixels.
    where : str
        Which of them.
    under : int
        What `class_under` says of the whole mask, which may be cut.
    """
    if where == "everywhere":
        return mask
    free: NDArray[np.bool_] = labels == (UNLABELLED if where == "unlabelled" else under)
    return mask & free
