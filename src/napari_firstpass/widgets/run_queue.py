"""What runs and what waits: one computation after the other, in the order they were asked for."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_firstpass.errors import FirstPassError
from napari_firstpass.widgets.session import LOOK_EVERY, Message
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer

    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.session import Session
    from napari_firstpass.widgets.worker import Reply, Report

UNCHANGED = "Cancelled; nothing was changed."


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Something that was asked for.

    Attributes
    ----------
    name : str
        What happens, such as ``Segmenting scene``.
    begin : callable
        Returns the work; called when its turn comes. Raises `FirstPassError` if what it was asked
        for is not there any more.
    take : callable
        Does something with the result, and returns what to say.
    layers : tuple of Layer
        Those without which there is no point in going on.
    keep : callable or None
        Called when it is cancelled: returns the job that keeps what is ready, or None.
    cancelled : str
        What is said once it is cancelled.
    """

    name: str
    begin: Callable[[], Steps[Any]]
    take: Callable[[Any], Message]
    layers: tuple[Layer, ...] = ()
    keep: Callable[[], Job | None] | None = None
    cancelled: str = UNCHANGED


class RunQueue(QObject):
    """Runs jobs in a thread, one at a time.

    Signals
    -------
    changed
        Something else runs, waits, or is to be said.
    moved
        What runs has come further.

    Parameters
    ----------
    session : Session
        Is told what runs, how far it is, and what came of it.
    """

    changed = Signal()
    moved = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._runner = session, Runner(self)
        self._running: Job | None = None
        self._waiting: list[Job] = []
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(round(1000 * LOOK_EVERY))
        self._late.timeout.connect(self._on_late)
        self._runner.reported.connect(self._on_reported)
        self._runner.replied.connect(self._on_replied)

    @property
    def running(self) -> Job | None:
        """What runs."""
        return self._running

    @property
    def waiting(self) -> tuple[Job, ...]:
        """What waits, the next first."""
        return tuple(self._waiting)

    def add(self, job: Job) -> None:
        """Begin a job, or let it wait while another runs."""
        if self._running is None:
            self._begin(job)
        else:
            self._waiting.append(job)
            before = len(self._waiting)
            when = "once this run is done" if before == 1 else f"after {before} other runs"
            self._session.say(Message(f"{job.name} begins {when}."))
        self.changed.emit()

    def remove(self, job: Job) -> None:
        """Take a job out that waits; nothing happens if it has begun meanwhile."""
        if job in self._waiting:
            self._waiting.remove(job)
            self._session.say(Message(f"{job.name} was taken out; nothing was changed."))
            self.changed.emit()

    def cancel(self) -> None:
        """Stop what runs, keep what is ready of it, and go on with the next."""
        job = self._running
        if job is None:
            return
        self._stop(job.cancelled)
        rest = None if job.keep is None else job.keep()
        if rest is None or not self._begin(rest):
            self._go_on()
        self.changed.emit()

    def on_removed(self, layer: Layer) -> None:
        """Cancel what runs if it needs a layer that was removed."""
        job = self._running
        if job is not None and any(layer == needed for needed in job.layers):
            self._stop(f"{job.name} was cancelled, because “{layer.name}” was removed.")
            self._go_on()
            self.changed.emit()

    def let_go(self) -> None:
        """Stop what runs, and forget what waits."""
        self._waiting = []
        self._late.stop()
        self._stop("Closed.")

    def _stop(self, why: str) -> None:
        self._runner.stop()
        self._running = None
        self._session.cancel(why)

    def _begin(self, job: Job) -> bool:
        """Begin a job; if that is not possible any more, say why."""
        try:
            steps = job.begin()
        except FirstPassError as error:
            self._session.say(Message.of(error))
            return False
        self._running = job
        self._runner.start(steps, self._session.start(f"{job.name} …", monotonic()))
        return True

    def _go_on(self) -> None:
        """Begin the next job that can be; what was to be said stays, with why others cannot."""
        told = self._session.message
        while self._running is None and self._waiting:
            if not self._begin(self._waiting.pop(0)):
                told = told.then(self._session.message)
        self._session.say(told)

    @staticmethod
    def _taken(job: Job, outcome: object) -> Message:
        """Let somebody take a result; return what to say."""
        try:
            return job.take(outcome)
        except FirstPassError as error:
            return Message.of(error)

    def _on_reported(self, report: Report) -> None:
        if self._session.advance(report.generation, report.progress, monotonic()):
            self.moved.emit()
        elif not self._late.isActive():
            self._late.start()

    def _on_late(self) -> None:
        if self._session.catch_up(monotonic()):
            self.moved.emit()

    def _on_replied(self, reply: Reply[Any]) -> None:
        job, outcome = self._running, reply.outcome
        if job is None:
            return
        if isinstance(outcome, FirstPassError):
            if not self._session.fail(reply.generation, outcome):
                return
            self._running = None
        else:
            if not self._session.finish(reply.generation, ""):
                return
            self._running = None
            self._session.say(self._taken(job, outcome))
        self._go_on()
        self.changed.emit()
