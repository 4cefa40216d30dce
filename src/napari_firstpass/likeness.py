"""What places look like: classes of a few named places, told on whole images by their features.

A mixture that follows the named places is fitted to windows spread over all images (`pinning`), on
features averaged over 8 pixels around: a roof is then told by more than one patch of it. How this
was chosen is in docs/methods/alignment.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from napari_firstpass.config import SegmentConfig
from napari_firstpass.describing import describe_steps
from napari_firstpass.descriptors import gaussian
from napari_firstpass.feature_scaling import FeatureScaler
from napari_firstpass.normalize import filled, usable
from napari_firstpass.pinning import pinned_steps
from napari_firstpass.pipeline import FittedModel, examples_steps, guide_bands
from napari_firstpass.progress import Span, Steps, relay
from napari_firstpass.sampling import hint_sample_steps, set_sample_steps
from napari_firstpass.segmenters import SEGMENTERS
from napari_firstpass.sharpening import GuidedFilterConfig, sharpen
from napari_firstpass.tiling import spread_windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.aligning import AlignConfig, AlignJob
    from napari_firstpass.features import FeatureMap
    from napari_firstpass.hints import HintSet
    from napari_firstpass.protocols import Backbone
    from napari_firstpass.raster import Raster
    from napari_firstpass.sampling import OpenSource
    from napari_firstpass.segmentation import Labels

_SIGMA = 8.0
"""Of the average, in pixels."""
_LEAST_SIGMA = 0.5
"""In cells: those of networks see as far by themselves."""
_SIDE = 256
_CONTEXT = 64
_WINDOWS = 256
_IDS = 2**16


@dataclass(frozen=True, slots=True)
class AveragedBackbone:
    """A backbone whose features are scaled and averaged over cells around.

    Attributes
    ----------
    backbone : Backbone
        What computes features.
    scaler : FeatureScaler
        Brings them to a common scale.
    sigma : float
        Of the average, in pixels.
    """

    backbone: Backbone
    scaler: FeatureScaler
    sigma: float = _SIGMA

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        """Return the averages; see `Backbone`."""
        features = yield from self.backbone.extract(raster)
        scaled = replace(features, vectors=self.scaler.apply(features.vectors), groups=())
        return averaged(scaled, self.sigma)


def averaged(features: FeatureMap, pixels: float = _SIGMA) -> FeatureMap:
    """Average features over cells around; ``pixels`` is the sigma of the average."""
    sigma = pixels / features.stride
    if sigma < _LEAST_SIGMA:
        return features
    return replace(features, vectors=gaussian(features.vectors, sigma))


def likeness_steps(
    opens: Sequence[OpenSource], hints: HintSet, config: AlignConfig
) -> Steps[FittedModel]:
    """Fit what tells the classes of hints on images of one kind.

    Parameters
    ----------
    opens : sequence of callable
        Each opens an image.
    hints : HintSet
        What somebody says of some places of them, of at least two classes.
    config : AlignConfig
        Of this, ``backbone``, ``seed`` and ``device`` count.

    Raises
    ------
    ImageContentError
        If hints lie on no data, or all those of one class look like another.
    """
    named = len(hints.classes)
    options = SegmentConfig(
        backbone=config.backbone, classes=named, seed=config.seed, device=config.device
    )
    sample = yield from relay(set_sample_steps(opens, config.seed), Span(0, 20, 100))
    hinted = yield from relay(hint_sample_steps(opens, hints, config.seed), Span(20, 25, 100))
    it = yield from relay(describe_steps(sample, options, None), Span(25, 65, 100))
    maps = [averaged(window) for window in it.maps]
    width = len(maps[0].vectors)
    scaled = replace(
        it,
        backbone=AveragedBackbone(it.backbone, it.scaler),
        scaler=FeatureScaler.identity(width, it.device),
        maps=maps,
    )
    examples = yield from relay(examples_steps(scaled, hinted), Span(65, 75, 100))
    others = SEGMENTERS.load("kmeans")(classes=named, seed=config.seed)
    classes = yield from relay(pinned_steps(maps, examples, others, named), Span(75, 100, 100))
    guide = guide_bands(sample[0][0].roles)
    return FittedModel(
        it.stats, scaled.backbone, scaled.scaler, classes, guide, it.device, it.features
    )


def seen_steps(
    model: FittedModel, job: AlignJob, opens: Sequence[OpenSource]
) -> Steps[NDArray[np.float64]]:
    """Return what classes of the source look like, on windows spread over all images.

    Parameters
    ----------
    model : FittedModel
        Tells C classes.
    job : AlignJob
        The labels.
    opens : sequence of callable
        Opens their images.

    Returns
    -------
    (S, C) float64 array
        The mean probabilities of the places of each class that has pixels (``job.held``); all the
        same for one that was not met.
    """
    rows = np.full(_IDS, len(job.held))
    rows[list(job.held)] = np.arange(len(job.held))
    sums = np.zeros((len(job.held) + 1, model.count))
    taken = list(zip(job.images, opens, strict=True))[:: -(-len(opens) // _WINDOWS)]
    for done, (image, open_image) in enumerate(taken):
        span = Span(done, done + 1, len(taken))
        with open_image() as source, image.open_labels() as labels:
            limit = max(1, _WINDOWS // len(taken) // 8)
            for part in spread_windows(source.grid, side=_SIDE, limit=limit, seed=0):
                height, width = source.grid.shape
                window = part.grown(_CONTEXT, height=height, width=width)
                raster = usable(source.read(window))
                if raster.valid.any():
                    looking = relay(model.scores(filled(raster)), span, "comparing classes")
                    _add(sums, rows, labels.read(window), (yield from looking))
    sums = sums[:-1] + 1e-9
    means: NDArray[np.float64] = sums / sums.sum(1, keepdims=True)
    return means


def _add(
    sums: NDArray[np.float64], rows: NDArray[np.int64], labels: Labels, scores: FeatureMap
) -> None:
    """Add the probabilities of cells to those of the class in the middle of each."""
    stride = scores.stride
    ids = labels[stride // 2 :: stride, stride // 2 :: stride]
    near = scores.vectors[:, : ids.shape[0], : ids.shape[1]].cpu().numpy()
    np.add.at(sums, rows[ids.ravel()], near.reshape(len(near), -1).T)


def told_steps(
    model: FittedModel, raster: Raster, labels: Labels, beliefs: NDArray[np.float32]
) -> Steps[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Tell the class of every pixel of a window, from its looks and the class that it had.

    Parameters
    ----------
    model : FittedModel
        Tells C classes by looks.
    raster : Raster
        The window, without gaps.
    labels : (h, w) uint8 or uint16 array
        Ids of the source.
    beliefs : (65536, C) float32 array
        By ids of the source: how likely each class is without a look.

    Returns
    -------
    (h, w) int64 array
        Which class, from 0.
    (h, w) uint8 array
        Its lead, 0 to 255.
    """
    scores = yield from relay(model.scores(raster), Span(0, 60, 100))
    before = _cell_beliefs(labels, beliefs, scores.stride).to(scores.vectors)
    joint = scores.vectors * before
    joint = joint / joint.sum(0).clamp_min(1e-9)
    guide = model.stats.select(model.guide).stretch(raster.bands[list(model.guide)])
    bands = torch.from_numpy(guide).to(model.device)
    fine = sharpen(joint, bands, scores.stride, GuidedFilterConfig())
    sharp = yield from relay(fine, Span(60, 100, 100))
    lead: NDArray[np.uint8] = (sharp.margin * 255).round().byte().cpu().numpy()
    return sharp.winner.cpu().numpy(), lead


def _cell_beliefs(labels: Labels, beliefs: NDArray[np.float32], stride: int) -> Tensor:
    """Return beliefs (C, h, w) of cells: the mean of those of their pixels."""
    ids = torch.from_numpy(labels.astype(np.int32))
    sums: Tensor | None = None
    for key in np.unique(labels).tolist():
        mask = (ids == key).float()[None]
        share = functional.avg_pool2d(mask, stride, ceil_mode=True)
        part = torch.from_numpy(beliefs[key])[:, None, None] * share
        sums = part if sums is None else sums.add_(part)
    return torch.zeros(0) if sums is None else sums
