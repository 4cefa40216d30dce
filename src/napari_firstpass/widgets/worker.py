"""The only place that starts threads: runs steps in one, and brings every outcome back."""

from __future__ import annotations

import atexit
import logging
from dataclasses import dataclass
from functools import partial
from threading import Thread
from threading import enumerate as threads
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal
from superqt.utils import WorkerBase

from napari_firstpass.errors import ComputeError, FirstPassError
from napari_firstpass.progress import Progress, guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_firstpass.progress import Steps

T = TypeVar("T")
_FINISHING = "firstpass: finishing"
_LOG = logging.getLogger(__name__)

# A script may end without an event loop that would wait: a worker whose Qt objects are gone aborts
# the whole process.
atexit.register(WorkerBase.await_workers)


@dataclass(frozen=True, slots=True)
class Report:
    """Progress on its way to the panel, with the generation it belongs to."""

    generation: int
    progress: Progress


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """The outcome of a computation: its result, or why there is none."""

    generation: int
    outcome: T | FirstPassError


class Runner(QObject):
    """Runs steps in a thread, one computation at a time; a new one replaces the one before.

    Signals
    -------
    reported : Report
        Progress of the computation.
    replied : Reply
        Its outcome: exactly once, unless it was stopped before.
    """

    reported = Signal(object)
    replied = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker: Any = None

    def start(self, steps: Steps[Any], generation: int) -> None:
        """Drive ``steps`` in a thread; an earlier computation is stopped.

        Parameters
        ----------
        steps : generator of Progress
            Not started yet. It is closed in the end, whatever happens.
        generation : int
            Comes back with every report and with the reply.
        """
        self.stop()
        self._worker = create_worker(_answer, steps, generation, _ignore_errors=True)
        self._worker.yielded.connect(self.reported)
        self._worker.returned.connect(self.replied)
        self._worker.errored.connect(partial(self._crashed, generation))
        # napari keeps workers for the list of tasks: without this, a stopped one would keep its
        # files open and its arrays in memory.
        self._worker.finished.connect(steps.close)
        self._worker.start()

    def stop(self) -> None:
        """Ask the computation to stop at its next step, and let go of it; never waits."""
        if self._worker is not None:
            self._worker.quit()
        self._worker = None

    def _crashed(self, generation: int, error: Exception) -> None:
        """Reply for a mistake of ours; napari shows its traceback besides."""
        crash = ComputeError(
            expected="the computation to finish",
            found=f"{type(error).__name__}: {error}",
            remedy="please report this",
        )
        self.replied.emit(Reply(generation, crash))


def finish_anyway(do: Callable[[], None]) -> None:
    """Do something in a thread that outlives every window; Python ends only after it.

    There is nobody left to show an error to: it goes to the log.
    """

    def work() -> None:
        try:
            do()
        except FirstPassError as error:
            _LOG.error("%s", error)

    Thread(target=work, name=_FINISHING).start()


def await_finished() -> None:
    """Wait for all that `finish_anyway` began; not to be called in the window's thread."""
    for thread in threads():
        if thread.name == _FINISHING:
            thread.join()


def _answer(steps: Steps[T], generation: int) -> Generator[Report, None, Reply[T]]:
    try:
        result = yield from _numbered(guarded(steps), generation)
    except FirstPassError as error:
        return Reply(generation, error)
    return Reply(generation, result)


def _numbered(steps: Steps[T], generation: int) -> Generator[Report, None, T]:
    while True:
        try:
            progress = next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result
        yield Report(generation, progress)
