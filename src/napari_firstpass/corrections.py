"""Learning from corrections: what looks like a place that was corrected is proposed to change too.

Classes are Gaussians of one covariance over the features of the image: once as the labels were
made, once as they are now. Where the second sees another class than is there, and the corrections
made that class much likelier and the present one much less so, it is proposed; but only if somebody
corrected the one into the other somewhere. So without corrections nothing is proposed; what was
corrected or reviewed never is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch.nn import functional

from napari_firstpass.describing import describe_steps, inner_features
from napari_firstpass.errors import LayerError
from napari_firstpass.hints import SILENT, cell_classes
from napari_firstpass.label_changes import Replacement
from napari_firstpass.normalize import filled, usable
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.refiners.small_regions import merge_small_regions
from napari_firstpass.sampling import sample_steps
from napari_firstpass.segmentation import label_dtype, present_ids
from napari_firstpass.taxonomy import UNLABELLED
from napari_firstpass.tiling import affordable, tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.describing import Described
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.grid import Window
    from napari_firstpass.progress import Steps
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.reviewed import Reviewed
    from napari_firstpass.segmentation import Labels
    from napari_firstpass.tiling import Tile

_WINDOW, _OVERLAP = 1024, 64
_CHANGE = 0.15
"""By how much the probability of a proposed class rises at least, and that of the other falls."""

_EXAMPLES = 20
"""Corrected cells from one class to another from which on that is proposed elsewhere."""

_ROUND = 0.1
"""How much the covariance is drawn towards that of a ball."""

_SPECK = 30
"""Proposals of fewer pixels are none."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What is proposed.

    Attributes
    ----------
    replacement : Replacement
        All labels as they were, and as they would be.
    corrected : int
        Pixels that it was learned from.
    """

    replacement: Replacement
    corrected: int


@dataclass(frozen=True, slots=True)
class CorrectedLabels:
    """Labels as they were made and as they are, and what was reviewed.

    Attributes
    ----------
    made, now : (H, W) integer array
        Class ids; not changed by anybody.
    reviewed : Reviewed or None
        What somebody has looked at.
    """

    made: NDArray[Any]
    now: NDArray[Any]
    reviewed: Reviewed | None = None

    def decided(self, window: Window) -> NDArray[np.bool_]:
        """Return where (h, w) somebody has decided: corrected or reviewed."""
        corrected: NDArray[np.bool_] = self.made[window.slices] != self.now[window.slices]
        return corrected if self.reviewed is None else corrected | self.reviewed.within(window)

    def require_corrected(self) -> int:
        """Return how many pixels were given another class.

        Raises
        ------
        LayerError
            If none were.
        """
        count = int(np.count_nonzero((self.made != self.now) & (self.now != UNLABELLED)))
        if not count:
            raise LayerError(
                expected="labels of which something was corrected",
                found="none that differ from what was made",
                remedy="correct a few regions first: under Fix, click one and press a class key",
            )
        return count


def learn_steps(
    source: RasterSource,
    labels: CorrectedLabels,
    config: SegmentConfig,
    *,
    cache: FeatureCache | None = None,
) -> Steps[Learned]:
    """Propose what else is to change after some places were corrected.

    Parameters
    ----------
    source : RasterSource
        The image.
    labels : CorrectedLabels
        What was made, and what became of it.
    config : SegmentConfig
        Of this, the backbone, what follows it, the seed and the device count.
    cache : FeatureCache, optional
        Where features that are expensive are kept.

    Raises
    ------
    LayerError
        If nothing was corrected.
    ImageContentError, WeightsError
        See `pipeline.fit_sample_steps`.
    """
    corrected = labels.require_corrected()
    ids = sorted({*present_ids(labels.made), *present_ids(labels.now)})
    sample = yield from relay(sample_steps(source, config.seed), Span(0, 5, 100))
    it = yield from relay(describe_steps(sample, config, cache), Span(5, 20, 100))
    window, overlap = affordable(
        _WINDOW, _OVERLAP, bands=len(source.names), classes=len(ids), features=it.features
    )
    cuts = tiles(source.grid, window=window, overlap=overlap)
    learner = _Learner.of(ids, len(it.scaler.projection), it.device)
    for done, tile in enumerate(cuts):
        span = Span(20 + 40 * done // len(cuts), 20 + 40 * (done + 1) // len(cuts), 100)
        vectors, stride = yield from relay(_vectors(source, it, tile), span, "learning")
        if vectors is not None:
            learner.take(vectors, labels, tile.core, stride)
    models = learner.models()
    after = labels.now.copy()
    for done, tile in enumerate(cuts):
        span = Span(60 + 40 * done // len(cuts), 60 + 40 * (done + 1) // len(cuts), 100)
        vectors, stride = yield from relay(_vectors(source, it, tile), span, "looking for others")
        if vectors is not None:
            after[tile.core.slices] = _proposed(vectors, stride, labels, tile.core, models)
    yield Progress(99, 100, "comparing")
    return Learned(Replacement.of(source.grid.window, labels.now, after), corrected)


def _vectors(source: RasterSource, it: Described, tile: Tile) -> Steps[tuple[Tensor | None, int]]:
    """Return the scaled features (D, h, w) of the core of a tile, None without data; the stride."""
    raster = usable(source.read(tile.padded))
    if not raster.valid.any():
        return None, 1
    inner = tile.core.relative_to(tile.padded)
    found = yield from inner_features(it.backbone, filled(raster), inner)
    return it.scaler.apply(found.vectors), found.stride


@dataclass(slots=True)
class _Sums:
    """What Gaussians of one covariance need to know of vectors."""

    mass: Tensor
    sums: Tensor
    squares: Tensor

    def add(self, vectors: Tensor, classes: Tensor) -> None:
        """Take vectors (n, D) of classes (n,)."""
        own = functional.one_hot(classes, len(self.mass)).double()
        self.mass += own.sum(0)
        self.sums += own.T @ vectors
        self.squares += vectors.T @ vectors

    def model(self) -> tuple[Tensor, Tensor]:
        """Return weights (K, D) and offsets (K,) of the logits; a class without mass is never."""
        means = self.sums / self.mass.clamp_min(1e-9)[:, None]
        covariance = self.squares - (means.T * self.mass) @ means
        covariance = covariance / self.mass.sum()
        even = covariance.diagonal().mean().clamp_min(1e-6)
        ball = even * torch.eye(len(covariance)).to(covariance)
        weights = torch.linalg.solve(torch.lerp(covariance, ball, _ROUND), means.T).T
        shares = self.mass / self.mass.sum()
        offsets = shares.log() - (weights * means).sum(1) / 2
        return weights.float(), offsets.float()


@dataclass(frozen=True, slots=True)
class _Models:
    """Classes as they were made, and as they are now: logits; their ids; which became which."""

    ids: NDArray[np.int64]
    made: tuple[Tensor, Tensor]
    now: tuple[Tensor, Tensor]
    became: Tensor


@dataclass(frozen=True, slots=True)
class _Learner:
    """Sums over the image, of what was made and of what is there now."""

    ids: NDArray[np.int64]
    made: _Sums
    now: _Sums
    became: NDArray[np.int64]

    @classmethod
    def of(cls, ids: list[int], width: int, device: torch.device) -> _Learner:
        """Begin with nothing seen."""

        def empty() -> _Sums:
            shapes = (len(ids),), (len(ids), width), (width, width)
            return _Sums(*(torch.zeros(s, dtype=torch.float64, device=device) for s in shapes))

        counts = np.zeros((len(ids), len(ids)), np.int64)
        return cls(np.array(ids, np.int64), empty(), empty(), counts)

    def take(self, vectors: Tensor, labels: CorrectedLabels, window: Window, stride: int) -> None:
        """Take the cells (D, h, w) of a window."""
        made, now = (
            cell_classes(_indexed(ids[window.slices], self.ids), stride)
            for ids in (labels.made, labels.now)
        )
        for sums, said in ((self.made, made), (self.now, now)):
            kept = torch.from_numpy(said != SILENT).to(vectors.device)
            classes = torch.from_numpy(said).to(vectors.device)[kept]
            sums.add(vectors[:, kept].T.double(), classes)
        both = (made != SILENT) & (now != SILENT)
        np.add.at(self.became, (made[both], now[both]), 1)

    def models(self) -> _Models:
        """Return the classes."""
        became = (self.became >= _EXAMPLES) & ~np.eye(len(self.ids), dtype=np.bool_)
        allowed = torch.from_numpy(became).to(self.made.mass.device)
        return _Models(self.ids, self.made.model(), self.now.model(), allowed)


def _indexed(ids: NDArray[Any], known: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which of the known classes ids (h, w) are, `SILENT` for unlabelled ones."""
    return np.where(ids == UNLABELLED, SILENT, np.searchsorted(known, ids)).astype(np.int64)


