"""PriMaPs-EM as published: pixel by pixel, on all images of a set, with two views of each.

Hahn, Araslanov, Schaub-Meyer and Roth, "Boosting unsupervised semantic segmentation with principal
mask proposals", TMLR 2024 (arXiv 2404.16818). Where `segmenters.primaps_em` lets cells stand for
pixels and holds a sample in memory, this follows the paper: masks are sharpened by a dense CRF at
the size of the picture, classes are blended to that size, and pictures are read as they come.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from napari_firstpass.cached_backbone import CachedBackbone, identity_of
from napari_firstpass.descent import Adam
from napari_firstpass.features import FeatureMap
from napari_firstpass.linear_model import LinearModel
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.proposals import UNCLAIMED, Proposals, competing, soft_masks
from napari_firstpass.recipes.feature_store import PLAIN_STRETCH
from napari_firstpass.recipes.student_view import student_view
from napari_firstpass.refiners.dense_crf import PUBLISHED, dense_crf_steps
from napari_firstpass.segmenters.primaps_em import directions_of, focal_loss, momentum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.proposals import MaskConfig
    from napari_firstpass.protocols import Backbone
    from napari_firstpass.raster import Raster
    from napari_firstpass.recipes.feature_store import FeatureStore
    from napari_firstpass.segmenters.primaps_em import EMConfig
    from napari_firstpass.segmenters.smooseg import Look

_COUNTED = 64
"""Pictures on which classes are ordered by frequency."""
_MEASURED = 93 * 32
"""Pictures whose features the principal directions are of."""


@dataclass(frozen=True, slots=True)
class MaskBackbone:
    """Masks of a picture, in the form of features: one number for each pixel.

    Attributes
    ----------
    features : callable
        Returns the features (D, h, w) of the picture, in steps.
    config : MaskConfig
        How to take it apart.
    """

    features: Callable[[], Steps[Tensor]]
    config: MaskConfig

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        """Return ids (1, H, W): 0 for what no mask claims, then 1, 2 …; see `Backbone`."""
        vectors = yield from self.features()
        everywhere = torch.ones(vectors.shape[1:], dtype=torch.bool, device=vectors.device)
        masks = soft_masks(vectors, everywhere, self.config)
        ids = masks.new_zeros(1, *raster.grid.shape)
        if len(masks):
            claims = competing(masks, self.config)
            fine = functional.interpolate(
                claims[None], raster.grid.shape, mode="bilinear", align_corners=False
            )[0]
            image = torch.from_numpy(raster.bands).to(claims.device)
            sharp = yield from dense_crf_steps(fine.softmax(0), image)
            ids = sharp.argmax(0, keepdim=True).float()
        return FeatureMap(ids, ids[0] >= 0, raster.grid, 1)


@dataclass(frozen=True, slots=True)
class EMTraining:
    """Trains classes on the pictures of a set.

    Attributes
    ----------
    plain, mirrored : FeatureStore
        Features of the pictures, and of the mirrored ones.
    classes : int
        Number of classes.
    seed : int
        Drives the order of pictures, which are mirrored, and what students see.
    config : EMConfig
        The constants.
    look : Look or None
        What to do now and then.
    """

    plain: FeatureStore
    mirrored: FeatureStore
    classes: int
    seed: int
    config: EMConfig
    look: Look | None = None
    _ids: list[bytes] = field(default_factory=list)

    def steps(self) -> Steps[LinearModel]:
        """Return the slow classes, the most frequent first."""
        rng = np.random.default_rng(self.seed)
        yield from relay(self._propose(), Span(0, 30, 100))
        start = yield from relay(self._start(rng), Span(30, 40, 100))
        model = yield from relay(self._train(start, rng), Span(40, 99, 100))
        return (yield from relay(self._ordered(model), Span(99, 100, 100)))

    def _propose(self) -> Steps[None]:
        """Take all pictures apart; masks are held as they are, but packed."""
        store, keeping = self.plain, self.plain.keeping
        # They cost more than features, and so come first where room is short.
        kept = keeping.disk.take(store.count * 4 * store.raster(0).valid.size)
        for index in range(store.count):
            raster = store.raster(index)
            masks: Backbone = MaskBackbone(partial(store.get_steps, index), self.config.masks)
            if kept and keeping.cache is not None:
                own = PLAIN_STRETCH, store.roles, store.backbone.device
                masks = CachedBackbone(masks, keeping.cache, self._identity, *own)
            told = f"masks of picture {index + 1} of {store.count}"
            span = Span(index, index + 1, store.count)
            found = yield from relay(masks.extract(raster), span, told)
            self._ids.append(zlib.compress(found.vectors[0].byte().cpu().numpy().tobytes(), 1))

    @property
    def _identity(self) -> str:
        """What stands for the masks of this network, beside its own features."""
        settings = {"masks": asdict(self.config.masks), "crf": asdict(PUBLISHED)}
        return identity_of("masks of " + self.plain.keeping.identity, None, settings)

    def _start(self, rng: np.random.Generator) -> Steps[LinearModel]:
        """Return principal directions after some epochs of cosine k-means, cell by cell."""
        chosen = rng.permutation(self.plain.count)[:_MEASURED]
        covariance = yield from self._covariance(chosen)
        moving = directions_of(covariance, self.classes, rng).requires_grad_()
        adam = Adam([moving], self.config.rate, "primaps-em")
        batches = self._batches(rng)
        epoch = max(1, self.plain.count // self._batch)
        steps = min(self.config.epochs * epoch, self.config.steps)
        for step in range(steps):
            yield Progress(step, steps, "finding directions")
            cells = [self.plain[index].flatten(1) for index in next(batches)]
            unit = functional.normalize(torch.cat(cells, 1), dim=0)
            cosines = functional.normalize(moving, dim=1) @ unit
            adam.descend(-cosines.amax(0).mean())
        found = functional.normalize(moving.detach(), dim=1)
        return LinearModel(found, torch.ones_like(found[:, 0]), found.new_zeros(self.classes))

    def _covariance(self, chosen: NDArray[np.int64]) -> Steps[Tensor]:
        """Return the covariance (D, D) of the cells of some pictures, added up one by one."""
        count, total, second = 0, torch.zeros(()), torch.zeros(())
        for done, index in enumerate(chosen.tolist()):
            yield Progress(done, len(chosen), "measuring features")
            cells = self.plain[index].flatten(1).double()
            count += cells.shape[1]
            total = total.to(cells) + cells.sum(1)
            second = second.to(cells) + cells @ cells.T
        mean = total / count
        return second / count - torch.outer(mean, mean)

    def _train(self, start: LinearModel, rng: np.random.Generator) -> Steps[LinearModel]:
        fast = LinearModel(
            start.directions.clone().requires_grad_(),
            start.gains.clone().requires_grad_(),
            start.offsets,
        )
        slow = start
        adam = Adam([fast.directions, fast.gains], self.config.rate, "primaps-em")
        batches = self._batches(rng)
        for step in range(1, self.config.steps + 1):
            span = Span(step - 1, step, self.config.steps)
            told = f"step {step} of {self.config.steps}"
            looking = self._loss(fast, slow, next(batches), rng)
            adam.descend((yield from relay(looking, span, told)))
            if step % self.config.every == 0:
                kept = momentum(step // self.config.every - 1, self.config.momentum)
                slow = slow.blend(_fixed(fast), kept)
            if self.look is not None and step % self.look.every == 0:
                classes = yield from self._ordered(slow)
                yield from relay(self.look.at(step, classes), Span(step, step, self.config.steps))
        return slow

    def _loss(
        self, fast: LinearModel, slow: LinearModel, chosen: list[int], rng: np.random.Generator
    ) -> Steps[Tensor]:
        """Return the loss of a batch: the fast classes on what the slow ones say of each mask."""
        nearest: list[Tensor] = []
        logits: list[Tensor] = []
        masks: list[Tensor] = []
        count = 0
        for done, index in enumerate(chosen):
            yield Progress(done, len(chosen))
            mirror = bool(rng.random() < 0.5)
            store = self.mirrored if mirror else self.plain
            said = slow.logits((yield from store.get_steps(index)).flatten(1))
            nearest.append(self._large(said).max(0).indices)
            logits.append(self._large(fast.logits(self._seen(index, mirror, rng).flatten(1))))
            ids = self._masks_of(index, mirror)
            masks.append(torch.where(ids > 0, ids - 1 + count, UNCLAIMED))
            count += int(ids.max())
        proposals = Proposals(torch.cat(masks), count, tuple(len(part) for part in masks))
        votes = proposals.votes(torch.cat(nearest), self.classes)
        targets = proposals.spread(votes.argmax(1))
        return focal_loss(torch.cat(logits, 1), targets, self.config.focus)

    def _seen(self, index: int, mirror: bool, rng: np.random.Generator) -> Tensor:
        """Return the features of what the student sees of a picture."""
        store = self.mirrored if mirror else self.plain
        picture = torch.from_numpy(store.picture(index)).float() / 255
        return store.backbone.see(student_view(picture.to(store.backbone.device), rng))

    def _masks_of(self, index: int, mirror: bool) -> Tensor:
        """Return the ids (n,) of the masks of a picture."""
        ids = np.frombuffer(zlib.decompress(self._ids[index]), np.uint8)
        side = round(len(ids) ** 0.5)
        shaped = ids.reshape(side, side)
        turned = np.ascontiguousarray(shaped[:, ::-1] if mirror else shaped).ravel()
        return torch.from_numpy(turned.astype(np.int64)).to(self.plain.backbone.device)

    def _large(self, logits: Tensor) -> Tensor:
        """Return logits (K, h · w) of square cells at the size of the picture, (K, H · W)."""
        cells = round(logits.shape[1] ** 0.5)
        side = cells * self.plain.backbone.model.patch
        maps = logits.reshape(1, -1, cells, cells)
        large = functional.interpolate(maps, (side, side), mode="bilinear", align_corners=False)
        return large[0].flatten(1)

    @property
    def _batch(self) -> int:
        return min(self.config.batch, self.plain.count)

    def _batches(self, rng: np.random.Generator) -> Iterator[list[int]]:
        """Yield pictures without end, each epoch in a new order; what is left over is dropped."""
        while True:
            order = rng.permutation(self.plain.count).tolist()
            for at in range(0, len(order) - self._batch + 1, self._batch):
                yield order[at : at + self._batch]

    def _ordered(self, model: LinearModel) -> Steps[LinearModel]:
        """Return the classes, the most frequent in some pictures first."""
        size = torch.zeros(self.classes, dtype=torch.int64)
        for index in range(0, self.plain.count, -(-self.plain.count // _COUNTED)):
            yield Progress(0, 1, "counting classes")
            nearest = model.nearest((yield from self.plain.get_steps(index)).flatten(1))
            size += torch.bincount(nearest.cpu(), minlength=self.classes)
        order = torch.argsort(size, descending=True, stable=True)
        return model.select(order.to(model.directions.device))


def _fixed(model: LinearModel) -> LinearModel:
    return LinearModel(model.directions.detach(), model.gains.detach(), model.offsets)
