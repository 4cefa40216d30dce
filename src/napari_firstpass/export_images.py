"""What notebooks, the command line and the panel call to export labels for others."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.digest import Hashing
from napari_firstpass.errors import OptionError, OutputError, TaxonomyError
from napari_firstpass.exporting.coding import coding_of
from napari_firstpass.exporting.counting import preview_steps
from napari_firstpass.exporting.job import ExportJob, ResumableExporter
from napari_firstpass.exporting.options import configured
from napari_firstpass.exporting.preview import Note
from napari_firstpass.exporting.rules import ExportRules
from napari_firstpass.image_work import file_errors, file_sha256
from napari_firstpass.io.export_folder import export_folder, left_over, record_steps, unfinished
from napari_firstpass.io.formats import EXPORTERS
from napari_firstpass.io.geotiff import RasterFile, open_raster
from napari_firstpass.io.label_images import require_labels_of
from napari_firstpass.io.label_source import LabelSource
from napari_firstpass.progress import Span, guarded, ignore, relay, run
from napari_firstpass.provenance import Provenance
from napari_firstpass.raster import ArraySource, raster_of_labels
from napari_firstpass.segmentation import id_counts

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_firstpass.bands import Role
    from napari_firstpass.exporting.job import Exporter
    from napari_firstpass.exporting.preview import ExportPreview
    from napari_firstpass.progress import Progress, Steps
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.segmentation import Segmentation
    from napari_firstpass.taxonomy import Taxonomy

DEFAULT_RULES = ExportRules()


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written.

    Attributes
    ----------
    folder : Path
        Where; ``export.json`` inside tells all.
    format : str
        Name of the format.
    job : ExportJob
        The classes and choices; its files are closed.
    preview : ExportPreview
        What was counted, and what to know.
    """

    folder: Path
    format: str
    job: ExportJob
    preview: ExportPreview


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFiles:
    """An image, its labels, and what is known of both.

    Attributes
    ----------
    image, labels : path
        The image; a label file on the same grid. The confidence beside it is used.
    bands : str or None
        What the bands of the image are, such as ``"r,g,b,n"``, where it does not say it.
    reviewed : path or None
        A file of one band on the same grid: other than 0 where somebody has looked at the labels.
    taxonomy : Taxonomy or None
        Names, colours, tree and codes to use instead of those in the label file.
    """

    image: str | os.PathLike[str]
    labels: str | os.PathLike[str]
    bands: str | None = None
    reviewed: str | os.PathLike[str] | None = None
    taxonomy: Taxonomy | None = None


