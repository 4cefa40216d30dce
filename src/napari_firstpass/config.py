"""The options of a run, checked once, here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_firstpass.errors import OptionError

Device = Literal["auto", "cpu", "cuda"]

MAX_CLASSES = 1000
MAX_REGION = 1024
ENOUGH_OVERLAP = 64
"""What backbones and refiners see beyond a window, in pixels: more context changes nothing."""
WINDOW_STEP = 16
"""Windows are cut at multiples of this, so that every backbone stride up to 16 falls on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentConfig:
    """How to segment an image.

    Attributes
    ----------
    method : str
        A registered segmenter: ``primaps``, ``primaps-em`` or ``kmeans``.
    backbone : str
        A registered backbone: ``embedded`` or ``texture``.
    classes : int
        Number of classes wanted, 2 to 1000. Above 255 the labels are uint16.
    window : int
        Side of the windows that are computed at once, in pixels: a multiple of 16 from 64 to 8192.
        It bounds memory, not quality: the result does not depend on it (see ``overlap``).
    overlap : int
        Context read around each window, in pixels: a multiple of 16, at most half the window
        or 64. From 64 on, windows leave no seams; below, faster with seams.
    min_region : int
        Regions of fewer pixels are merged into their neighbours, 0 to 1024; 0 keeps all. A region
        is measured within its window and the overlap, hence the limit.
    seed : int
        Drives every random choice.
    device : str
        ``auto`` takes a GPU where there is one.
    """

    method: str = "primaps"
    backbone: str = "embedded"
    classes: int = 8
    window: int = 1024
    overlap: int = ENOUGH_OVERLAP
    min_region: int = 48
    seed: int = 0
    device: Device = "auto"

    def __post_init__(self) -> None:
        _check("classes", self.classes, 2, MAX_CLASSES)
        _check("window", self.window, 64, 8192, step=WINDOW_STEP)
        _check("overlap", self.overlap, 0, max(self.window // 2, ENOUGH_OVERLAP), step=WINDOW_STEP)
        _check("min_region", self.min_region, 0, MAX_REGION)
        _check("seed", self.seed, 0, 2**32 - 1)
        if self.device not in ("auto", "cpu", "cuda"):
            raise OptionError(
                expected="a device out of auto, cpu, cuda",
                found=repr(self.device),
                remedy="choose one of them",
            )


def _check(name: str, value: int, low: int, high: int, step: int = 1) -> None:
    # A numpy integer would pass, and fail later where the options are written as JSON.
    if type(value) is int and low <= value <= high and value % step == 0:
        return
    steps = ", a whole number" if step == 1 else f", a multiple of {step}"
    raise OptionError(
        expected=f"{name} in [{low}, {high}]{steps}",
        found=repr(value),
        remedy=f"change {name}",
    )
