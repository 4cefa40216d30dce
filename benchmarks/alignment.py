"""How well one labelled chip names the clusters of many.

``python benchmarks/alignment.py`` fits clusters to the odd chips of aerial_landcover, labels them,
and names them after one chip whose labels are known, for several such chips in turn; it writes
docs/results.md. What was chosen was chosen on the even chips (``--even`` shows them).
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from image_sets import command
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.matching import named_scores
from napari_firstpass.evaluation.overlap import Overlap
from napari_firstpass.io.geotiff import read_raster
from napari_firstpass.io.label_file import read_segmentation, write_segmentation
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy
from refinement import image_of
from rulers.datasets import DATA
from rulers.page import machine, replace_section

METHOD, CLASSES, CHIPS = "primaps", 12, 5
MERGED = {0: 1, 1: 1, 2: 2, 3: 3, 4: 3, 5: 3}
NAMES = Taxonomy(
    (
        LabelClass(1, "building", "#D55E00"),
        LabelClass(2, "vegetation", "#009E73"),
        LabelClass(3, "ground", "#999999"),
    )
)
RESULTS = Path(__file__).parents[1] / "docs" / "results.md"


@dataclass(frozen=True)
class Row:
    """What came of one labelled chip: mIoU on all others.

    Attributes
    ----------
    chip : str
        Its number.
    rarest : float
        Share of its rarest class.
    best : float
        Of the best names that these clusters can have.
    pixels, looks : float
        Named by shared pixels alone, and by looks too.
    building : float
        IoU of buildings, by looks too.
    seconds : float
        That naming all of them by looks took, with the start of the program.
    """

    chip: str
    rarest: float
    best: float
    pixels: float
    looks: float
    building: float
    seconds: float


def main() -> None:
    """Measure, print a table and write it into the results page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--even", action="store_true", help="development chips; writes no page")
    even = parser.parse_args().even
    chips = [f"{number:03d}" for number in range(0 if even else 1, 224, 2)]
    truths = {chip: truth_of(chip) for chip in chips}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        segmented(chips, folder)
        rows = []
        for chip in chosen(truths):
            rows.append(measured(chip, truths, folder))
            print(rows[-1], flush=True)
    table = "\n".join(page(rows, len(chips)))
    print(table)
    if not even:
        replace_section(RESULTS, "alignment", table)


def chosen(truths: dict[str, LabelImage]) -> list[str]:
    """Return the chips whose rarest class has the largest share, the largest first."""
    return sorted(truths, key=lambda chip: -rarest(truths[chip]))[:CHIPS]


def rarest(truth: LabelImage) -> float:
    """Return the share of the rarest of the three classes."""
    return min(float((truth.ids[truth.valid] == i).mean()) for i in NAMES.ids)


def segmented(chips: list[str], folder: Path) -> None:
    """Find clusters that all chips share, and label the chips with them."""
    model = str(folder / "m.firstpass")
    images = [image_of(chip) for chip in chips]
    command("fit", *images, "--method", METHOD, "--classes", str(CLASSES), "--out", model)
    command("segment", *images, "--model", model, "--out", str(folder / "clusters"))


def measured(chip: str, truths: dict[str, LabelImage], folder: Path) -> Row:
    """Name all chips after one, and compare them with the truth."""
    clusters = [folder / "clusters" / f"{name}_labels.tif" for name in truths]
    known = truths[chip]
    hints = np.where(known.valid, known.ids, 0).astype(np.uint8)
    grid = read_segmentation(folder / "clusters" / f"{chip}_labels.tif").grid
    reference = folder / f"{chip}_hints.tif"
    write_segmentation(reference, Segmentation(hints, NAMES, grid), overwrite=True)
    how = ["--with", "reference", "--reference", str(reference)]
    command("align", *map(str, clusters), *how, "--out", str(folder / "pixels"))
    start = perf_counter()
    how += ["--image", *map(image_of, truths)]
    command("align", *map(str, clusters), *how, "--out", str(folder / "looks"))
    took = perf_counter() - start
    pixels, looks = (
        named_scores(overlaps(chip, truths, folder / way)) for way in ("pixels", "looks")
    )
    before = overlaps(chip, truths, folder / "clusters")
    building = next(entry for entry in looks.classes if entry.id == 1)
    return Row(
        chip,
        rarest(known),
        best_miou(before),
        pixels.miou,
        looks.miou,
        building.iou or 0.0,
        took,
    )


