"""What came of the seeds of a cell of the table, together."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean, stdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulers.cells import Outcome
    from rulers.figures import Figure

FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Summary:
    """A figure of a row on a data set over seeds.

    Attributes
    ----------
    values : tuple of float
        One for each seed that was measured.
    failed : bool
        Whether a seed failed; a mean of the others would not be comparable.
    """

    values: tuple[float, ...]
    failed: bool

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], figure: Figure) -> Summary:
        """Collect a figure."""
        failed = any(outcome.failure for outcome in outcomes)
        return cls(tuple(o.values[figure.key] for o in outcomes if not o.failure), failed)

    def text(self, figure: Figure) -> str:
        """Return mean and spread, as the table prints them."""
        if self.failed:
            return FAILED
        if not self.values:
            return "–"
        middle = f"{mean(self.values):.{figure.decimals}f}"
        if len(self.values) < 2:
            return middle
        return f"{middle} ± {stdev(self.values):.{figure.decimals}f}"

    def rank(self, figure: Figure) -> float | None:
        """Return a number that is larger for what is better, None where nothing is."""
        if self.failed or not self.values or figure.best is None:
            return None
        # Rows that print the same are equally good.
        middle = round(mean(self.values), figure.decimals)
        return middle if figure.best == "high" else -middle
