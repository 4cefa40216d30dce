"""Runs in this process that are stopped at a known moment, as a job scheduler stops them."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Stopping(StringIO):
    """Keeps what is written; the first time that it holds a text, the process gets a signal."""

    def __init__(self, moment: str) -> None:
        super().__init__()
        self._moment = moment

    def write(self, text: str) -> int:
        before = self.getvalue()
        count = super().write(text)
        if self._moment in text and self._moment not in before:
            os.kill(os.getpid(), signal.SIGTERM)
        return count


@contextmanager
def stopped_at(moment: str) -> Iterator[StringIO]:
    """Stop what is done here once it says something on standard error, which is handed out."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        with redirect_stderr(_Stopping(moment)) as said:
            yield said
    finally:
        signal.signal(signal.SIGTERM, before)
