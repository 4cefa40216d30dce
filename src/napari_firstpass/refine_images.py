"""What notebooks, the command line and the panel call to refine labels that are there already."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import astuple, dataclass, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from napari_firstpass.config import DEFAULT_REFINING, WINDOW_STEP
from napari_firstpass.device import torch_device
from napari_firstpass.errors import ImageContentError
from napari_firstpass.grid import Grid, Window
from napari_firstpass.image_work import ImageFiles, Work, labels_told_steps
from napari_firstpass.io.label_images import require_labels_of
from napari_firstpass.io.label_source import LabelSource
from napari_firstpass.io.suggestion_file import SuggestionFile
from napari_firstpass.normalize import filled, usable
from napari_firstpass.progress import Progress, Span, Steps, guarded, ignore, relay, run
from napari_firstpass.protocols import TrainedRefiner
from napari_firstpass.provenance import Provenance
from napari_firstpass.raster import ArraySource, raster_of_labels
from napari_firstpass.refiners import REFINERS
from napari_firstpass.refining import (
    MOST_VIEWS,
    VALUES_PER_CLASS,
    VIEW_SIDE,
    WindowLabels,
    refine_window_steps,
    refiner_record,
    remembers,
    view_of,
)
from napari_firstpass.sampling import band_stats_steps
from napari_firstpass.segmentation import SURE, ArraySink, Segmentation, id_counts, label_dtype
from napari_firstpass.side_by_side import in_order_steps
from napari_firstpass.suggestions import key_dtype, keys_of
from napari_firstpass.taxonomy import UNLABELLED
from napari_firstpass.tiling import Tile, affordable, at_once, spread_windows, tiles

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from napari_firstpass.bands import Role
    from napari_firstpass.config import RefineConfig
    from napari_firstpass.image_work import SegmentReport
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.protocols import LabelSink, Refiner
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.refinement import View
    from napari_firstpass.segmentation import Labels
    from napari_firstpass.suggestions import KeySink


@dataclass(frozen=True, slots=True)
class GuideWindows:
    """Labels that are to be refined, handed out by windows.

    Attributes
    ----------
    grid : Grid
        Size and place.
    counts : mapping of int to int
        Pixels of each id that occurs, in the part that is refined.
    highest : int
        Highest id there can be.
    labels : callable
        Returns labels (h, w), uint8 or uint16, under a window.
    confidence : callable
        Returns their confidence (h, w), uint8; None where nobody knows.
    """

    grid: Grid
    counts: Mapping[int, int]
    highest: int
    labels: Callable[[Window], Labels]
    confidence: Callable[[Window], NDArray[np.uint8] | None]

    @classmethod
    def of(cls, segmentation: Segmentation, area: Window | None = None) -> GuideWindows:
        """Hand out labels in memory, of which ``area``, or else all, is refined."""
        labels, sure = segmentation.labels, segmentation.confidence
        looked_at = labels if area is None else labels[area.slices]
        counts = {i: int(n) for i, n in enumerate(id_counts(looked_at)) if n}
        return cls(
            segmentation.grid,
            counts,
            segmentation.taxonomy.max_id,
            lambda window: labels[window.slices],
            lambda window: None if sure is None else sure[window.slices],
        )

    def read(self, window: Window) -> WindowLabels:
        """Return labels and confidence under a window."""
        labels, sure = self.labels(window), self.confidence(window)
        narrow = cast("Labels", labels.astype(label_dtype(self.highest)))
        return WindowLabels(narrow, np.full(labels.shape, SURE, np.uint8) if sure is None else sure)


@dataclass(frozen=True, slots=True)
class Changes:
    """How much was changed.

    Attributes
    ----------
    moved : int
        Pixels that had a class, and have another one now.
    gained, lost : int
        Pixels that had no class and have one, and the other way round: those without data.
    """

    moved: int = 0
    gained: int = 0
    lost: int = 0

    @classmethod
    def between(cls, before: Labels, after: Labels) -> Changes:
        """Count what differs."""
        had, has = before != UNLABELLED, after != UNLABELLED
        return cls(
            int((had & has & (before != after)).sum()),
            int((~had & has).sum()),
            int((had & ~has).sum()),
        )

    def plus(self, other: Changes) -> Changes:
        """Add those of another place."""
        return Changes(self.moved + other.moved, self.gained + other.gained, self.lost + other.lost)


@dataclass(frozen=True, slots=True)
class RefineReport:
    """What was written.

    Attributes
    ----------
    written : SegmentReport
        The files, their classes and how many pixels these have.
    guide : Path
        The label file that was refined.
    guide_confidence : Path or None
        The confidence that was found beside it.
    changes : Changes
        How much was changed.
    suggestions : Path or None
        The file of regions found inside classes, if any were asked for and found.
    suggested : int
        How many there are.
    """

    written: SegmentReport
    guide: Path
    guide_confidence: Path | None
    changes: Changes
    suggestions: Path | None = None
    suggested: int = 0


def refine_file(
    image: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    out: str | os.PathLike[str],
    config: RefineConfig = DEFAULT_REFINING,
    *,
    bands: str | None = None,
    confidence: str | os.PathLike[str] | None = None,
    suggestions: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> RefineReport:
    """Refine a label file of any size: its borders then follow the image.

    Classes, names and colours stay as they are. The record of the label file is kept, and what was
    done is added to it under ``refined``, once for each time.

    Parameters
    ----------
    image : path
        A GeoTIFF, VRT, JPEG 2000, PNG or JPEG.
    labels : path
        A file of one band of ids, on the same grid. The confidence that was written beside it
        (``NAME_confidence.tif``) is used.
    out : path
        The new label file, ``.tif``; written whole or not at all.
    config : RefineConfig
        How to refine.
    bands : str or None
        What the bands of the image are, such as ``"r,g,b,n"``, where it does not say it.
    confidence : path or None
        Where to write how sure the new labels are, 0 to 255; None for nowhere.
    suggestions : path or None
        Where to write regions that were found inside classes, as a label file with a class for
        each; not written if there are none.
    overwrite : bool
        Whether existing output may be replaced. Image and labels never are.
    on_progress : callable or None
        Called with a `Progress` about every 100 ms of work.

    Raises
    ------
    FirstPassError
        `GridMismatchError` if image and labels do not cover the same pixels, `ImageContentError` if
        there are fewer than two classes or no data, `UnknownNameError` for an unknown refiner or
        preset, and as `api.segment_file`; nothing is left behind.

    Examples
    --------
    >>> report = refine_file("scene.tif", "labels.tif", "finer.tif")  # doctest: +SKIP
    """
    steps = refine_file_steps(
        image,
        labels,
        out,
        config,
        bands=bands,
        confidence=confidence,
        suggestions=suggestions,
        overwrite=overwrite,
    )
    return run(guarded(steps), on_progress or ignore)


def refine_file_steps(
    image: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    out: str | os.PathLike[str],
    config: RefineConfig = DEFAULT_REFINING,
    *,
    bands: str | None = None,
    confidence: str | os.PathLike[str] | None = None,
    suggestions: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> Steps[RefineReport]:
    """Do the work of `refine_file` in steps; closing the generator leaves nothing behind."""
    refiner = _refiner(config)
    with LabelSource(labels) as source:
        others = () if suggestions is None else (Path(suggestions),)
        files = ImageFiles(image, out, bands, confidence, overwrite, source.files, others)
        with files.opened() as opened:
            require_labels_of(opened.grid, source.grid)
            forbid = (*files.read(opened), Path(out))
        yield from relay(source.look_steps(), Span(0, 4, 100))
        guide = GuideWindows(
            source.grid, source.counts, source.taxonomy.max_id, source.read, source.read_confidence
        )
        read = yield from relay(labels_told_steps(source), Span(4, 5, 100), "reading the file")
        told = {**_record(config, refiner), **read, "bands": bands}
        changes: list[Changes] = []
        suggested: list[int] = []

        def write(raster: RasterSource, sink: LabelSink) -> Steps[None]:
            with _suggestion_file(suggestions, source, forbid, overwrite=overwrite) as keys:
                steps = refine_windows_steps(raster, guide, sink, config, refiner, keys=keys)
                changes.append((yield from relay(steps, Span(0, 95, 100))))
                if keys is not None:
                    record = refined_record(source.provenance, told, Path(image).name, None)
                    finishing = relay(keys.finish(record), Span(95, 100, 100))
                    suggested.append((yield from finishing))

        work = Work(
            source.taxonomy,
            lambda name, digest: refined_record(source.provenance, told, name, digest),
            write,
        )
        written = yield from relay(files.written(work), Span(5, 100, 100))
    count = sum(suggested)
    found = Path(suggestions) if suggestions is not None and count else None
    return RefineReport(written, source.path, source.confidence_path, changes[0], found, count)


def _suggestion_file(
    path: str | os.PathLike[str] | None,
    labels: LabelSource,
    forbid: tuple[Path, ...],
    *,
    overwrite: bool,
) -> AbstractContextManager[SuggestionFile | None]:
    """Return what takes suggestions, or nothing where none are wanted."""
    if path is None:
        return nullcontext()
    return SuggestionFile(
        path, grid=labels.grid, classes=labels.taxonomy, overwrite=overwrite, forbid=forbid
    )


def refine_array(
    bands: NDArray[Any],
    segmentation: Segmentation,
    config: RefineConfig = DEFAULT_REFINING,
    *,
    roles: tuple[Role | None, ...] | None = None,
    valid: NDArray[np.bool_] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Segmentation:
    """Refine labels in memory.

    Parameters
    ----------
    bands : (C, H, W) array of an integer or floating dtype
        The image; (H, W) counts as one band. Not modified. NaN counts as no data.
    segmentation : Segmentation
        Its labels; not modified. Without a confidence, all of them are taken to be as sure.
    config : RefineConfig
        How to refine.
    roles : tuple of C str or None
        What each band shows: ``"red"``, ``"green"``, ``"blue"``, ``"nir"`` or None. Without it,
        the first three bands are looked at.
    valid : (H, W) bool array, optional
        False where there is no data.
    on_progress : callable or None
        Called with a `Progress` about every 100 ms of work.

    Returns
    -------
    Segmentation
        With a confidence; its record tells of the refinement.

    Raises
    ------
    FirstPassError
        As `refine_file`.
    """
    raster = raster_of_labels(bands, segmentation.grid, roles=roles, valid=valid)
    steps = refine_source_steps(ArraySource(raster), segmentation, config)
    return run(guarded(steps), on_progress or ignore)


def refine_source_steps(
    source: RasterSource,
    segmentation: Segmentation,
    config: RefineConfig = DEFAULT_REFINING,
    *,
    area: Window | None = None,
    keys: KeySink | None = None,
    name: str = "array",
    digest: str | None = None,
) -> Steps[Segmentation]:
    """Refine labels in memory over anything that hands out windows.

    Parameters
    ----------
    source : RasterSource
        The image.
    segmentation : Segmentation
        The labels; not modified.
    config : RefineConfig
        How to refine.
    area : Window or None
        The only part that is changed; what lies around it is looked at. None for all.
    keys : KeySink or None
        Takes the keys of regions found inside classes; see `Suggestions`.
    name : str
        What the image is called, for the provenance.
    digest : str or None
        SHA-256 of the image file, for the provenance.

    Raises
    ------
    FirstPassError
        As `refine_file`.
    """
    refiner = _refiner(config)
    require_labels_of(source.grid, segmentation.grid)
    sink = ArraySink(segmentation.labels.copy(), _confidence_of(segmentation))
    guide = GuideWindows.of(segmentation, area)
    yield from refine_windows_steps(source, guide, sink, config, refiner, area=area, keys=keys)
    told = _record(config, refiner)
    if area is not None:
        told["area"] = astuple(area)
    return replace(
        segmentation,
        labels=sink.labels,
        confidence=sink.confidence,
        provenance=refined_record(segmentation.provenance, told, name, digest),
    )


def refine_windows_steps(
    source: RasterSource,
    guide: GuideWindows,
    sink: LabelSink,
    config: RefineConfig,
    refiner: Refiner,
    *,
    area: Window | None = None,
    keys: KeySink | None = None,
) -> Steps[Changes]:
    """Refine labels window by window, in row-major order, with context around each.

    Keys of regions found inside classes go to ``keys``.

    Raises
    ------
    ImageContentError
        If the image holds no data or one value everywhere, or if in the part that is refined fewer
        than two classes occur.
    """
    _require_classes(guide)
    device = torch_device(config.device)
    stats = yield from relay(band_stats_steps(source, config.seed), Span(0, 5, 100))
    cuts = _cut(source, guide, config, area)
    begin = 50
    if len(cuts) > 1 and isinstance(refiner, TrainedRefiner):
        views = _views(source, guide, stats, config, area or source.grid.window)
        refiner = yield from relay(refiner.trained(views), Span(begin, 150, 1000), "training")
        begin = 150
    changes: list[Changes] = []
    dtype = key_dtype(guide.highest)

    def write(done: tuple[Tile, WindowLabels, WindowLabels]) -> None:
        tile, before, after = done
        rows, cols = tile.core.relative_to(tile.padded).slices
        sink.write(tile.core, after.labels[rows, cols], after.confidence[rows, cols])
        if keys is not None and after.parts is not None:
            found = keys_of(after.labels[rows, cols], after.parts[rows, cols], dtype)
            keys.write(tile.core, found)
        changes.append(Changes.between(before.labels[rows, cols], after.labels[rows, cols]))

    suggest = keys is not None
    windows = (_refined(source, guide, stats, refiner, tile, device, suggest) for tile in cuts)
    workers = _workers(cuts, source, guide, refiner)
    steps = in_order_steps(windows, write, workers=workers, count=len(cuts), name="window")
    yield from relay(steps, Span(begin, 1000, 1000))
    return reduce(Changes.plus, changes, Changes())


def _refined(
    source: RasterSource,
    guide: GuideWindows,
    stats: BandStats,
    refiner: Refiner,
    tile: Tile,
    device: torch.device,
    suggest: bool,
) -> Steps[tuple[Tile, WindowLabels, WindowLabels]]:
    """Return the labels of a tile's padded window before and after."""
    raster, before = usable(source.read(tile.padded)), guide.read(tile.padded)
    inner = refine_window_steps(
        refiner, filled(raster), stats, before, guide.highest, device, suggest=suggest
    )
    return tile, before, (yield from inner)


