"""Seconds per megapixel and peak memory of the whole command, beside two baselines.

``python benchmarks/speed.py`` measures 1, 4, 16 and 64 megapixels and writes docs/results.md.
Each run is a process of its own, so that its peak memory is its own; seconds are those of the
command after import. Two baselines in the same table: ``copy`` reads the image by windows and
writes a label file (the floor); ``slic`` is what many would type instead, scikit-image's
superpixels on the whole image, their mean colours grouped by SciPy's k-means.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from rulers.page import machine, replace_section

SIDES = (1024, 2048, 4096, 8192)
METHODS = ("primaps", "kmeans", "copy", "slic")
SLIC_LIMIT = 4096
RESULTS = Path(__file__).parents[1] / "docs" / "results.md"


def main() -> None:
    """Measure, print a table and write it into the results page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES)
    parser.add_argument("--baseline", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.baseline:
        method, image, out = options.baseline
        print(json.dumps(run_baseline(method, Path(image), Path(out))))
        return
    with tempfile.TemporaryDirectory() as folder:
        images = {side: write_image(Path(folder), side) for side in options.sides}
        rows = [
            measure(method, image, side, options.repeats)
            for side, image in images.items()
            for method in METHODS
            if method != "slic" or side <= SLIC_LIMIT
        ]
    table = "\n".join([*header(options.repeats), *rows])
    print(table)
    replace_section(RESULTS, "speed", table)


def write_image(folder: Path, side: int) -> Path:
    """Write a town of side x side pixels; a large one repeats a smaller one."""
    from napari_firstpass.io.raster_file import write_raster
    from napari_firstpass.raster import Raster
    from napari_firstpass.scenes import make_scene

    tile = make_scene(min(side, 2048), min(side, 2048), seed=1).raster
    count = side // tile.grid.width
    bands = np.tile(tile.bands[:3], (1, count, count))
    grid = tile.grid.__class__(side, side, tile.grid.transform, tile.grid.crs)
    raster = Raster.from_array(bands, grid, roles=tile.roles[:3])
    return write_raster(folder / f"town_{side}.tif", raster)


def measure(method: str, image: Path, side: int, repeats: int) -> str:
    """Return a row of the table: median seconds, their range, and peak memory."""
    out = image.with_name(f"{image.stem}_{method}.tif")
    runs = [run_once(method, image, out) for _ in range(repeats if side < 8192 else 1)]
    seconds = [run["seconds"] for run in runs]
    memory = max(run["peak_memory_mb"] for run in runs)
    pixels = side * side / 1e6
    middle = median(seconds)
    return (
        f"| {side} × {side} | {method} | {middle:.1f} | {min(seconds):.1f} – {max(seconds):.1f} "
        f"| {middle / pixels:.2f} | {memory:.0f} |"
    )


def run_once(method: str, image: Path, out: Path) -> dict[str, float]:
    """Run a command in its own process and return what it says of itself."""
    if method in ("primaps", "kmeans"):
        arguments = ["-m", "napari_firstpass.cli", "segment", str(image), "--out", str(out)]
        arguments += ["--method", method, "--overwrite", "--json"]
    else:
        arguments = [__file__, "--baseline", method, str(image), str(out)]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def run_baseline(method: str, image: Path, out: Path) -> dict[str, float]:
    """Do what a baseline does, in this process."""
    from napari_firstpass.cli_progress import peak_memory

    work = {"copy": copy_windows, "slic": slic_and_colours}[method]
    start = perf_counter()
    work(image, out)
    return {"seconds": perf_counter() - start, "peak_memory_mb": peak_memory() or 0}


def copy_windows(image: Path, out: Path) -> None:
    """Read everything and write labels that need no thought."""
    from napari_firstpass.io.geotiff import open_raster
    from napari_firstpass.io.label_file import LabelFile
    from napari_firstpass.provenance import Provenance
    from napari_firstpass.taxonomy import numbered_taxonomy
    from napari_firstpass.tiling import tiles

    with open_raster(image) as source:
        taxonomy = numbered_taxonomy(8)
        with LabelFile(
            out, grid=source.grid, taxonomy=taxonomy, provenance=Provenance(), overwrite=True
        ) as file:
            for tile in tiles(source.grid, window=1024, overlap=0):
                file.write(tile.core, source.read(tile.core).bands[0] // 32 + 1)


def slic_and_colours(image: Path, out: Path) -> None:
    """Group superpixels by mean colour."""
    from scipy.cluster.vq import kmeans2, whiten
    from skimage.segmentation import slic

    from napari_firstpass.io.geotiff import read_raster
    from napari_firstpass.io.label_file import write_segmentation
    from napari_firstpass.segmentation import Segmentation
    from napari_firstpass.taxonomy import numbered_taxonomy

    raster = read_raster(image)
    pixels = np.moveaxis(raster.bands, 0, -1)
    regions = slic(pixels, n_segments=raster.valid.size // 1000, start_label=0)
    size = np.bincount(regions.ravel())
    means = [np.bincount(regions.ravel(), band.ravel()) / size for band in raster.bands]
    _, groups = kmeans2(whiten(np.stack(means, axis=1)), 8, minit="++", rng=0)
    labels = (groups + 1).astype(np.uint8)[regions]
    found = Segmentation(labels, numbered_taxonomy(8), raster.grid)
    write_segmentation(out, found, overwrite=True)


def header(repeats: int) -> list[str]:
    """Return what must be known to read the table, and its first lines."""
    where = machine("torch", "rasterio", "scikit-image")
    return [
        f"`python benchmarks/speed.py --repeats {repeats}` on {where}.",
        "Eight classes, three bands of 8 bits. Seconds are the median of the whole command after",
        "import (one run at 8192²), with the range; memory is the peak of the process, imports",
        "included.",
        "",
        "| image | method | seconds | range | s / megapixel | peak MB |",
        "|---|---|---|---|---|---|",
    ]


if __name__ == "__main__":
    main()
