"""What a run tells the program that started it: JSON, one event on a line.

The events are ``start``, any number of ``progress`` and ``warning``, and as the last one ``done``
or ``error``. docs/cli.md has their fields, which `PROTOCOL` numbers.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager, nullcontext, redirect_stdout
from contextvars import ContextVar
from typing import TYPE_CHECKING

from napari_firstpass import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from typing import TextIO

    from napari_firstpass.progress import Progress

PROTOCOL = 1
"""Goes up when a program that reads events would have to be changed."""

_FINE = 1000
"""Steps of a whole that are told apart."""


class Events:
    """Writes what becomes of one run to a stream, at once.

    Attributes
    ----------
    result : object
        What ``done`` will carry, something that JSON can hold.
    """

    def __init__(self, stream: TextIO) -> None:
        self.result: object = None
        self._stream = stream
        self._trouble: str | None = None
        self._shown: tuple[str, int, str] | None = None

    def start(self, command: str) -> None:
        """Tell who is at work; nothing that is known before the options are read."""
        self._write("start", protocol=PROTOCOL, version=__version__, command=command)

    def progress(self, task: str, progress: Progress) -> None:
        """Tell how far a task is, unless that was told already."""
        share = progress.done / max(progress.total, 1)
        shown = (task, round(share * _FINE), progress.message)
        if shown != self._shown:
            self._shown = shown
            self._tell_trouble()
            self._write("progress", task=task, share=round(share, 4), message=progress.message)

    def warning(self, text: str) -> None:
        """Tell trouble. The last before an end without a result is not told twice."""
        self._tell_trouble()
        self._trouble = text

    def end(self, code: int, *, good: bool) -> None:
        """Tell how it ended: with the result, or with the trouble that there was."""
        if not good:
            self.error(self._trouble or f"it ended with the exit code {code}", code)
            return
        self._tell_trouble()
        self._write("done", exit_code=code, result=self.result)

    def error(self, text: str, code: int) -> None:
        """Tell that nothing came of it."""
        if self._trouble != text:
            self._tell_trouble()
        self._write("error", text=text, exit_code=code)

    def _tell_trouble(self) -> None:
        if self._trouble is not None:
            self._write("warning", text=self._trouble)
            self._trouble = None

    def _write(self, event: str, **fields: object) -> None:
        # ASCII passes through whatever encoding the other end of a pipe expects.
        self._stream.write(json.dumps({"event": event, **fields}) + "\n")
        self._stream.flush()


_current: ContextVar[Events | None] = ContextVar("events of this run", default=None)


def events() -> Events | None:
    """Return where this run tells of itself, None if nobody asked for it."""
    return _current.get()


def telling(*, wanted: bool) -> AbstractContextManager[Events | None]:
    """Let `events` be those of standard output, if they are wanted; what is printed goes elsewhere.

    Whatever else would be printed there goes to standard error inside the block.
    """
    return _told() if wanted else nullcontext()


@contextmanager
def _told() -> Iterator[Events]:
    here = Events(sys.stdout)
    token = _current.set(here)
    try:
        with redirect_stdout(sys.stderr):
            yield here
    finally:
        _current.reset(token)
