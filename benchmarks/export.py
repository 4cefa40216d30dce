"""Seconds and peak memory of exports: chips for training, a COG, and a raster of 400 megapixels.

``python benchmarks/export.py`` measures on a made-up town and writes a section of docs/results.md;
``--no-page`` only prints, and ``--quick`` leaves the large raster out. Each run is the command of a
user, in a process of its own; seconds are those of the command after import.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window as GdalWindow

from napari_firstpass.grid import Grid, Window
from napari_firstpass.io.label_file import LabelFile
from napari_firstpass.scenes import make_scene
from rulers.page import machine, replace_section

RESULTS = Path(__file__).parents[1] / "docs" / "results.md"
TILE = 1024


@dataclass(frozen=True)
class Case:
    """What is exported: a name, the size of the image, and the arguments."""

    name: str
    height: int
    width: int
    arguments: list[str] = field(default_factory=list)


CASES = (
    Case("506 chips of 512², GeoTIFF", 11_264, 11_776, ["--format", "chips"]),
    Case(
        "the same, not compressed",
        11_264,
        11_776,
        ["--format", "chips", "-o", "compress=no"],
    ),
    Case("506 chips of 512², PNG", 11_264, 11_776, ["--format", "chips", "-o", "layout=mmseg"]),
    Case("COG, 6000 × 6000", 6000, 6000, ["--format", "cog"]),
    Case("COG, 20,000 × 20,000", 20_000, 20_000, ["--format", "cog"]),
)


def main() -> None:
    """Measure, print a table and write it into the results page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave the large raster out")
    parser.add_argument("--no-page", action="store_true", help="only print")
    options = parser.parse_args()
    cases = CASES[:-1] if options.quick else CASES
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(case, Path(folder)) for case in cases]
    told = f"A made-up town, repeated, in three bands of 8 bits; {machine('rasterio', 'numpy')}."
    table = [told, "", "| export | seconds | peak memory, MB | written, MB |", "|---|---|---|---|"]
    text = "\n".join([*table, *rows])
    print(text)
    if not options.no_page:
        replace_section(RESULTS, "export", text)


def measure(case: Case, folder: Path) -> str:
    """Return the row of a case."""
    image, labels = town(folder, case.height, case.width)
    os.sync()  # or the export waits for the disk to write what was just made up
    out = folder / "out"
    command = [sys.executable, "-m", "napari_firstpass.cli", "export", "--json", "--overwrite"]
    command += ["--image", str(image), "--labels", str(labels), "--out", str(out)]
    done = subprocess.run([*command, *case.arguments], check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    return f"| {case.name} | {told['seconds']:.1f} | {told['peak_memory_mb']} | {size:.0f} |"


def town(folder: Path, height: int, width: int) -> tuple[Path, Path]:
    """Write an image and its labels, unless they are there, strip by strip."""
    image, labels = folder / f"{height}_{width}.tif", folder / f"{height}_{width}_labels.tif"
    if labels.exists():
        return image, labels
    scene = make_scene(TILE, TILE, seed=0)
    across = -(-width // TILE)
    bands = np.tile(scene.raster.bands[:3], (1, 1, across))[..., :width]
    ids = np.tile(scene.truth.labels, (1, across))[:, :width]
    grid = Grid(height, width, scene.raster.grid.transform, scene.raster.grid.crs)
    profile = {
        "driver": "GTiff", "height": height, "width": width, "count": 3, "dtype": "uint8",
        "crs": grid.crs, "transform": grid.transform, "tiled": True, "blockxsize": 512,
        "blockysize": 512, "compress": "deflate", "zlevel": 1, "photometric": "RGB",
    }  # fmt: skip
    taxonomy, record = scene.truth.taxonomy, scene.truth.provenance
    with (
        rasterio.open(image, "w", **profile) as dataset,
        LabelFile(labels, grid=grid, taxonomy=taxonomy, provenance=record) as file,
    ):
        for top in range(0, height, TILE):
            rows = min(TILE, height - top)
            dataset.write(bands[:, :rows], window=GdalWindow(0, top, width, rows))
            file.write(Window(top, 0, rows, width), ids[:rows])
    return image, labels


if __name__ == "__main__":
    main()
