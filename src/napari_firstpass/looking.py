"""What tiles of an image look like, to compare places; nothing is computed twice of one image."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from napari_firstpass.backbones import backbone_factory
from napari_firstpass.cached_backbone import CachedBackbone, add_pixels
from napari_firstpass.describing import describe_steps, device_of, inner_features
from napari_firstpass.feature_memory import KEPT_BYTES
from napari_firstpass.likeness import AveragedBackbone
from napari_firstpass.normalize import filled, usable
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.sampling import sample_steps

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.feature_memory import FeatureMemory
    from napari_firstpass.grid import Window
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.progress import Steps
    from napari_firstpass.protocols import Backbone
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.sampling import Sample
    from napari_firstpass.tiling import Tile

_SIGMA = 4.0
"""Features are averaged so far around, in pixels: one odd cell is no place to change."""


@dataclass(frozen=True, slots=True)
class _Described:
    """What describes an image: it hangs on a sample of its pixels."""

    backbone: AveragedBackbone
    stats: BandStats
    device: torch.device
    features: float


@dataclass(frozen=True, slots=True)
class Seen:
    """Features (D, h, w) of a tile, and the pixels of a cell along each axis."""

    vectors: Tensor
    stride: int


@dataclass(frozen=True, slots=True)
class Looking:
    """Describes tiles of an image; remembers some.

    Attributes
    ----------
    source : RasterSource
        The image.
    backbone : Backbone
        Describes its pixels.
    features : float
        Numbers in a vector, divided by the pixels of its cell, before they were made fewer.
    kept : dict of Window to Seen or None
        Tiles that were looked at.
    """

    source: RasterSource
    backbone: Backbone
    features: float
    kept: dict[Window, Seen | None]

    @classmethod
    def of_steps(
        cls,
        source: RasterSource,
        config: SegmentConfig,
        cache: FeatureCache | None,
        memory: FeatureMemory,
    ) -> Steps[Looking]:
        """Get ready to look at an image.

        Parameters
        ----------
        source : RasterSource
            The image.
        config, cache
            See `pipeline.fit_sample_steps`.
        memory : FeatureMemory
            What was computed before.

        Raises
        ------
        ImageContentError, WeightsError
            See `pipeline.fit_sample_steps`.
        """
        sample = yield from relay(sample_steps(source, config.seed), Span(0, 30, 100))
        yield Progress(30, 100, "checking the weights")
        identity = backbone_factory(config.backbone, config.runtime).identity()
        key = _key(sample, config, identity)
        known, found = memory.maker
        if known != key:
            it = yield from relay(describe_steps(sample, config, cache), Span(30, 100, 100))
            averaged = AveragedBackbone(it.backbone, it.scaler, _SIGMA)
            found = _Described(averaged, it.stats, it.device, it.features)
            if identity is None:  # a network would stay in memory
                memory.maker = key, found
        own = memory, key, found.stats, sample[0][0].roles, found.device
        return cls(source, CachedBackbone(found.backbone, *own), found.features, {})

    def at(self, tile: Tile) -> Steps[Seen | None]:
        """Return the features of the core of a tile, None without data."""
        if tile.core in self.kept:
            return self.kept[tile.core]
        seen, raster = None, usable(self.source.read(tile.padded))
        if raster.valid.any():
            inner = tile.core.relative_to(tile.padded)
            found = yield from inner_features(self.backbone, filled(raster), inner)
            seen = Seen(found.vectors, found.stride)
        held = sum(some.vectors.nbytes for some in self.kept.values() if some is not None)
        if seen is None or held + seen.vectors.nbytes <= KEPT_BYTES:
            self.kept[tile.core] = seen
        return seen


def _key(sample: Sample, config: SegmentConfig, identity: str | None) -> str:
    """Return the hash of all that describing an image depends on."""
    device = device_of(config).type
    said: list[Any] = [
        config.backbone,
        config.runtime,
        config.upsample,
        config.projection,
        device,
        identity,
    ]
    said += [_SIGMA, sample[0][0].roles, sample[0][0].bands.dtype.str]
    said += [(*raster.bands.shape, *astuple(inner)) for raster, inner in sample]
    digest = sha256(json.dumps(said).encode())
    for raster, _ in sample:
        add_pixels(digest, raster)
    return digest.hexdigest()
