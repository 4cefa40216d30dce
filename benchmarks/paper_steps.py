"""The fast preset of DynaGuide beside steps of the published training, photograph by photograph.

``python benchmarks/paper_steps.py`` takes ten of the hundred BSDS500 images for validation, evenly
spread, and writes docs/results/paper_steps.csv and docs/results.md. The published training takes a
quarter of an hour of a core for an image: images that the file holds already are not measured
again, so that the run may be ended at any time. ``--page`` measures nothing.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from napari_firstpass.guided_training import Stage
from napari_firstpass.refiners.dynaguide import PAPER, PRESETS
from napari_firstpass.threads import wait_without_spinning
from rulers.datasets.photographs import PHOTOGRAPHS
from rulers.page import machine, replace_section
from rulers.rows.ours import FirstPass

if TYPE_CHECKING:
    from rulers.picture import Picture

STEPS, CLASSES, SEED = 200, 6, 0
ROWS = {
    "guide": "none",
    "fast": "dynaguide",
    "photographs": "dynaguide:photographs",
    "paper": "dynaguide:paper",
}
RESULTS = Path(__file__).parents[1] / "docs" / "results.md"
LINES = RESULTS.parent / "results" / "paper_steps.csv"
FIGURES = ("covering", "rand_index", "voi", "boundary_f")


def main() -> None:
    """Measure what is missing, and write the section of the results page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="store_true", help="only write the page")
    if not parser.parse_args().page:
        measure()
    found = lines()
    text = table(found)
    print(text)
    replace_section(RESULTS, "paper-steps", text)


def measure() -> None:
    """Add a line for each row of each image that the file does not hold yet."""
    wait_without_spinning()
    PRESETS["paper"] = replace(PAPER, training=replace(PAPER.training, stages=(Stage(1, STEPS),)))
    for picture in PHOTOGRAPHS.load()[::10]:
        if picture.name not in {line["image"] for line in lines()}:
            add([scored(picture, row) for row in ROWS])


def scored(picture: Picture, row: str) -> dict[str, str]:
    """Return the figures of an image, refined in one way."""
    method = FirstPass(method="kmeans", backbone="embedded", refine=ROWS[row])
    (ruler,) = PHOTOGRAPHS.rulers
    figures = ruler.score([picture], method.label([picture.raster], CLASSES, SEED))
    values = {name: f"{figures[name]:.4f}" for name in FIGURES}
    return {"image": picture.name, "row": row, **values}


def lines() -> list[dict[str, str]]:
    """Return what was measured until now."""
    if not LINES.exists():
        return []
    with LINES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def add(new: list[dict[str, str]]) -> None:
    """Add lines to the file; all rows of an image at once."""
    text = "".join(",".join(line.values()) + "\n" for line in new)
    begin = "" if LINES.exists() else ",".join(("image", "row", *FIGURES)) + "\n"
    with LINES.open("a", encoding="utf-8") as file:
        file.write(begin + text)


def table(found: list[dict[str, str]]) -> str:
    """Return what is said on the page."""
    by_row = {row: [line for line in found if line["row"] == row] for row in ROWS}
    covering = {row: [float(line["covering"]) for line in by_row[row]] for row in ROWS}
    images = len(covering["paper"])
    pairs = zip(covering["fast"], covering["paper"], strict=True)
    ahead = sum(ours > theirs for ours, theirs in pairs)
    head = [
        f"`python benchmarks/paper_steps.py` on {machine('torch')}.",
        f"{images} of 10 images; kmeans with {CLASSES} classes as the guide, seed {SEED}; `paper`",
        f"ends after {STEPS} of its 1000 steps. Higher is better, but for VoI. On {ahead} of the",
        "images `fast` covers more than `paper`.",
        "",
        "| refined with | covering | Rand index | VoI | boundary F |",
        "|---|---|---|---|---|",
    ]
    return "\n".join(head + [row_of(row, by_row[row]) for row in ROWS])


def row_of(row: str, found: list[dict[str, str]]) -> str:
    """Return a row of the table: means over images."""
    cells = (f"{mean(float(line[name]) for line in found):.3f}" for name in FIGURES)
    return f"| {row} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
