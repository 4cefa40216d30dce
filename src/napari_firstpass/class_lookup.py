"""Whole classes that become others: a lookup, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_firstpass.aligning import AlignedWindow
from napari_firstpass.progress import Progress
from napari_firstpass.segmentation import SURE, label_dtype
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_firstpass.aligning import AlignView
    from napari_firstpass.alignment import Decision
    from napari_firstpass.progress import Steps
    from napari_firstpass.segmentation import Labels

_IDS = 2**16


@dataclass(frozen=True, slots=True)
class ClassLookup:
    """A `PreparedAligner` that decided on whole classes.

    Attributes
    ----------
    proposals : tuple of Decision
        One for each class of the source that has pixels.
    highest : int
        Highest id of the target.
    told : mapping of str to plain value
        What else there is to report.
    """

    proposals: tuple[Decision, ...]
    highest: int
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def looks(self) -> bool:
        """False: the image is not looked at."""
        return False

    @property
    def outlines(self) -> bool:
        """False: classes have no outlines."""
        return False

    def align(self, view: AlignView) -> Steps[AlignedWindow]:
        """Look every pixel up; what has no decision stays unlabelled."""
        yield Progress(0, 1, "aligning")
        return looked_up(view.labels, view.confidence, self.proposals, self.highest)

    def report(self) -> Mapping[str, Any]:
        """Return what else there is to report."""
        return self.told


def looked_up(
    labels: Labels,
    confidence: NDArray[np.uint8] | None,
    decisions: Iterable[Decision],
    highest: int,
) -> AlignedWindow:
    """Return labels with every class replaced by what was decided on it.

    Parameters
    ----------
    labels : (h, w) uint8 or uint16 array
        Ids of the source.
    confidence : (h, w) uint8 array or None
        How sure they are; None for wholly.
    decisions : iterable of Decision
        On classes of the source; all others become unlabelled.
    highest : int
        Highest id of the target.

    Returns
    -------
    AlignedWindow
        Its confidence is that of the label times that of the decision.
    """
    goals = np.zeros(_IDS, label_dtype(highest))
    shares = np.zeros(_IDS, np.float32)
    for entry in decisions:
        goals[entry.source] = entry.target
        shares[entry.source] = entry.confidence if entry.target != UNLABELLED else 0
    sure = np.float32(SURE) if confidence is None else confidence.astype(np.float32)
    found = cast("Labels", goals[labels])
    return AlignedWindow(found, np.rint(shares[labels] * sure).astype(np.uint8))
