"""What an export will write, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.exporting.job import KEPT, REASONS, STRIP
from napari_firstpass.exporting.preview import ExportPreview, Note
from napari_firstpass.grid import Window
from napari_firstpass.progress import Progress
from napari_firstpass.segmentation import id_counts
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.progress import Steps


def preview_steps(job: ExportJob, known: Mapping[int, int] | None = None) -> Steps[ExportPreview]:
    """Count what will be written; reads all labels, and what decides over them, by strips.

    ``known`` are the pixels of each id, for those who have counted them already.
    """
    if known is not None and not job.is_selective:
        before, ignored = dict(known), _by_label(job, known)
        after = _coded(job, known)
    else:
        before, after, ignored = yield from _counted(job)
    notes = (*_lost(job, before), *_renamed(job, before), *_told(job, before, after))
    return ExportPreview(before, after, ignored, notes)


def _counted(job: ExportJob) -> Steps[tuple[dict[int, int], dict[int, int], dict[str, int]]]:
    before, after, ignored = (np.zeros(2**16, np.int64) for _ in range(3))
    grid = job.grid
    for top in range(0, grid.height, STRIP):
        yield Progress(top, grid.height, "counting")
        window = Window(top, 0, min(STRIP, grid.height - top), grid.width)
        labels = job.labels(window)
        codes, reasons = job.coding.of(labels), job.reasons(labels, window)
        codes[reasons != KEPT] = job.coding.ignore
        for total, values in ((before, labels), (after, codes), (ignored, reasons)):
            counts = id_counts(values)
            total[: len(counts)] += counts
    return _held(before), _with_all(job, _held(after)), _named(ignored)


def _coded(job: ExportJob, known: Mapping[int, int]) -> dict[int, int]:
    ids = np.array(list(known), np.uint16)
    after = np.zeros(2**16, np.int64)
    np.add.at(after, job.coding.of(ids), list(known.values()))
    return _with_all(job, _held(after))


def _by_label(job: ExportJob, known: Mapping[int, int]) -> dict[str, int]:
    found = {REASONS[3]: sum(known.get(i, 0) for i in job.coding.dropped)}
    if not job.coding.keep_unlabelled:
        found[REASONS[2]] = known.get(UNLABELLED, 0)
    return {reason: found[reason] for reason in REASONS if found.get(reason)}


def _held(counts: NDArray[np.int64]) -> dict[int, int]:
    return {int(i): int(counts[i]) for i in np.flatnonzero(counts)}


def _with_all(job: ExportJob, after: dict[int, int]) -> dict[int, int]:
    return dict(sorted({**{entry.code: 0 for entry in job.coding.classes}, **after}.items()))


def _named(counts: NDArray[np.int64]) -> dict[str, int]:
    return {REASONS[i]: n for i, n in _held(counts).items() if i != KEPT}


def _lost(job: ExportJob, before: Mapping[int, int]) -> Iterator[Note]:
    for number in job.coding.dropped:
        if before.get(number):
            text = f"{job.taxonomy[number].name!r} has no code: {before[number]} pixels are ignored"
            yield Note(text, is_loss=not job.rules.allow_loss)


def _renamed(job: ExportJob, before: Mapping[int, int]) -> Iterator[Note]:
    """Tell of classes that are thrown together or get another name, where they occur."""
    for entry in job.coding.classes:
        names = [job.taxonomy[i].name for i in entry.sources if before.get(i)]
        if len(names) > 1:
            told = " and ".join(repr(name) for name in names)
            yield Note(f"{told} are both written as {entry.name!r}, {entry.code}")
        elif names and names[0] != entry.name:
            yield Note(f"{names[0]!r} is written as {entry.name!r}, {entry.code}")


def _told(job: ExportJob, before: Mapping[int, int], after: Mapping[int, int]) -> Iterator[Note]:
    if not any(count for code, count in after.items() if code != job.coding.ignore):
        yield Note("no pixel has a class: everything is ignored")
    if not job.grid.is_georeferenced:
        yield Note("the image has no georeference, so what is written has none")
    hashed = job.provenance.source_sha256
    if hashed and job.image_sha256 and hashed != job.image_sha256:
        yield Note(f"the labels were made from another image than {job.image_name}")
    if UNLABELLED in before and len(before) == 1:
        yield Note("the labels are empty")