def _workers(
    cuts: Sequence[Tile], source: RasterSource, guide: GuideWindows, refiner: Refiner
) -> int:
    """Return how many windows to refine at the same time."""
    if remembers(refiner):
        return 1
    values = VALUES_PER_CLASS * len(guide.counts)
    return min(torch.get_num_threads(), at_once(cuts, bands=len(source.names), classes=values))


def _views(
    source: RasterSource, guide: GuideWindows, stats: BandStats, config: RefineConfig, place: Window
) -> list[View]:
    """Return windows spread over a place, to train a refiner on."""
    device, views = torch_device(config.device), []
    grid = source.grid.crop(place)
    for part in spread_windows(grid, side=VIEW_SIDE, limit=MOST_VIEWS, seed=config.seed):
        window = replace(part, row=part.row + place.row, col=part.col + place.col)
        raster = usable(source.read(window))
        if raster.valid.any():
            before = guide.read(window)
            views.append(view_of(filled(raster), stats, before, guide.highest, device))
    return views


def refined_record(
    before: Provenance, told: Mapping[str, Any], name: str, digest: str | None
) -> Provenance:
    """Add to the record of labels that they were refined, and with which image.

    The rest still tells how they came about before; they may be refined several times.
    """
    return before.with_step("refined", {**told, "image": name, "image_sha256": digest})


