from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
import torch

from napari_firstpass.progress import Progress, Steps, run
from napari_firstpass.side_by_side import in_order_steps

if TYPE_CHECKING:
    from collections.abc import Iterator


def job(number: int, seconds: float = 0.0) -> Steps[tuple[int, str, int]]:
    """Return a number, the thread it was worked on, and how many threads torch had there."""
    yield Progress(0, 2)
    time.sleep(seconds)
    yield Progress(1, 2)
    return number, threading.current_thread().name, torch.get_num_threads()


def done(jobs: Iterator[Steps[tuple[int, str, int]]], workers: int) -> list[tuple[int, str, int]]:
    results: list[tuple[int, str, int]] = []
    run(in_order_steps(jobs, results.append, workers=workers, count=5, name="job"))
    return results


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    found = done((job(number, 0.02 * (5 - number)) for number in range(5)), workers)
    assert [number for number, _, _ in found] == [0, 1, 2, 3, 4]


def test_jobs_run_at_the_same_time_on_their_share_of_the_threads() -> None:
    meeting = threading.Barrier(2, timeout=20)

    def meets(number: int) -> Steps[tuple[int, str, int]]:
        meeting.wait()  # nobody comes here alone
        return (yield from job(number))

    before = torch.get_num_threads()
    found = done((meets(number) for number in range(4)), 2)
    assert len({name for _, name, _ in found}) == 2
    assert {threads for _, _, threads in found} == {max(1, before // 2)}


def test_other_threads_keep_the_number_of_torch() -> None:
    before = torch.get_num_threads()
    done((job(number) for number in range(3)), 2)
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert [torch.get_num_threads(), *later] == [before, before]


def test_only_one_job_more_than_there_are_workers_is_begun() -> None:
    asked: list[int] = []
    taken: list[int] = []

    def jobs() -> Iterator[Steps[tuple[int, str, int]]]:
        for number in range(8):
            asked.append(number)
            assert len(asked) - len(taken) <= 3
            yield job(number)

    def take(result: tuple[int, str, int]) -> None:
        taken.append(result[0])

    run(in_order_steps(jobs(), take, workers=2, count=8, name="job"))
    assert taken == list(range(8))


def test_an_error_in_a_job_is_raised_and_the_others_are_dropped() -> None:
    closed = threading.Event()

    def fails() -> Steps[tuple[int, str, int]]:
        yield Progress(0, 1)
        raise ValueError("broken")

    def endless() -> Steps[tuple[int, str, int]]:
        try:
            while True:
                time.sleep(0.01)
                yield Progress(0, 1)
        finally:
            closed.set()

    with pytest.raises(ValueError, match="broken"):
        done(iter([fails(), endless()]), 2)
    assert closed.is_set()


def test_closing_stops_the_work() -> None:
    turns: list[float] = []

    def endless() -> Steps[tuple[int, str, int]]:
        while True:
            time.sleep(0.01)
            turns.append(time.monotonic())
            yield Progress(0, 1)

    steps = in_order_steps(
        (endless() for _ in range(5)), lambda _: None, workers=2, count=5, name="job"
    )
    next(steps)
    next(steps)
    steps.close()
    assert turns
    stopped = len(turns)
    time.sleep(0.1)
    assert len(turns) == stopped


@pytest.mark.parametrize("workers", [1, 2])
def test_jobs_with_nothing_to_do_can_be_dropped_too(workers: int) -> None:
    def nothing() -> Steps[int]:
        yield from ()
        return 0

    taken: list[int] = []
    steps = in_order_steps(
        (nothing() for _ in range(9)), taken.append, workers=workers, count=9, name="job"
    )
    assert sum(1 for _ in steps) >= 9
    assert taken == [0] * 9


def test_progress_grows_and_names_the_job() -> None:
    steps = in_order_steps(
        (job(number, 0.15) for number in range(4)), lambda _: None, workers=2, count=4, name="job"
    )
    seen = []
    for progress in steps:
        seen.append(progress.done / progress.total)
        assert progress.message.startswith("job ")
        assert progress.message.endswith(" of 4")
    assert seen == sorted(seen)
    assert 0 <= seen[0] < seen[-1] <= 1
