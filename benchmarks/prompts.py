"""How well objects are found from boxes, clicks and strokes, how fast, and in how much memory.

``python benchmarks/prompts.py`` needs coco_objects and aerial_geotiff in ../shared/data, or the
folder that FIRSTPASS_DATA names, and OpenCV (``pip install --group bench``); it writes
docs/results.md in about 20 minutes on two cores. It looks at all photographs that no setting was
chosen on, and at some windows of aerial images; ``--sets`` names others, each of which has a
section of the page, and ``--every 1`` takes all of their images. ``--no-page`` prints only.
``firstpass`` is the prompter iseg with the preset fast, ``iseg`` is that with the preset paper.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path
from statistics import mean
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.progress import run
from napari_firstpass.prompts import Box, Line, Point, Prompt
from napari_firstpass.threads import wait_without_spinning
from rulers.page import machine, replace_section
from rulers.prompt_measures import (
    CLICKS,
    FROM_BOXES,
    FROM_CLICKS,
    FROM_LINES,
    measured,
    one_thread,
)
from rulers.prompt_objects import SETS
from rulers.prompt_rows import WALKER_SIDE, prepare

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from rulers.prompt_measures import Measured
    from rulers.prompt_objects import Objects

RESULTS = Path(__file__).parents[1] / "docs" / "results.md"
SHOWN = (1, 3, 5, 10)
GOOD = 0.8
SIDE = 1024
SPEED = "speed"
USUAL = (SPEED, "photographs", "site5", "site1")


def main() -> None:
    """Measure, print tables and write them into the results page."""
    options = parse()
    wait_without_spinning()  # holds for the processes that are started below
    if options.speed:
        print(json.dumps(speed()))
        return
    for name in options.sets:
        text = timed() if name == SPEED else table(SETS[name], options.every, options.jobs)
        print(text, flush=True)
        if name in USUAL and not options.no_page:
            section = "prompts" if name == SPEED else f"prompts-{name}"
            replace_section(RESULTS, section, text)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=(SPEED, *SETS), default=USUAL)
    parser.add_argument("--every", type=int, help="take one image of so many, in all sets")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="images at a time")
    parser.add_argument("--no-page", action="store_true", help="print only")
    parser.add_argument("--speed", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def timed() -> str:
    """Return what all tables mean, and how long a process of its own took."""
    asked = [sys.executable, __file__, "--speed"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, env=one_thread())
    return "\n".join([*header(), *speed_lines(json.loads(done.stdout))])


def table(objects: Objects, wanted: int | None, jobs: int) -> str:
    """Return the tables of a set of objects, or of one image of so many of it."""
    every = wanted or objects.every
    found = measured(objects.load(every), jobs)
    if not found:
        return f"### {objects.title}\n\nNone at hand."
    count = sum(len(one.boxes["box"]) for one in found)
    of_all = "" if every == 1 else f", one of {every}"
    told = f"{count} objects in {len(found)} images{of_all}; {command()}."
    lines = [f"### {objects.title}", "", told, ""]
    lines += ["| from | row | IoU |", "|---|---|---|"]
    lines += [f"| box | {row} | {_mean(one.boxes[row] for one in found)} |" for row in FROM_BOXES]
    for row in FROM_LINES:
        lines.append(f"| stroke | {row} | {_mean(one.strokes[row] for one in found)} |")
        lines.append(f"| its middle | {row} | {_mean(one.middles[row] for one in found)} |")
    titles = [f"{clicks} clicks" for clicks in SHOWN]
    lines += ["", f"| row | {' | '.join(titles)} | NoC@{GOOD * 100:.0f} |", f"|{'---|' * 6}"]
    lines += [click_row(row, found) for row in FROM_CLICKS]
    return "\n".join(lines)


def click_row(row: str, found: list[Measured]) -> str:
    """Return a row of the table of clicks."""
    overlaps = np.array([clicks for one in found for clicks in one.clicks[row]])
    enough = overlaps >= GOOD
    needed = np.where(enough.any(1), enough.argmax(1) + 1, CLICKS)
    cells = [f"{overlaps[:, clicks - 1].mean():.3f}" for clicks in SHOWN]
    return f"| {row} | {' | '.join(cells)} | {needed.mean():.2f} |"


def _mean(overlaps: Iterable[list[float]]) -> str:
    return f"{mean(chain.from_iterable(overlaps)):.3f}"


def speed() -> dict[str, Any]:
    """Return times and memory of a town of 1024 × 1024 pixels; run in a process of its own."""
    import resource

    from napari_firstpass.scenes import make_scene

    scene = make_scene(SIDE, SIDE, seed=1).raster
    raster = scene.from_array(scene.bands[:3].copy(), scene.grid, roles=scene.roles[:3])
    start = clocks()
    image = prepare(raster, "fast")
    first = clocks() - start
    prompts = {
        "a click": Prompt(points=(Point(400, 500),)),
        "ten clicks": Prompt(points=tuple(Point(90 * i, 95 * i, i < 5) for i in range(1, 11))),
        "a stroke": Prompt(lines=(Line(((100, 100), (800, 700))),)),
        "a box": Prompt(boxes=(Box(200, 200, 500, 600),)),
        "a box around all": Prompt(boxes=(Box(0, 0, SIDE, SIDE),)),
    }
    answers = {}
    for name, prompt in prompts.items():
        times = []
        for _ in range(5):
            start = clocks()
            run(image.answer(prompt))
            times.append(clocks() - start)
        answers[name] = (1000 * np.median(times, axis=0)).tolist()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"first": first.tolist(), "peak": peak, "answers": answers}


def clocks() -> NDArray[np.float64]:
    """Return seconds by the clock, and those that cores have computed for this process."""
    return np.array([perf_counter(), process_time()])


def speed_lines(timed: dict[str, Any]) -> list[str]:
    """Return a table of times and memory."""
    passed, computed = timed["first"]
    rows = [f"| the image, once | {passed:.2f} s | {computed:.2f} s |"]
    rows += [
        f"| {name} | {ms:.0f} ms | {cpu:.0f} ms |" for name, (ms, cpu) in timed["answers"].items()
    ]
    title = f"{SIDE} × {SIDE} pixels, firstpass"
    return [
        f"Peak memory of that process: {timed['peak']:.0f} MB. On a machine that does other things",
        "too, the clock tells more of these than of us; time of a core does not.",
        "",
        f"| {title} | by the clock | of a core |",
        "|---|---|---|",
        *rows,
    ]


def command() -> str:
    """Return what was typed."""
    return f"`{' '.join(['python benchmarks/prompts.py', *sys.argv[1:]])}`"


def header() -> list[str]:
    """Return what must be known to read the tables."""
    return [
        f"{command()} on {machine('torch', 'scikit-image')}.",
        "Objects of at least 1 % of their image; mean intersection over union. `firstpass` is the",
        "prompter iseg with its default preset on the embedded backbone, with no weights fetched;",
        "`iseg` is the published form of the method on that backbone. Settings were chosen, and",
        "the weights of cues fitted, on sets that say so and on no image of the others.",
        "Clicks go to the pixel deepest inside the largest error; NoC@80 is the mean number of",
        "clicks to an overlap of 0.8, ten where ten were not enough. The random walker is that of",
        f"scikit-image at {WALKER_SIDE} pixels along the longer side; until a negative click the",
        "rim of the image is its background. One compute thread each: several images are measured",
        "side by side, and times in a process of its own before that.",
        "",
    ]


if __name__ == "__main__":
    main()
