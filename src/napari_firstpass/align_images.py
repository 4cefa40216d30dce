"""What notebooks, the command line and the panel call to bring labels to other classes."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_firstpass.aligners import ALIGNERS
from napari_firstpass.aligning import (
    DEFAULT_ALIGNING,
    AlignImage,
    AlignJob,
    AlignView,
    ArrayLabels,
)
from napari_firstpass.alignment import Alignment, Decision, Flows
from napari_firstpass.errors import TaxonomyError
from napari_firstpass.hint_pairing import paired_hints_steps
from napari_firstpass.hints import (
    ArrayHints,
    MapHints,
    NamedHints,
    add_agreeing,
    hint_set_steps,
    one_list,
)
from napari_firstpass.image_work import file_sha256, files_sha256, labels_told_steps
from napari_firstpass.io.alignment_file import AlignmentFile
from napari_firstpass.io.files import check_output
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.hint_file import hint_files
from napari_firstpass.io.label_file import LabelFile, label_paths
from napari_firstpass.io.label_images import require_labels_of
from napari_firstpass.io.label_source import LabelSource
from napari_firstpass.name_table import goals_of
from napari_firstpass.normalize import filled, usable
from napari_firstpass.pairing import DEFAULT_SUFFIX
from napari_firstpass.progress import Progress, Span, Steps, guarded, ignore, relay, run
from napari_firstpass.protocols import RecordedAligner
from napari_firstpass.provenance import Provenance
from napari_firstpass.raster import ArraySource, raster_of_labels
from napari_firstpass.segmentation import ArraySink, Segmentation, id_counts
from napari_firstpass.taxonomy import MAX_CLASS_ID, Taxonomy
from napari_firstpass.tiling import affordable, tiles

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_firstpass.aligning import AlignConfig
    from napari_firstpass.bands import Role
    from napari_firstpass.grid import Grid
    from napari_firstpass.protocols import Aligner, LabelSink, PreparedAligner
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.taxonomy import LabelClass
    from napari_firstpass.tiling import Tile


@dataclass(frozen=True, slots=True)
class AlignPaths:
    """Labels to align, and what is written for them.

    Attributes
    ----------
    labels : Path
        A label file.
    out : Path
        The new label file.
    image : Path or None
        The image of both, for ways that look at it.
    confidence : Path or None
        Where to write how sure the new labels are.
    record : Path or None
        Where to write what became of each class or region, and why, as JSON.
    """

    labels: Path
    out: Path
    image: Path | None = None
    confidence: Path | None = None
    record: Path | None = None

    @property
    def name(self) -> str:
        """What to call it: as the image, where its name is known."""
        if self.image is not None:
            return self.image.name
        return f"{self.labels.stem.removesuffix(DEFAULT_SUFFIX)}{self.labels.suffix}"


@dataclass(frozen=True, slots=True)
class AlignReport:
    """What was written for one label file.

    Attributes
    ----------
    paths : AlignPaths
        The files.
    grid : Grid
        Size and place.
    source, target : Taxonomy
        The classes before and after.
    counts : dict of int to int
        Pixels of each id of the target that occurs; 0 is unlabelled.
    flows : Flows
        Where pixels went.
    proposals : tuple of Decision
        What was decided on whole classes, over all images.
    regions : int
        How many regions were decided on; 0 where whole classes were.
    told : mapping of str to plain value
        What else the way has to tell, such as what it cost.
    """

    paths: AlignPaths
    grid: Grid
    source: Taxonomy
    target: Taxonomy
    counts: dict[int, int]
    flows: Flows
    proposals: tuple[Decision, ...]
    regions: int
    told: Mapping[str, Any] = field(default_factory=dict)


def align_file(
    labels: str | os.PathLike[str],
    out: str | os.PathLike[str],
    target: Taxonomy,
    config: AlignConfig = DEFAULT_ALIGNING,
    *,
    image: str | os.PathLike[str] | None = None,
    reference: Sequence[str | os.PathLike[str]] = (),
    attribute: str | None = None,
    bands: str | None = None,
    confidence: str | os.PathLike[str] | None = None,
    record: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> AlignReport:
    """Bring a label file of any size to the classes of another list.

    The record of the label file is kept, and what was done is added to it under ``aligned``.

    Parameters
    ----------
    labels : path
        A file of one band of ids.
    out : path
        The new label file, ``.tif``; written whole or not at all.
    target : Taxonomy
        The classes that it is to have.
    config : AlignConfig
        How.
    image : path or None
        The image of the labels, for ways that look at it.
    reference : sequence of path
        Label files on the grid of the labels whose classes are those of the target, by name; 0 says
        nothing. Shapes as GeoJSON, GeoPackage or Shapefile lie on all images under them.
    attribute : str or None
        What tells the class of a shape; None for a usual name, such as ``class``.
    bands : str or None
        What the bands of the image are, such as ``"r,g,b,n"``, where it does not say it.
    confidence : path or None
        Where to write how sure the new labels are, 0 to 255; None for nowhere.
    record : path or None
        Where to write what became of each class, or region, and why, as JSON; None for nowhere.
    overwrite : bool
        Whether existing output may be replaced. What is read never is.
    on_progress : callable or None
        Called with a `Progress` about every 100 ms of work.

    Raises
    ------
    FirstPassError
        `UnknownNameError` for an unknown way, `OptionError` if it needs something that was not
        given, `GridMismatchError` if image, labels and reference do not cover the same pixels, and
        `TaxonomyError` for names that the lists do not have; nothing is left behind.

    Examples
    --------
    >>> report = align_file("clusters.tif", "named.tif", target)  # doctest: +SKIP
    """
    paths = AlignPaths(Path(labels), Path(out), *map(_path, (image, confidence, record)))
    steps = align_files_steps(
        [paths],
        target,
        config,
        reference=reference,
        attribute=attribute,
        bands=bands,
        overwrite=overwrite,
    )
    return run(guarded(steps), on_progress or ignore)[0]


def align_files_steps(
    files: Sequence[AlignPaths],
    target: Taxonomy,
    config: AlignConfig = DEFAULT_ALIGNING,
    *,
    reference: Sequence[str | os.PathLike[str]] = (),
    attribute: str | None = None,
    bands: str | None = None,
    overwrite: bool = False,
) -> Steps[list[AlignReport]]:
    """Bring label files that share their classes to those of another list; see `align_file`.

    Each file is written whole or not at all; those that were finished before an error stay.

    Raises
    ------
    TaxonomyError
        If an id means one thing in one file and another in the next.
    """
    aligner = ALIGNERS.load(config.way)(config)
    inputs = [*(p.labels for p in files), *(p.image for p in files if p.image)]
    inputs += [Path(path) for path in reference]
    for paths in files:
        wanted = (*label_paths(paths.out, paths.confidence), paths.record)
        for path in filter(None, wanted):
            check_output(path, overwrite=overwrite, forbid=inputs)
    looking = relay(_look_steps(files), Span(0, 5, 100), "reading the labels")
    sources = yield from looking
    source, counts = _together(sources)
    images = tuple(
        _opened(paths, labels, bands) for paths, labels in zip(files, sources, strict=True)
    )
    hints = hint_files(reference, attribute)
    given = relay(job_steps(images, source, target, counts, hints), Span(5, 8, 100))
    job = yield from given
    prepared = yield from relay(aligner.prepared(job), Span(8, 30, 100))
    hashes = yield from relay(files_sha256(reference), Span(30, 30, 100), "reading files")
    told = {**config.record(), **_recorded(aligner), "reference": [Path(p).name for p in reference]}
    told |= {"reference_sha256": hashes, "attribute": attribute, "bands": bands}
    told["together"] = len(files)
    reports: list[AlignReport] = []
    writer = _Writer(job, prepared, config, told, overwrite, tuple(inputs))
    for index, (paths, labels) in enumerate(zip(files, sources, strict=True)):
        begin, total = 30 * len(files) + 70 * index, 100 * len(files)
        span = Span(begin, begin + 70, total)
        reports.append((yield from relay(writer.write_steps(index, paths, labels), span)))
    return reports


def align_array(
    segmentation: Segmentation,
    target: Taxonomy,
    config: AlignConfig = DEFAULT_ALIGNING,
    *,
    bands: NDArray[Any] | None = None,
    reference: Segmentation | None = None,
    roles: tuple[Role | None, ...] | None = None,
    valid: NDArray[np.bool_] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Alignment:
    """Bring labels in memory to the classes of another list.

    Parameters
    ----------
    segmentation : Segmentation
        The labels; not modified.
    target : Taxonomy
        The classes that they are to have.
    config : AlignConfig
        How.
    bands : (C, H, W) array of an integer or floating dtype, optional
        The image, for ways that look at it; (H, W) counts as one band. NaN counts as no data.
    reference : Segmentation, optional
        Labels of the same grid whose classes are those of the target, by name; 0 says nothing.
    roles : tuple of C str or None
        What each band shows; see `refine_array`.
    valid : (H, W) bool array, optional
        False where there is no data.
    on_progress : callable or None
        Called with a `Progress` about every 100 ms of work.

    Raises
    ------
    FirstPassError
        As `align_file`.
    """
    source = None
    if bands is not None:
        raster = raster_of_labels(bands, segmentation.grid, roles=roles, valid=valid)
        source = ArraySource(raster)
    steps = align_source_steps(segmentation, target, config, source=source, reference=reference)
    return run(guarded(steps), on_progress or ignore)


def align_source_steps(
    segmentation: Segmentation,
    target: Taxonomy,
    config: AlignConfig = DEFAULT_ALIGNING,
    *,
    source: RasterSource | None = None,
    reference: Segmentation | None = None,
    name: str = "array",
) -> Steps[Alignment]:
    """Bring labels in memory to other classes, over anything that hands out windows of the image.

    Parameters
    ----------
    segmentation, target, config, reference
        As in `align_array`.
    source : RasterSource or None
        The image.
    name : str
        What it is called, for messages and the provenance.
    """
    aligner = ALIGNERS.load(config.way)(config)
    proposing = propose_steps(segmentation, target, config, source=source, reference=reference)
    job, prepared = yield from relay(proposing, Span(0, 30, 100))
    sink = ArraySink.of(segmentation.grid, target)
    told: list[Decision] = []
    work = align_windows_steps(job, prepared, 0, config, sink, told.extend)
    flows = yield from relay(work, Span(30, 100, 100))
    record = {**config.record(), **_recorded(aligner), "image": name}
    found = Segmentation(
        sink.labels,
        target,
        segmentation.grid,
        sink.confidence,
        segmentation.provenance.with_step("aligned", {**record, "version": Provenance().version}),
    )
    decisions = tuple(told) if prepared.looks else prepared.proposals
    return Alignment(found, decisions, flows)


def propose_steps(
    segmentation: Segmentation,
    target: Taxonomy,
    config: AlignConfig = DEFAULT_ALIGNING,
    *,
    source: RasterSource | None = None,
    reference: Segmentation | None = None,
    name: str = "array",
) -> Steps[tuple[AlignJob, PreparedAligner]]:
    """Find what classes of labels in memory would become; nothing is changed.

    Returns
    -------
    (AlignJob, PreparedAligner)
        The second has `proposals`, one for each class that has pixels. Proposals that a person
        accepted or changed are applied by `class_lookup.looked_up`.
    """
    if source is not None:
        require_labels_of(source.grid, segmentation.grid)
    image = AlignImage(
        name,
        lambda: nullcontext(ArrayLabels(segmentation)),
        None if source is None else lambda: nullcontext(source),
    )
    counts = {i: int(n) for i, n in enumerate(id_counts(segmentation.labels)) if n}
    hints: tuple[NamedHints, ...] = ()
    if reference is not None:
        said = ArrayHints(reference.labels, reference.taxonomy, reference.grid)
        hints = (NamedHints("the reference", lambda: nullcontext(said)),)
    job = yield from job_steps((image,), segmentation.taxonomy, target, counts, hints)
    prepared = yield from ALIGNERS.load(config.way)(config).prepared(job)
    return job, prepared


def job_steps(
    images: tuple[AlignImage, ...],
    source: Taxonomy,
    target: Taxonomy,
    counts: Mapping[int, int],
    hints: Sequence[NamedHints | MapHints],
) -> Steps[AlignJob]:
    """Join labels with what somebody says of some places of them.

    Raises
    ------
    GridMismatchError, OptionError
        If hints fit none of the images, or it cannot be told which.
    TaxonomyError
        If hints name classes that the target does not have.
    """
    if not len(target):
        raise TaxonomyError(
            expected="a list with classes", found="an empty one", remedy="add the classes"
        )
    names, opens = [image.name for image in images], [image.open_labels for image in images]
    found = yield from paired_hints_steps(names, opens, hints, MAX_CLASS_ID)
    goals: tuple[int, ...] = ()
    if found is not None:
        goals = goals_of(found.classes, target, ", ".join(found.names))
    return AlignJob(images, source, target, counts, found, goals)


def align_windows_steps(
    job: AlignJob,
    prepared: PreparedAligner,
    index: int,
    config: AlignConfig,
    sink: LabelSink,
    tell: Callable[[Sequence[Decision]], None],
) -> Steps[Flows]:
    """Align one image of a job window by window, in row-major order.

    Parameters
    ----------
    job : AlignJob
        All images.
    prepared : PreparedAligner
        What was found for all of them.
    index : int
        Which image, from 0.
    config : AlignConfig
        Of this, window and overlap count.
    sink : LabelSink
        Takes labels and confidence.
    tell : callable
        Takes decisions on the regions of a window, numbered on through the image.
    """
    image, flows, number = job.images[index], Flows(), 1
    with ExitStack() as stack:
        labels = stack.enter_context(image.open_labels())
        pixels = stack.enter_context(image.pixels()) if prepared.looks else None
        cuts = _cut(labels.grid, pixels, config, len(job.target))
        for done, tile in enumerate(cuts):
            raster = None if pixels is None else filled(usable(pixels.read(tile.padded)))
            before, sure = labels.read(tile.padded), labels.read_confidence(tile.padded)
            size = labels.grid.shape
            view = AlignView(index, tile.padded, before, sure, raster, tile.core, size)
            aligning = relay(prepared.align(view), Span(done, done + 1, len(cuts)), "aligning")
            whole = yield from aligning
            inner = tile.core.relative_to(tile.padded)
            found = whole.crop(inner, tile.core, number).surer(config.least)
            sink.write(tile.core, found.labels, found.confidence)
            tell(found.decisions)
            number += len(found.decisions)
            flows = flows.plus(Flows.between(before[inner.slices], found.labels))
    return flows


def _cut(
    grid: Grid, pixels: RasterSource | None, config: AlignConfig, classes: int
) -> tuple[Tile, ...]:
    if pixels is None:
        return tiles(grid, window=config.window, overlap=0)
    require_labels_of(pixels.grid, grid)
    bands = len(pixels.names)
    window, overlap = affordable(config.window, config.overlap, bands=bands, classes=classes)
    return tiles(grid, window=window, overlap=overlap)


def reference_taxonomy_steps(
    reference: Sequence[str | os.PathLike[str]], attribute: str | None = None
) -> Steps[Taxonomy]:
    """Return the classes that label files, and shapes, name, under their ids, names and colours."""
    given = hint_files(reference, attribute)
    named = [hint for hint in given if isinstance(hint, NamedHints)]
    found = yield from hint_set_steps(list(enumerate(named)))
    classes = {entry.id: entry for entry in found.classes}
    for hint in given:
        if isinstance(hint, MapHints):
            add_agreeing(classes, hint.classes, hint.name)
    return Taxonomy(
        tuple(
            replace(entry, parent=entry.parent if entry.parent in classes else None)
            for entry in one_list(classes)
        )
    )


@dataclass(frozen=True, slots=True)
class _Writer:
    """What is the same for all files of a run."""

    job: AlignJob
    prepared: PreparedAligner
    config: AlignConfig
    told: dict[str, Any]
    overwrite: bool
    inputs: tuple[Path, ...]

    def write_steps(self, index: int, paths: AlignPaths, labels: LabelSource) -> Steps[AlignReport]:
        """Align one file; it and what goes with it are written whole or not at all."""
        read = yield from relay(labels_told_steps(labels), Span(0, 2, 100), "reading the file")
        told = {**self.told, **read, "version": Provenance().version}
        if paths.image is not None:
            digest = yield from relay(file_sha256(paths.image), Span(2, 4, 100), "reading the file")
            told |= {"image": paths.image.name, "image_sha256": digest}
        regions: list[int] = []
        with ExitStack() as stack:
            source = stack.enter_context(labels.again())
            goal = {"target": self.job.target.to_dict()}
            forbid = (*source.files, *self.inputs)
            record = None
            if paths.record is not None:
                kept = AlignmentFile(paths.record, overwrite=self.overwrite, forbid=forbid)
                record = stack.enter_context(kept)
            file = stack.enter_context(
                LabelFile(
                    paths.out,
                    grid=source.grid,
                    taxonomy=self.job.target,
                    provenance=source.provenance.with_step("aligned", told | goal),
                    confidence_path=paths.confidence,
                    overwrite=self.overwrite,
                    forbid=forbid,
                )
            )

            def tell(decisions: Sequence[Decision]) -> None:
                regions.append(len(decisions))
                if record is not None:
                    record.tell(decisions)

            work = align_windows_steps(self.job, self.prepared, index, self.config, file, tell)
            flows = yield from relay(work, Span(4, 90, 100))
            yield from relay(file.finish(), Span(90, 98, 100), "writing the file")
            if record is not None and self.prepared.outlines:
                masks = record.tell_masks(source.grid, file.columns)
                yield from relay(masks, Span(98, 100, 100))
            report = AlignReport(
                paths,
                source.grid,
                self.job.source,
                self.job.target,
                file.counts,
                flows,
                self.prepared.proposals,
                sum(regions),
                self.prepared.report(),
            )
            if record is not None:
                record.finish(self._record_of(report, told))
        return report

    def _record_of(self, report: AlignReport, told: dict[str, Any]) -> dict[str, Any]:
        """Return what the record tells beside regions."""
        return {
            "how": told,
            "classes": [entry.to_dict() for entry in report.proposals],
            "lost": report.flows.losses(report.source, report.target),
            "report": dict(report.told),
            "source": report.source.to_dict()["classes"],
            "target": report.target.to_dict()["classes"],
        }


def _opened(paths: AlignPaths, labels: LabelSource, bands: str | None) -> AlignImage:
    open_image = None if paths.image is None else partial(open_raster, paths.image, bands=bands)
    return AlignImage(paths.name, labels.again, open_image)


def _look_steps(files: Sequence[AlignPaths]) -> Steps[list[LabelSource]]:
    """Read every label file once; they are closed again."""
    sources: list[LabelSource] = []
    for done, paths in enumerate(files):
        with LabelSource(paths.labels) as source:
            yield from relay(source.look_steps(), Span(done, done + 1, len(files)))
        sources.append(source)
    return sources


def _together(sources: Sequence[LabelSource]) -> tuple[Taxonomy, dict[int, int]]:
    """Return the classes of several label files, and how many pixels these have in all of them."""
    classes: dict[int, LabelClass] = {}
    counts: dict[int, int] = {}
    for source in sources:
        for entry in source.taxonomy.classes:
            known = classes.setdefault(entry.id, entry)
            if known.name != entry.name:
                raise TaxonomyError(
                    expected=f"class {entry.id} to be {known.name!r} in all label files",
                    found=f"{entry.name!r} in {source.path}",
                    remedy="align files one by one whose classes are not the same",
                )
        for key, count in source.counts.items():
            counts[key] = counts.get(key, 0) + count
    return Taxonomy(tuple(classes.values())), dict(sorted(counts.items()))


def _recorded(aligner: Aligner) -> dict[str, Any]:
    return aligner.record() if isinstance(aligner, RecordedAligner) else {}


def _path(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)
