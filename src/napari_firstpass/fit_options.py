"""What a fit on many images takes beside `SegmentConfig`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_firstpass.feature_cache import FeatureCache


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """What a fit on many images takes beside `SegmentConfig`.

    Attributes
    ----------
    bands : str or None
        What the user said that the bands are, such as ``"r,g,b,n"``.
    cache : FeatureCache or None
        Where features that are expensive are kept between runs.
    auto_classes : bool
        Whether the images decide how many classes there are (`class_count`); ``classes`` of the
        `SegmentConfig` then does not count.
    """

    bands: str | None = None
    cache: FeatureCache | None = None
    auto_classes: bool = False


DEFAULT_FIT = FitOptions()
