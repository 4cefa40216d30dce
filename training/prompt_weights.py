"""Fits the weights of prompt cues: ``python -m training.prompt_weights`` prints them.

A logistic regression on every second photograph of coco_objects (those at even places of the sorted
list) and on windows of aerial_geotiff's site 1 with buildings, which nothing is scored on. Objects
of at least 1 % of the image count. Clicks are simulated; as where they go depends on the answers,
this and the fit take turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_firstpass import prompt_chances
from napari_firstpass.backbones.embedded import EmbeddedBackbone
from napari_firstpass.evaluation.clicks import next_click
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run
from napari_firstpass.prompt_chances import cues_of_box
from napari_firstpass.prompt_cues import BOX_CUES, MARK_CUES, mark_cues
from napari_firstpass.prompting.iseg import Iseg, RegionImage
from napari_firstpass.prompts import Box, Point, Prompt
from training.prompt_data import Pictured, pictures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

CLICKS = 6
TURNS = 2
RIDGE = 1e-3


@dataclass(frozen=True)
class Sample:
    """Cues of the regions of an image for one prompt, with what is true of them."""

    cues: Values
    truth: Values
    weight: Values

    @classmethod
    def of(cls, image: RegionImage, truth: NDArray[np.bool_], cues: Values, near: Values) -> Sample:
        """Weigh regions by their pixels, so that every object counts alike."""
        pixels = image.regions.graph.pixels * near
        return cls(cues, image.regions.graph.shares(truth), pixels / truth.sum())


def main() -> None:
    """Fit and print."""
    images = [(prepared(picture), picture) for picture in pictures()]
    boxes = [sample for image, picture in images for sample in boxed(image, picture)]
    show("BOX_WEIGHTS", BOX_CUES, fitted(boxes))
    walk = (0.0,) * (len(MARK_CUES) - 1) + (1.0, 0.0)
    prompt_chances.ALONE_WEIGHTS = prompt_chances.AGAINST_WEIGHTS = walk
    for _ in range(TURNS):
        states = [state for image, picture in images for state in clicked(image, picture)]
        alone, against = ([s for kind, s in states if kind == wanted] for wanted in (False, True))
        prompt_chances.ALONE_WEIGHTS = fitted(alone)
        prompt_chances.AGAINST_WEIGHTS = fitted(against)
        show("ALONE_WEIGHTS", MARK_CUES, prompt_chances.ALONE_WEIGHTS)
        show("AGAINST_WEIGHTS", MARK_CUES, prompt_chances.AGAINST_WEIGHTS)


def prepared(picture: Pictured) -> RegionImage:
    """Look at an image as the prompter does."""
    raster = picture.raster
    backbone = EmbeddedBackbone(BandStats.of([raster]), raster.roles, torch.device("cpu"))
    shown = torch.from_numpy(raster.bands).float() / 255
    image = run(Iseg(backbone=backbone).prepare(raster, shown))
    if not isinstance(image, RegionImage):
        raise TypeError(type(image).__name__)
    return image


def boxed(image: RegionImage, picture: Pictured) -> Iterator[Sample]:
    """Yield the samples of the boxes around objects; only what is inside counts."""
    for truth in picture.objects:
        rows, cols = (np.flatnonzero(truth.any(axis)) for axis in (1, 0))
        box = Box(rows[0], cols[0], rows[-1] + 1, cols[-1] + 1)
        inside, cues = cues_of_box(image.regions, box)
        yield Sample.of(image, truth, cues, (inside > 0.5).astype(float))


def clicked(image: RegionImage, picture: Pictured) -> Iterator[tuple[bool, Sample]]:
    """Yield the samples of simulated clicks, and whether there is a negative one among them."""
    graph = image.regions.graph
    for truth in picture.objects:
        points: tuple[Point, ...] = ()
        mask = np.zeros_like(truth)
        for _ in range(CLICKS):
            click = next_click(mask, truth)
            if click is None:
                break
            points += (click,)
            sides = [
                graph.at(np.array([(int(p.row), int(p.col)) for p in points if p.positive == sign],
                                  np.int64).reshape(-1, 2))
                for sign in (True, False)
            ]  # fmt: skip
            positive = np.unique(sides[0])
            negative = np.setdiff1d(sides[1], positive)
            cues = mark_cues(image.regions, positive, negative)
            yield len(negative) > 0, Sample.of(image, truth, cues, np.ones(graph.count))
            mask = run(image.answer(Prompt(points=points))).masks[0].numpy()


def fitted(samples: Sequence[Sample]) -> tuple[float, ...]:
    """Return the weights of a logistic regression, by Newton's method; the last stands alone."""
    weight = np.concatenate([sample.weight for sample in samples])
    cues = np.concatenate([sample.cues for sample in samples])[weight > 0]
    truth = np.concatenate([sample.truth for sample in samples])[weight > 0]
    weight = weight[weight > 0]
    spread = np.append(cues.std(0), 1.0)
    scaled = np.concatenate([cues, np.ones((len(cues), 1))], 1) / spread
    weight /= weight.sum()
    ridge = np.diag(np.append(np.full(cues.shape[1], RIDGE), 0.0))
    found = np.zeros(len(spread))
    for _ in range(30):
        chance = 1 / (1 + np.exp(-(scaled @ found).clip(-30, 30)))
        slope = scaled.T @ (weight * (chance - truth)) + ridge @ found
        bend = (scaled * (weight * chance * (1 - chance))[:, None]).T @ scaled + ridge
        found -= np.linalg.solve(bend, slope)
    return tuple(round(float(value), 3) for value in found / spread)


def show(name: str, cues: Sequence[str], weights: Sequence[float]) -> None:
    """Print weights as they stand in the source."""
    print(f"{name} = {tuple(weights)}")
    for cue, weight in zip((*cues, "alone"), weights, strict=True):
        print(f"    {weight:8.3f}  {cue}", flush=True)


if __name__ == "__main__":
    main()
