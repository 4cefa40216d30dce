"""What exporting does in a thread: from a labels layer as it was to a folder."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.exporting.rules import ExportRules
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.widgets.label_layers import mask_from
from napari_firstpass.widgets.runs import leave_a_core
from napari_firstpass.widgets.scene import mask_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_firstpass.export_images import ExportReport
    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.image_layers import Subject
    from napari_firstpass.widgets.runs import LabelsNow


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be written, and where to.

    Attributes
    ----------
    format_name : str
        A format.
    rules : ExportRules
        Codes, and what is ignored.
    options : mapping of str to str
        Options of the format.
    out : Path or None
        The folder; None only counts.
    usual : Path or None
        The folder that is going to be proposed: it is told what an earlier run left for it.
    """

    format_name: str
    rules: ExportRules = field(default_factory=ExportRules)
    options: Mapping[str, str] = field(default_factory=dict)
    out: Path | None = None
    usual: Path | None = None


def export_labels(subject: Subject, now: LabelsNow, asked: Asked) -> Steps[ExportReport]:
    """Write, or only count, labels as they were when the user asked for it.

    Parameters
    ----------
    subject : Subject
        The image.
    now : LabelsNow
        The labels.
    asked : Asked
        The rest.
    """
    yield Progress(0, 100, "reading the labels")
    from napari_firstpass.export_images import InMemory, export_source_steps, preview_source_steps

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
        held = InMemory(opened, segmentation, subject.name, _reviewed(now))
        choices = (asked.format_name, asked.rules, asked.options)
        if asked.out is None:
            steps = preview_source_steps(held, *choices, asked.usual)
        else:
            steps = export_source_steps(held, asked.out, *choices)
        return (yield from relay(steps, Span(0, 100, 100)))


def _reviewed(now: LabelsNow) -> NDArray[np.bool_]:
    """Return where somebody has looked at labels (H, W)."""
    info = mask_of(now.metadata)
    if info is None or info.reviewed is None or info.reviewed.shape != now.labels.shape:
        return np.zeros(now.labels.shape, np.bool_)
    return np.asarray(info.reviewed)


def preview_lines(report: ExportReport) -> list[str]:
    """Return what a person reads of a report: losses and notes, then each class with its pixels."""
    coding, preview = report.job.coding, report.preview
    lines = [f"LOST: {note.text}" for note in preview.losses]
    lines += [note.text for note in preview.notes if not note.is_loss]
    lines += [
        f"{entry.code}  {entry.name}: {_many(preview.after.get(entry.code, 0))} px"
        for entry in coding.classes
    ]
    ignored = [f"{reason} {_many(count)}" for reason, count in preview.ignored.items()]
    lines.append(f"{coding.ignore}  ignored: {', '.join(ignored) or 'nothing'}")
    return lines


def _many(count: int) -> str:
    return f"{count:,}".replace(",", " ")
