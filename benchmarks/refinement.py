"""What refining does to borders and to an annotator's work, image by image.

``python benchmarks/refinement.py`` fits classes to the odd chips of aerial_landcover, labels them,
refines the labels in every way, and writes docs/results.md. Settings were chosen on the even chips.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from image_sets import command
from napari_firstpass.evaluation.annotator import annotate, from_scratch
from napari_firstpass.evaluation.boundaries import boundary_f
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.matching import many_to_one_scores
from napari_firstpass.evaluation.overlap import Overlap
from napari_firstpass.evaluation.prelabel import Prelabel
from napari_firstpass.io.geotiff import read_raster
from napari_firstpass.io.label_file import read_segmentation
from rulers.datasets import DATA
from rulers.page import machine, replace_section

if TYPE_CHECKING:
    from collections.abc import Sequence

WAYS = ("guided", "superpixels", "crf", "regions", "dynaguide", "dynaguide:photographs")
METHOD, CLASSES = "primaps", 12
IGNORED = 255
RESULTS = Path(__file__).parents[1] / "docs" / "results.md"


def main() -> None:
    """Measure, print a table and write it into the results page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=4, help="take one odd chip of so many")
    every = parser.parse_args().every
    names = [f"{number:03d}" for number in range(1, 224, 2)]
    with tempfile.TemporaryDirectory() as folder:
        sets = labelled(names, names[::every], Path(folder))
    rows = [row(way, outcome, sets["unrefined"]) for way, outcome in sets.items()]
    table = "\n".join([*header(len(names), len(names[::every]), every), *rows])
    print(table)
    replace_section(RESULTS, "refinement", table)


@dataclass(frozen=True)
class Outcome:
    """What came of one way.

    Attributes
    ----------
    boundary, path, seconds : sequence of float
        Of each chip: boundary F, pixel edges that the annotator draws, and his seconds.
    right : float
        Share of pixels of the right class, once clusters are named.
    took : float
        Seconds for a chip.
    """

    boundary: Sequence[float]
    path: Sequence[float]
    seconds: Sequence[float]
    right: float
    took: float


def labelled(fitted: list[str], judged: list[str], folder: Path) -> dict[str, Outcome]:
    """Fit on some chips, label others, and refine them in every way."""
    model, plain = folder / "m.firstpass", folder / "plain"
    how = ["--method", METHOD, "--classes", str(CLASSES), "--out", str(model)]
    command("fit", *map(image_of, fitted), *how)
    start = perf_counter()
    used = ["--model", str(model), "--out", str(plain), "--confidence"]
    command("segment", *map(image_of, judged), *used)
    sets = {"unrefined": judge(judged, plain, (perf_counter() - start) / len(judged))}
    for way in WAYS:
        took = refined(judged, plain, folder / way.replace(":", "-"), way)
        sets[way] = judge(judged, folder / way.replace(":", "-"), took)
        print(way, f"{np.mean(sets[way].boundary):.3f}", file=sys.stderr, flush=True)
    return sets


def refined(names: list[str], plain: Path, out: Path, way: str) -> float:
    """Refine label files; return the seconds for one, without the start of the program."""
    from napari_firstpass import refine_file
    from napari_firstpass.config import RefineConfig

    out.mkdir()
    refiner, _, preset = way.partition(":")
    config = RefineConfig(refiner=refiner, preset=preset or "fast")
    start = perf_counter()
    for name in names:
        file = f"{name}_labels.tif"
        refine_file(image_of(name), plain / file, out / file, config)
    return (perf_counter() - start) / len(names)


def judge(names: list[str], folder: Path, took: float) -> Outcome:
    """Compare labels with the truth."""
    pairs = [(truth_of(name), found_in(folder / f"{name}_labels.tif")) for name in names]
    scores = many_to_one_scores([Overlap.of(truth, found) for truth, found in pairs])
    named = dict(scores.names)
    works = [
        annotate(truth, Prelabel.of_clusters(found, named), scratch=from_scratch(truth))
        for truth, found in pairs
    ]
    return Outcome(
        [boundary_f(truth, found) for truth, found in pairs],
        [work.path for work in works],
        [work.seconds for work in works],
        scores.accuracy,
        took,
    )


def image_of(name: str) -> str:
    """Return the path of a chip."""
    return str(DATA / "aerial_landcover" / "images" / f"{name}.png")


def truth_of(name: str) -> LabelImage:
    """Return what people drew."""
    path = DATA / "aerial_landcover" / "labels" / f"{name}.png"
    ids = read_raster(path, bands="x").bands[0].astype(np.int64)
    return LabelImage(ids, ids != IGNORED)


def found_in(path: Path) -> LabelImage:
    """Return labels of a file."""
    ids = read_segmentation(path).labels.astype(np.int64)
    return LabelImage(ids, np.ones(ids.shape, dtype=bool))


def row(way: str, outcome: Outcome, before: Outcome) -> str:
    """Return a row of the table."""
    cells = [
        way,
        f"{np.mean(outcome.boundary):.3f}",
        counts(outcome.boundary, before.boundary),
        f"{outcome.right:.3f}",
        f"{np.mean(outcome.path):.0f}",
        counts(before.path, outcome.path),
        f"{np.mean(outcome.seconds):.2f}",
        counts(before.seconds, outcome.seconds),
        f"{outcome.took:.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


def counts(high: Sequence[float], low: Sequence[float]) -> str:
    """Return for how many chips the first is larger, and for how many the second."""
    apart = np.asarray(high) - np.asarray(low)
    return f"{(apart > 1e-9).sum()} · {(apart < -1e-9).sum()}"


def header(fitted: int, judged: int, every: int) -> list[str]:
    """Return what must be known to read the table, and its first lines."""
    titles = ["refined with", "boundary F", "better · worse", "accuracy", "path, px"]
    titles += ["shorter · longer", "annotator, s", "faster · slower", "s a chip"]
    return [
        f"`python benchmarks/refinement.py --every {every}` on {machine('torch', 'scikit-image')}.",
        f"{METHOD}, {CLASSES} classes, fitted to {fitted} odd chips of aerial_landcover;",
        f"{judged} of them refined with their confidence. Better and worse count chips, beside",
        "the unrefined ones; the rest are equal. Clusters are compared as they are for boundary",
        "F, and named many-to-one for the rest. The path is what the simulated annotator draws",
        "after clicking whole regions right, until 95 % of the pixels farther than 2 px from a",
        "border are right: 0 for most chips. Seconds for a chip of 300 x 300 without the start",
        "of the program.",
        "",
        f"| {' | '.join(titles)} |",
        f"|{'---|' * len(titles)}",
    ]


if __name__ == "__main__":
    main()
