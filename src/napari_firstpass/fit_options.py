"""What a fit on many images takes beside `SegmentConfig`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.hints import NamedHints


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """What a fit on many images takes beside `SegmentConfig`.

    Attributes
    ----------
    bands : str or None
        What the user said that the bands are, such as ``"r,g,b,n"``.
    cache : FeatureCache or None
        Where features that are expensive are kept between runs.
    hints : tuple of NamedHints
        Places of which somebody says what is there, on some of the images.
    """

    bands: str | None = None
    cache: FeatureCache | None = None
    hints: tuple[NamedHints, ...] = ()


DEFAULT_FIT = FitOptions()
