"""Programs that are started, listened to, and stopped together with what they started.

Knows nothing of QGIS, and runs on Python 3.9.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import IO

PATIENCE = 0.1
"""Seconds between two looks at whether somebody wants it to stop."""

_GRACE = 5.0
"""Seconds that a program has for cleaning up."""

_TAIL = 8192
"""Bytes at the end of what it said that are kept."""


class Child:
    """A running program, and a context manager that leaves none behind.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments; no shell sees them.
    environment : mapping of str to str
        All its variables.
    merge : bool
        Whether what it says on standard error is among its lines; else `said` has it.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, merge: bool = False
    ) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed on leaving
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if merge else self._errors,
                env=dict(environment),
                cwd=tempfile.gettempdir(),
                # The head of a group of its own, and on Windows without a console.
                start_new_session=sys.platform != "win32",
                creationflags=0x08000000 if sys.platform == "win32" else 0,
            )
        except OSError:
            self._errors.close()
            raise
        self._lines: Queue[str | None] = Queue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def lines(self) -> Iterator[str | None]:
        """Yield what it prints, and None now and then while it says nothing, until it ends."""
        while True:
            try:
                line = self._lines.get(timeout=PATIENCE)
            except Empty:
                yield None
                continue
            if line is None:
                return
            yield line

    def ended(self) -> int:
        """Wait for its end; return its exit code."""
        return self._process.wait()

    def said(self) -> str:
        """Return the last line of what it said on standard error, for want of anything better."""
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - _TAIL))
        lines = self._errors.read().decode("utf-8", "replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def stop(self, grace: float = _GRACE) -> bool:
        """Ask it to clean up and end; make it end if it does not.

        Returns
        -------
        bool
            Whether it ended by itself, and so left nothing behind.
        """
        if self._process.poll() is not None:
            return True
        self._ask()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()
            return False
        return True

    def _ask(self) -> None:
        if sys.platform == "win32":
            _close(self._process.stdin)  # no signal reaches it; --attached makes it listen to this
        else:
            os.killpg(self._process.pid, signal.SIGTERM)

    def _kill(self) -> None:
        if sys.platform == "win32":
            tree = ["taskkill", "/F", "/T", "/PID", str(self._process.pid)]
            subprocess.run(tree, check=False, capture_output=True)
        else:
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is not None:
            for line in stream:
                self._lines.put(line.decode("utf-8", "replace").rstrip("\r\n"))
        self._lines.put(None)

    def __enter__(self) -> Child:  # noqa: PYI034 - Self is of Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        _close(self._process.stdin)
        self._reader.join(timeout=_GRACE)
        _close(self._process.stdout)
        self._errors.close()


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with suppress(OSError):  # what was not sent yet cannot be sent any more
            stream.close()
