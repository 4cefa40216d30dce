"""Every outcome of a computation in a thread comes back; and the trap that this guards against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from napari.qt.threading import create_worker
from qtpy.QtCore import QThreadPool

from napari_firstpass.errors import ComputeError, OptionError
from napari_firstpass.progress import Progress
from napari_firstpass.widgets.worker import Reply, Report, Runner

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pytestqt.qtbot import QtBot

    from napari_firstpass.progress import Steps


def count(limit: int) -> Steps[int]:
    for i in range(limit):
        yield Progress(i + 1, limit, "counting")
    return limit


def fail(error: Exception) -> Steps[int]:
    yield Progress(1, 2, "about to fail")
    raise error


def endless(closed: list[bool]) -> Steps[int]:
    try:
        while True:
            yield Progress(1, 2, "going on")
    finally:
        closed.append(True)


@pytest.fixture
def runner(qtbot: QtBot) -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.stop()
    QThreadPool.globalInstance().waitForDone()
    qtbot.wait(1)  # lets the signals of the last worker arrive before Qt objects die


def reply_of(qtbot: QtBot, runner: Runner, steps: Steps[Any]) -> Reply[Any]:
    with qtbot.waitSignal(runner.replied) as blocker:
        runner.start(steps, 7)
    reply: Reply[Any] = blocker.args[0]
    return reply


def error_of(qtbot: QtBot, runner: Runner, error: Exception) -> object:
    return reply_of(qtbot, runner, fail(error)).outcome


def test_the_result_comes_back_with_its_generation(qtbot: QtBot, runner: Runner) -> None:
    assert reply_of(qtbot, runner, count(3)) == Reply(7, 3)


def test_all_progress_comes_back_in_order(qtbot: QtBot, runner: Runner) -> None:
    reports: list[Report] = []
    runner.reported.connect(reports.append)
    reply_of(qtbot, runner, count(3))
    assert reports == [Report(7, Progress(i, 3, "counting")) for i in (1, 2, 3)]


def test_an_error_of_ours_comes_back_as_it_is(qtbot: QtBot, runner: Runner) -> None:
    error = OptionError(expected="two", found="one", remedy="add one")
    assert error_of(qtbot, runner, error) is error


def test_a_runtime_error_comes_back_as_a_compute_error(qtbot: QtBot, runner: Runner) -> None:
    error = error_of(qtbot, runner, RuntimeError("shapes differ"))
    assert isinstance(error, ComputeError)
    assert "RuntimeError: shapes differ" in str(error)


def test_a_mistake_of_ours_comes_back_as_a_compute_error(qtbot: QtBot, runner: Runner) -> None:
    error = error_of(qtbot, runner, KeyError("band"))
    assert isinstance(error, ComputeError)
    assert "KeyError: 'band'; please report this" in str(error)


def test_stopped_steps_are_closed(qtbot: QtBot, runner: Runner) -> None:
    closed: list[bool] = []
    with qtbot.waitSignal(runner.reported):
        runner.start(endless(closed), 1)
    runner.stop()
    qtbot.waitUntil(lambda: closed == [True])


def test_a_new_computation_stops_the_one_before(qtbot: QtBot, runner: Runner) -> None:
    closed: list[bool] = []
    with qtbot.waitSignal(runner.reported):
        runner.start(endless(closed), 1)
    assert reply_of(qtbot, runner, count(2)) == Reply(7, 2)
    qtbot.waitUntil(lambda: closed == [True])


@pytest.mark.filterwarnings("ignore:RuntimeError in aborted thread:RuntimeWarning")
def test_trap_a_bare_worker_loses_runtime_errors(qtbot: QtBot) -> None:
    # traps.md 7.1. When this fails, superqt reports RuntimeError: `guarded` may catch less.
    def lost() -> Generator[int]:
        yield 1
        raise RuntimeError("shapes differ")

    seen: list[str] = []
    worker = create_worker(lost)
    worker.errored.connect(lambda _: seen.append("errored"))
    worker.finished.connect(lambda: seen.append("finished"))
    with qtbot.waitSignal(worker.yielded):
        worker.start()
    QThreadPool.globalInstance().waitForDone()
    qtbot.wait(1)
    assert seen == []
    assert worker.is_running
