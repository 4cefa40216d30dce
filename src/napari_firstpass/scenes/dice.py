"""Random choices that a seed and the name of a place decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

_EDITION = 5
"""Another number gives another set of towns."""


def stream(seed: int, *keys: int) -> np.random.Generator:
    """Return the random numbers of one place, named by integers that may be negative."""
    # An array spares SeedSequence its slow check of each number in a list.
    entropy = np.array([_EDITION, seed, *keys], dtype=np.int64).astype(np.uint32)
    return np.random.default_rng(entropy)


@dataclass(frozen=True, slots=True)
class Dice:
    """Draws plain Python numbers."""

    generator: np.random.Generator

    @classmethod
    def of(cls, seed: int, *keys: int) -> Dice:
        """Return the dice of one place."""
        return cls(stream(seed, *keys))

    def chance(self, share: float) -> bool:
        """Return True in ``share`` of all throws."""
        return bool(self.generator.random() < share)

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return float(self.generator.uniform(low, high))

    def around(self, mean: float, deviation: float) -> float:
        """Return a normally distributed number."""
        return float(self.generator.normal(mean, deviation))

    def count(self, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``, both included."""
        return int(self.generator.integers(low, high + 1))

    def side(self) -> float:
        """Return -1 or 1."""
        return 1.0 if self.chance(0.5) else -1.0

    def one_of(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[self.count(0, len(options) - 1)]

    def salt(self) -> int:
        """Return a number that seeds the details of one thing."""
        return self.count(0, 2**31 - 2)