def export_file(
    files: ExportFiles,
    out: str | os.PathLike[str],
    format_name: str,
    rules: ExportRules = DEFAULT_RULES,
    options: Mapping[str, Any] | None = None,
    *,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> ExportReport:
    """Write labels of any size in a format that others read, into a folder.

    Parameters
    ----------
    files : ExportFiles
        Image and labels.
    out : path
        The folder; must not exist. It appears when all is written.
    format_name : str
        A name of `napari_firstpass.io.formats.EXPORTERS`.
    rules : ExportRules
        Which classes are written under which codes, and what is ignored.
    options : mapping of str to value, optional
        Options of the format.
    overwrite : bool
        Whether a folder that an earlier export has written may be replaced.
    on_progress : callable or None
        Called with a `Progress` about every 100 ms of work.

    Raises
    ------
    FirstPassError
        `GridMismatchError` if image and labels do not cover the same pixels, `TaxonomyError` if
        classes would be lost or share a code, `OptionError` and `UnknownNameError` for choices
        that do not exist or that the format cannot hold, `OutputError` if the folder cannot be
        written.

    Examples
    --------
    >>> files = ExportFiles(image="scene.tif", labels="labels.tif")
    >>> report = export_file(files, "masks", "geotiff")  # doctest: +SKIP
    """
    steps = export_file_steps(files, out, format_name, rules, options, overwrite=overwrite)
    return run(guarded(steps), on_progress or ignore)


def export_file_steps(
    files: ExportFiles,
    out: str | os.PathLike[str],
    format_name: str,
    rules: ExportRules = DEFAULT_RULES,
    options: Mapping[str, Any] | None = None,
    *,
    overwrite: bool = False,
) -> Steps[ExportReport]:
    """Do the work of `export_file` in steps."""
    exporter = configured(EXPORTERS.load(format_name), options or {})
    with ExitStack() as stack:
        opened = yield from relay(_opened_steps(stack, files, rules, exporter), Span(0, 25, 100))
        opened.preview.require_no_loss()
        target = _Target(Path(out), format_name, exporter, overwrite)
        # What an earlier run has left is told, but not recorded: the result is the same without.
        told = target.noted(opened).preview
        yield from relay(target.written_steps(opened), Span(25, 100, 100))
    return ExportReport(Path(out), format_name, opened.job, told)


def preview_file(
    files: ExportFiles,
    format_name: str,
    rules: ExportRules = DEFAULT_RULES,
    options: Mapping[str, Any] | None = None,
    *,
    on_progress: Callable[[Progress], None] | None = None,
) -> ExportReport:
    """Count what `export_file` would write, and write nothing; the report's folder is empty."""
    steps = preview_file_steps(files, format_name, rules, options)
    return run(guarded(steps), on_progress or ignore)


def preview_file_steps(
    files: ExportFiles,
    format_name: str,
    rules: ExportRules = DEFAULT_RULES,
    options: Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Steps[ExportReport]:
    """Do the work of `preview_file` in steps; what an earlier run left for ``out`` is told too."""
    exporter = configured(EXPORTERS.load(format_name), options or {})
    with ExitStack() as stack:
        opened = yield from _opened_steps(stack, files, rules, exporter)
    if out is not None:
        opened = _Target(Path(out), format_name, exporter, overwrite=False).noted(opened)
    return ExportReport(Path(), format_name, opened.job, opened.preview)


def export_array(
    bands: NDArray[Any],
    segmentation: Segmentation,
    out: str | os.PathLike[str],
    format_name: str,
    rules: ExportRules = DEFAULT_RULES,
    options: Mapping[str, Any] | None = None,
    *,
    name: str = "image",
    roles: tuple[Role | None, ...] | None = None,
    valid: NDArray[np.bool_] | None = None,
    reviewed: NDArray[np.bool_] | None = None,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> ExportReport:
    """Write labels in memory in a format that others read, into a folder.

    Parameters
    ----------
    bands : (C, H, W) array of an integer or floating dtype
        The image; (H, W) counts as one band. Not modified. NaN counts as no data.
    segmentation : Segmentation
        The labels, with their confidence if there is one.
    out, format_name, rules, options, overwrite, on_progress
        See `export_file`.
    name : str
        What the files are called.
    roles : tuple of C str or None
        What each band shows: ``"red"``, ``"green"``, ``"blue"``, ``"nir"`` or None.
    valid, reviewed : (H, W) bool array, optional
        Where there is data, and where somebody has looked at the labels.

    Raises
    ------
    FirstPassError
        As `export_file`.
    """
    raster = raster_of_labels(bands, segmentation.grid, roles=roles, valid=valid)
    held = InMemory(ArraySource(raster), segmentation, name, reviewed)
    steps = export_source_steps(held, out, format_name, rules, options, overwrite=overwrite)
    return run(guarded(steps), on_progress or ignore)


@dataclass(frozen=True, slots=True)
class InMemory:
    """Labels in memory over anything that hands out windows.

    Attributes
    ----------
    source : RasterSource
        The image.
    segmentation : Segmentation
        The labels.
    name : str
        What the files are called.
    reviewed : (H, W) bool array or None
        Where somebody has looked at them.
    """

    source: RasterSource
    segmentation: Segmentation
    name: str = "image"
    reviewed: NDArray[np.bool_] | None = None


def export_source_steps(
    held: InMemory,
    out: str | os.PathLike[str],
    format_name: str,
    rules: ExportRules = DEFAULT_RULES,
    options: Mapping[str, Any] | None = None,
    *,
    overwrite: bool = False,
) -> Steps[ExportReport]:
    """Do the work of `export_array` in steps."""
    exporter = configured(EXPORTERS.load(format_name), options or {})
    opened = yield from relay(_in_memory_steps(held, rules, exporter), Span(0, 25, 100))
    opened.preview.require_no_loss()
    target = _Target(Path(out), format_name, exporter, overwrite)
    told = target.noted(opened).preview
    yield from relay(target.written_steps(opened), Span(25, 100, 100))
    return ExportReport(Path(out), format_name, opened.job, told)


def preview_source_steps(
    held: InMemory,
    format_name: str,
    rules: ExportRules = DEFAULT_RULES,
    options: Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Steps[ExportReport]:
    """Count what `export_source_steps` would write; the report's folder is empty.

    What an earlier run, which was ended, left for ``out`` is told too.
    """
    exporter = configured(EXPORTERS.load(format_name), options or {})
    opened = yield from _in_memory_steps(held, rules, exporter)
    if out is not None:
        opened = _Target(Path(out), format_name, exporter, overwrite=False).noted(opened)
    return ExportReport(Path(), format_name, opened.job, opened.preview)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A job that was looked through, what its files hash to, and which they are."""

    job: ExportJob
    preview: ExportPreview
    hashes: Mapping[str, str | None]
    files: tuple[Path, ...] = ()
    bands: str | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a job goes, and as what."""

    out: Path
    format_name: str
    exporter: Exporter
    overwrite: bool

    def written_steps(self, opened: _Opened) -> Steps[None]:
        """Fill the folder."""
        key = self._key(opened)
        folder = export_folder(
            self.out,
            key,
            keep=self._keeps(opened),
            overwrite=self.overwrite,
            forbid=opened.files,
        )
        try:
            with folder as partial:
                steps = self.exporter.write(opened.job, opened.preview, partial)
                yield from relay(steps, Span(0, 95, 100))
                record = {**self._asked(opened), **_told(opened)}
                yield from relay(record_steps(partial, record), Span(95, 100, 100))
        except OutputError as error:
            finished = self._finished(opened)
            if finished is None:
                raise
            raise OutputError(
                expected=error.expected,
                found=f"{error.found}, with {finished} finished in {unfinished(self.out)}",
                remedy=f"{error.remedy}; the same export goes on from there",
            ) from error

    def noted(self, opened: _Opened) -> _Opened:
        """Add to what there is to know that an earlier run has left something, if it has."""
        finished = self._finished(opened)
        if finished is None:
            return opened
        note = Note(f"{finished} were finished before an earlier run ended: they are kept")
        notes = (*opened.preview.notes, note)
        return replace(opened, preview=replace(opened.preview, notes=notes))

    def _finished(self, opened: _Opened) -> str | None:
        """Return what an earlier run has left, None for nothing."""
        names = left_over(self.out, self._key(opened)) if self._keeps(opened) else ()
        if not (names and isinstance(self.exporter, ResumableExporter)):
            return None
        return self.exporter.finished(opened.job, names) or None

    def _keeps(self, opened: _Opened) -> bool:
        # What nothing is known of may be another image the next time.
        is_known = opened.hashes.get("image") is not None
        return is_known and isinstance(self.exporter, ResumableExporter)

    def _key(self, opened: _Opened) -> str:
        """Return what tells this export from others."""
        told = [self._asked(opened), opened.job.taxonomy.to_dict()]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def _asked(self, opened: _Opened) -> dict[str, Any]:
        return {
            "format": self.format_name,
            "options": asdict(self.exporter),  # type: ignore[call-overload]
            "rules": asdict(opened.job.rules),
            "inputs": dict(opened.hashes),
            "bands": opened.bands,
            "version": Provenance().version,
        }


def _told(opened: _Opened) -> dict[str, Any]:
    """Return what ``export.json`` tells besides the choices."""
    job, grid = opened.job, opened.job.grid
    return {
        "image": job.image_name,
        "height": grid.height,
        "width": grid.width,
        "crs": grid.crs,
        "transform": list(grid.transform)[:6],
        "ignore": job.coding.ignore,
        "reduce_zero_label": job.coding.reduce_zero_label,
        "written": [
            {**asdict(entry), "pixels": opened.preview.after.get(entry.code, 0)}
            for entry in job.coding.classes
        ],
        "ignored": dict(opened.preview.ignored),
        "notes": [note.text for note in opened.preview.notes],
        "classes": job.taxonomy.to_dict()["classes"],
        "provenance": asdict(job.provenance),
    }


def _opened_steps(
    stack: ExitStack, files: ExportFiles, rules: ExportRules, exporter: Exporter
) -> Steps[_Opened]:
    """Open the files of a job and look through them; ``stack`` closes them."""
    image = stack.enter_context(open_raster(files.image, bands=files.bands))
    labels = stack.enter_context(LabelSource(files.labels))
    require_labels_of(image.grid, labels.grid)
    reviewed = None
    if files.reviewed is not None:
        reviewed = stack.enter_context(LabelSource(files.reviewed))
        require_labels_of(image.grid, reviewed.grid)
    inputs = {
        "image": Path(files.image),
        "labels": labels.path,
        "confidence": labels.confidence_path,
        "reviewed": None if reviewed is None else reviewed.path,
    }
    given = {what: path for what, path in inputs.items() if path is not None}
    there = [what for what, path in given.items() if path.is_file()]
    # The labels are looked through meanwhile.
    with file_errors(), Hashing([given[what] for what in there]) as hashing:
        yield from relay(labels.look_steps(), Span(0, 4, 12))
        found = yield from relay(hashing.result_steps(), Span(4, 8, 12), "reading files")
    hashes = {**dict.fromkeys(given), **dict(zip(there, found, strict=True))}
    taxonomy = _taxonomy(files.taxonomy, labels)
    job = ExportJob(
        name=Path(files.image).stem,
        image=image,
        image_name=Path(files.image).name,
        image_sha256=hashes["image"],
        labels=labels.read,
        confidence=None if labels.confidence_path is None else labels.read_confidence,
        reviewed=None if reviewed is None else lambda window: reviewed.read(window) != 0,
        taxonomy=taxonomy,
        provenance=labels.provenance,
        rules=rules,
        coding=coding_of(taxonomy, rules),
        lacks_data=image.may_lack_data,
    )
    read = (*image.files, *labels.files, *([] if reviewed is None else reviewed.files))
    preview = yield from relay(_looked_through(job, exporter, labels.counts), Span(8, 12, 12))
    return _Opened(job, preview, hashes, read, files.bands)


def _in_memory_steps(held: InMemory, rules: ExportRules, exporter: Exporter) -> Steps[_Opened]:
    require_labels_of(held.source.grid, held.segmentation.grid)
    labels, sure = held.segmentation.labels, held.segmentation.confidence
    reviewed = held.reviewed
    job = ExportJob(
        name=held.name,
        image=held.source,
        image_name=held.name,
        image_sha256=None,
        labels=lambda window: labels[window.slices],
        confidence=None if sure is None else lambda window: sure[window.slices],
        reviewed=None if reviewed is None else lambda window: reviewed[window.slices],
        taxonomy=held.segmentation.taxonomy,
        provenance=held.segmentation.provenance,
        rules=rules,
        coding=coding_of(held.segmentation.taxonomy, rules),
        lacks_data=not isinstance(held.source, RasterFile) or held.source.may_lack_data,
    )
    counts = {i: int(n) for i, n in enumerate(id_counts(labels)) if n}
    preview = yield from _looked_through(job, exporter, counts)
    image = yield from _source_hash(held.source)
    return _Opened(job, preview, {"image": image, "labels": _array_hash(labels)})


def _source_hash(source: RasterSource) -> Steps[str | None]:
    """Return the hash of a file, or of the pixels of an array, None for what is neither."""
    if isinstance(source, RasterFile):
        return (yield from file_sha256(source.path))
    return _array_hash(source.raster.bands) if isinstance(source, ArraySource) else None


def _looked_through(
    job: ExportJob, exporter: Exporter, counts: Mapping[int, int]
) -> Steps[ExportPreview]:
    _require_known(job)
    notes = exporter.check(job)
    preview = yield from preview_steps(job, counts)
    return replace(preview, notes=(*preview.notes, *notes))


def _require_known(job: ExportJob) -> None:
    """Refuse rules about what nobody knows."""
    if job.rules.min_confidence and job.confidence is None:
        raise OptionError(
            expected="labels with a confidence, to ignore those that are not sure",
            found="no file of it beside the labels",
            remedy="write one with segment --confidence, or leave the choice out",
        )
    if job.rules.reviewed_only and job.reviewed is None:
        raise OptionError(
            expected="a file that tells what was reviewed",
            found="none",
            remedy="give one, or leave the choice out",
        )


def _taxonomy(given: Taxonomy | None, labels: LabelSource) -> Taxonomy:
    """Return the classes to use; other ones than those of the file must know all that occur."""
    if given is None:
        return labels.taxonomy
    missing = [i for i in labels.counts if i and i not in given]
    if missing:
        raise TaxonomyError(
            expected=f"a class for every id in {labels.path}",
            found=f"none for {', '.join(map(str, missing[:8]))}",
            remedy="add them to the list of classes",
        )
    return given


def _array_hash(labels: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(labels).tobytes()).hexdigest()
