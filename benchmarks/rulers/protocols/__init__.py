"""Protocols: predictions and truths to named figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulers.figures import Figure
    from rulers.pictures import Picture, Prediction


class Ruler(Protocol):
    """Computes some columns of the table."""

    @property
    def clusters(self) -> int:
        """Number of clusters that rows are asked for."""
        ...

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The columns."""
        ...

    def score(
        self, pictures: Sequence[Picture], predictions: Sequence[Prediction]
    ) -> dict[str, float]:
        """Return the value of each figure, by its key."""
        ...
