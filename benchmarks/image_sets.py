"""Seconds and memory of fitting classes to a set of images, and of labelling with them.

``python benchmarks/image_sets.py`` fits on the 224 chips of aerial_landcover (made-up towns where
they are missing), labels all of them, and labels one made-up town of 4096 x 4096 pixels; it writes
docs/results.md. Each run is the command of a user, in a process of its own; seconds are those of
the whole process, its start included, and for the large town also those of the work alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from napari_firstpass.io.geotiff import open_raster
from rulers.datasets import DATA
from rulers.page import machine, replace_section
from speed import write_image

METHODS = ("kmeans", "primaps", "primaps-em", "smooseg")
CLASSES = 12
SIDE = 4096
RESULTS = Path(__file__).parents[1] / "docs" / "results.md"


def main() -> None:
    """Measure, print a table and write it into the results page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        images = Images.of(Path(folder))
        rows = [row(method, images, Path(folder), repeats) for method in METHODS]
    table = "\n".join([*header(images, repeats), *rows])
    print(table)
    replace_section(RESULTS, "sets", table)


@dataclass(frozen=True)
class Images:
    """What is fitted on and labelled."""

    name: str
    chips: list[Path]
    megapixels: float
    town: Path

    @classmethod
    def of(cls, folder: Path) -> Images:
        """Find the chips, or write some, and write the town."""
        name, chips = "aerial_landcover", sorted(DATA.glob("aerial_landcover/images/*.png"))
        if not chips:
            name, chips = "made-up towns", [write_town(folder, seed) for seed in range(64)]
        return cls(name, chips, sum(map(megapixels, chips)), write_image(folder, SIDE))


def write_town(folder: Path, seed: int) -> Path:
    """Write a small town."""
    from napari_firstpass.io.raster_file import write_raster
    from napari_firstpass.scenes import make_scene

    return write_raster(folder / f"chip_{seed}.tif", make_scene(512, 512, seed=seed).raster)


def megapixels(image: Path) -> float:
    """Return the size of an image in millions of pixels."""
    with open_raster(image) as source:
        return source.grid.height * source.grid.width / 1e6


def row(method: str, images: Images, folder: Path, repeats: int) -> str:
    """Return a row of the table."""
    model, out = folder / f"{method}.firstpass", folder / method
    how = ["--method", method, "--classes", str(CLASSES)]
    chips = [str(chip) for chip in images.chips]
    fits = [command("fit", *chips, *how, "--out", str(model)) for _ in range(repeats)]
    used = ["--model", str(model)]
    sets = [command("segment", *chips, *used, "--out", str(out)) for _ in range(repeats)]
    labels = str(folder / "town_labels.tif")
    towns = [
        command("segment", str(images.town), *used, "--bands", "r,g,b", "--out", labels)
        for _ in range(repeats)
    ]
    set_seconds = median(run.seconds for run in sets)
    town_seconds = median(run.result["seconds"] for run in towns)
    area = SIDE * SIDE / 1e6
    cells = [
        method,
        f"{median(run.seconds for run in fits):.1f}",
        memory(fits),
        f"{set_seconds:.1f}",
        f"{images.megapixels / set_seconds:.2f}",
        memory(sets),
        f"{town_seconds:.1f}",
        f"{area / town_seconds:.2f}",
        memory(towns),
    ]
    return "| " + " | ".join(cells) + " |"


@dataclass(frozen=True)
class Run:
    """How a command went."""

    seconds: float
    result: Any


def command(*arguments: str) -> Run:
    """Run a command of ours in its own process."""
    whole = [sys.executable, "-m", "napari_firstpass.cli", *arguments, "--overwrite", "--json"]
    start = perf_counter()
    done = subprocess.run(whole, capture_output=True, text=True, check=True)
    return Run(perf_counter() - start, json.loads(done.stdout))


def memory(runs: list[Run]) -> str:
    """Return the largest peak of some runs in megabytes."""
    results = [entry for run in runs for entry in several(run.result)]
    return str(max(entry["peak_memory_mb"] for entry in results))


def several(result: object) -> list[dict[str, Any]]:
    """Return the results of a command, which are one or a list."""
    return result if isinstance(result, list) else [result]


def header(images: Images, repeats: int) -> list[str]:
    """Return what must be known to read the table, and its first lines."""
    where = f"{len(images.chips)} chips of {images.name} ({images.megapixels:.1f} megapixels)"
    titles = ["method", "fit, s", "peak MB", "chips, s", "megapixels / s", "peak MB"]
    titles += ["town, s", "megapixels / s", "peak MB"]
    return [
        f"`python benchmarks/image_sets.py --repeats {repeats}` on {machine('torch', 'rasterio')}.",
        f"Fitted on {where}, {CLASSES} classes;",
        f"the same chips labelled, and a town of {SIDE} x {SIDE} pixels. Medians of {repeats}.",
        "Seconds of a fit and of chips are of the whole command, its start included; those of the",
        "town are of the work.",
        "",
        f"| {' | '.join(titles)} |",
        f"|{'---|' * len(titles)}",
    ]


if __name__ == "__main__":
    main()
