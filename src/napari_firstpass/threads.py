"""How threads wait for each other, and for what is loaded."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import contextmanager
from ctypes import CDLL, c_char_p, c_int
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINK_NOW = 2


def wait_without_spinning() -> None:
    """Let idle compute threads sleep, unless the user chose otherwise.

    OpenMP's threads otherwise spin while they wait. On a machine that does other things too (a
    window to draw, a second job, a shared server) that made the same run two to four times slower.
    It works only before torch is first imported, so programs call it when they start; as a library
    we leave the process alone.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def link_torch() -> None:
    """Link the large library of torch before it is imported, while other threads go on.

    Linking takes a third of a second, and Python's own import lets no other thread work meanwhile,
    such as the one that draws a window. Where this is not possible, the import does it.
    """
    found = find_spec("torch") if sys.platform == "linux" and "torch" not in sys.modules else None
    if found is not None and found.origin is not None:
        library = Path(found.origin).parent / "lib" / "libtorch_cpu.so"
        link = CDLL(None).dlopen  # a function of C, unlike CDLL(library), lets others work
        link.argtypes = c_char_p, c_int
        link(os.fsencode(library), _LINK_NOW)


class _Pause:
    """Who wants no search for garbage now, and how it was before the first of them.

    Not by ``gc.disable``: PyQt puts that back to what it was around some of its methods, and would
    leave it off for ever where the last one here ends within such a method.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._asking = 0
        self._usual = gc.get_threshold()
        self._is_ours = False

    def begin(self) -> None:
        """Look for no garbage from now on."""
        with self._lock:
            self._asking += 1
            if self._asking > 1:
                return
            self._usual, self._is_ours = gc.get_threshold(), not gc.get_freeze_count()
            gc.set_threshold(0)
            if self._is_ours:  # else somebody wants objects to stay frozen
                gc.freeze()

    def end(self) -> None:
        """Go on as before, unless somebody else wants none."""
        with self._lock:
            self._asking -= 1
            if self._asking:
                return
            if self._is_ours:
                gc.freeze()
                gc.unfreeze()  # all objects are now among the oldest, and none was looked at
            gc.set_threshold(*self._usual)


_PAUSE = _Pause()


@contextmanager
def without_collecting() -> Iterator[None]:
    """Look for no garbage meanwhile: for what makes, or imports, very much that stays.

    Once a quarter more objects are there than before, Python looks at all of them, and lets no
    other thread work: with torch, for a third of a second, several times while it is imported. In
    this time no window answers. What comes into being here counts as if it had been looked at, and
    who asks for a search meanwhile gets one among that alone; all is found later, once it is
    garbage. Several threads may want this at the same time.
    """
    _PAUSE.begin()
    try:
        yield
    finally:
        _PAUSE.end()
