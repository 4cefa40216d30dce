"""What ``--classes auto`` suggests where the classes are known, and how long it takes.

``python benchmarks/class_count.py`` prints a table for docs/research/number-of-classes.md: made-up
towns, and the even-numbered chips of aerial_landcover, all together and in four parts. Real images
are read from ../shared/data or the folder that FIRSTPASS_DATA names, and left out where missing.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from statistics import mean
from time import process_time
from typing import TYPE_CHECKING

from napari_firstpass.bands import RGB
from napari_firstpass.class_count import suggest_steps
from napari_firstpass.config import SegmentConfig
from napari_firstpass.pipeline import describe_steps
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.sampling import set_sample_steps
from napari_firstpass.scenes import make_scene
from rulers.datasets import DATA
from rulers.pictures import image_pixels, rgb_raster

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = range(4)
CONFIG = SegmentConfig(device="cpu")


def main() -> None:
    """Print a row for each set of images."""
    print("| images | classes there | suggested, seeds 0 to 3 | seconds |\n|---|---|---|---|")
    for name, truth, images in sets():
        opened = [partial(nullcontext, ArraySource(image)) for image in images]
        maps = run(describe_steps(run(set_sample_steps(opened, 0)), CONFIG, None)).maps
        start = process_time()
        found = [run(suggest_steps(maps, seed)) for seed in SEEDS]
        seconds = (process_time() - start) / len(SEEDS)
        told = ", ".join(
            f"{count.classes} ({'/'.join(map(str, count.also))})"
            if count.also
            else str(count.classes)
            for count in found
        )
        print(f"| {name} | {truth} | {told} | {seconds:.1f} |", flush=True)
        curves = zip(*(count.curve for count in found), strict=False)
        scores = (f"{points[0][0]}: {mean(score for _, score in points):.2f}" for points in curves)
        print(f"<!-- {' '.join(scores)} -->")


def sets() -> Iterator[tuple[str, str, list[Raster]]]:
    """Return names, what is known of the classes, and images."""
    for seed, size in ((0, 0.1), (3, 0.2), (4, 0.2)):
        bands = make_scene(640, 640, seed=seed, pixel_size=size).raster
        visible = Raster.from_array(bands.bands[:3].copy(), bands.grid, roles=RGB)
        yield f"town {seed}, pixels of {size} m", "7", [visible]
    paths = sorted((DATA / "aerial_landcover" / "images").glob("*.png"))[::2]
    chips = [rgb_raster(image_pixels(path)) for path in paths]
    if not chips:
        return
    yield f"land cover, {len(chips)} chips", "6, or 3 merged", chips
    size = len(chips) // 4
    for part in range(4):
        yield f"part {part + 1} of it", "6, or 3 merged", chips[part * size : (part + 1) * size]


if __name__ == "__main__":
    main()
