"""Refining the labels of one window: between files or arrays on one side, refiners on the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from napari_firstpass.bands import picture_bands
from napari_firstpass.config import DEFAULT_PRESET
from napari_firstpass.device import torch_device
from napari_firstpass.errors import ComputeError
from napari_firstpass.inner_regions import inner_regions_steps
from napari_firstpass.progress import Span, relay
from napari_firstpass.protocols import RecordedRefiner, ReentrantRefiner
from napari_firstpass.refinement import LabelGuide, View
from napari_firstpass.refiners import NO_REFINER, REFINERS
from napari_firstpass.segmentation import present_ids
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.progress import Steps
    from napari_firstpass.protocols import Refiner
    from napari_firstpass.raster import Raster
    from napari_firstpass.segmentation import Labels

VIEW_SIDE, MOST_VIEWS = 512, 24
"""Windows that a refiner is trained on: about 6 megapixels, and so 150 MB, at most."""

VALUES_PER_CLASS = 24
"""Scores of a class that a refiner holds at once, beside those that `tiling.affordable` counts."""

_FEWEST = 2
"""Classes between which there is a border."""


@dataclass(frozen=True, slots=True)
class WindowLabels:
    """Labels of a window.

    Attributes
    ----------
    labels : (h, w) uint8 or uint16 array
        Class ids; 0 is unlabelled or no data.
    confidence : (h, w) uint8 array
        See `Segmentation`.
    parts : (h, w) uint8 array or None
        Regions that look different from the rest of their class; see `inner_regions`. None if
        nobody asked for them.
    """

    labels: Labels
    confidence: NDArray[np.uint8]
    parts: NDArray[np.uint8] | None = None


def refiner_of(reference: str, *, seed: int, device: torch.device) -> Refiner | None:
    """Make a refiner.

    Parameters
    ----------
    reference : str
        A name of `REFINERS`, with a preset after a colon or without; or ``none``.
    seed : int
        Drives its random choices.
    device : torch.device
        Where to compute.

    Raises
    ------
    UnknownNameError
        If there is no refiner of this name, or it has no such preset.
    """
    if reference == NO_REFINER:
        return None
    name, preset = named(reference)
    return REFINERS.load(name)(preset=preset, seed=seed, device=device)


def named(reference: str) -> tuple[str, str]:
    """Return name and preset of a reference to a refiner."""
    name, colon, preset = reference.partition(":")
    return name, preset if colon else DEFAULT_PRESET


def remembers(refiner: Refiner) -> bool:
    """Tell whether a refiner may remember the window before, and is to be given one at a time."""
    return not isinstance(refiner, ReentrantRefiner)


def refiner_record(reference: str, refiner: Refiner) -> dict[str, Any]:
    """Return what tells for a provenance how labels were refined."""
    name, preset = named(reference)
    more = refiner.record() if isinstance(refiner, RecordedRefiner) else {}
    return {"refiner": name, "preset": preset, **more}


def run_record(config: SegmentConfig) -> dict[str, Any]:
    """Return what the provenance of a run tells of refining; nothing if there was none."""
    device = torch_device(config.device)
    refiner = refiner_of(config.refine, seed=config.seed, device=device)
    return {} if refiner is None else {"refine": refiner_record(config.refine, refiner)}


def refine_window_steps(
    refiner: Refiner,
    raster: Raster,
    stats: BandStats,
    before: WindowLabels,
    classes: int,
    device: torch.device,
    *,
    suggest: bool = False,
) -> Steps[WindowLabels]:
    """Refine the labels of a window.

    Where fewer than two classes occur there is no border, and labels stay as they are, but for
    those of pixels without data.

    Parameters
    ----------
    refiner : Refiner
        How.
    raster : Raster
        The image there, without gaps (`normalize.filled`); its ``valid`` tells where there were.
    stats : BandStats
        The stretch of its bands.
    before : WindowLabels
        Labels and confidence; not modified.
    classes : int
        Largest id there can be.
    device : torch.device
        Where to compute.
    suggest : bool
        Whether to look for regions inside classes.

    Raises
    ------
    ComputeError
        If the refiner returns what it may not: it is then a mistake in it.
    """
    labels = np.where(raster.valid, before.labels, before.labels.dtype.type(UNLABELLED))
    before = WindowLabels(labels, before.confidence * (labels != UNLABELLED))
    if len(present_ids(labels)) < _FEWEST:
        return before
    view = view_of(raster, stats, before, classes, device)
    refining = refiner.refine(view.picture, view.valid, view.guide)
    refined = yield from relay(refining, Span(0, 99 if suggest else 100, 100))
    found = cast("Labels", refined.labels.cpu().numpy().astype(labels.dtype))
    _require_kept(before.labels, found, raster.valid)
    sure: NDArray[np.uint8] = (refined.confidence * 255).round().byte().cpu().numpy()
    if not suggest:
        return WindowLabels(found, sure)
    looking = inner_regions_steps(found.astype(np.int64), view.picture.cpu().numpy())
    parts = yield from relay(looking, Span(99, 100, 100))
    return WindowLabels(found, sure, parts)


def view_of(
    raster: Raster, stats: BandStats, before: WindowLabels, classes: int, device: torch.device
) -> View:
    """Return what a refiner is shown of a window; see `refine_window_steps`."""
    seen = picture_bands(raster.roles)
    guide = LabelGuide(
        torch.from_numpy(before.labels.astype(np.int64)).to(device),
        torch.from_numpy(before.confidence.astype(np.float32) / 255).to(device),
        classes,
    )
    return View(
        torch.from_numpy(stats.select(seen).stretch(raster.bands[seen])).to(device),
        torch.from_numpy(raster.valid).to(device),
        guide,
    )


def _require_kept(before: Labels, after: Labels, valid: NDArray[np.bool_]) -> None:
    surplus = sorted(set(present_ids(after)) - set(present_ids(before)))
    if surplus or after.shape != before.shape or bool(after[~valid].any()):
        raise ComputeError(
            expected="refined labels of the same classes, none where there is no data",
            found=f"new ids {surplus}" if surplus else "labels elsewhere",
            remedy="report this, and use another way to refine",
        )
