"""Long work as generators: they yield progress, return a result, may be dropped at any yield."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TypeVar

from napari_firstpass.errors import ComputeError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a computation has come: ``done`` of ``total`` parts of about the same cost."""

    done: int
    total: int
    message: str = ""


Steps = Generator[Progress, None, T]
"""A generator that yields `Progress` about every 100 ms of work and returns a ``T``."""


def ignore(_: Progress) -> None:
    """Look the other way."""


def run(steps: Steps[T], on_progress: Callable[[Progress], None] = ignore) -> T:
    """Drive ``steps`` to the end and return its result; they are closed whatever happens."""
    try:
        while True:
            on_progress(next(steps))
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        # After Ctrl+C or an error in the callback, what was begun is removed now, not at some
        # later collection of garbage.
        steps.close()


@dataclass(frozen=True, slots=True)
class Span:
    """The part ``start`` … ``stop`` of ``total`` that some inner work stands for."""

    start: int
    stop: int
    total: int

    def at(self, inner: Progress) -> Progress:
        """Return where the whole stands when the inner work stands at ``inner``."""
        share = inner.done / max(inner.total, 1)
        return Progress(
            self.start + round((self.stop - self.start) * share), self.total, inner.message
        )


def relay(steps: Steps[T], span: Span, message: str = "") -> Steps[T]:
    """Drive inner ``steps``, yielding their progress as part of a larger whole.

    A ``message`` replaces those of the inner steps.
    """
    while True:
        try:
            progress = next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result
        here = span.at(progress)
        yield replace(here, message=message) if message else here


def guarded(steps: Steps[T]) -> Steps[T]:
    """Turn RuntimeError and MemoryError into `ComputeError`.

    A Qt generator worker loses RuntimeError in silence, and torch raises it for every shape error
    and for a full GPU.
    """
    try:
        return (yield from steps)
    except (RuntimeError, MemoryError) as error:
        raise ComputeError(
            expected="the computation to finish",
            found=f"{type(error).__name__}: {_first_line(error)}",
            remedy="try a smaller window or the CPU, and report this if it stays",
        ) from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "no further text")
