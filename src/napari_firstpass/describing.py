"""A sample as segmenters get it: described by features of one scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_firstpass.backbones import backbone_factory
from napari_firstpass.cached_backbone import CachedBackbone
from napari_firstpass.code_heads import head_of
from napari_firstpass.code_heads.projected import ProjectedBackbone
from napari_firstpass.device import torch_device
from napari_firstpass.feature_scaling import FeatureScaler
from napari_firstpass.grid import Window
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.refining import refiner_of
from napari_firstpass.upsampling import upsampler_of
from napari_firstpass.upsampling.upsampled import UpsampledBackbone

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor

    from napari_firstpass.bands import Role
    from napari_firstpass.code_heads.head import CodeHead, HeadFile
    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.features import FeatureMap
    from napari_firstpass.protocols import Backbone
    from napari_firstpass.raster import Raster

_FEATURE_BYTES = 400 * 2**20
"""Of the sample: 1024 numbers for 4 x 4 pixels of 32 windows would be 512 MiB."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Classes of a cluster probe, for what can start from them.

    Attributes
    ----------
    centres : (K, W) tensor
        Directions of the classes, in the space of codes.
    outlines : list of FeatureMap
        The features, scaled, that codes were made of.
    """

    centres: Tensor
    outlines: list[FeatureMap]


@dataclass(frozen=True, slots=True)
class Described:
    """A sample as segmenters get it, and what made it so.

    Attributes
    ----------
    stats : BandStats
        The stretch of the bands.
    backbone : Backbone
        Makes features.
    scaler : FeatureScaler
        Brings them to a common scale.
    device : torch.device
        Where to compute.
    features : float
        Numbers in a vector, divided by the pixels of its cell, before a head made codes of them.
    maps : list of FeatureMap
        The windows, scaled.
    head : HeadFile or None
        What made codes of features.
    probe : Probe or None
        What to start from; ``maps`` are then codes as they are.
    """

    stats: BandStats
    backbone: Backbone
    scaler: FeatureScaler
    device: torch.device
    features: float
    maps: list[FeatureMap]
    head: HeadFile | None = None
    probe: Probe | None = None


def require_known(config: SegmentConfig) -> None:
    """Refuse what is unknown or missing before anything is read."""
    device = device_of(config)
    backbone_factory(config.backbone, config.runtime)
    upsampler_of(config.upsample)
    head_of(config.projection)
    refiner_of(config.refine, seed=config.seed, device=device)


def describe_steps(
    sample: Sequence[tuple[Raster, Window]],
    config: SegmentConfig,
    cache: FeatureCache | None,
    *,
    probing: bool = False,
) -> Steps[Described]:
    """Describe a sample by features of one scale.

    Parameters
    ----------
    sample, config, cache
        See `pipeline.fit_sample_steps`.
    probing : bool
        Whether to hand on the cluster probe of a head, if it has one.

    Raises
    ------
    ImageContentError, OptionError, WeightsError
        See `pipeline.fit_sample_steps`.
    """
    device, head = device_of(config), head_of(config.projection)
    stats = BandStats.of([raster.crop(inner) for raster, inner in sample])
    making = backbone_steps(config, stats, sample[0][0].roles, device, cache)
    backbone = yield from relay(making, Span(0, 0, 100))
    maps = yield from relay(_sample_features(backbone, sample, head), Span(0, 99, 100))
    features = len(maps[0].vectors) / maps[0].stride ** 2
    probe = None
    if head is not None:
        if probing and head.centres is not None:
            outlines = yield from relay(FeatureScaler.of_steps(maps), Span(99, 99, 100))
            probe = Probe(head.centres, _scaled(maps, outlines))
        made = head.head.to(device)
        backbone = ProjectedBackbone(backbone, made)
        maps = yield from relay(_codes(maps, made), Span(99, 100, 100))
    if probe is not None:
        # A probe says what it means by cosines of codes as they are: nothing may be shifted.
        scaler = FeatureScaler.identity(len(maps[0].vectors), device)
    else:
        scaler = yield from relay(FeatureScaler.of_steps(maps), Span(99, 100, 100))
        maps = _scaled(maps, scaler)
    return Described(stats, backbone, scaler, device, features, maps, head, probe)


def _codes(maps: list[FeatureMap], head: CodeHead) -> Steps[list[FeatureMap]]:
    """Return the same windows, described by codes."""
    codes = []
    for done, window in enumerate(maps):
        codes.append((yield from relay(head.project(window), Span(done, done + 1, len(maps)))))
    return codes


def _scaled(maps: Sequence[FeatureMap], scaler: FeatureScaler) -> list[FeatureMap]:
    return [replace(window, vectors=scaler.apply(window.vectors), groups=()) for window in maps]


def _sample_features(
    backbone: Backbone,
    sample: Sequence[tuple[Raster, Window]],
    head: HeadFile | None = None,
) -> Steps[list[FeatureMap]]:
    """Return the features of the windows of a sample; of every n-th if memory asks for it."""
    maps: list[FeatureMap] = []
    every = 1
    for done, (raster, inner) in enumerate(sample):
        if done % every:
            continue
        span = Span(done, done + 1, len(sample))
        found = yield from relay(inner_features(backbone, raster, inner), span)
        if head is not None:
            head.require_features(len(found.vectors))
        maps.append(found)
        every = max(every, -(-len(sample) * found.vectors.nbytes // _FEATURE_BYTES))
    return maps


def inner_features(backbone: Backbone, raster: Raster, inner: Window) -> Steps[FeatureMap]:
    """Return the features of a window computed with its context."""
    whole = yield from backbone.extract(raster)
    stride = whole.stride
    cells = Window(
        inner.row // stride,
        inner.col // stride,
        -(-inner.height // stride),
        -(-inner.width // stride),
    )
    rows, cols = cells.slices
    return replace(
        whole,
        vectors=whole.vectors[:, rows, cols],
        valid=whole.valid[rows, cols],
        grid=whole.grid.crop(cells),
    )


def device_of(config: SegmentConfig) -> torch.device:
    """Return where to compute; OpenVINO does on the CPU."""
    return torch_device("cpu" if config.runtime == "openvino" else config.device)


def backbone_steps(
    config: SegmentConfig,
    stats: BandStats,
    roles: tuple[Role | None, ...],
    device: torch.device,
    cache: FeatureCache | None,
) -> Steps[Backbone]:
    """Load the backbone that ``config`` names, for bands with these value ranges and roles."""
    factory = backbone_factory(config.backbone, config.runtime)
    # Seconds each, for a network.
    yield Progress(0, 2, "checking the weights")
    identity = factory.identity()
    yield Progress(1, 2, "loading the weights")
    backbone = factory(stats, roles, device)
    if cache is not None and identity is not None:
        backbone = CachedBackbone(backbone, cache, identity, stats, roles, device)
    # Above the cache, which keeps what the network says: finer features cost little.
    upsampler = upsampler_of(config.upsample)
    if upsampler is None:
        return backbone
    return UpsampledBackbone(backbone, upsampler, stats, roles, device)
