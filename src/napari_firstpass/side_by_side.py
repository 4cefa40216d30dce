"""Several computations at the same time, each on its own threads.

torch divides each single operation among its threads, and an operation on one window is too short
for that to pay: threads wait for each other. Several windows at once, each on fewer threads, are
ready sooner.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from threading import Barrier, Event
from typing import TYPE_CHECKING, Generic, TypeVar

from napari_firstpass.progress import Progress, Span, Steps, relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future

T = TypeVar("T")

_PATIENCE = 0.1
"""Seconds between two looks at how far the work has come."""

_PARTS = 100
"""What progress counts of one job."""


def in_order_steps(
    jobs: Iterable[Steps[T]], take: Callable[[T], None], *, workers: int, count: int, name: str
) -> Steps[None]:
    """Do jobs side by side, and hand over what they return in their order.

    Parameters
    ----------
    jobs : iterable of Steps
        What is to be done; they share nothing that changes. The next one is asked for, in the
        caller's thread, when there is room for it.
    take : callable
        Called with each result, in the caller's thread.
    workers : int
        How many are worked on at the same time; torch's threads are divided among them.
    count : int
        Number of jobs.
    name : str
        What a job is called in messages.
    """
    if workers == 1:
        for done, job in enumerate(jobs):
            message = f"{name} {done + 1} of {count}"
            span = Span(_PARTS * done, _PARTS * (done + 1), _PARTS * count)
            # A job may have nothing to do: thousands of them can be dropped all the same.
            yield Progress(span.start, span.total, message)
            take((yield from relay(job, span, message)))
        return
    with _threads(workers) as (executor, stop):
        begin = (_Job(job, executor, stop) for job in jobs)
        # One more than there are workers waits, so that none of them ever does.
        begun = deque(islice(begin, workers + 1))
        taken = 0
        while begun:
            yield from _waiting(begun, taken, count, name)
            take(begun.popleft().future.result())
            begun.extend(islice(begin, 1))
            taken += 1


class _Job(Generic[T]):
    """Steps that another thread takes."""

    def __init__(self, steps: Steps[T], executor: Executor, stop: Event) -> None:
        self._steps = steps
        self._stop = stop
        self.come = 0.0
        self.future: Future[T] = executor.submit(self._drive)

    def _drive(self) -> T:
        try:
            while not self._stop.is_set():
                progress = next(self._steps)
                self.come = progress.done / max(progress.total, 1)
        except StopIteration as end:
            self.come = 1.0
            result: T = end.value
            return result
        finally:
            self._steps.close()
        raise _StoppedError


class _StoppedError(Exception):
    """A job was dropped: nobody asks for its result."""


def _waiting(begun: deque[_Job[T]], taken: int, count: int, name: str) -> Steps[None]:
    """Tell how far all have come, once or until the first is ready."""
    message = f"{name} {taken + 1} of {count}"
    ready = False
    while not ready:
        ready = bool(wait([begun[0].future], timeout=_PATIENCE).done)
        come = taken + sum(job.come for job in begun)
        yield Progress(round(_PARTS * come), _PARTS * count, message)


@contextmanager
def _threads(workers: int) -> Iterator[tuple[Executor, Event]]:
    """Divide torch's threads among workers; what is not ready at the end is dropped."""
    import torch

    threads, stop = torch.get_num_threads(), Event()
    executor = ThreadPoolExecutor(workers, thread_name_prefix="firstpass")
    try:
        ready = Barrier(workers + 1)
        for _ in range(workers):
            executor.submit(_begin, max(1, threads // workers), ready)
        ready.wait()
        # The workers' number is now that of all threads to come: give them back their own.
        torch.set_num_threads(threads)
        yield executor, stop
    finally:
        stop.set()
        executor.shutdown(cancel_futures=True)


def _begin(threads: int, ready: Barrier) -> None:
    import torch

    torch.get_num_threads()  # a thread takes the number of the process at its first call: now
    torch.set_num_threads(threads)
    ready.wait()
