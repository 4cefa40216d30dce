"""How many classes images hold, suggested without finding them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.config import DEFAULT_CONFIG
from napari_firstpass.fit_images import alike_steps, named_files
from napari_firstpass.fit_options import DEFAULT_FIT, FitOptions
from napari_firstpass.pipeline import suggest_set_steps
from napari_firstpass.progress import Progress, Span, Steps, guarded, ignore, relay, run

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from napari_firstpass.class_count import ClassCount
    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.fit_images import NamedSource
    from napari_firstpass.imagery import Metres


def suggest_classes(
    images: Sequence[str | os.PathLike[str]],
    config: SegmentConfig = DEFAULT_CONFIG,
    *,
    bands: str | None = None,
    cache: FeatureCache | None = None,
    metres: Metres = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> ClassCount:
    """Suggest how many classes an image holds, or many images share, from 2 to 20.

    It looks at windows spread over the images, as a fit does, and takes about as long. What the
    suggestion rests on is told with it, so that you can decide otherwise.

    Parameters
    ----------
    images, bands, cache, metres, on_progress
        See `fit_files`; one image will do.
    config : SegmentConfig
        Of this, everything that describes images counts, and ``seed`` and ``device``.

    Returns
    -------
    ClassCount
        The number, and how well others fit.

    Raises
    ------
    FirstPassError
        As `fit_files`.

    Examples
    --------
    >>> suggest_classes(["scene.tif"]).classes  # doctest: +SKIP
    7
    """
    steps = suggest_sources_steps(
        named_files(images, bands), config, FitOptions(cache=cache, metres=metres)
    )
    return run(guarded(steps), on_progress or ignore)


def suggest_sources_steps(
    images: Sequence[NamedSource],
    config: SegmentConfig = DEFAULT_CONFIG,
    options: FitOptions = DEFAULT_FIT,
) -> Steps[ClassCount]:
    """Suggest how many classes there are in images from anywhere; see `suggest_classes`."""
    _, opened = yield from relay(alike_steps(images, config, options), Span(0, 5, 100))
    steps = suggest_set_steps(opened, config, options)
    return (yield from relay(steps, Span(5, 100, 100)))
