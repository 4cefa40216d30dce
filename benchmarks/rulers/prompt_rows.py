"""What finds objects from prompts: our prompter, and what users would otherwise take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from skimage.segmentation import random_walker
from skimage.transform import resize

from napari_firstpass.backbones.embedded import EmbeddedBackbone
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run
from napari_firstpass.prompting.iseg import iseg_prompter
from napari_firstpass.prompts import Box, Line, Point, Prompt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.protocols import PreparedImage
    from napari_firstpass.raster import Raster

    Mask = NDArray[np.bool_]

WALKER_SIDE = 320
"""Longer side in pixels of what the random walker of scikit-image looks at: at full size, one click
takes it a second and more."""

_DISC = 2
"""Radius in these pixels of the seeds of a click."""


class Finder(Protocol):
    """Answers prompts on one image."""

    def find(self, prompt: Prompt) -> Mask:
        """Return the mask (H, W) of what a prompt points at."""
        ...


class Ours:
    """Our prompter, with its best candidate."""

    def __init__(self, raster: Raster, preset: str) -> None:
        self.image = prepare(raster, preset)

    def find(self, prompt: Prompt) -> Mask:
        """Return its first mask."""
        return run(self.image.answer(prompt)).masks[0].numpy()


def prepare(raster: Raster, preset: str) -> PreparedImage:
    """Look at an image as ``firstpass prompt`` does."""
    cpu = torch.device("cpu")
    backbone = EmbeddedBackbone(BandStats.of([raster]), raster.roles, cpu)
    prompter = iseg_prompter(preset=preset, model=None, backbone=backbone, seed=0, device=cpu)
    return run(prompter.prepare(raster, torch.from_numpy(raster.bands).float() / 255))


class Boxes:
    """The inside of the box."""

    def __init__(self, raster: Raster) -> None:
        self.shape = raster.grid.shape

    def find(self, prompt: Prompt) -> Mask:
        """Fill the box."""
        mask = np.zeros(self.shape, bool)
        mask[_slices(prompt.boxes[0])] = True
        return mask


class Ellipses(Boxes):
    """The ellipse inside the box."""

    def find(self, prompt: Prompt) -> Mask:
        """Fill the ellipse."""
        box = prompt.boxes[0]
        rows, cols = np.indices(self.shape) + 0.5
        tall = (rows - (box.top + box.bottom) / 2) / (box.bottom - box.top)
        wide = (cols - (box.left + box.right) / 2) / (box.right - box.left)
        inside: Mask = tall**2 + wide**2 < 0.25
        return inside


class GrabCut:
    """GrabCut of OpenCV, five rounds from the box."""

    def __init__(self, raster: Raster) -> None:
        self.pixels = np.ascontiguousarray(np.moveaxis(raster.bands[2::-1], 0, -1))

    def find(self, prompt: Prompt) -> Mask:
        """Cut out what is in the box."""
        import cv2

        rows, cols = _slices(prompt.boxes[0])
        mask = np.zeros(self.pixels.shape[:2], np.uint8)
        corner = (cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
        cv2.setRNGSeed(0)
        try:
            models = np.zeros((1, 65)), np.zeros((1, 65))
            cv2.grabCut(self.pixels, mask, corner, *models, 5, cv2.GC_INIT_WITH_RECT)
        except cv2.error:
            # A box around the whole image leaves it no background to learn from.
            mask[rows, cols] = cv2.GC_FGD
        found: Mask = (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)
        return found


class Walker:
    """The random walker of scikit-image; until a negative mark, the rim is the background."""

    def __init__(self, raster: Raster) -> None:
        self.shape = raster.grid.shape
        self.scale = min(1.0, WALKER_SIDE / max(self.shape))
        small = tuple(max(1, round(side * self.scale)) for side in self.shape)
        pixels = np.moveaxis(raster.bands, 0, -1) / 255
        self.pixels = resize(pixels, small, order=1, anti_aliasing=True)

    def find(self, prompt: Prompt) -> Mask:
        """Walk from the seeds."""
        seeds = np.zeros(self.pixels.shape[:2], np.int32)
        if all(mark.positive for mark in (*prompt.points, *prompt.lines)):
            seeds[[0, -1]] = seeds[:, [0, -1]] = 2
        for row, col, positive in _places(prompt):
            top, left = int(row * self.scale), int(col * self.scale)
            near = slice(max(top - _DISC, 0), top + _DISC + 1)
            seeds[near, max(left - _DISC, 0) : left + _DISC + 1] = 1 if positive else 2
        # Solved directly: at this size no slower than its other modes, and exact.
        walked = random_walker(self.pixels, seeds, beta=130, mode="bf", channel_axis=-1)
        return resize(walked == 1, self.shape, order=0, anti_aliasing=False).astype(bool)


def _places(prompt: Prompt) -> list[tuple[float, float, bool]]:
    points = [(point.row, point.col, point.positive) for point in prompt.points]
    return points + [(*place, True) for line in prompt.lines for place in _dense(line)]


def _dense(line: Line) -> list[tuple[float, float]]:
    """Return places along a line, ten from corner to corner."""
    corners = np.array(line.places)
    steps = np.linspace(0, len(corners) - 1, 10 * len(corners))
    rows, cols = (np.interp(steps, np.arange(len(corners)), axis) for axis in corners.T)
    return list(zip(rows.tolist(), cols.tolist(), strict=True))


def _slices(box: Box) -> tuple[slice, slice]:
    return slice(int(box.top), int(box.bottom)), slice(int(box.left), int(box.right))


def overlap(found: Mask, truth: Mask) -> float:
    """Return intersection over union."""
    return float((found & truth).sum() / max(int((found | truth).sum()), 1))


def clicked(finder: Finder, truth: Mask, clicks: int) -> list[float]:
    """Return the overlap after each of some simulated clicks."""
    from napari_firstpass.evaluation.clicks import next_click

    points: tuple[Point, ...] = ()
    mask, overlaps = np.zeros_like(truth), []
    for _ in range(clicks):
        click = next_click(mask, truth)
        if click is not None:
            points += (click,)
            mask = finder.find(Prompt(points=points))
        overlaps.append(overlap(mask, truth))
    return overlaps
