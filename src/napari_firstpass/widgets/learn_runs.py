"""What learning from corrections does in a thread: on labels, or on a part of a large scene."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.errors import LayerError
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.label_changes import Replacement
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.raster import PartSource
from napari_firstpass.widgets.runs import leave_a_core
from napari_firstpass.widgets.scene import mask_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.grid import Window
    from napari_firstpass.progress import Steps
    from napari_firstpass.reviewed import Reviewed
    from napari_firstpass.widgets.image_layers import Subject
    from napari_firstpass.widgets.runs import LabelsNow
    from napari_firstpass.widgets.scene import Made, MaskInfo


@dataclass(frozen=True, slots=True)
class Proposed:
    """What is proposed after some places were corrected.

    Attributes
    ----------
    replacement : Replacement
        What would change.
    step : dict
        What the record tells of it, as plain values.
    made : Made or None
        How the labels were made if it does: what is proposed was painted by nobody. None for a
        part of a large scene.
    """

    replacement: Replacement
    step: dict[str, Any]
    made: Made | None = None


def learn_part_steps(
    subject: Subject,
    now: LabelsNow,
    config: SegmentConfig,
    part: Window | None,
    *,
    cache: FeatureCache | None = None,
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
        The only part of a large scene that is looked at; None for all.
    """
    yield Progress(0, 100, "looking at what was corrected")
    from napari_firstpass.corrections import CorrectedLabels, learn_steps

    leave_a_core()
    shape = now.labels.shape
    labels = now if part is None else now.part(part)
    info, made = _made(labels)
    said = CorrectedLabels(made.labels_now, labels.labels, _reviewed(info, labels.labels))
    source = subject.source
    opening = open_raster(source) if isinstance(source, Path) else nullcontext(source)
    with opening as opened:
        image = opened if part is None else PartSource(opened, part)
        work = learn_steps(image, said, config, cache=cache)
        learned = yield from relay(work, Span(0, 100, 100))
    found = learned.replacement
    pixels = 0 if found.change is None else found.change.pixels
    told = {"backbone": config.backbone, "corrected": learned.corrected, "changed": pixels}
    if part is not None:
        moved = Replacement.within(shape, part, found.before, found.after)
        return Proposed(moved, {**told, "area": astuple(part)})
    after = np.where(found.before == found.after, said.made, found.after)
    return Proposed(found, told, replace(made, labels=after, became=()))


def _made(now: LabelsNow) -> tuple[MaskInfo, Made]:
    """Return what is noted of labels, and the state that they were corrected from.

    Raises
    ------
    LayerError
        If it is not known how they were made.
    """
    info = mask_of(now.metadata)
    made = None if info is None else info.state_of(now.labels)
    if info is None or made is None:
        raise LayerError(
            expected="labels that firstpass made, to see what was corrected",
            found="others",
            remedy="run first, and correct what comes of it",
        )
    return info, made


def _reviewed(info: MaskInfo, labels: NDArray[Any]) -> Reviewed | None:
    seen = info.reviewed
    return seen if seen is not None and seen.shape == labels.shape else None
