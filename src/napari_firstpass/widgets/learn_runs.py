"""What learning from corrections does in a thread: on labels, or on a part of a large scene."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.errors import LayerError
from napari_firstpass.feature_memory import FeatureMemory
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.scene_labels import SceneLabels
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.reviewed import Reviewed
from napari_firstpass.widgets.runs import leave_a_core
from napari_firstpass.widgets.scene import mask_of
from napari_firstpass.widgets.untouched import Untouched

if TYPE_CHECKING:
    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.corrections import Taught
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.grid import Window
    from napari_firstpass.label_changes import Replacement
    from napari_firstpass.progress import Steps
    from napari_firstpass.segmentation import LabelPixels
    from napari_firstpass.widgets.image_layers import Subject
    from napari_firstpass.widgets.runs import LabelsNow
    from napari_firstpass.widgets.scene import Made, MadeTiles, MaskInfo


@dataclass(frozen=True, slots=True)
class LearnMemory:
    """What was computed the last time, for the next.

    Attributes
    ----------
    features : FeatureMemory
        What tiles of images look like.
    untouched : Untouched
        Where a large scene is as it was made.
    """

    features: FeatureMemory = field(default_factory=FeatureMemory)
    untouched: Untouched = field(default_factory=Untouched)


@dataclass(frozen=True, slots=True)
class Proposed:
    """What is proposed after some places were corrected.

    Attributes
    ----------
    replacement : Replacement
        What would change.
    step : dict
        What the record tells of it, as plain values.
    taught : tuple of Taught
        What each kind of correction taught.
    made : Made or None
        How the labels were made if it does: what is proposed was painted by nobody.
    tiles : MadeTiles or None
        The same of a large scene.
    """

    replacement: Replacement
    step: dict[str, Any]
    taught: tuple[Taught, ...] = ()
    made: Made | None = None
    tiles: MadeTiles | None = None


def learn_part_steps(
    subject: Subject,
    now: LabelsNow,
    config: SegmentConfig,
    part: Window | None,
    *,
    cache: FeatureCache | None = None,
    memory: LearnMemory | None = None,
) -> Steps[Proposed]:
    """Propose what else is to change after some places were corrected; see `learn_steps`.

    Parameters
    ----------
    subject : Subject
        The image.
    now : LabelsNow
        The labels.
    config, cache
        As in `learn_steps`.
    part : Window or None
        The part of a large scene in which something is proposed; None for all.
    memory : LearnMemory, optional
        What was computed the last time; takes what is computed now.
    """
    yield Progress(0, 100, "looking at what was corrected")
    from napari_firstpass.corrections import CorrectedLabels, learn_steps

    leave_a_core()
    memory = memory or LearnMemory()
    info = mask_of(now.metadata)
    made = None if info is None or part is not None else info.state_of(now.labels)
    tiles = None if info is None or part is None else info.tiles
    first: LabelPixels | None = tiles if made is None else made.labels_now
    if info is None or first is None:
        raise LayerError(
            expected="labels that firstpass made, to see what was corrected",
            found="others",
            remedy="run first, and correct what comes of it",
        )
    said = CorrectedLabels(first, now.labels, _reviewed(info, now.labels))
    if tiles is not None and isinstance(now.labels, SceneLabels):
        known = partial(memory.untouched.within, tiles, now.labels.store)
        said = replace(said, taken=tiles.taken, untouched=known)
    source = subject.source
    opening = open_raster(source) if isinstance(source, Path) else nullcontext(source)
    with opening as opened:
        work = learn_steps(opened, said, config, part=part, cache=cache, memory=memory.features)
        learned = yield from relay(work, Span(0, 100, 100))
    found = learned.replacement
    pixels = 0 if found.change is None else found.change.pixels
    told = {"backbone": config.backbone, "corrected": learned.corrected, "changed": pixels}
    if tiles is not None:
        told |= {"area": astuple(found.window)}
        return Proposed(found, told, learned.taught, tiles=_with_taken(tiles, found))
    if made is not None:
        after = np.where(found.before == found.after, made.labels_now, found.after)
        made = replace(made, labels=after, became=())
    return Proposed(found, told, learned.taught, made)


def _with_taken(tiles: MadeTiles, found: Replacement) -> MadeTiles:
    """Note that nobody painted what was proposed."""
    taken = tiles.taken or Reviewed.none(tiles.shape)
    return replace(tiles, taken=taken.marked(found.window, found.before != found.after))


def _reviewed(info: MaskInfo, labels: LabelPixels) -> Reviewed | None:
    seen = info.reviewed
    return seen if seen is not None and seen.shape == labels.shape else None
