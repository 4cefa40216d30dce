"""Labels on their way through a refiner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class LabelGuide:
    """Labels that are to be refined.

    Attributes
    ----------
    labels : (H, W) int64 tensor
        Class ids from 1; 0 says nothing: no data, or unlabelled.
    confidence : (H, W) float tensor
        In [0, 1]; all 1 where nobody knows.
    classes : int
        The highest id that there can be, that of the taxonomy: at least ``labels.max()``.
    """

    labels: Tensor
    confidence: Tensor
    classes: int


@dataclass(frozen=True, slots=True)
class Refinement:
    """Refined labels.

    Attributes
    ----------
    labels : (H, W) int64 tensor
        Class ids that the guide holds; 0 where there is no data.
    confidence : (H, W) float tensor
        How sure they are, in [0, 1].
    parts : (H, W) int64 tensor or None
        Regions found inside classes, 1, 2 and so on in each window, 0 where the class is of one
        piece. A suggestion, never in ``labels``.
    """

    labels: Tensor
    confidence: Tensor
    parts: Tensor | None = None
