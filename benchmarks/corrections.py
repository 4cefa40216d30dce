"""Learning from corrections on real images: how right labels are before and after.

``python benchmarks/corrections.py`` puts 36 of the even chips of aerial_landcover together to four
scenes of 900 × 900 pixels; the constants of `corrections` were chosen on 72 others. Each is
segmented, clusters get the class that most of their pixels have, and the regions are gone through
as Review does: one of which most is wrong is made right, until ten are corrected; one of which next
to all is right is accepted. Then the rest is learned. Takes about two minutes.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from napari_firstpass.api import segment_array
from napari_firstpass.config import SegmentConfig
from napari_firstpass.corrections import CorrectedLabels, learn_steps
from napari_firstpass.grid import Grid
from napari_firstpass.label_regions import list_regions_steps, region_at_steps
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.reviewed import Reviewed

DATA = Path(os.environ.get("FIRSTPASS_DATA", "../shared/data")) / "aerial_landcover"
SIDE, HELD_BACK, IGNORE = 3, 72, 255
CORRECTIONS, LOOKED_AT, NEARLY_ALL = 10, 60, 0.97


def main() -> None:
    """Print a line for each scene, and the mean."""
    even = np.random.default_rng(0).permutation(range(0, 224, 2))[HELD_BACK:]
    lines = []
    for chips in np.split(even[: len(even) // SIDE**2 * SIDE**2], len(even) // SIDE**2):
        lines.append(_measured(chips))
        print("  ".join(f"{share:.4f}" for share in lines[-1]), flush=True)
    print("made    corrected  learned; elsewhere before  after; share proposed")
    print("  ".join(f"{share:.4f}" for share in np.mean(lines, 0)))


def _measured(chips: np.ndarray) -> tuple[float, ...]:
    image, truth = (_scene(kind, chips) for kind in ("images", "labels"))
    truth = np.where(truth == IGNORE, 0, truth + 1)
    bands = np.ascontiguousarray(np.moveaxis(image[..., :3], -1, 0))
    raster = Raster.from_array(bands, Grid(*truth.shape), roles=("red", "green", "blue"))
    found = segment_array(bands, config=SegmentConfig(classes=10), roles=raster.roles)
    made = np.zeros(truth.shape, np.uint8)
    for cluster in found.taxonomy.ids:
        made[found.labels == cluster] = _majority(truth[found.labels == cluster])
    now, reviewed = _gone_through(made, found.confidence, truth)
    labels = CorrectedLabels(made, now, reviewed)
    learned = run(learn_steps(ArraySource(raster), labels, SegmentConfig())).replacement.after
    elsewhere = ~(np.asarray(reviewed) | (made != now))
    return (
        *(_right(ids, truth, truth > 0) for ids in (made, now, learned)),
        *(_right(ids, truth, elsewhere) for ids in (now, learned)),
        float((learned != now).mean()),
    )


def _gone_through(
    made: np.ndarray, confidence: np.ndarray, truth: np.ndarray
) -> tuple[np.ndarray, Reviewed]:
    now, reviewed, corrected = made.copy(), Reviewed.none(made.shape), 0
    table = run(list_regions_steps(made, confidence, least=100))
    for index in table.ranked()[:LOOKED_AT]:
        region = run(region_at_steps(made, *(int(i) for i in table.seeds[index])))
        said = truth[region.window.slices][region.mask]
        counts = np.bincount(said[said > 0], minlength=region.class_id + 1)
        if 2 * counts.max() > counts.sum() and counts.argmax() != region.class_id:
            now[region.window.slices][region.mask] = np.where(said > 0, said, counts.argmax())
            corrected += 1
        elif counts[region.class_id] <= NEARLY_ALL * counts.sum():
            continue
        reviewed = reviewed.marked(region.window, region.mask)
        if corrected == CORRECTIONS:
            break
    return now, reviewed


def _scene(kind: str, chips: np.ndarray) -> np.ndarray:
    parts = [np.asarray(Image.open(DATA / kind / f"{chip:03d}.png")) for chip in chips]
    rows = [np.concatenate(parts[i : i + SIDE], 1) for i in range(0, SIDE**2, SIDE)]
    return np.concatenate(rows)


def _majority(said: np.ndarray) -> int:
    return int(np.bincount(said[said > 0], minlength=1).argmax())


def _right(ids: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    judged = where & (truth > 0)
    return float((ids == truth)[judged].mean())


if __name__ == "__main__":
    main()
