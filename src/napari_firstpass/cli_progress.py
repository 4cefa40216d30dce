"""Progress on a terminal and in a log."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO, TypeVar

from tqdm import tqdm

from napari_firstpass.cli_events import events
from napari_firstpass.progress import Progress, Steps, run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

T = TypeVar("T")

_LOG_EVERY = 0.1
"""Share of the work between two lines in a log."""


class Reporter:
    """Shows one job on standard error: a bar on a terminal, a line now and then in a log.

    A program that asked for events gets those instead.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._logged = -1.0
        self._bar = tqdm(
            total=100,
            desc=title,
            file=sys.stderr,
            disable=events() is not None or not sys.stderr.isatty(),
            leave=False,
            bar_format="{desc} {percentage:3.0f}% |{bar}| {postfix} {elapsed} < {remaining}",
        )

    def drive(self, steps: Steps[T]) -> T:
        """Run ``steps`` to the end, showing how far they are."""
        return run(steps, self._show)

    def note(self, text: str) -> None:
        """Write a line of its own, whatever is shown at the moment."""
        _warn(f"{self._title}: {text}", f"{self._title}: {text}")

    def _show(self, progress: Progress) -> None:
        share = progress.done / max(progress.total, 1)
        if (told := events()) is not None:
            told.progress(self._title, progress)
        elif not self._bar.disable:
            self._bar.set_postfix_str(progress.message, refresh=False)
            self._bar.update(100 * share - self._bar.n)
        elif share >= self._logged + _LOG_EVERY:
            self._logged = share
            sys.stderr.write(f"{self._title}: {share:.0%} {progress.message}\n")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()


def tell(text: str, stream: TextIO) -> None:
    """Write lines of their own, whatever bar is shown at the moment."""
    tqdm.write(text, file=stream)
    stream.flush()


def complain(text: str) -> None:
    """Tell trouble that does not end the run, or not yet."""
    _warn(text, f"firstpass: {text}")


def _warn(text: str, line: str) -> None:
    if (told := events()) is not None:
        told.warning(text)
    else:
        tell(line, sys.stderr)


def tell_result(result: object, lines: Iterable[str] = (), *, as_json: bool) -> None:
    """Print what came of a run, once: for a program, or lines for a person, who may have read it.

    Parameters
    ----------
    result : object
        Something that JSON can hold.
    lines : iterable of str
        The same for a person.
    as_json : bool
        Whether ``--json`` was given. A program that asked for events gets the result with the last.
    """
    if (told := events()) is not None:
        told.result = result
    elif as_json:
        sys.stdout.write(f"{json.dumps(result, indent=2, ensure_ascii=False)}\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines)


def peak_memory() -> int | None:
    """Return the largest resident size of this process so far in megabytes, None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    if sys.platform == "darwin":
        return round(peak / 2**10)  # macOS counts bytes, others kilobytes
    # Linux hands the figure of the process that started us on to us; its own file does not.
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    own = [int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM:")]
    return round(own[0] if own else peak)
