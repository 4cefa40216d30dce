"""The second phase of the simulated annotator: brush strokes over what is still wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.evaluation.judging import cracks
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.pieces import split
from napari_firstpass.evaluation.pointer import middle_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.evaluation.judging import Judging


@dataclass(frozen=True, slots=True)
class Strokes:
    """What was painted.

    Attributes
    ----------
    places : (n, 2) int64 array
        (row, col) inside each painted piece.
    path : int
        Pixel edges that had to be drawn.
    gained : int
        Judged pixels that became right.
    """

    places: NDArray[np.int64]
    path: int
    gained: int


def paint(
    labels: NDArray[np.int64],
    judging: Judging,
    *,
    min_error: int,
    wanted: int,
    demanded: int,
) -> Strokes:
    """Paint pieces of wrong pixels, the largest first.

    Parameters
    ----------
    labels : (H, W) int64 array
        Current class of each pixel, numbered as ``judging`` does.
    judging : Judging
        The truth.
    min_error : int
        Only pieces of more judged pixels than this are worth a stroke.
    wanted, demanded : int
        Judged pixels to gain. Painting ends when ``wanted`` is reached, or when no piece worth a
        stroke is left; but as long as ``demanded`` is not reached, smaller ones are painted too.
    """
    wrong = judging.valid & (labels != judging.numbers)
    pieces = split(LabelImage(judging.numbers, wrong)).ids
    sizes = np.bincount(pieces[judging.judged & wrong], minlength=int(pieces.max()) + 1)
    order = np.argsort(-sizes, kind="stable")
    chosen = order[: _how_many(sizes[order], min_error, wanted, demanded)]
    painted = np.isin(pieces, chosen) if len(chosen) else np.zeros_like(wrong)
    path = _path(labels, judging, painted, min_error) if len(chosen) else 0
    return Strokes(middle_pixels(pieces, chosen), path, int(sizes[chosen].sum()))


def _how_many(sizes: NDArray[np.int64], min_error: int, wanted: int, demanded: int) -> int:
    """Return how many pieces are painted, given their sizes in descending order."""
    gained = np.concatenate([[0], np.cumsum(sizes)])
    worth_it = int((sizes > min_error).sum())
    # A search finds the end of the array where all pieces together are not enough.
    for_wanted, for_demanded = np.searchsorted(gained, [wanted, demanded])
    return max(min(int(for_wanted), worth_it), min(int(for_demanded), int((sizes > 0).sum())))


def _path(
    labels: NDArray[np.int64],
    judging: Judging,
    painted: NDArray[np.bool_],
    min_error: int,
) -> int:
    """Count the boundary edges of the truth beside painted pixels that are not there yet.

    An edge is there if the current labels differ across it, unless one of them belongs to a piece
    too small to be worth an action. Nobody can make use of the edges of specks; without this,
    noise would have all edges of any truth.
    """
    beside, below = cracks(judging.numbers)
    pieces = split(LabelImage(labels, judging.valid)).ids
    large = np.bincount(pieces.ravel())[pieces] > min_error
    along_rows = _missing(labels, large) & beside & (painted[:, :-1] | painted[:, 1:])
    along_cols = _missing(labels.T, large.T).T & below & (painted[:-1] | painted[1:])
    return int(along_rows.sum() + along_cols.sum())


def _missing(labels: NDArray[np.int64], large: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell for each pixel and its right neighbour whether no usable edge is between them."""
    missing: NDArray[np.bool_] = labels[:, :-1] == labels[:, 1:]
    return missing | ~large[:, :-1] | ~large[:, 1:]
