"""What stands in pixels and belongs to no class, counted while labels are read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_MOST_VALUES = 4096
"""So many are counted one by one; a photograph has millions of colours."""


@dataclass
class Unknown:
    """Values without a class.

    Attributes
    ----------
    pixels : int
        How many pixels hold one.
    counts : Counter of int
        Pixels of each of the first few thousand.
    """

    pixels: int = 0
    counts: Counter[int] = field(default_factory=Counter)

    def add(self, values: NDArray[np.integer]) -> None:
        """Count the values of pixels."""
        self.pixels += values.size
        if values.size and len(self.counts) < _MOST_VALUES:
            found, counts = np.unique(values, return_counts=True)
            self.counts.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))

    def told(self, text: Callable[[int], str] = str) -> str:
        """Return the most frequent ones with their pixels; ``text`` writes a value."""
        often = self.counts.most_common(3)
        listed = ", ".join(f"{text(value)} ({count} pixels)" for value, count in often)
        more = f" and {len(self.counts) - 3} others" if len(self.counts) > 3 else ""
        return f"{listed}{more}, {self.pixels} pixels in all"
