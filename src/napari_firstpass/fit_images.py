"""What notebooks, the command line and the panel call for many images that are to share classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_firstpass.config import DEFAULT_CONFIG, MAX_CLASSES
from napari_firstpass.describing import require_known
from napari_firstpass.errors import OptionError
from napari_firstpass.fit_options import DEFAULT_FIT, FitOptions
from napari_firstpass.fitting import SetModel, weights_record
from napari_firstpass.hint_pairing import paired_hints_steps
from napari_firstpass.io.files import check_output
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.hint_file import hint_files
from napari_firstpass.pipeline import fit_set_steps
from napari_firstpass.progress import Progress, Span, Steps, guarded, ignore, relay, run
from napari_firstpass.provenance import Provenance
from napari_firstpass.resolution import common_imagery_steps, opened_at
from napari_firstpass.state_file import StateFile
from napari_firstpass.taxonomy import numbered_taxonomy

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from napari_firstpass.code_heads.head import HeadFile
    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.hints import HintSet
    from napari_firstpass.imagery import Imagery, Metres
    from napari_firstpass.pipeline import FittedModel
    from napari_firstpass.sampling import OpenSource


def fit_files(
    images: Sequence[str | os.PathLike[str]],
    config: SegmentConfig = DEFAULT_CONFIG,
    *,
    bands: str | None = None,
    cache: FeatureCache | None = None,
    metres: Metres = None,
    state: str | os.PathLike[str] | None = None,
    hints: Sequence[str | os.PathLike[str]] = (),
    attribute: str | None = None,
    auto_classes: bool = False,
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
        others; or shapes as GeoJSON, GeoPackage or Shapefile, on all images under them. The classes
        that they name come first, under their names; any more are clusters, which take places from
        them. ``auto_classes`` makes as many as they name.
    attribute : str or None
        What tells the class of a shape; None for a usual name, such as ``class``.
    auto_classes : bool
        Whether the images decide how many classes there are, as `suggest_classes` does; with
        hints, there are as many as they name. Those of ``config`` then do not count.
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
        inputs = [*images, *hints, config.projection]
        check_output(Path(state), overwrite=True, forbid=map(Path, inputs))
        kept = StateFile(state, tell=lambda text: told(Progress(0, 1, text)))
    options = FitOptions(
        bands=bands,
        cache=cache,
        metres=metres,
        state=kept,
        hints=hint_files(hints, attribute),
        auto_classes=auto_classes,
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
    return (yield from fit_sources_steps(named_files(images, options.bands), config, options))


def named_files(images: Sequence[str | os.PathLike[str]], bands: str | None) -> list[NamedSource]:
    """Return files as images to fit on, with what the user said that their bands are."""
    return [
        NamedSource(Path(path).name, partial(open_raster, path, bands=bands)) for path in images
    ]


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
    imagery, opened = yield from relay(alike_steps(images, config, options), Span(0, 5, 100))
    hints = yield from relay(_hints(images, config, options), Span(5, 5, 100))
    if hints is not None and options.auto_classes:
        config = replace(config, classes=max(2, len(hints.classes)))
    fit = fit_set_steps(opened, config, options, hints)
    fitted = yield from relay(fit, Span(5, 100, 100))
    config = replace(config, classes=fitted.count)
    told = _told(imagery, options, fitted, hints)
    return SetModel(
        stats=fitted.stats,
        scaler=fitted.scaler,
        classes=fitted.classes,
        features=fitted.features,
        config=config,
        taxonomy=(hints.taxonomy if hints else numbered_taxonomy)(config.classes),
        imagery=imagery,
        provenance=_set_record(config, images, options.bands, fitted.head, told),
        head=None if fitted.head is None else fitted.head.head,
    )


def alike_steps(
    images: Sequence[NamedSource], config: SegmentConfig, options: FitOptions = DEFAULT_FIT
) -> Steps[tuple[Imagery, list[OpenSource]]]:
    """Return what kind images are of, and what opens them with pixels of one size.

    Raises
    ------
    FirstPassError
        If there are none or they are not of one kind; or if something is missing, which is said
        before large files are read.
    """
    if not images:
        raise OptionError(expected="images to fit on", found="none", remedy="name at least one")
    require_known(config)
    named = [(image.name, image.open) for image in images]
    imagery = yield from common_imagery_steps(named, options.metres)
    if options.metres is None or imagery.metres is None:
        return imagery, [open_ for _, open_ in named]
    return imagery, [opened_at(open_, imagery.metres, name) for name, open_ in named]


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
    most = MAX_CLASSES if options.auto_classes else config.classes
    return (yield from paired_hints_steps(names, opens, options.hints, most))


def _told(
    imagery: Imagery, options: FitOptions, fitted: FittedModel, hints: HintSet | None
) -> dict[str, Any]:
    """Return what records say of what is not always there."""
    return {
        **({} if options.metres is None else {"fitted_at_m": imagery.metres}),
        **({} if fitted.suggested is None else {"suggested": fitted.suggested.to_dict()}),
        **({} if hints is None else hints.record),
    }


def _set_record(
    config: SegmentConfig,
    images: Sequence[NamedSource],
    bands: str | None,
    head: HeadFile | None,
    told: dict[str, Any],
) -> Provenance:
    chosen = {key: getattr(config, key) for key in ("method", "classes", "seed")}
    references, weights = weights_record(config, head)
    return Provenance(
        config={
            **chosen,
            **references,
            "bands": bands,
            "fitted_on": [image.name for image in images],
            **told,
        },
        source=f"{len(images)} images",
        weights_sha256=weights,
    )
