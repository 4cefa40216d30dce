"""Quality beside what users would otherwise pick: every row on the same images, in one run.

``python benchmarks/quality.py`` measures our methods, k-means on colour, superpixels, a network
and a blank image on all data sets with three seeds, and writes a section of docs/results.md,
docs/results/quality.csv and docs/images/quality.png. Real images are read from ../shared/data or
the folder that FIRSTPASS_DATA names; a data set that is missing is skipped, and the table says so.
``--quick`` takes made-up images of a few hundred pixels. A run that was interrupted goes on with
``--continue`` and the folder that it named; use the same code, or its figures do not compare. The
exit code is 1 if a cell failed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
from pathlib import Path

from rulers.cells import Cell, measure, plan
from rulers.datasets.table import DATA_SETS, FULL, QUICK
from rulers.processes import run_cells
from rulers.report import Report
from rulers.rows.table import ROWS

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Measure, print and write."""
    if sys.argv[1:2] == ["--cell"]:
        row, data, seed, folder = sys.argv[2:]
        measure(Cell(row, data, int(seed)), Path(folder))
        return 0
    options = parse()
    data_sets = [DATA_SETS[name] for name in options.datasets]
    rows = [ROWS[name] for name in options.rows]
    work = work_folder(options)
    cells = plan(data_sets, rows, options.seeds)
    print(f"{len(cells)} cells; to go on after an interruption: --continue {work}", flush=True)
    command = [__file__, "--cell"]
    outcomes = run_cells(cells, command, work, jobs=options.jobs, say=say)
    report = Report(
        command=typed(),
        data_sets=data_sets,
        rows=rows,
        seeds=options.seeds,
        jobs=options.jobs,
        outcomes=outcomes,
    )
    report.write(options.out, work)
    failed = [outcome for outcome in outcomes if outcome.failure]
    print(f"wrote {options.out / 'results.md'}; {len(failed)} of {len(cells)} cells failed")
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    """Read the command line; names of rows and data sets are checked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--datasets", nargs="+", choices=list(DATA_SETS), metavar="NAME")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS), metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="made-up images only; needs --out")
    parser.add_argument("--out", type=Path, help="folder to write to (default: docs)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cells at a time")
    parser.add_argument("--continue", type=Path, dest="work", help="work folder of a former run")
    options = parser.parse_args()
    if options.quick and options.out is None:
        parser.error("--quick needs --out: what it finds does not belong on the page of results")
    options.out = options.out or ROOT / "docs"
    options.datasets = options.datasets or [
        data.name for data in (QUICK if options.quick else FULL)
    ]
    return options


def work_folder(options: argparse.Namespace) -> Path:
    """Return where outcomes are kept: beside what is written, or in the checkout's cache."""
    if options.work is not None:
        options.work.mkdir(parents=True, exist_ok=True)
        return Path(options.work)
    parent = options.out if options.quick else ROOT / ".cache"
    parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="quality-", dir=parent))


def typed() -> str:
    """Return what was typed, but for folders: they mean nothing elsewhere."""
    words = iter(sys.argv[1:])
    kept: list[str] = []
    for word in words:
        if word in ("--out", "--continue"):
            next(words, None)
        elif not word.startswith(("--out=", "--continue=")):
            kept.append(word)
    return shlex.join(["python", "benchmarks/quality.py", *kept])


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
