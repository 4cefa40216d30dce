"""What a fit on many images takes beside `SegmentConfig`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.hints import MapHints, NamedHints
    from napari_firstpass.imagery import Metres
    from napari_firstpass.training_state import StateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """What a fit on many images takes beside `SegmentConfig`.

    Attributes
    ----------
    bands : str or None
        What the user said that the bands are, such as ``"r,g,b,n"``.
    cache : FeatureCache or None
        Where features that are expensive are kept between runs.
    metres : float, "auto" or None
        Side of pixels on the ground that all images are read with; ``"auto"`` for that of the
        coarsest. None for their own, which must then be about the same.
    state : StateStore or None
        Where it is kept how far a fit has come, for another run to go on from.
    hints : tuple of NamedHints or MapHints
        Places of which somebody says what is there, on some of the images.
    auto_classes : bool
        Whether the images decide how many classes there are (`class_count`), or the hints if there
        are some: as many as they name. ``classes`` of the `SegmentConfig` then does not count.
    """

    bands: str | None = None
    cache: FeatureCache | None = None
    metres: Metres = None
    state: StateStore | None = None
    hints: tuple[NamedHints | MapHints, ...] = ()
    auto_classes: bool = False


DEFAULT_FIT = FitOptions()
