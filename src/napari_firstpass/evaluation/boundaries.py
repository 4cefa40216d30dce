"""How well edges agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import KDTree

from napari_firstpass.errors import OptionError
from napari_firstpass.evaluation.overlap import require_truth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.evaluation.label_image import LabelImage

TOLERANCE = 0.0075
"""Share of the diagonal by which an edge may be off (Martin et al. 2004)."""

_HAIR = 1e-6


def boundary_f(truth: LabelImage, pred: LabelImage, *, tolerance: float | None = None) -> float:
    """Return the harmonic mean of boundary precision and recall (Csurka et al. 2013).

    An edge lies between two neighbouring pixels of different id. It is right if the other image
    has an edge no farther than ``tolerance``. Unlike in the benchmark of Martin et al., edges are
    not matched one to one, so that a thick band of them is not punished. Edges to pixels where
    the truth is not valid do not count.

    Parameters
    ----------
    truth, pred : LabelImage
        Of the same size.
    tolerance : float or None
        In pixels, at least 0; None for 0.75 % of the image's diagonal.

    Returns
    -------
    float
        In [0, 1]; 1 where neither has edges, 0 where only one of them has.

    Raises
    ------
    ImageContentError
        If no pixel of the truth is valid.
    OptionError
        If ``tolerance`` is negative.
    """
    require_truth(truth)
    reach = TOLERANCE * float(np.hypot(*truth.shape)) if tolerance is None else tolerance
    if not reach >= 0:
        raise OptionError(
            expected="a tolerance of at least 0 pixels", found=str(tolerance), remedy="enlarge it"
        )
    drawn, found = _edges(truth, truth.valid), _edges(pred, truth.valid)
    if not len(drawn) or not len(found):
        return float(len(drawn) == len(found))
    precision, recall = _near(found, drawn, reach), _near(drawn, found, reach)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _edges(labels: LabelImage, judged: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the midpoints (n, 2) of edges between judged pixels, in pixels."""
    below = _lower_edges(labels.ids, labels.valid, judged)
    beside = _lower_edges(labels.ids.T, labels.valid.T, judged.T)[:, ::-1]
    return np.concatenate([below, beside])


def _lower_edges(
    ids: NDArray[Any], valid: NDArray[np.bool_], judged: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return the edges between pixels and those below; without a prediction is one more id."""
    differ = (ids[:-1] != ids[1:]) & valid[:-1] & valid[1:]
    differ |= valid[:-1] != valid[1:]
    differ &= judged[:-1] & judged[1:]
    points = np.argwhere(differ).astype(np.float32)
    points[:, 0] += 0.5
    return points


def _near(points: NDArray[np.float32], others: NDArray[np.float32], reach: float) -> float:
    """Return the share of points that lie within ``reach`` of one of the others."""
    tree = KDTree(others, balanced_tree=False, compact_nodes=False)
    # The bound of a query is exclusive.
    distance, _ = tree.query(points, distance_upper_bound=reach + _HAIR, workers=-1)
    return float(np.isfinite(distance).mean())