def _record(config: RefineConfig, refiner: Refiner) -> dict[str, Any]:
    reference = f"{config.refiner}:{config.preset}"
    options = {key: getattr(config, key) for key in ("window", "overlap", "seed")}
    return {**refiner_record(reference, refiner), **options, "version": Provenance().version}


def _refiner(config: RefineConfig) -> Refiner:
    device = torch_device(config.device)
    factory = REFINERS.load(config.refiner)
    return factory(preset=config.preset, seed=config.seed, device=device)


def _confidence_of(segmentation: Segmentation) -> NDArray[np.uint8]:
    if segmentation.confidence is not None:
        return segmentation.confidence.copy()
    return np.where(segmentation.labels == UNLABELLED, 0, SURE).astype(np.uint8)


def _require_classes(guide: GuideWindows) -> None:
    held = [key for key, count in guide.counts.items() if key != UNLABELLED and count]
    if len(held) >= 2:
        return
    raise ImageContentError(
        expected="labels of at least two classes, to find the borders between them",
        found=f"class {held[0]} alone" if held else "none: all pixels are unlabelled",
        remedy="label what surrounds it as a class of its own" if held else "label some first",
    )


def _cut(
    source: RasterSource, guide: GuideWindows, config: RefineConfig, area: Window | None
) -> list[Tile]:
    """Return the windows of an area; with their context they begin at multiples of 16 pixels."""
    window, overlap = affordable(
        config.window,
        config.overlap,
        bands=len(source.names),
        classes=VALUES_PER_CLASS * len(guide.counts),
    )
    place = area or source.grid.window
    cores = tiles(source.grid.crop(place), window=window, overlap=overlap)
    return [_moved(tile.core, place, overlap, source.grid) for tile in cores]


def _moved(core: Window, place: Window, overlap: int, grid: Grid) -> Tile:
    """Return a window of an area as one of the whole image, with context."""
    core = replace(core, row=core.row + place.row, col=core.col + place.col)
    padded = core.grown(overlap, height=grid.height, width=grid.width)
    row, col = (start // WINDOW_STEP * WINDOW_STEP for start in (padded.row, padded.col))
    aligned = Window(row, col, padded.bottom - row, padded.right - col)
    return Tile(core, aligned)