def _proposed(
    vectors: Tensor, stride: int, labels: CorrectedLabels, window: Window, models: _Models
) -> NDArray[Any]:
    """Return labels (h, w) of a window with what is proposed."""
    flat = vectors.flatten(1)
    before, after = (
        torch.softmax(torch.addmm(offsets[:, None], weights, flat), 0)
        for weights, offsets in (models.made, models.now)
    )
    now = labels.now[window.slices]
    there = torch.from_numpy(cell_classes(_indexed(now, models.ids), stride)).flatten()
    there = there.to(flat.device)
    best, current = after.argmax(0)[None], there.clamp_min(0)[None]
    change = after - before
    wanted = models.became[current[0], best[0]] & (there != SILENT)
    wanted &= (change.gather(0, best)[0] > _CHANGE) & (change.gather(0, current)[0] < -_CHANGE)
    cells = torch.where(wanted, best[0], SILENT).reshape(vectors.shape[1:]).cpu().numpy()
    fine = np.kron(cells, np.ones((stride, stride), np.int64))[: now.shape[0], : now.shape[1]]
    free = (fine != SILENT) & (now != UNLABELLED) & ~labels.decided(window)
    changed = np.where(free, models.ids[fine], now)
    narrow = cast("Labels", changed.astype(label_dtype(int(models.ids.max()))))
    calm = merge_small_regions(narrow, _SPECK)
    return np.where(free, calm, now).astype(now.dtype)
