"""What refining does in a thread: from a labels layer as it was to the pixels that change."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.scene_labels import SceneLabels
from napari_firstpass.label_changes import Replacement
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.raster import PartSource
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.suggestions import KeyArray, Suggestions, key_dtype
from napari_firstpass.widgets.label_layers import mask_from
from napari_firstpass.widgets.runs import leave_a_core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.config import RefineConfig
    from napari_firstpass.grid import Window
    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.image_layers import Subject
    from napari_firstpass.widgets.runs import LabelsNow


_CONTEXT = 128
"""Pixels around a part of a large scene that are looked at, too."""


@dataclass(frozen=True, slots=True)
class Refined:
    """The pixels of a labels layer that a refinement changes.

    Attributes
    ----------
    replacement : Replacement
        What they were when it began, and what they are to be.
    whole : Segmentation
        All labels afterwards, with confidence and history; of a large scene, those of ``part``.
    step : dict
        What the record tells of it, as plain values.
    suggestions : Segmentation or None
        Regions found inside classes, if any were wanted and found.
    part : Window or None
        Where they lie in a large scene.
    """

    replacement: Replacement
    whole: Segmentation
    step: dict[str, Any]
    suggestions: Segmentation | None = None
    part: Window | None = None

    @classmethod
    def of(
        cls, before: NDArray[Any], found: Segmentation, suggestions: Segmentation | None = None
    ) -> Refined:
        """Find what differs from labels (H, W)."""
        after = found.labels.astype(before.dtype, copy=False)
        step = dict(found.provenance.config["refined"][-1])
        wanted = Replacement.of(found.grid.window, before, after)
        return cls(wanted, found, step, suggestions)

    def placed(self, part: Window, area: Window, shape: tuple[int, ...]) -> Refined:
        """Return the same, found in a part of a large scene (H, W); an area of it was refined."""
        found = self.replacement
        moved = Replacement.within(shape, part, found.before, found.after)
        step = {**self.step, "area": astuple(area)}
        return replace(self, replacement=moved, step=step, part=part)


def refine_labels(
    subject: Subject,
    now: LabelsNow,
    config: RefineConfig,
    area: Window | None,
    *,
    suggest: bool = False,
) -> Steps[Refined]:
    """Refine labels as they were when the user asked for it.

    Parameters
    ----------
    subject : Subject
        The image.
    now : LabelsNow
        The labels.
    config : RefineConfig
        How to refine.
    area : Window or None
        The only part that is changed; None for all, which no large scene allows.
    suggest : bool
        Whether regions inside classes are looked for.
    """
    yield Progress(0, 100, "reading the labels")
    from napari_firstpass.refine_images import refine_source_steps

    leave_a_core()
    scene, part, asked = now.labels, None, area
    if isinstance(scene, SceneLabels) and area is not None:
        height, width = scene.shape
        part = area.grown(_CONTEXT, height=height, width=width)
        now, area = now.part(part), area.relative_to(part)
    segmentation, _ = mask_from(
        now.labels,
        metadata=now.metadata,
        features=now.features,
        colormap=now.colormap,
        grid=now.grid,
    )
    keys = None
    if suggest:
        keys = KeyArray(np.zeros(now.labels.shape, key_dtype(segmentation.taxonomy.max_id)))
    source = subject.source
    # A file is opened here, in the thread that reads it.
    with open_raster(source) if isinstance(source, Path) else nullcontext(source) as opened:
        image = opened if part is None else PartSource(opened, part)
        steps = refine_source_steps(
            image, segmentation, config, area=area, keys=keys, name=subject.name
        )
        found = yield from relay(steps, Span(0, 100, 100))
    refined = Refined.of(now.labels, found, None if keys is None else _suggested(keys, found))
    if part is None or asked is None:
        return refined
    return refined.placed(part, asked, scene.shape)


def _suggested(keys: KeyArray, found: Segmentation) -> Segmentation | None:
    """Return regions inside classes as labels of their own, None if there are none."""
    told = Suggestions.of([keys.keys], found.taxonomy)
    if not len(told.taxonomy):
        return None
    labels = told.labels(keys.keys)
    return Segmentation(labels, told.taxonomy, found.grid, provenance=found.provenance)
