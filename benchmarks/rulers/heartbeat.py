"""For how long the window does not answer, and what it does then."""

from __future__ import annotations

import sys
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, QTimer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

BEAT_MS = 5

_LATE_S = 0.02
"""A beat that is later is looked into."""

_LOOK_S = 0.004
_OURS, _HOST = "napari_firstpass", ("napari", "vispy", "superqt", "app_model", "npe2")
QT = "Qt, or waiting for the processor"


@dataclass(frozen=True, slots=True)
class Look:
    """What the window's thread did at one moment.

    Attributes
    ----------
    passed, computed : float
        Milliseconds since the last look: on the clock, and of this thread computing.
    inner : str
        The innermost function of ours or of napari; `QT` for neither.
    ours : str
        The innermost function of ours, wherever it stands; empty if none is running.
    """

    passed: float
    computed: float
    inner: str
    ours: str

    @property
    def is_own(self) -> bool:
        """Whether a function of ours computes, not one of napari that it called."""
        return bool(self.ours) and self.inner == self.ours


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which the window did not answer.

    Attributes
    ----------
    milliseconds, computed : float
        How long: on the clock, and of this thread computing.
    looks : tuple of Look
        What it did.
    """

    milliseconds: float
    computed: float
    looks: tuple[Look, ...]

    @property
    def own(self) -> float:
        """Milliseconds in which functions of ours computed, or waited."""
        return sum(look.passed for look in self.looks if look.is_own)

    @property
    def own_computed(self) -> float:
        """Milliseconds of processor time that functions of ours took."""
        return sum(look.computed for look in self.looks if look.is_own)

    @property
    def asked(self) -> float:
        """Milliseconds in which something ran that we began, napari's own work included."""
        return sum(look.passed for look in self.looks if look.ours)

    @property
    def longest_of_ours(self) -> str:
        """The function of ours that was seen for longest; empty for none."""
        return _longest((look.ours, look.passed) for look in self.looks if look.is_own)

    @property
    def longest(self) -> str:
        """The function that was seen for longest."""
        return _longest((look.inner, look.passed) for look in self.looks) or QT


@dataclass(slots=True)
class Phase:
    """A part of a session.

    Attributes
    ----------
    name : str
        What was done.
    seconds : float
        How long it took.
    gaps : list of Gap
        When the window did not answer.
    """

    name: str
    seconds: float = 0.0
    gaps: list[Gap] = field(default_factory=list)

    def most(self, what: str) -> Gap | None:
        """Return the gap in which one of its figures is largest."""
        return max(self.gaps, key=lambda gap: float(getattr(gap, what)), default=None)


class Heartbeat(QObject):
    """A timer in the window's thread, and a thread that looks at its stack when it is late."""

    def __init__(self) -> None:
        super().__init__()
        self.phases: list[Phase] = []
        self._window = threading.get_ident()
        self._clock = time.pthread_getcpuclockid(self._window)
        self._last, self._computed = time.perf_counter(), self._cpu()
        self._looks: list[Look] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        """Watch what is done now."""
        phase, began = Phase(name), time.perf_counter()
        self.phases.append(phase)
        self._beat()
        phase.gaps.clear()
        yield phase
        self._beat()
        phase.seconds = time.perf_counter() - began

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Watch from now on."""
        thread = threading.Thread(target=self._watch, daemon=True)
        self._beat()
        self._timer.start(BEAT_MS)
        thread.start()
        try:
            yield
        finally:
            self._timer.stop()
            self._ended.set()
            thread.join()

    def _cpu(self) -> float:
        return time.clock_gettime(self._clock)

    def _beat(self) -> None:
        now, computed = time.perf_counter(), self._cpu()
        with self._lock:
            gap, looks, self._looks = now - self._last, tuple(self._looks), []
            spent, self._last, self._computed = computed - self._computed, now, computed
        if gap > _LATE_S and self.phases:
            self.phases[-1].gaps.append(Gap(1000 * gap, 1000 * spent, looks))

    def _told(self) -> tuple[str, str]:
        """Return what runs; no frame is held longer, else what it holds would die in this thread.

        A painter that outlives its event takes Qt down.
        """
        return _told(sys._current_frames().get(self._window))  # noqa: SLF001 - the way to ask

    def _watch(self) -> None:
        seen, spent = 0.0, 0.0
        while not self._ended.wait(_LOOK_S):
            now, computed = time.perf_counter(), self._cpu()
            with self._lock:
                if now - self._last < _LATE_S:
                    continue
                if not self._looks:
                    seen, spent = self._last, self._computed
                passed, work = 1000 * (now - seen), 1000 * (computed - spent)
                self._looks.append(Look(passed, work, *self._told()))
                seen, spent = now, computed


def _told(frame: FrameType | None) -> tuple[str, str]:
    """Return the innermost function of ours or of napari, and the innermost of ours."""
    inner = ours = ""
    while frame is not None and not ours:
        name = frame.f_globals.get("__name__", "")
        package = name.partition(".")[0]
        if package == _OURS or (not inner and package in _HOST):
            told = f"{name.removeprefix(_OURS + '.')}.{frame.f_code.co_qualname}"
            inner, ours = inner or told, told if package == _OURS else ""
        frame = frame.f_back
    return inner or QT, ours


def _longest(seen: Iterable[tuple[str, float]]) -> str:
    times: defaultdict[str, float] = defaultdict(float)
    for name, passed in seen:
        times[name] += passed
    return max(times, key=lambda name: times[name], default="")
