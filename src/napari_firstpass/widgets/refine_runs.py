"""What refining does in a thread: from a labels layer as it was to the pixels that change."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.widgets.label_layers import mask_from
from napari_firstpass.widgets.runs import leave_a_core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.config import RefineConfig
    from napari_firstpass.grid import Window
    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.image_layers import Subject
    from napari_firstpass.widgets.runs import LabelsNow


@dataclass(frozen=True, slots=True)
class Refined:
    """The pixels of a labels layer that a refinement changes.

    Attributes
    ----------
    rows, cols : (n,) int array
        Where they are.
    before, after : (n,) array
        What they were when it began, and what they are to be.
    shape : (int, int)
        Size of the labels when it began.
    """

    rows: NDArray[np.intp]
    cols: NDArray[np.intp]
    before: NDArray[Any]
    after: NDArray[Any]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, before: NDArray[Any], after: NDArray[Any]) -> Refined:
        """Find what differs between two maps (H, W)."""
        rows, cols = np.nonzero(before != after)
        places = (rows, cols)
        return cls(rows, cols, before[places], after[places].astype(before.dtype), before.shape)


def refine_labels(
    subject: Subject, now: LabelsNow, config: RefineConfig, area: Window | None
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
        The only part that is changed; None for all.
    """
    yield Progress(0, 100, "reading the labels")
    from napari_firstpass.refine_images import refine_source_steps

    leave_a_core()
    segmentation, _ = mask_from(
        now.labels,
        metadata=now.metadata,
        features=now.features,
        colormap=now.colormap,
        grid=now.grid,
    )
    source = subject.source
    # A file is opened here, in the thread that reads it.
    with open_raster(source) if isinstance(source, Path) else nullcontext(source) as opened:
        steps = refine_source_steps(opened, segmentation, config, area=area, name=subject.name)
        found = yield from relay(steps, Span(0, 100, 100))
    return Refined.of(now.labels, found.labels)
