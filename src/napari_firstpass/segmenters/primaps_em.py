"""PriMaPs-EM: classes trained on mask proposals against a slowly moving copy of themselves.

Hahn, Araslanov, Schaub-Meyer and Roth, "Boosting unsupervised semantic segmentation with principal
mask proposals", TMLR 2024 (arXiv 2404.16818), sections 3.3 and 3.4. The slow classes give each mask
the majority class of its cells (E-step); the fast ones are trained on that with a focal
cross-entropy that favours rare classes (M-step), and the slow ones follow them.

Cells stand for pixels throughout: the classes are linear in the features, and such scores may as
well be interpolated after the fact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch.nn import functional

from napari_firstpass.clustering import require_distinct
from napari_firstpass.descent import Adam, DivergedError
from napari_firstpass.errors import OptionError
from napari_firstpass.feature_scaling import fixed_sign, valid_vectors
from napari_firstpass.linear_model import LinearModel
from napari_firstpass.mask_groups import group_steps
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.proposals import (
    DEFAULT_MASKS,
    UNCLAIMED,
    MaskConfig,
    Proposals,
    propose_steps,
)
from napari_firstpass.prototypes import PrototypeModel
from napari_firstpass.training_state import FORGETFUL, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from napari_firstpass.features import FeatureMap
    from napari_firstpass.protocols import Segmenter
    from napari_firstpass.training_state import Keeper

_MOST_LOGITS = 2**21
"""Cells times classes of one step: bounds its memory, and its time to about 100 ms."""

_CELLS_TO_MEASURE = 100_000
"""How far apart cells lie is measured on about so many of them."""

_METHOD = "primaps-em"

_STEP = "step"
"""What is counted while classes are trained."""

_PARTS = ("directions", "gains", "offsets")


@dataclass(frozen=True, slots=True, kw_only=True)
class EMConfig:
    """How to train.

    Attributes
    ----------
    start : str
        What to start from: ``groups``, the classes of the method ``primaps``; ``directions``, the
        principal directions of the sample after some epochs of cosine k-means, as in the paper; or
        ``probe``, directions that are given, with gains of 1.
    epochs : int
        Of cosine k-means.
    offsets : bool
        Train an offset for each class too; the paper's features are not centred and need none.
    batch : int
        Windows of one step; fewer where there are many classes.
    cells : int
        Of smaller windows, as many more as make about so many cells.
    rate : float
        Step size of Adam.
    focus : float
        γ: how much a class counts less, the more frequent it is.
    every : int
        Steps after which the slow classes follow.
    momentum : float
        d: what they keep of themselves then, in the long run.
    steps : int
        Largest number of steps.
    check : int
        Steps after which the classes of all cells are looked at.
    settled : float
        Stop when less than this share of the cells has changed its class since the last look. Masks
        keep theirs much earlier, while borders still move. A negative share never stops.
    masks : MaskConfig
        How to take windows apart.
    """

    start: Literal["groups", "directions", "probe"] = "groups"
    epochs: int = 2
    offsets: bool = True
    batch: int = 2
    cells: int = 8192
    rate: float = 2e-2
    focus: float = 0.5
    every: int = 10
    momentum: float = 0.98
    steps: int = 500
    check: int = 100
    settled: float = 2e-3
    masks: MaskConfig = DEFAULT_MASKS


PAPER = EMConfig(
    start="directions",
    offsets=False,
    batch=32,
    cells=0,
    rate=5e-3,
    focus=2.0,
    steps=7100,
    settled=-1,
    masks=MaskConfig(),
)
"""The constants of the paper, with the steps that it takes for Potsdam."""

PROBE = EMConfig(start="probe", offsets=False, rate=PAPER.rate, focus=PAPER.focus)
"""On codes of STEGO or HP, which are those of the paper: only batches and the stop are ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimapsEMSegmenter:
    """Trains classes on the masks of a sample.

    Attributes
    ----------
    classes : int
        Number of classes.
    seed : int
        Drives the start and the order of windows.
    config : EMConfig
        How to train.
    probe : EMConfig
        How to train from the classes of a cluster probe; see `with_probe`.
    """

    classes: int
    seed: int
    config: EMConfig = EMConfig()
    probe: EMConfig = PROBE
    resumes: ClassVar[bool] = True

    def with_probe(self, centres: Tensor, outlines: Sequence[FeatureMap]) -> Segmenter:
        """Return what trains the classes of a probe on codes; see `ProbeSegmenter`."""
        return _FromProbe(replace(self, config=self.probe), centres, outlines)

    def fit(
        self,
        sample: Sequence[FeatureMap],
        views: Sequence[FeatureMap] | None = None,
        *,
        outlines: Sequence[FeatureMap] | None = None,
        centres: Tensor | None = None,
        keeper: Keeper = FORGETFUL,
    ) -> Steps[LinearModel]:
        """Return classes that fit ``sample``; see `Resumable`.

        Parameters
        ----------
        sample : sequence of FeatureMap
            Windows spread over the image.
        views : sequence of FeatureMap, optional
            The same windows as the fast classes see them: of the image blurred, or in other
            colours. By default, ``sample`` itself.
        outlines : sequence of FeatureMap, optional
            The same windows, described by what masks are to be made of. By default, ``sample``.
        centres : (classes, D) tensor, optional
            Directions that the start ``probe`` needs.
        keeper : Keeper
            Keeps how far this has come: the masks, and later the training too.

        Raises
        ------
        OptionError
            If the start is ``probe`` and there are no such directions.
        ImageContentError
            If fewer than ``classes`` vectors are distinct.
        DivergedError
            If numbers overflow on the way.
        """
        cells = valid_vectors(sample)
        require_distinct(cells, self.classes)
        masks = propose_steps(outlines or sample, self.config.masks, keeper)
        proposals = yield from relay(masks, Span(0, 20, 100))
        # Class by class and not cell by cell, all sums run along memory: ten times as fast.
        columns = cells.T.contiguous()
        seen = columns if views is None else _same_cells(sample, views)
        trainer = _Trainer(columns, seen, proposals, self.config, np.random.default_rng(self.seed))
        state = keeper.restore()
        if state is not None and state.counting == _STEP:
            training = trainer.restored(state)
        else:
            beginning = self._start(cells, trainer, centres)
            training = trainer.begun((yield from relay(beginning, Span(20, 30, 100))))
        model = yield from relay(trainer.train(training, keeper), Span(30, 100, 100))
        return (yield from trainer.ordered(model))

    def _start(self, cells: Tensor, trainer: _Trainer, given: Tensor | None) -> Steps[LinearModel]:
        if self.config.start == "probe":
            return _as_given(given, self.classes, cells)
        if self.config.start == "directions":
            return (yield from trainer.cosine_kmeans(self.classes))
        grouping = group_steps(cells, trainer.proposals, self.classes, seed=self.seed)
        centres = yield from grouping
        some = cells[:: -(-len(cells) // _CELLS_TO_MEASURE)]
        return LinearModel.of_prototypes(PrototypeModel.of(centres, some))


def _as_given(centres: Tensor | None, count: int, cells: Tensor) -> LinearModel:
    """Return classes that win where the cosine to their centre is largest."""
    wanted = (count, cells.shape[1])
    if centres is None or tuple(centres.shape) != wanted:
        raise OptionError(
            expected=f"centres of shape {wanted} for the start probe",
            found="none" if centres is None else str(tuple(centres.shape)),
            remedy="give the centres of a cluster probe, or choose another start",
        )
    directions = functional.normalize(centres.to(cells), dim=1)
    return LinearModel(directions, torch.ones_like(directions[:, 0]), cells.new_zeros(count))


@dataclass(frozen=True, slots=True)
class _FromProbe:
    """Trains the classes of a cluster probe on codes, with masks of what these were made of."""

    segmenter: PrimapsEMSegmenter
    centres: Tensor
    outlines: Sequence[FeatureMap]

    def fit(self, sample: Sequence[FeatureMap]) -> Steps[LinearModel]:
        """Return classes that fit ``sample``; see `Segmenter`."""
        return (yield from self.segmenter.fit(sample, outlines=self.outlines, centres=self.centres))


def _same_cells(sample: Sequence[FeatureMap], views: Sequence[FeatureMap]) -> Tensor:
    """Return the vectors of views where the sample is valid, as (D, n)."""
    pairs = zip(sample, views, strict=True)
    return torch.cat([view.vectors[:, window.valid] for window, view in pairs], 1)


@dataclass(slots=True)
class _Training:
    """A training under way.

    ``looked`` is what the slow classes were when all cells were last looked at, and ``draws`` the
    state of random numbers before the first step.
    """

    fast: LinearModel
    slow: LinearModel
    looked: LinearModel
    adam: Adam
    draws: dict[str, Any]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All tensors that a later run goes on from; offsets that are not trained are the same."""
        models = {"slow": self.slow, "looked": self.looked}
        return self.adam.tensors("fast") | {
            f"{name}.{part}": getattr(model, part)
            for name, model in models.items()
            for part in _PARTS
        }


@dataclass(frozen=True, slots=True)
class _Trainer:
    """The cells of a sample, with what is done to them again and again."""

    cells: Tensor
    seen: Tensor
    proposals: Proposals
    config: EMConfig
    rng: np.random.Generator

    def begun(self, start: LinearModel) -> _Training:
        """Return a training before its first step."""
        fast = _trainable(start, offsets=self.config.offsets)
        adam = _adam(fast, self.config.rate)
        return _Training(fast, start, start, adam, dict(self.rng.bit_generator.state))

    def restored(self, state: State) -> _Training:
        """Return a training as it was after some steps."""
        tensors = {name: tensor.to(self.cells.device) for name, tensor in state.tensors.items()}
        slow, looked = (
            LinearModel(*(tensors[f"{name}.{part}"] for part in _PARTS))
            for name in ("slow", "looked")
        )
        self.rng.bit_generator.state = state.notes["draws"]
        training = replace(self.begun(slow), looked=looked)
        training.adam.restore("fast", tensors, state.done)
        return training

    def train(self, training: _Training, keeper: Keeper = FORGETFUL) -> Steps[LinearModel]:
        """Return the slow classes after EM, or what is left of it.

        Raises
        ------
        DivergedError
            If numbers overflow.
        """
        batches = self._batches(training.slow.count)
        for _ in range(training.adam.steps):
            next(batches)
        before = yield from self._classes_of_cells(training.looked)
        for step in range(training.adam.steps + 1, self.config.steps + 1):
            yield Progress(step, self.config.steps, "training classes")
            self._step(training, next(batches))
            if step % self.config.check == 0:
                now = yield from self._classes_of_cells(training.slow)
                if float((now != before).float().mean()) < self.config.settled:
                    break
                before, training.looked = now, training.slow
            keeper.keep(partial(self._state, training))
        return training.slow

    def _step(self, training: _Training, part: Tensor) -> None:
        """Train the fast classes on some cells, and let the slow ones follow if it is time."""
        fast, slow, adam = training.fast, training.slow, training.adam
        nearest = slow.nearest(self.cells.index_select(1, part))
        winners = self.proposals.votes(nearest, slow.count, part).argmax(1)
        targets = self.proposals.spread(winners, part)
        logits = fast.logits(self.seen.index_select(1, part))
        adam.descend(focal_loss(logits, targets, self.config.focus))
        if not adam.finite:
            raise DivergedError(_METHOD, adam.steps, "numbers that overflow")
        if adam.steps % self.config.every == 0:
            keep = momentum(adam.steps // self.config.every - 1, self.config.momentum)
            training.slow = slow.blend(_fixed(fast), keep)

    def _state(self, training: _Training) -> State:
        masks = self.proposals.state(len(self.proposals.windows))
        return State(
            _STEP,
            training.adam.steps,
            self.config.steps,
            {**masks.tensors, **training.tensors},
            {**masks.notes, "draws": training.draws},
        )

    def cosine_kmeans(self, count: int) -> Steps[LinearModel]:
        """Return unit directions that many cells are close to, after some epochs of descent."""
        directions = principal_directions(self.cells, count, self.rng)
        start = LinearModel(
            directions, torch.ones_like(directions[:, 0]), directions.new_zeros(count)
        )
        moving = start.directions.clone().requires_grad_()
        adam = Adam([moving], self.config.rate, _METHOD)
        batches = self._batches(count)
        steps = self.config.epochs * (len(self.proposals.windows) // self._batch(count))
        for step in range(1, steps + 1):
            yield Progress(step, steps, "finding directions")
            unit = functional.normalize(self.cells.index_select(1, next(batches)), dim=0)
            cosines = functional.normalize(moving, dim=1) @ unit
            adam.descend(-cosines.amax(0).mean())
        return LinearModel(functional.normalize(moving.detach(), dim=1), start.gains, start.offsets)

    def ordered(self, model: LinearModel) -> Steps[LinearModel]:
        """Return the classes, the most frequent first."""
        classes = yield from self._classes_of_cells(model)
        size = torch.bincount(classes, minlength=model.count)
        return model.select(torch.argsort(size, descending=True, stable=True))

    def _classes_of_cells(self, model: LinearModel) -> Steps[Tensor]:
        parts = []
        for part in self._parts(model.count):
            yield Progress(0, 1, "looking at classes")
            parts.append(model.nearest(self.cells[:, part]))
        return torch.cat(parts)

    def _parts(self, count: int) -> Iterator[slice]:
        most = max(1, _MOST_LOGITS // count)
        return (slice(at, at + most) for at in range(0, self.cells.shape[1], most))

    def _batch(self, count: int) -> int:
        """Return how many windows one step takes."""
        windows = self.proposals.windows
        enough = -(-self.config.cells * len(windows) // self.cells.shape[1])
        most = max(1, _MOST_LOGITS // (count * max(windows)))
        return min(max(self.config.batch, enough), most, len(windows))

    def _batches(self, count: int) -> Iterator[Tensor]:
        """Yield cells of some windows, (m,) int64, without end; each epoch in a new order."""
        sizes = np.array(self.proposals.windows)
        ends = sizes.cumsum()
        batch = self._batch(count)
        while True:
            order = self.rng.permutation(len(sizes))
            for at in range(0, len(order) - batch + 1, batch):
                chosen = np.sort(order[at : at + batch])
                spans = [np.arange(ends[i] - sizes[i], ends[i]) for i in chosen]
                yield torch.from_numpy(np.concatenate(spans)).to(self.cells.device)


def principal_directions(cells: Tensor, count: int, rng: np.random.Generator) -> Tensor:
    """Return (count, D) unit vectors: principal directions, their opposites, then any."""
    return directions_of(cells.double().cov(), count, rng)


def directions_of(covariance: Tensor, count: int, rng: np.random.Generator) -> Tensor:
    """Return what `principal_directions` does, for a covariance (D, D) in double precision."""
    own = fixed_sign(torch.linalg.eigh(covariance).eigenvectors.flip(1).T).float()
    some = torch.from_numpy(rng.normal(size=(count, len(covariance)))).to(own)
    return torch.cat([own, -own, functional.normalize(some, dim=1)])[:count]


def focal_loss(logits: Tensor, targets: Tensor, focus: float) -> Tensor:
    """Return the class-wise focal cross-entropy.

    Parameters
    ----------
    logits : (K, n) float tensor
        What the classes say of cells.
    targets : (n,) int64 tensor
        What they should say; `UNCLAIMED` for cells that count in the mean with a loss of 0.
    focus : float
        γ: class k weighs (1 − its mean probability)^γ.

    Returns
    -------
    () float tensor
        The mean over all cells.
    """
    share = logits.detach().softmax(0).mean(1)
    weights = (1 - share).clamp_min(0) ** focus
    total = functional.cross_entropy(
        logits[None], targets[None], weight=weights, ignore_index=UNCLAIMED, reduction="sum"
    )
    return total / max(len(targets), 1)


def momentum(update: int, limit: float) -> float:
    """Return what the slow classes keep at an update: nothing at first, later ever more."""
    return min(limit, 1 - 1 / (1 + update))


def _trainable(model: LinearModel, *, offsets: bool) -> LinearModel:
    return LinearModel(
        model.directions.clone().requires_grad_(),
        model.gains.clone().requires_grad_(),
        model.offsets.clone().requires_grad_(offsets),
    )


def _fixed(model: LinearModel) -> LinearModel:
    return LinearModel(model.directions.detach(), model.gains.detach(), model.offsets.detach())


def _adam(model: LinearModel, rate: float) -> Adam:
    numbers = (model.directions, model.gains, model.offsets)
    return Adam([part for part in numbers if part.requires_grad], rate, _METHOD)
