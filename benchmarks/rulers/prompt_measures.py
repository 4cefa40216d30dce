"""Overlaps of what rows find with the objects of images, one image at a time."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from typing import TYPE_CHECKING

from napari_firstpass.prompts import Prompt
from rulers.prompt_objects import box_around, stroke_along
from rulers.prompt_rows import Boxes, Ellipses, GrabCut, Ours, Walker, clicked, overlap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np

    from napari_firstpass.raster import Raster
    from rulers.prompt_objects import Pictured
    from rulers.prompt_rows import Finder

ROWS: dict[str, Callable[[Raster], Finder]] = {
    "firstpass": lambda raster: Ours(raster, "fast"),
    "iseg": lambda raster: Ours(raster, "paper"),
    "GrabCut": GrabCut,
    "random walker": Walker,
    "box": Boxes,
    "ellipse": Ellipses,
}
FROM_BOXES = ("firstpass", "iseg", *(["GrabCut"] if find_spec("cv2") else []), "box", "ellipse")
FROM_LINES = ("firstpass", "iseg", "random walker")
FROM_CLICKS = ("firstpass", "random walker")
CLICKS = 10

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Measured:
    """Overlaps by row, in the order of the objects.

    Attributes
    ----------
    boxes, strokes, middles : dict of list
        From a box around each object, a stroke along it, and the point in the middle of that.
    clicks : dict of list
        After each of some clicks, for each object.
    """

    boxes: dict[str, list[float]]
    strokes: dict[str, list[float]]
    middles: dict[str, list[float]]
    clicks: dict[str, list[list[float]]]

    @classmethod
    def of(cls, picture: Pictured) -> Measured:
        """Find the objects of an image in all ways."""
        rows = {name: make(picture.raster) for name, make in ROWS.items() if name in _USED}
        truths = picture.objects
        boxes = [Prompt(boxes=(box_around(truth),)) for truth in truths]
        lines, points = zip(*map(stroke_along, truths), strict=True)
        strokes = [Prompt(lines=(line,)) for line in lines]
        middles = [Prompt(points=(point,)) for point in points]
        return cls(
            {row: _overlaps(rows[row], boxes, truths) for row in FROM_BOXES},
            {row: _overlaps(rows[row], strokes, truths) for row in FROM_LINES},
            {row: _overlaps(rows[row], middles, truths) for row in FROM_LINES},
            {row: [clicked(rows[row], one, CLICKS) for one in truths] for row in FROM_CLICKS},
        )


_USED = {*FROM_BOXES, *FROM_LINES, *FROM_CLICKS}


def one_thread() -> dict[str, str]:
    """Return the environment of a process that is to compute in one thread."""
    return {**os.environ, **dict.fromkeys(_ONE_THREAD, "1")}


def measured(pictures: Iterable[Pictured], jobs: int) -> list[Measured]:
    """Measure images, some at a time, each with one compute thread."""
    os.environ.update(one_thread())  # read by the processes below when they start
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        return list(pool.map(Measured.of, pictures))


def _overlaps(
    finder: Finder, prompts: Iterable[Prompt], truths: Iterable[np.ndarray]
) -> list[float]:
    return [
        overlap(finder.find(prompt), truth) for prompt, truth in zip(prompts, truths, strict=True)
    ]
