"""A network that takes long for one picture: computed aside, so that it tells how far it is.

Encoders of pictures compute for seconds to minutes in one call. Here that call runs in a thread of
its own; whoever drives the steps hears of it, and can stop it between two parts of the network.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import get_ident
from typing import TYPE_CHECKING, TypeVar

from napari_firstpass.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.nn import Module

    from napari_firstpass.progress import Steps

T = TypeVar("T")

_EVERY_S = 0.1


class _StoppedError(Exception):
    """Ends a computation that nobody waits for any more; never leaves this module."""


@dataclass(slots=True)
class _Watch:
    """Counts the parts of a network that began to compute, and stops the next one if it is to.

    The network may be asked by others at the same time; what they do is none of its business.
    """

    thread: int = 0
    begun: int = 0
    stopped: bool = False

    def start(self) -> None:
        self.thread = get_ident()

    def __call__(self, *_: object) -> None:
        if get_ident() != self.thread:
            return
        if self.stopped:
            raise _StoppedError
        self.begun += 1


def watched_steps(network: Module, compute: Callable[[], T], message: str) -> Steps[T]:
    """Return what ``compute`` returns; stop it when the steps are dropped.

    Parameters
    ----------
    network : Module
        What it asks, once.
    compute : callable
        The work.
    message : str
        What it does, for progress.
    """
    parts = [part for part in network.modules() if not list(part.children())]
    watch = _Watch()
    hooks = [part.register_forward_pre_hook(watch) for part in parts]
    try:
        with ThreadPoolExecutor(1, initializer=watch.start) as aside:
            future = aside.submit(compute)
            try:
                while not wait([future], _EVERY_S).done:
                    yield Progress(min(watch.begun, len(parts)), len(parts), message)
                return future.result()
            finally:
                watch.stopped = True
    finally:
        for hook in hooks:
            hook.remove()
