"""What notebooks, scripts, the command line and the panel call: files and arrays to labels."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_firstpass.backbones import backbone_factory
from napari_firstpass.code_heads import head_of
from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import ImageContentError, OptionError
from napari_firstpass.fit_options import DEFAULT_FIT, FitOptions
from napari_firstpass.fitting import (
    ReadyModel,
    SetModel,
    projection_hash,
    shown_references,
    weights_of,
)
from napari_firstpass.grid import IDENTITY, Grid
from napari_firstpass.hint_pairing import paired_hints_steps
from napari_firstpass.image_work import Files, SegmentReport, Work
from napari_firstpass.io.files import check_output
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.ground import metres_per_pixel
from napari_firstpass.io.hint_file import hint_files
from napari_firstpass.networks.semantic import SemanticModel
from napari_firstpass.own_classes import OwnClasses, load_model_steps
from napari_firstpass.pipeline import fit_set_steps, segment_steps
from napari_firstpass.progress import Progress, Span, Steps, guarded, ignore, relay, run
from napari_firstpass.provenance import Provenance
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.resolution import common_imagery_steps, labelling_metres, opened_at
from napari_firstpass.segmentation import ArraySink, Segmentation
from napari_firstpass.semantic_labels import record_of, write_steps
from napari_firstpass.state_file import StateFile
from napari_firstpass.taxonomy import numbered_taxonomy
from napari_firstpass.upsampling import upsampler_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from affine import Affine
    from numpy.typing import NDArray

    from napari_firstpass.bands import Role
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.hints import HintSet
    from napari_firstpass.imagery import Metres
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.sampling import OpenSource

DEFAULT_CONFIG = SegmentConfig()


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
) -> Steps[SegmentReport]:
    """Do the work of `segment_file` in steps; closing the generator leaves nothing behind."""
    # What is missing is said before a large file is read.
    backbone_factory(config.backbone, config.runtime)
    upsampler_of(config.upsample)
    head_of(config.projection)
    work = Work(
        numbered_taxonomy(config.classes),
        lambda name, digest: _provenance(config, name, digest, bands),
        lambda source, sink: segment_steps(source, config, sink, cache=cache),
    )
    work = work.at(labelling_metres(metres))
    return (yield from Files(image, out, bands, confidence, overwrite).written(work))


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
        Of this, ``window``, ``overlap``, ``min_region`` and ``device`` count, and the folder of a
        ``backbone``; for a network, ``seed`` too. The model brings the classes.

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
    if not isinstance(model, ReadyModel | SemanticModel):
        start = 10
        loading = load_model_steps(os.fspath(model), config, cache=cache)
        model = yield from relay(loading, Span(0, start, 100))
    work = _labelling(model, config, bands, metres)
    files = Files(image, out, bands, confidence, overwrite)
    return (yield from relay(files.written(work), Span(start, 100, 100)))


def _labelling(
    model: OwnClasses, config: SegmentConfig, bands: str | None, metres: Metres = None
) -> Work:
    if isinstance(model, SemanticModel):
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


def fit_files(
    images: Sequence[str | os.PathLike[str]],
    config: SegmentConfig = DEFAULT_CONFIG,
    *,
    bands: str | None = None,
    cache: FeatureCache | None = None,
    metres: Metres = None,
    state: str | os.PathLike[str] | None = None,
    hints: Sequence[str | os.PathLike[str]] = (),
    on_progress: Callable[[Progress], None] | None = None,
) -> SetModel:
    """Find classes that mean the same in many images, on windows spread over all of them.

    Parameters
    ----------
    images : sequence of path
        GeoTIFF, VRT, JPEG 2000, PNG or JPEG, of one kind: the same bands, type of values and,
        without ``metres``, size of pixels.
    config : SegmentConfig
        Of this, ``method``, ``backbone``, ``upsample``, ``projection``, ``classes``, ``seed`` and
        ``device`` count.
    bands : str or None
        What the bands are, such as ``"r,g,b,n"``, where the files do not say it.
    cache : FeatureCache, optional
        Where the features of networks are kept between runs.
    metres : float, "auto" or None
        Side of pixels on the ground that all images are read with; ``"auto"`` for that of the
        coarsest. None for their own.
    state : path or None
        A file to go on from if it holds the state of an earlier run of the same fit, and to keep
        that of this run in; removed at the end.
    hints : sequence of path
        Label files that say of some places of some images what is there, and nothing (0) of all
        others. The classes that they name come first, under their names.
    on_progress : callable or None
        Called with a `Progress` about every 100 ms of work; also to tell of an earlier state.

    Returns
    -------
    SetModel
        To be kept with `model_file.write_model`.

    Raises
    ------
    FirstPassError
        See `segment_file`; `ImageryError` if the images are not of one kind; and
        `GridMismatchError` or `TaxonomyError` if hints fit no image, or each other.

    Examples
    --------
    >>> write_model("classes.firstpass", fit_files(["a.tif", "b.tif"]))  # doctest: +SKIP
    """
    told = on_progress or ignore
    kept = None
    if state is not None:
        check_output(Path(state), overwrite=True, forbid=map(Path, [*images, *hints]))
        kept = StateFile(state, tell=lambda text: told(Progress(0, 1, text)))
    options = FitOptions(
        bands=bands, cache=cache, metres=metres, state=kept, hints=hint_files(hints)
    )
    model = run(guarded(fit_files_steps(images, config, options)), told)
    if kept is not None:
        kept.remove()
    return model


def fit_files_steps(
    images: Sequence[str | os.PathLike[str]],
    config: SegmentConfig = DEFAULT_CONFIG,
    options: FitOptions = DEFAULT_FIT,
) -> Steps[SetModel]:
    """Do the work of `fit_files` in steps."""
    opened = [
        NamedSource(Path(image).name, partial(open_raster, image, bands=options.bands))
        for image in images
    ]
    return (yield from fit_sources_steps(opened, config, options))


@dataclass(frozen=True, slots=True)
class NamedSource:
    """An image to fit on.

    Attributes
    ----------
    name : str
        What to call it in messages and records.
    open : callable
        Opens it; it may be called several times, and never while another image is open.
    """

    name: str
    open: OpenSource


def fit_sources_steps(
    images: Sequence[NamedSource],
    config: SegmentConfig = DEFAULT_CONFIG,
    options: FitOptions = DEFAULT_FIT,
) -> Steps[SetModel]:
    """Find classes that mean the same in images from anywhere; see `fit_files`.

    Parameters
    ----------
    images : sequence of NamedSource
        The images, of one kind.
    config : SegmentConfig
        As in `fit_files`.
    options : FitOptions
        What else there is to say.
    """
    if not images:
        raise OptionError(expected="images to fit on", found="none", remedy="name at least one")
    # What is missing is said before large files are read.
    backbone_factory(config.backbone, config.runtime)
    upsampler_of(config.upsample)
    head = head_of(config.projection)
    named = [(image.name, image.open) for image in images]
    looking = common_imagery_steps(named, options.metres)
    imagery = yield from relay(looking, Span(0, 5, 100))
    at = None if options.metres is None else imagery.metres
    hints = yield from relay(_hints(images, config, options), Span(5, 5, 100))
    opened = [open_ if at is None else opened_at(open_, at, name) for name, open_ in named]
    fit = fit_set_steps(opened, config, options, hints)
    fitted = yield from relay(fit, Span(5, 100, 100))
    return SetModel(
        stats=fitted.stats,
        scaler=fitted.scaler,
        classes=fitted.classes,
        features=fitted.features,
        config=config,
        taxonomy=(hints.taxonomy if hints else numbered_taxonomy)(config.classes),
        imagery=imagery,
        provenance=_set_record(config, [image.name for image in images], options.bands, at, hints),
        head=None if head is None else head.head,
    )


def _hints(
    images: Sequence[NamedSource], config: SegmentConfig, options: FitOptions
) -> Steps[HintSet | None]:
    """Return what somebody says of places, for the images that they are on."""
    if options.hints and (options.metres is not None or config.projection != "none"):
        raise OptionError(
            expected="hints on images and features as they are",
            found="another resolution" if options.metres is not None else "a projection",
            remedy="leave out the hints or the other",
        )
    names, opens = [image.name for image in images], [image.open for image in images]
    return (yield from paired_hints_steps(names, opens, options.hints, config.classes))


def _set_record(
    config: SegmentConfig,
    names: list[str],
    bands: str | None,
    metres: float | None,
    hints: HintSet | None,
) -> Provenance:
    chosen = {key: getattr(config, key) for key in ("method", "classes", "seed")}
    weights, finer = weights_of(config)
    return Provenance(
        config={
            **chosen,
            **shown_references(config),
            **({"upsample_sha256": finer} if finer else {}),
            **projection_hash(config),
            "bands": bands,
            **({} if metres is None else {"fitted_at_m": metres}),
            "fitted_on": names,
            **({} if hints is None else hints.record),
        },
        source=f"{len(names)} images",
        weights_sha256=weights,
    )


def segment_array(
    bands: NDArray[Any],
    config: SegmentConfig = DEFAULT_CONFIG,
    *,
    roles: tuple[Role | None, ...] | None = None,
    valid: NDArray[np.bool_] | None = None,
    transform: Affine = IDENTITY,
    crs: str | None = None,
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
    steps = segment_source_steps(ArraySource(raster), config, name="array")
    return run(guarded(steps), on_progress or ignore)


def segment_source_steps(
    source: RasterSource,
    config: SegmentConfig,
    *,
    name: str,
    digest: str | None = None,
    cache: FeatureCache | None = None,
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
    """
    taxonomy = numbered_taxonomy(config.classes)
    sink = ArraySink.of(source.grid, taxonomy)
    yield from segment_steps(source, config, sink, cache=cache)
    return Segmentation(
        labels=sink.labels,
        taxonomy=taxonomy,
        grid=source.grid,
        confidence=sink.confidence,
        provenance=_provenance(config, name, digest, bands=None),
    )


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
    work = _labelling(model, config, None, metres)
    sink = ArraySink.of(source.grid, work.taxonomy)
    yield from work.labels(source, sink)
    return Segmentation(
        labels=sink.labels,
        taxonomy=work.taxonomy,
        grid=source.grid,
        confidence=sink.confidence,
        provenance=work.record(name, digest),
    )


def _provenance(
    config: SegmentConfig, name: str, digest: str | None, bands: str | None
) -> Provenance:
    # The device is left out: it is a matter of speed, and `auto` says nothing.
    options = {key: value for key, value in asdict(config).items() if key != "device"}
    options |= shown_references(config)  # no folders: hashes tell which weights they were
    weights, finer = weights_of(config)
    if finer is not None:
        options["upsample_sha256"] = finer
    options |= projection_hash(config)
    return Provenance(
        config={**options, "bands": bands},
        source=name,
        source_sha256=digest,
        weights_sha256=weights,
    )


def _require_image(bands: NDArray[Any]) -> None:
    if bands.ndim != 3 or bands.dtype.kind not in "uif" or 0 in bands.shape:
        raise ImageContentError(
            expected="an array of numbers of shape (C, H, W) or (H, W)",
            found=f"shape {bands.shape} of type {bands.dtype}",
            remedy="move the bands to the front and convert the values",
        )