def overlaps(chip: str, truths: dict[str, LabelImage], folder: Path) -> list[Overlap]:
    """Compare all chips but one with the truth; what has no label is wrong."""
    pairs = []
    for name, truth in truths.items():
        if name != chip:
            found = read_segmentation(folder / f"{name}_labels.tif").labels.astype(np.int64)
            pairs.append(Overlap.of(truth, LabelImage(found, found > 0)))
    return pairs


def best_miou(clusters: list[Overlap]) -> float:
    """Return the mIoU of the best names for clusters: none alone can be changed for the better.

    Names start from the class of most pixels, which is best for accuracy but not for mIoU.
    """
    table = Overlap.pooled(clusters)
    shared = np.zeros((len(table.truth_ids), len(table.pred_ids)))
    shared[table.rows, table.cols] = table.counts
    names = shared.argmax(0)
    best, better = miou(shared, names, table.missed), True
    while better:
        better = False
        for cluster in range(len(names)):
            for name in range(len(shared)):
                tried = names.copy()
                tried[cluster] = name
                found = miou(shared, tried, table.missed)
                if found > best + 1e-12:
                    names, best, better = tried, found, True
    return best


def miou(shared: np.ndarray, names: np.ndarray, missed: np.ndarray) -> float:
    """Return the mIoU of clusters under names, from shared pixels (T, P)."""
    called = np.stack([shared[:, names == i].sum(1) for i in range(len(shared))], axis=1)
    hits, truth = np.diagonal(called), called.sum(1) + missed
    return float((hits / (truth + called.sum(0) - hits)).mean())


def truth_of(chip: str) -> LabelImage:
    """Return what people drew, in three classes from 1."""
    path = DATA / "aerial_landcover" / "labels" / f"{chip}.png"
    ids = read_raster(path, bands="x").bands[0].astype(np.int64)
    merged = np.zeros_like(ids)
    for old, new in MERGED.items():
        merged[ids == old] = new
    return LabelImage(merged, merged > 0)


def page(rows: list[Row], chips: int) -> list[str]:
    """Return what must be known to read the table, and the table."""
    titles = ["labelled chip", "its rarest class", "best names", "by pixels", "by looks too"]
    titles += ["of the best", "buildings", "s"]
    return [
        f"`python benchmarks/alignment.py` on {machine('torch')}.",
        f"{METHOD}, {CLASSES} clusters, fitted to {chips} odd chips of aerial_landcover; mIoU of",
        "three classes (buildings and clutter, vegetation, ground with water and cars) on all odd",
        "chips but the labelled one. Labelled are, in turn, the five chips whose rarest class has",
        "the largest share: a rule made before on the even chips, where everything was chosen.",
        "*Best names*: each cluster has the name that is best for the truth of all chips, which",
        "nobody knows. *By pixels*: named by the labelled chip's pixels alone. *By looks too*:",
        "`align --with reference --image`.",
        "Seconds for all chips.",
        "",
        f"| {' | '.join(titles)} |",
        f"|{'---|' * len(titles)}",
        *(line(row.chip, f"{row.rarest:.0%}", row) for row in rows),
        line("mean", "", mean(rows)),
    ]


def line(chip: str, rarest_share: str, row: Row) -> str:
    """Return a row of the table."""
    figures = (row.best, row.pixels, row.looks, row.looks / row.best, row.building)
    cells = [chip, rarest_share, *(f"{value:.3f}" for value in figures), f"{row.seconds:.0f}"]
    return "| " + " | ".join(cells) + " |"


def mean(rows: list[Row]) -> Row:
    """Return the mean of some rows."""
    names = ("rarest", "best", "pixels", "looks", "building", "seconds")
    return Row("mean", *(float(np.mean([getattr(row, name) for row in rows])) for name in names))


if __name__ == "__main__":
    main()
