"""Running cells in processes, some at a time, each with one compute thread."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from rulers.cells import Cell, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def run_cells(
    cells: Sequence[Cell],
    command: Sequence[str],
    folder: Path,
    *,
    jobs: int,
    say: Callable[[str], None],
) -> list[Outcome]:
    """Measure every cell that ``folder`` does not hold yet.

    Parameters
    ----------
    cells : sequence of Cell
        In the order in which outcomes are returned.
    command : sequence of str
        What measures one, when row, data set, seed and folder are appended.
    folder : Path
        Where outcomes are kept.
    jobs : int
        How many to measure at a time.
    say : callable
        Takes a line for each finished cell.
    """

    def work(cell: Cell) -> Outcome:
        kept = Outcome.read(folder, cell)
        if kept is not None and not kept.failure:
            return kept
        outcome = _run(cell, command, folder)
        say(f"{cell.row} on {cell.data}, seed {cell.seed}: {outcome.failure or 'done'}")
        return outcome

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(work, cells))


def _run(cell: Cell, command: Sequence[str], folder: Path) -> Outcome:
    arguments = [cell.row, cell.data, str(cell.seed), str(folder)]
    environment = os.environ | dict.fromkeys(_THREADS, "1")
    done = subprocess.run(
        [sys.executable, *command, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    found = Outcome.read(folder, cell) if done.returncode == 0 else None
    if found is None:
        found = Outcome(cell, failure=_reason(done))
        found.write(folder)
    return found


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line that a process wrote, or how it ended."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"ended with code {done.returncode}"
