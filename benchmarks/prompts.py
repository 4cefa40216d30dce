"""How well objects are found from boxes, clicks and strokes, how fast, and in how much memory.

``python benchmarks/prompts.py`` needs coco_objects and aerial_geotiff in ../shared/data, or the
folder that FIRSTPASS_DATA names, and OpenCV (``pip install --group bench``); it writes
docs/results.md. ``--every 8 --no-page`` looks at every eighth image and prints only. ``firstpass``
is the prompter iseg with the preset fast, ``iseg`` is that with the preset paper.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, median
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.progress import run
from napari_firstpass.prompts import Box, Line, Point, Prompt
from rulers.page import machine, replace_section
from rulers.prompt_objects import box_around, sets, stroke_along
from rulers.prompt_rows import (
    WALKER_SIDE,
    Boxes,
    Ellipses,
    GrabCut,
    Ours,
    Walker,
    clicked,
    overlap,
    prepare,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_firstpass.raster import Raster
    from rulers.prompt_objects import Objects, Pictured
    from rulers.prompt_rows import Finder

RESULTS = Path(__file__).parents[1] / "docs" / "results.md"
CLICKS = 10
SHOWN = (1, 3, 5, 10)
GOOD = 0.8
SIDE = 1024

ROWS: dict[str, Callable[[Raster], Finder]] = {
    "firstpass": lambda raster: Ours(raster, "fast"),
    "iseg": lambda raster: Ours(raster, "paper"),
    "GrabCut": GrabCut,
    "random walker": Walker,
    "box": Boxes,
    "ellipse": Ellipses,
}
FROM_BOXES = ("firstpass", "iseg", "GrabCut", "box", "ellipse")
FROM_CLICKS = ("firstpass", "random walker")
FROM_LINES = ("firstpass", "iseg", "random walker")


def main() -> None:
    """Measure, print tables and write them into the results page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="look at every so manieth image")
    parser.add_argument("--no-page", action="store_true", help="print only")
    parser.add_argument("--speed", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.speed:
        print(json.dumps(speed()))
        return
    asked = [sys.executable, __file__, "--speed"]
    timed = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    parts = ["\n".join([*header(options.every), *speed_lines(timed)])]
    print(parts[0], flush=True)
    for objects in sets(options.every):
        parts.append(table(objects))
        print(parts[-1], flush=True)
    text = "\n".join(parts)
    if not options.no_page:
        replace_section(RESULTS, "prompts", text)


def table(objects: Objects) -> str:
    """Return the tables of a set of objects."""
    images = list(objects.load())
    count = sum(len(picture.objects) for picture in images)
    if count == 0:
        return f"\n### {objects.name}\n\nNone at hand."
    rows = [row for row in FROM_BOXES if row != "GrabCut" or find_spec("cv2")]
    lines = [f"### {objects.name}", "", f"{count} objects in {len(images)} images.", ""]
    lines += ["| from | row | IoU |", "|---|---|---|"]
    lines += [f"| box | {row} | {mean(from_boxes(row, images)):.3f} |" for row in rows]
    for row in FROM_LINES:
        stroke, point = zip(*from_lines(row, images), strict=True)
        lines.append(f"| stroke | {row} | {mean(stroke):.3f} |")
        lines.append(f"| its middle | {row} | {mean(point):.3f} |")
    titles = [f"{clicks} clicks" for clicks in SHOWN]
    lines += ["", f"| row | {' | '.join(titles)} | NoC@{GOOD * 100:.0f} |", f"|{'---|' * 6}"]
    lines += [click_row(row, images) for row in FROM_CLICKS]
    return "\n".join(["", *lines])


def from_boxes(row: str, images: list[Pictured]) -> list[float]:
    """Return the overlaps from boxes around objects."""
    found = []
    for picture in images:
        finder = ROWS[row](picture.raster)
        found += [
            overlap(finder.find(Prompt(boxes=(box_around(truth),))), truth)
            for truth in picture.objects
        ]
    return found


def from_lines(row: str, images: list[Pictured]) -> list[tuple[float, float]]:
    """Return the overlaps from strokes, and from the point in the middle of each."""
    found = []
    for picture in images:
        finder = ROWS[row](picture.raster)
        for truth in picture.objects:
            line, point = stroke_along(truth)
            stroked = overlap(finder.find(Prompt(lines=(line,))), truth)
            found.append((stroked, overlap(finder.find(Prompt(points=(point,))), truth)))
    return found


def click_row(row: str, images: list[Pictured]) -> str:
    """Return a row of the table of clicks."""
    found = []
    for picture in images:
        finder = ROWS[row](picture.raster)
        found += [clicked(finder, truth, CLICKS) for truth in picture.objects]
    overlaps = np.array(found)
    enough = overlaps >= GOOD
    needed = np.where(enough.any(1), enough.argmax(1) + 1, CLICKS)
    cells = [f"{overlaps[:, clicks - 1].mean():.3f}" for clicks in SHOWN]
    return f"| {row} | {' | '.join(cells)} | {needed.mean():.2f} |"


def speed() -> dict[str, float]:
    """Return seconds and memory of a town of 1024 × 1024 pixels; run in a process of its own."""
    import resource

    from napari_firstpass.scenes import make_scene

    scene = make_scene(SIDE, SIDE, seed=1).raster
    raster = scene.from_array(scene.bands[:3].copy(), scene.grid, roles=scene.roles[:3])
    start = perf_counter()
    image = prepare(raster, "fast")
    first = perf_counter() - start
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
            start = perf_counter()
            run(image.answer(prompt))
            times.append(perf_counter() - start)
        answers[name] = 1000 * median(times)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"first": first, "peak": peak, **answers}


def speed_lines(timed: dict[str, float]) -> list[str]:
    """Return a table of seconds and memory."""
    rows = [f"| the image, once | {timed['first']:.2f} s |"]
    rows += [f"| {name} | {ms:.0f} ms |" for name, ms in timed.items() if name not in _NOT_ANSWERS]
    rows.append(f"| peak memory of the process | {timed['peak']:.0f} MB |")
    title = f"{SIDE} × {SIDE} pixels, firstpass"
    return [f"| {title} | |", "|---|---|", *rows]


_NOT_ANSWERS = ("first", "peak")


def header(every: int) -> list[str]:
    """Return what must be known to read the tables."""
    told = f" --every {every}" if every > 1 else ""
    return [
        f"`python benchmarks/prompts.py{told}` on {machine('torch', 'scikit-image')}.",
        "Objects of at least 1 % of their image; mean intersection over union. `firstpass` is the",
        "prompter iseg with its default preset on the embedded backbone, with no weights fetched;",
        "`iseg` is the published form of the method on that backbone. Settings were chosen, and",
        "the weights of cues fitted, on the sets that say so.",
        "Clicks go to the pixel deepest inside the largest error; NoC@80 is the mean number of",
        "clicks to an overlap of 0.8, ten where ten were not enough. The random walker is that of",
        f"scikit-image at {WALKER_SIDE} pixels along the longer side; until a negative click the",
        "rim of the image is its background.",
        "",
    ]


if __name__ == "__main__":
    main()
