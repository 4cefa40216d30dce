"""Connected pieces: splitting what has one id into the regions a person sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.measure import label

from napari_firstpass.evaluation.label_image import LabelImage, strips

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS_AT_ONCE = 512


def split(labels: LabelImage) -> LabelImage:
    """Give every 4-connected piece of equal id a number, from 0; what is not valid stays so.

    Worked in strips that are joined afterwards, because labelling an image as a whole takes 30
    bytes for each pixel.
    """
    ids = np.zeros(labels.shape, dtype=np.int32)
    seams: list[NDArray[np.int64]] = []
    count = 0
    for top in range(0, len(ids), _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        # What is not valid is one more id, so that it neither joins nor is joined.
        codes = np.where(labels.valid[rows], labels.ids[rows].astype(np.int64) + 1, 0)
        part, found = label(codes, background=-1, connectivity=1, return_num=True)
        ids[rows] = part - 1 + count
        count += found
        if top:
            seams.append(_seam(labels, ids, top))
    _join(ids, seams, count)
    return LabelImage(ids, labels.valid)


def _seam(labels: LabelImage, ids: NDArray[np.int32], row: int) -> NDArray[np.int64]:
    """Return (n, 2) pieces that are one across the upper edge of ``row``."""
    above, below = labels.ids[row - 1], labels.ids[row]
    valid = labels.valid[row - 1] == labels.valid[row]
    same = valid & ((above == below) | ~labels.valid[row])
    return np.unique(np.stack([ids[row - 1][same], ids[row][same]], axis=1), axis=0).astype(
        np.int64
    )


def _join(ids: NDArray[np.int32], seams: list[NDArray[np.int64]], count: int) -> None:
    """Give pieces that are one across a seam the same number, in place."""
    if not seams:
        return
    pairs = np.concatenate(seams)
    links = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), (count, count))
    group = connected_components(links, directed=False)[1].astype(np.int32)
    for rows in strips(len(ids)):  # looking all up at once would copy them to 64 bits
        ids[rows] = group[ids[rows]]
