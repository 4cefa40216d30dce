"""What notebooks, scripts, the command line and the panel call: files and arrays to labels."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from napari_firstpass.attention_labels import attention_folder, attention_labels_steps
from napari_firstpass.code_heads import head_of
from napari_firstpass.config import DEFAULT_CONFIG, SegmentConfig
from napari_firstpass.describing import require_known
from napari_firstpass.errors import ImageContentError
from napari_firstpass.fitting import weights_record
from napari_firstpass.grid import IDENTITY, Grid
from napari_firstpass.image_work import ImageFiles, SegmentReport, Work
from napari_firstpass.io.ground import metres_per_pixel
from napari_firstpass.own_classes import OwnClasses, load_model_steps
from napari_firstpass.pipeline import fit_steps, label_steps, parts_of_run, segment_steps
from napari_firstpass.progress import Progress, Span, Steps, guarded, ignore, relay, run
from napari_firstpass.provenance import Provenance
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.refining import run_record
from napari_firstpass.resolution import at_metres, labelling_metres
from napari_firstpass.segmentation import ArraySink, Segmentation
from napari_firstpass.semantic_labels import ClassNetwork, record_of, write_steps
from napari_firstpass.taxonomy import numbered_taxonomy

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from affine import Affine
    from numpy.typing import NDArray

    from napari_firstpass.bands import Role
    from napari_firstpass.class_count import ClassCount
    from napari_firstpass.diffusion.folder import DiffusionFolder
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.imagery import Metres
    from napari_firstpass.protocols import LabelSink
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.taxonomy import Taxonomy

    Begin = Callable[[Grid, Taxonomy, Provenance], LabelSink]


def segment_file(
    image: str | os.PathLike[str],
    out: str | os.PathLike[str],
    config: SegmentConfig = DEFAULT_CONFIG,
    *,
    bands: str | None = None,
    confidence: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    cache: FeatureCache | None = None,
    metres: Metres = None,
    auto_classes: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> SegmentReport:
    """Segment an image file of any size into a georeferenced label file.

    Parameters
    ----------
    image : path
        A GeoTIFF, VRT, JPEG 2000, PNG or JPEG.
    out : path
        The label file, ``.tif``; written whole or not at all.
    config : SegmentConfig
        Method, number of classes, and so on.
    bands : str or None
        What the bands are, such as ``"r,g,b,n"``, where the file does not say it.
    confidence : path or None
        Where to write how sure the method is of each pixel, 0 to 255; None for nowhere.
    overwrite : bool
        Whether existing output may be replaced. The image itself never is.
    cache : FeatureCache, optional
        Where the features of networks are kept between runs; the labels are the same without.
    metres : float, "auto" or None
        Side of pixels on the ground that the image is read with, a quarter to 32 times its own;
        the label file has the image's own pixels. ``"auto"`` for that of a model. None for its own.
    auto_classes : bool
        Whether the image decides how many classes there are, as `suggest_classes` does; those of
        ``config`` then do not count.
    on_progress : callable or None
        Called with a `Progress` about every 100 ms of work.

    Raises
    ------
    FirstPassError
        `ImageReadError`, `ImageContentError`, `BandError`, `OptionError`, `UnknownNameError`,
        `WeightsError`, `DeviceError`, `OutputError` or `ComputeError`; nothing is left behind.

    Examples
    --------
    >>> report = segment_file("scene.tif", "labels.tif")  # doctest: +SKIP
    """
    steps = segment_file_steps(
        image,
        out,
        config,
        bands=bands,
        confidence=confidence,
        overwrite=overwrite,
        cache=cache,
        metres=metres,
        auto_classes=auto_classes,
    )
    return run(guarded(steps), on_progress or ignore)


def segment_file_steps(
    image: str | os.PathLike[str],
    out: str | os.PathLike[str],
    config: SegmentConfig = DEFAULT_CONFIG,
    *,
    bands: str | None = None,
    confidence: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    cache: FeatureCache | None = None,
    metres: Metres = None,
    auto_classes: bool = False,
) -> Steps[SegmentReport]:
    """Do the work of `segment_file` in steps; closing the generator leaves nothing behind."""
    # What is missing is said before a large file is read.
    folder = attention_folder(config, auto_classes=auto_classes)
    if folder is None:
        require_known(config)
    files = ImageFiles(image, out, bands, confidence, overwrite)
    at = labelling_metres(metres)
    if folder is not None:
        return (yield from _attended_first(files, config, folder, at))
    if auto_classes:
        return (yield from _fitted_first(files, config, cache, at))
    work = Work(
        numbered_taxonomy(config.classes),
        lambda name, digest: _provenance(config, name, digest, bands),
        lambda source, sink: segment_steps(source, config, sink, cache=cache),
    )
    return (yield from files.written(work.at(at)))


def _fitted_first(
    files: ImageFiles, config: SegmentConfig, cache: FeatureCache | None, at: float | None
) -> Steps[SegmentReport]:
    """Find the classes before the file is begun: its type depends on how many there are."""
    with files.opened() as source:
        seen = source if at is None else at_metres(source, at, "the image")
        fitting, rest = parts_of_run(seen, config)
        fit = fit_steps(seen, config, cache=cache, auto_classes=True)
        model = yield from relay(fit, fitting)
    used = replace(config, classes=model.count)
    work = Work(
        numbered_taxonomy(model.count),
        lambda name, digest: _provenance(used, name, digest, files.bands, model.suggested),
        lambda source, sink: label_steps(source, model, used, sink),
    )
    report = yield from relay(files.written(work.at(at)), rest)
    return replace(report, suggested=model.suggested)


def _attended_first(
    files: ImageFiles, config: SegmentConfig, folder: DiffusionFolder, at: float | None
) -> Steps[SegmentReport]:
    """Find the regions before the file is begun: its type depends on how many there are."""
    with files.opened() as source:
        seen = source if at is None else at_metres(source, at, "the image")
        found = yield from relay(attention_labels_steps(seen, folder, config), Span(0, 95, 100))
    work = Work(
        found.taxonomy,
        lambda name, digest: _of_image(found.record, name, digest, files.bands),
        lambda _, sink: found.write_steps(sink, config.window),
    )
    return (yield from relay(files.written(work.at(at)), Span(95, 100, 100)))


def label_file(
    image: str | os.PathLike[str],
    out: str | os.PathLike[str],
    model: str | os.PathLike[str] | OwnClasses,
    config: SegmentConfig = DEFAULT_CONFIG,
    *,
    bands: str | None = None,
    confidence: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    cache: FeatureCache | None = None,
    metres: Metres = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> SegmentReport:
    """Label an image file of any size with classes that are there already.

    Parameters
    ----------
    image, out, bands, confidence, overwrite, cache, metres, on_progress
        See `segment_file`.
    model : str, path or loaded model
        A file of ``firstpass fit``, ``"classes.firstpass"``: then classes mean the same in all
        images. Or a network that was trained with labels, by a short name such as
        ``"segformer-b0-ade"`` or the path of a folder, such as ``"./model"``, that holds a
        SegFormer, Mask2Former or OneFormer: then what it has not learned cannot be found. For
        several images, load it once, with `own_classes.load_model_steps`.
    config : SegmentConfig
        Of this, ``window``, ``overlap``, ``min_region``, ``refine`` and ``device`` count, and the
        folder of a ``backbone``; for a network or a refiner, ``seed`` too. The model brings the
        classes.

    Raises
    ------
    FirstPassError
        See `segment_file`; and `ImageryError` if the image is not like those of the fit.

    Examples
    --------
    >>> report = label_file("scene.tif", "labels.tif", "classes.firstpass")  # doctest: +SKIP
    """
    steps = label_file_steps(
        image,
        out,
        model,
        config,
        bands=bands,
        confidence=confidence,
        overwrite=overwrite,
        cache=cache,
        metres=metres,
    )
    return run(guarded(steps), on_progress or ignore)


def label_file_steps(
    image: str | os.PathLike[str],
    out: str | os.PathLike[str],
    model: str | os.PathLike[str] | OwnClasses,
    config: SegmentConfig = DEFAULT_CONFIG,
    *,
    bands: str | None = None,
    confidence: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    cache: FeatureCache | None = None,
    metres: Metres = None,
) -> Steps[SegmentReport]:
    """Do the work of `label_file` in steps; closing the generator leaves nothing behind."""
    start = 0
    if not isinstance(model, OwnClasses):
        start = 10
        loading = load_model_steps(os.fspath(model), config, cache=cache)
        model = yield from relay(loading, Span(0, start, 100))
    work = _labelling(model, config, bands, metres)
    files = ImageFiles(image, out, bands, confidence, overwrite)
    return (yield from relay(files.written(work), Span(start, 100, 100)))


def _labelling(
    model: OwnClasses, config: SegmentConfig, bands: str | None, metres: Metres = None
) -> Work:
    if isinstance(model, ClassNetwork):
        work = Work(
            model.classes,
            lambda name, digest: record_of(model, config, name=name, digest=digest, bands=bands),
            lambda source, sink: write_steps(source, model, sink, config),
        )
        return work.at(labelling_metres(metres))
    work = Work(
        model.model.taxonomy,
        lambda name, digest: model.record(config, name=name, digest=digest, bands=bands),
        lambda source, sink: model.write_steps(source, metres_per_pixel(source.grid), sink, config),
    )
    return work.at(labelling_metres(metres, model.model.imagery.metres))


def segment_array(
    bands: NDArray[Any],
    config: SegmentConfig = DEFAULT_CONFIG,
    *,
    roles: tuple[Role | None, ...] | None = None,
    valid: NDArray[np.bool_] | None = None,
    transform: Affine = IDENTITY,
    crs: str | None = None,
    auto_classes: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Segmentation:
    """Segment an image in memory.

    Parameters
    ----------
    bands : (C, H, W) array of an integer or floating dtype
        The image; (H, W) counts as one band. Not modified. NaN counts as no data.
    config : SegmentConfig
        Method, number of classes, and so on.
    roles : tuple of C str or None
        What each band shows: ``"red"``, ``"green"``, ``"blue"``, ``"nir"`` or None. Three bands
        without roles are taken as red, green, blue; four as these and near infrared.
    valid : (H, W) bool array, optional
        False where there is no data.
    transform, crs
        Place on Earth, handed on to the result.
    auto_classes : bool
        See `segment_file`.
    on_progress : callable or None
        Called with a `Progress` about every 100 ms of work.

    Raises
    ------
    FirstPassError
        See `segment_file`.
    """
    stacked = bands[None] if bands.ndim == 2 else bands
    _require_image(stacked)
    if roles is None:
        usual: tuple[Role, ...] = ("red", "green", "blue", "nir")
        roles = usual[: len(stacked)] if len(stacked) in (3, 4) else None
    grid = Grid(stacked.shape[1], stacked.shape[2], transform, crs)
    raster = Raster.from_array(stacked, grid, roles=roles, valid=valid)
    steps = segment_source_steps(
        ArraySource(raster), config, name="array", auto_classes=auto_classes
    )
    return run(guarded(steps), on_progress or ignore)


def segment_source_steps(
    source: RasterSource,
    config: SegmentConfig,
    *,
    name: str,
    digest: str | None = None,
    cache: FeatureCache | None = None,
    auto_classes: bool = False,
) -> Steps[Segmentation]:
    """Segment anything that hands out windows; the labels are collected in memory.

    Parameters
    ----------
    source : RasterSource
        The image.
    config : SegmentConfig
        Method, number of classes, and so on.
    name : str
        What the image is called, for the provenance.
    digest : str or None
        SHA-256 of the image file, for the provenance.
    cache : FeatureCache, optional
        See `segment_file`.
    auto_classes : bool
        See `segment_file`.
    """
    held = _Held()
    yield from segment_into_steps(
        source,
        config,
        held.begin,
        name=name,
        digest=digest,
        cache=cache,
        auto_classes=auto_classes,
    )
    return held.segmentation


def segment_into_steps(
    source: RasterSource,
    config: SegmentConfig,
    begin: Begin,
    *,
    name: str,
    digest: str | None = None,
    cache: FeatureCache | None = None,
    auto_classes: bool = False,
) -> Steps[None]:
    """Segment anything that hands out windows, into what ``begin`` returns.

    It is called once the classes are known: the type of the labels depends on how many there are.
    For other parameters see `segment_source_steps`.
    """
    folder = attention_folder(config, auto_classes=auto_classes)
    if folder is not None:
        seeing = attention_labels_steps(source, folder, config)
        found = yield from relay(seeing, Span(0, 95, 100))
        record = _of_image(found.record, name, digest, None)
        sink = begin(found.grid, found.taxonomy, record)
        yield from relay(found.write_steps(sink, config.window), Span(95, 100, 100))
        return
    fit = fit_steps(source, config, cache=cache, auto_classes=auto_classes)
    fitting, labelling = parts_of_run(source, config)
    model = yield from relay(fit, fitting)
    config = replace(config, classes=model.count)
    record = _provenance(config, name, digest, None, model.suggested)
    sink = begin(source.grid, numbered_taxonomy(config.classes), record)
    yield from relay(label_steps(source, model, config, sink), labelling)


def label_source_steps(
    source: RasterSource,
    model: OwnClasses,
    config: SegmentConfig = DEFAULT_CONFIG,
    *,
    name: str,
    digest: str | None = None,
    metres: Metres = None,
) -> Steps[Segmentation]:
    """Label anything that hands out windows; the labels are collected in memory.

    Parameters
    ----------
    source : RasterSource
        The image.
    model : loaded model
        See `own_classes.load_model_steps`.
    config : SegmentConfig
        As in `label_file`.
    name, digest
        As in `segment_source_steps`.
    metres
        As in `label_file`.

    Raises
    ------
    ImageryError
        If the image is not like those of the fit.
    """
    held = _Held()
    into = label_into_steps(
        source, model, config, held.begin, name=name, digest=digest, metres=metres
    )
    yield from into
    return held.segmentation


def label_into_steps(
    source: RasterSource,
    model: OwnClasses,
    config: SegmentConfig,
    begin: Begin,
    *,
    name: str,
    digest: str | None = None,
    metres: Metres = None,
) -> Steps[None]:
    """Label anything that hands out windows, into what ``begin`` returns; see the two above."""
    work = _labelling(model, config, None, metres)
    sink = begin(source.grid, work.taxonomy, work.record(name, digest))
    yield from work.labels(source, sink)


class _Held:
    """Labels in memory."""

    def __init__(self) -> None:
        self._known: tuple[ArraySink, Grid, Taxonomy, Provenance] | None = None

    def begin(self, grid: Grid, taxonomy: Taxonomy, record: Provenance) -> ArraySink:
        """Make room for labels of a grid."""
        sink = ArraySink.of(grid, taxonomy)
        self._known = sink, grid, taxonomy, record
        return sink

    @property
    def segmentation(self) -> Segmentation:
        """The labels, once they are written."""
        if self._known is None:
            raise RuntimeError("labels were asked for that nobody has begun")
        sink, grid, taxonomy, record = self._known
        return Segmentation(sink.labels, taxonomy, grid, sink.confidence, record)


def _provenance(
    config: SegmentConfig,
    name: str,
    digest: str | None,
    bands: str | None,
    suggested: ClassCount | None = None,
) -> Provenance:
    # The device is left out: it is a matter of speed, and `auto` says nothing. Of refining, more
    # is told.
    left_out = ("device", "refine")
    options = {key: value for key, value in asdict(config).items() if key not in left_out}
    # No folders: hashes tell which weights they were.
    references, weights = weights_record(config, head_of(config.projection))
    return Provenance(
        config={
            **options,
            **references,
            **_told(suggested),
            **run_record(config),
            "bands": bands,
        },
        source=name,
        source_sha256=digest,
        weights_sha256=weights,
    )


def _of_image(record: Provenance, name: str, digest: str | None, bands: str | None) -> Provenance:
    """Add to a record which image it is about."""
    told = {**record.config, "bands": bands}
    return replace(record, config=told, source=name, source_sha256=digest)


def _told(suggested: ClassCount | None) -> dict[str, Any]:
    """Return what records say of a number of classes that nobody chose."""
    return {} if suggested is None else {"suggested": suggested.to_dict()}


def _require_image(bands: NDArray[Any]) -> None:
    if bands.ndim != 3 or bands.dtype.kind not in "uif" or 0 in bands.shape:
        raise ImageContentError(
            expected="an array of numbers of shape (C, H, W) or (H, W)",
            found=f"shape {bands.shape} of type {bands.dtype}",
            remedy="move the bands to the front and convert the values",
        )
