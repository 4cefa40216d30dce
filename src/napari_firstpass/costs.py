"""What work costs, stage by stage: seconds, and how often something was done."""

from __future__ import annotations

from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_firstpass.progress import Steps

T = TypeVar("T")


class Costs:
    """Adds up seconds of stages and counts of things; filled while the work is done.

    Parameters
    ----------
    clock : callable
        Returns seconds since some time; by default those that pass.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time that something takes to a stage. Nothing may be yielded inside."""
        start = self._clock()
        try:
            yield
        finally:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + self._clock() - start

    def timing(self, stage: str, steps: Steps[T]) -> Steps[T]:
        """Drive steps, adding their time to a stage, and not that of whoever drives them."""
        while True:
            with self.timed(stage):
                try:
                    progress = next(steps)
                except StopIteration as stop:
                    result: T = stop.value
                    return result
            yield progress

    def count(self, what: str, number: int = 1) -> None:
        """Add to how often something was done."""
        self._counts[what] = self._counts.get(what, 0) + number

    def __getitem__(self, what: str) -> int:
        """Return how often something was done."""
        return self._counts.get(what, 0)

    def to_dict(self) -> dict[str, Any]:
        """Return plain containers, fit for JSON; seconds to the millisecond."""
        seconds = {stage: round(spent, 3) for stage, spent in self._seconds.items()}
        return {"seconds": seconds, "counts": dict(self._counts)}
