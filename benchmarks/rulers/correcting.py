"""Somebody who names clusters and corrects a first pass, by what is true.

Each situation makes labels and corrects ten places of them: regions, in the order of Review, or
what a brush covers. Nothing else is corrected; regions that are right are accepted on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_firstpass.api import segment_array
from napari_firstpass.config import SegmentConfig
from napari_firstpass.example_crops import example_windows_steps
from napari_firstpass.grid import Grid, Window
from napari_firstpass.label_regions import list_regions_steps, region_at_steps
from napari_firstpass.progress import run
from napari_firstpass.raster import Raster
from napari_firstpass.reviewed import Reviewed

if TYPE_CHECKING:
    from napari_firstpass.segmentation import Segmentation

CORRECTIONS, LOOKED_AT, LEAST = 10, 60, 100
ALL_BUT_SURE, NEARLY_ALL = 0.90, 0.97
BRUSHED, LEAST_WRONG, LARGE = 96, 150, 4000
CROP_SIDE, CROPS = 64, 3
MISNAMED = 0.02, 0.25


@dataclass(frozen=True)
class Scene:
    """An image, what is true (0: nobody knows), and clusters of it: ten, and five."""

    raster: Raster
    truth: np.ndarray
    many: Segmentation
    few: Segmentation

    @classmethod
    def of(cls, image: np.ndarray, truth: np.ndarray) -> Scene:
        """Segment an image (H, W, 3)."""
        bands = np.ascontiguousarray(np.moveaxis(image, -1, 0))
        raster = Raster.from_array(bands, Grid(*truth.shape), roles=("red", "green", "blue"))
        many, few = (
            segment_array(bands, config=SegmentConfig(classes=count), roles=raster.roles)
            for count in (10, 5)
        )
        return cls(raster, truth, many, few)


@dataclass(frozen=True)
class Corrected:
    """Labels as they were made and after ten corrections, and what was looked at."""

    made: np.ndarray
    now: np.ndarray
    reviewed: Reviewed


Situation = Callable[[Scene, np.random.Generator], Corrected | None]
"""What somebody does with a scene; None if there is nothing to correct in this way."""


def majority(said: np.ndarray, without: int = 0) -> int:
    """Return the most frequent class of pixels, another one than ``without``."""
    counts = np.bincount(said[said > 0], minlength=max(without, 1) + 1)
    counts[without] = 0
    return int(counts.argmax()) if counts.any() else 1


def named(found: Segmentation, truth: np.ndarray, without: int = 0) -> np.ndarray:
    """Give each cluster the class that most of its pixels have."""
    made = np.zeros(truth.shape, np.uint8)
    for cluster in found.taxonomy.ids:
        there = found.labels == cluster
        made[there] = majority(truth[there], without)
    return made


def named_by_crops(found: Segmentation, truth: np.ndarray) -> np.ndarray:
    """Give each cluster the class that it has in the three crops that the panel shows of it."""
    ids = found.taxonomy.ids
    crops = run(example_windows_steps(found.labels, ids, side=CROP_SIDE, each=CROPS))
    made = np.zeros(truth.shape, np.uint8)
    for cluster in ids:
        seen = [truth[crop.slices][found.labels[crop.slices] == cluster] for crop in crops[cluster]]
        made[found.labels == cluster] = majority(np.concatenate([*seen, truth[:0, 0]]))
    return made


def misnamed(found: Segmentation, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Name all clusters right but one of middling size, which gets the name of another class."""
    made, (low, high) = named(found, truth), MISNAMED
    shares = {i: float((found.labels == i).mean()) for i in found.taxonomy.ids}
    some = [i for i, share in shares.items() if low < share < high]
    if not some:
        return None
    there = found.labels == rng.choice(some)
    others = [i for i in np.unique(made[made > 0]) if i != majority(truth[there])]
    if not others:
        return None
    made[there] = rng.choice(others)
    return made


def second_class(scene: Scene) -> int:
    """Return which class that a cluster is named after is the second most frequent one."""
    made = named(scene.many, scene.truth)
    shares = sorted((-(scene.truth == i).mean(), int(i)) for i in np.unique(made[made > 0]))
    return shares[1][1] if len(shares) > 1 else 0


def reviewed(
    made: np.ndarray, found: Segmentation, truth: np.ndarray, *, exact: bool, sure: float
) -> Corrected:
    """Go through regions as Review does: those that are mostly wrong are made right.

    ``exact`` makes every pixel right, otherwise a region gets one class. One of which more than
    ``sure`` is right is accepted.
    """
    now, seen, corrected = made.copy(), Reviewed.none(made.shape), 0
    table = run(list_regions_steps(made, found.confidence, least=LEAST))
    for index in table.ranked()[:LOOKED_AT]:
        region = run(region_at_steps(made, *(int(i) for i in table.seeds[index])))
        said = truth[region.window.slices][region.mask]
        counts = np.bincount(said[said > 0], minlength=region.class_id + 1)
        most = int(counts.argmax())
        if 2 * counts.max() > counts.sum() and most != region.class_id:
            right = np.where(said > 0, said, most) if exact else most
            now[region.window.slices][region.mask] = right
            corrected += 1
        elif counts[region.class_id] <= sure * counts.sum():
            continue
        seen = seen.marked(region.window, region.mask)
        if corrected == CORRECTIONS:
            break
    return Corrected(made, now, seen)


def brushed(
    made: np.ndarray, truth: np.ndarray, rng: np.random.Generator, only: int = 0
) -> Corrected | None:
    """Make right what is wrong in the same way within ten small squares, of one class or all."""
    wrong = (truth > 0) & (made > 0) & (made != truth)
    wrong &= (truth == only) | (only == 0)
    kinds = np.where(wrong, made.astype(int) * 256 + truth, 0)
    places = []
    for kind in np.unique(kinds[kinds > 0]):
        numbers, _ = ndimage.label(kinds == kind)
        sizes = np.bincount(numbers.ravel())
        places += [
            (numbers, int(i), int(kind) % 256, int(sizes[i]))
            for i in np.flatnonzero(sizes >= LEAST_WRONG)
            if i
        ]
    if not places:
        return None
    weights = np.array([min(size, LARGE) for *_, size in places], float)
    count = min(CORRECTIONS, len(places))
    now, seen = made.copy(), Reviewed.none(made.shape)
    for index in rng.choice(len(places), count, replace=False, p=weights / weights.sum()):
        numbers, number, right, _ = places[index]
        rows, cols = np.nonzero(numbers == number)
        at = rng.integers(len(rows))
        window = Window(int(rows[at]), int(cols[at]), 1, 1).grown(
            BRUSHED // 2, height=made.shape[0], width=made.shape[1]
        )
        there = numbers[window.slices] == number
        now[window.slices][there] = right
        seen = seen.marked(window, there)
    return Corrected(made, now, seen)


def _pixel_by_pixel(scene: Scene, _: np.random.Generator) -> Corrected:
    made = named(scene.many, scene.truth)
    return reviewed(made, scene.many, scene.truth, exact=True, sure=NEARLY_ALL)


def _whole_regions(scene: Scene, _: np.random.Generator) -> Corrected:
    made = named(scene.many, scene.truth)
    return reviewed(made, scene.many, scene.truth, exact=False, sure=ALL_BUT_SURE)


def _by_crops(scene: Scene, _: np.random.Generator) -> Corrected:
    made = named_by_crops(scene.many, scene.truth)
    return reviewed(made, scene.many, scene.truth, exact=False, sure=ALL_BUT_SURE)


def _five(scene: Scene, _: np.random.Generator) -> Corrected:
    made = named(scene.few, scene.truth)
    return reviewed(made, scene.few, scene.truth, exact=False, sure=ALL_BUT_SURE)


def _misnamed(scene: Scene, rng: np.random.Generator) -> Corrected | None:
    made = misnamed(scene.many, scene.truth, rng)
    if made is None:
        return None
    return reviewed(made, scene.many, scene.truth, exact=False, sure=ALL_BUT_SURE)


def _brushed(scene: Scene, rng: np.random.Generator) -> Corrected | None:
    return brushed(named(scene.many, scene.truth), scene.truth, rng)


def _missing(scene: Scene, rng: np.random.Generator) -> Corrected | None:
    missing = second_class(scene)
    if not missing:
        return None
    made = named(scene.many, scene.truth, without=missing)
    return brushed(made, scene.truth, rng, only=missing)


SITUATIONS: Mapping[str, Situation] = {
    "ten regions, pixel by pixel": _pixel_by_pixel,
    "ten regions, one class each": _whole_regions,
    "the same, clusters named after three crops": _by_crops,
    "the same, five clusters in place of ten": _five,
    "the same, one cluster misnamed": _misnamed,
    "ten brushed places": _brushed,
    "a class missing, ten brushed places of it": _missing,
}
