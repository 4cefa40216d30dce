"""SmooSeg: classes under which places that look alike bear the same label.

Lan, Wang, Ke, Xu, Feng and Zhang, "SmooSeg: smoothness prior for unsupervised semantic
segmentation", NeurIPS 2023 (arXiv 2310.17874). A small projector on frozen features, and
prototypes, are trained without labels on an energy of two terms. The smoothness term trains the
projector alone: pairs that are close should agree, others should not. The data term trains the
prototypes alone: they should say what a slowly following copy of them, the teacher, says. The
teacher is what labels in the end.

What was made for large networks' features goes astray on colour and texture; `DEFAULT` adds to the
paper: it starts from groups that k-means finds, more of them than classes, takes closeness,
thresholds and temperature from the data, counts rare groups like common ones, and joins groups by
affinity at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from napari_firstpass.clustering import kmeans, require_distinct, squared_distances
from napari_firstpass.descent import Adam
from napari_firstpass.descent import DivergedError as Diverged
from napari_firstpass.feature_scaling import valid_vectors
from napari_firstpass.merging import merged
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.projection import ProjectedModel, Projector
from napari_firstpass.smoothness import gaussian_waves, on_waves, shift_for, smoothness
from napari_firstpass.training_state import FORGETFUL, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_firstpass.features import FeatureMap
    from napari_firstpass.training_state import Keeper


@dataclass(frozen=True, slots=True, kw_only=True)
class SmooSegConfig:
    """How to train.

    Attributes
    ----------
    groups : int or None
        Prototypes to learn before they are joined to classes; at least twice as many as classes,
        or 32 more. K-means starts them, and the projector starts out as `Projector.lifted`. None:
        as many as classes, from a random start, as in the paper.
    width : int
        Numbers of a projected vector.
    steps : int
        Steps at most.
    batch : int
        Windows of a step; of fewer windows, all.
    places : int
        Places of each window that are looked at in a step: drawn, unless it has just so many.
    in_turn : bool
        Whether no window comes again before all have come; a last batch that is not full is left
        out.
    waves : int or None
        Closeness is Gaussian, by so many waves (`on_waves`), and fades over the median squared
        distance of the sample. None: the cosine of features, as in the paper.
    intra_shift, inter_shift : float or None
        b₁ and b₂ of the paper: what counts as close within a window and between two. None: so that
        as many pairs are close as share a label before training.
    temperature : float or None
        τ of the paper, for the teacher's probabilities. None: from the spread around the start.
    data_temperature : float or None
        The same for the data term; 1 in the paper. None: as ``temperature``.
    balanced : bool
        Whether each prototype counts alike in the data term, however few cells it has.
    momentum : float
        α of the paper: how slowly the teacher follows.
    dropout : float
        Share of the features that are left out, drawn anew for each use.
    projector_rate, prototype_rate : float
        Learning rates of Adam.
    settled : float
        Stop when, from one look (every 20 steps) to the next, a smaller share of a fixed set of
        cells changed its class. 0 goes on to the end.
    size_power : float
        How much size counts when groups are joined; see `merged`.
    """

    groups: int | None = 32
    width: int = 64
    steps: int = 200
    batch: int = 16
    places: int = 128
    in_turn: bool = False
    waves: int | None = 64
    intra_shift: float | None = None
    inter_shift: float | None = None
    temperature: float | None = None
    data_temperature: float | None = None
    balanced: bool = True
    momentum: float = 0.98
    dropout: float = 0.0
    projector_rate: float = 1e-3
    prototype_rate: float = 5e-3
    settled: float = 0.005
    size_power: float = 0.25


DEFAULT = SmooSegConfig()
"""For features of this package; chosen on development data, see docs/research/smooseg.md."""

POTSDAM3 = SmooSegConfig(
    groups=None,
    width=64,
    steps=3000,
    batch=32,
    places=784,
    in_turn=True,
    waves=None,
    intra_shift=0.1,
    inter_shift=0.5,
    temperature=0.1,
    data_temperature=1.0,
    balanced=False,
    momentum=0.998,
    dropout=0.2,
    projector_rate=1e-4,
    prototype_rate=5e-4,
    settled=0.0,
)
"""As published for Potsdam-3 on DINO ViT-B/8: 28 × 28 places of each image."""

_LOOK_EVERY = 20
_LOOKED_AT = 1024
"""Cells on which it is measured whether labels still change."""
_FURTHER = 32
"""Groups beyond the number of classes where these are many: joining takes a while."""
_COUNTED = 2**16
"""Cells on which classes are ordered by frequency."""
_PROBE = 4096
"""Cells that are compared when groups are joined."""
_PAIRED = 64
"""Places of each window whose pairs the shifts are taken from."""
_LEAST_LOGIT = -20.0
"""Below the largest. The softmax of less is so small that products of it are subnormal numbers,
with which processors compute many times slower. At the published τ = 0.1 none is less."""


_METHOD = "smooseg"


class DivergedError(Diverged):
    """The loss, or what is learned, is not finite any more.

    Attributes
    ----------
    step : int
        The step in which that was found, from 1.
    last_good : ProjectedModel
        The classes of the step before.
    """

    def __init__(self, step: int, last_good: ProjectedModel) -> None:
        self.last_good = last_good
        super().__init__(_METHOD, step, "none")


class Cells(Protocol):
    """The cells (D, n) of each window of a sample; n > 0."""

    def __len__(self) -> int:
        """Return the number of windows."""
        ...

    def __getitem__(self, index: int, /) -> Tensor:
        """Return the cells of a window."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """Something to do now and then in a training.

    Attributes
    ----------
    every : int
        After how many steps.
    at : callable
        Does it, with the number of the step and the classes that are learned so far.
    """

    every: int
    at: Callable[[int, Any], Steps[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmooSegSegmenter:
    """Trains a projector and prototypes on the cells of a sample.

    Attributes
    ----------
    classes : int
        Number of classes.
    seed : int
        Drives the start and what each step looks at.
    config : SmooSegConfig
        How to train.
    """

    classes: int
    seed: int
    config: SmooSegConfig = DEFAULT
    resumes: ClassVar[bool] = True

    def fit(
        self, sample: Sequence[FeatureMap], *, keeper: Keeper = FORGETFUL
    ) -> Steps[ProjectedModel]:
        """Return classes that fit ``sample``; see `Resumable`. The training is what is kept.

        Raises
        ------
        ImageContentError
            If fewer cells differ than there are classes.
        DivergedError
            If the loss becomes NaN or infinite.
        """
        cells = [window.vectors[:, window.valid] for window in sample if bool(window.valid.any())]
        return (yield from self.fit_cells(cells, valid_vectors(sample), keeper=keeper))

    def fit_cells(
        self,
        cells: Cells,
        vectors: Tensor,
        look: Look | None = None,
        *,
        keeper: Keeper = FORGETFUL,
    ) -> Steps[ProjectedModel]:
        """Return classes that fit windows, which may be too many to be held at once.

        Parameters
        ----------
        cells : Cells
            The windows; one is asked for when a step looks at it.
        vectors : (m, D) tensor
            Some of all cells, or all.
        look : Look, optional
            What to do with the classes that are learned so far.
        keeper : Keeper
            As in `fit`.

        Raises
        ------
        ImageContentError, DivergedError
            As `fit`.
        """
        rng = torch.Generator().manual_seed(self.seed)
        start = yield from relay(self._start(vectors, rng), Span(0, 20, 100))
        windows = _Windows(cells, self.config, rng)
        probe = vectors[torch.randperm(len(vectors), generator=rng)[:_PROBE].to(vectors.device)]
        signal = _Signal.of(probe, self.config, rng)
        training = _Training.of(start, windows, signal)
        learning = self._train(training, vectors, probe, look, keeper)
        state = yield from relay(learning, Span(20, 98, 100))
        return (yield from relay(self._classes(state, vectors, probe), Span(98, 100, 100)))

    def _start(self, vectors: Tensor, rng: torch.Generator) -> Steps[_State]:
        features, config = vectors.shape[1], self.config
        if config.groups is None:
            require_distinct(vectors, self.classes)
            projector = Projector.drawn(features, config.width, rng)
            drawn = functional.normalize(torch.randn(self.classes, config.width, generator=rng))
            return _State.of(projector, drawn, config.temperature or 0.1, vectors.device)
        wanted = max(config.groups, self.classes + min(self.classes, _FURTHER))
        groups = max(self.classes, _distinct(vectors, wanted))
        centres = yield from kmeans(vectors, groups, seed=self.seed)
        height = float(vectors.square().sum(1).mean().sqrt())
        projector = Projector.lifted(features, config.width, max(height, 1e-6), rng)
        state = _State.of(projector, torch.empty(0), 0.0, vectors.device)
        prototypes = state.projector.codes(centres.T).T
        temperature = config.temperature or _spread(state.projector, prototypes, vectors)
        return replace(state, student=prototypes, teacher=prototypes, temperature=temperature)

    def _train(
        self,
        training: _Training,
        vectors: Tensor,
        probe: Tensor,
        look: Look | None = None,
        keeper: Keeper = FORGETFUL,
    ) -> Steps[_State]:
        begun = keeper.restore()
        before = None if begun is None else training.restore(begun)
        good = training.snapshot()
        if before is None:
            before = yield from relay(self._labels(good, probe), Span(0, 0, 1))
        for step in range(training.steps + 1, self.config.steps + 1):
            yield Progress(step - 1, self.config.steps, "learning classes")
            if not (training.step() and training.finite):
                raise DivergedError(step, (yield from self._classes(good, vectors, probe)))
            good = training.snapshot()
            if look is not None and step % look.every == 0:
                classes = yield from self._classes(good, vectors, probe)
                span = Span(step, step, self.config.steps)
                yield from relay(look.at(step, classes), span)
            if step % _LOOK_EVERY == 0:
                looking = self._labels(good, probe)
                now = yield from relay(looking, Span(step, step, self.config.steps))
                if _changed(before, now, self.classes) < self.config.settled:
                    break
                before = now
            keeper.keep(partial(training.state, before))
        return good

    def _classes(self, state: _State, vectors: Tensor, probe: Tensor) -> Steps[ProjectedModel]:
        """Join prototypes to classes, the most frequent first."""
        owner = yield from self._joined(state.groups(probe), len(state.teacher), probe)
        seen = vectors[:: -(-len(vectors) // _COUNTED)]
        size = torch.bincount(owner[state.groups(seen)], minlength=self.classes)
        order = torch.argsort(size, descending=True, stable=True)
        members = functional.one_hot(owner, self.classes).to(vectors).T[order]
        teacher = functional.normalize(state.teacher)
        return ProjectedModel.of(state.projector, teacher, members, state.temperature)

    def _labels(self, state: _State, probe: Tensor) -> Steps[Tensor]:
        """Return the class of each of the first cells of the probe."""
        few = probe[:_LOOKED_AT]
        groups = state.groups(few)
        owner = yield from self._joined(groups, len(state.teacher), few)
        return owner[groups]

    def _joined(self, group_of: Tensor, groups: int, probe: Tensor) -> Steps[Tensor]:
        """Return the class of each prototype.

        Those that won no cell of the probe go to class 0, unless there are not enough others.
        """
        if groups == self.classes:
            return torch.arange(groups, device=probe.device)
        size = torch.bincount(group_of, minlength=groups)
        won = (size > 0).nonzero()[:, 0]
        owner = torch.zeros(groups, dtype=torch.int64, device=probe.device)
        if len(won) <= self.classes:
            ranked = torch.argsort(size, descending=True, stable=True)[: self.classes]
            owner[ranked] = torch.arange(self.classes, device=probe.device)
            return owner
        compact = torch.cumsum(size > 0, 0)[group_of] - 1
        scale, power = _median_distance(probe), self.config.size_power
        owner[won] = yield from merged(probe, compact, self.classes, scale, power)
        return owner


@dataclass(frozen=True, slots=True)
class _State:
    """What is learned. ``student`` and ``teacher`` are (M, W) tensors."""

    projector: Projector
    student: Tensor
    teacher: Tensor
    temperature: float

    @classmethod
    def of(
        cls, projector: Projector, prototypes: Tensor, temperature: float, device: torch.device
    ) -> _State:
        moved = Projector(*(tensor.to(device) for tensor in projector.tensors))
        return cls(moved, prototypes.to(device), prototypes.to(device), temperature)

    def groups(self, vectors: Tensor) -> Tensor:
        """Return the prototype (n,) that the teacher gives vectors (n, D)."""
        teacher = functional.normalize(self.teacher)
        return (teacher @ self.projector.codes(vectors.T)).argmax(0)


@dataclass(frozen=True, slots=True)
class _Windows:
    """Cells (D, n) of each window, n > 0, of which steps look at some."""

    cells: Cells
    config: SmooSegConfig
    rng: torch.Generator
    waiting: list[int] = field(default_factory=list)
    """Windows that still come in this turn."""

    def batch(self, places: int) -> Tensor:
        """Draw (B, D, places), places with replacement; of a single window, twice."""
        chosen = self._chosen()
        twice = chosen * 2 if len(chosen) == 1 else chosen
        return torch.stack([self._drawn(index, places) for index in twice])

    def _chosen(self) -> list[int]:
        batch = min(self.config.batch, len(self.cells))
        if not self.config.in_turn or len(self.waiting) < batch:
            self.waiting[:] = torch.randperm(len(self.cells), generator=self.rng).tolist()
        chosen = self.waiting[:batch]
        del self.waiting[:batch]
        return chosen

    def _drawn(self, index: int, places: int) -> Tensor:
        cells = self.cells[index]
        if cells.shape[1] == places:
            return cells
        at = torch.randint(cells.shape[1], (places,), generator=self.rng)
        return cells[:, at.to(cells.device)]

    def turn(self, batch: Tensor) -> int:
        """Draw by how much to turn a batch, so that each window meets another."""
        return 1 + int(torch.randint(len(batch) - 1, (1,), generator=self.rng))

    def dropped(self, batch: Tensor) -> Tensor:
        """Leave out features of (B, D, n), others for each window."""
        if self.config.dropout == 0:
            return batch
        kept = torch.rand(batch.shape[:2], generator=self.rng) >= self.config.dropout
        return batch * kept.to(batch)[:, :, None] / (1 - self.config.dropout)


@dataclass(frozen=True, slots=True)
class _Signal:
    """Vectors of length 1 whose scalar products are closeness."""

    waves: Tensor | None

    @classmethod
    def of(cls, probe: Tensor, config: SmooSegConfig, rng: torch.Generator) -> _Signal:
        if config.waves is None:
            return cls(None)
        waves = gaussian_waves(config.waves, probe.shape[1], _median_distance(probe), rng)
        return cls(waves.to(probe))

    def __call__(self, batch: Tensor) -> Tensor:
        if self.waves is None:
            return functional.normalize(batch, dim=1, eps=1e-6)
        return on_waves(batch, self.waves)


@dataclass(slots=True)
class _Training:
    """A training under way; its tensors change in place, but the teacher."""

    projector: Projector
    student: Tensor
    teacher: Tensor
    temperature: float
    windows: _Windows
    signal: _Signal
    shifts: tuple[float, float]
    turning: Adam
    naming: Adam

    @classmethod
    def of(cls, start: _State, windows: _Windows, signal: _Signal) -> _Training:
        config = windows.config
        shifts = _shifts(start, windows, signal)
        projector = Projector(*(t.requires_grad_() for t in start.projector.detached().tensors))
        student = start.student.detach().clone().requires_grad_()
        # Each term of the energy moves one of the two, and says nothing of the other.
        turning = Adam(projector.tensors, config.projector_rate, _METHOD)
        naming = Adam([student], config.prototype_rate, _METHOD)
        own = projector, student, start.teacher
        return cls(*own, start.temperature, windows, signal, shifts, turning, naming)

    @property
    def steps(self) -> int:
        """How many were made."""
        return self.turning.steps

    @property
    def finite(self) -> bool:
        """Whether all that was learned is; the teacher was a student before."""
        return self.turning.finite and self.naming.finite

    def state(self, labels: Tensor) -> State:
        """Return what a later run goes on from; ``labels`` are those of the last look."""
        own = {"teacher": self.teacher, "labels": labels}
        draws = self.windows.rng.get_state().numpy().tobytes().hex()
        return State(
            "step",
            self.steps,
            self.windows.config.steps,
            {**own, **self.turning.tensors("projector"), **self.naming.tensors("student")},
            {"draws": draws, "waiting": self.windows.waiting},
        )

    def restore(self, state: State) -> Tensor:
        """Go on from a state; return the labels of the last look."""
        self.turning.restore("projector", state.tensors, state.done)
        self.naming.restore("student", state.tensors, state.done)
        # Laid out in memory as it was: sums run in that order, and their last digits hang on it.
        self.teacher = torch.empty_like(self.teacher).copy_(state.tensors["teacher"])
        draws = bytearray.fromhex(state.notes["draws"])
        self.windows.rng.set_state(torch.frombuffer(draws, dtype=torch.uint8))
        self.windows.waiting[:] = state.notes["waiting"]
        return state.tensors["labels"].long().to(self.teacher.device)

    def snapshot(self) -> _State:
        """Return what was learned so far; further steps do not change it."""
        student = self.student.detach().clone()
        return _State(self.projector.detached(), student, self.teacher, self.temperature)

    def step(self) -> bool:
        """Look at a batch and learn from it; return False, and learn nothing, if that failed."""
        smooth, data = self.energy(self.windows.batch(self.windows.config.places))
        if not bool((smooth + data).isfinite()):
            return False
        # Before the student moves, as in the paper.
        self.teacher = torch.lerp(self.student.detach(), self.teacher, self.windows.config.momentum)
        self.turning.descend(smooth)
        self.naming.descend(data)
        return True

    def energy(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Return the smoothness term and the data term of a batch (B, D, n)."""
        windows = self.windows
        close = self.signal(windows.dropped(batch))
        codes = self.projector.codes(windows.dropped(batch), windows.dropped(batch))
        said = functional.normalize(self.teacher) @ codes
        labels = _labels(said / self.temperature)
        turn = windows.turn(batch)
        intra = smoothness(close, close, labels, labels, self.shifts[0])
        others = close.roll(turn, 0), labels.roll(turn, 0)
        inter = smoothness(close, others[0], labels, others[1], self.shifts[1])
        return intra + inter, self._data(codes.detach(), said.detach().argmax(1))

    def _data(self, codes: Tensor, target: Tensor) -> Tensor:
        """Return how far the student (by codes (B, W, n)) is from the teacher's target (B, n)."""
        config = self.windows.config
        cosines = functional.normalize(self.student) @ codes
        weights = None
        if config.balanced:
            size = torch.bincount(target.flatten(), minlength=len(self.student)).to(codes)
            weights = torch.where(size > 0, 1 / size.clamp_min(1), 0)
        scale = config.data_temperature or self.temperature
        return functional.cross_entropy(cosines / scale, target, weight=weights)


def _labels(logits: Tensor) -> Tensor:
    """Return the probabilities of logits (B, M, n), divided by their length."""
    below = (logits - logits.detach().amax(1, keepdim=True)).clamp_min(_LEAST_LOGIT)
    return functional.normalize(below.softmax(1), dim=1)


def _shifts(start: _State, windows: _Windows, signal: _Signal) -> tuple[float, float]:
    """Return b₁ and b₂: those given, else such that as many pairs are close as share a label."""
    batch = windows.batch(_PAIRED)
    close = signal(batch)
    groups = torch.stack([start.groups(cells.T) for cells in batch])
    shifts = []
    for given, turn in ((windows.config.intra_shift, 0), (windows.config.inter_shift, 1)):
        other = groups.roll(turn, 0)
        share = float((groups[:, :, None] == other[:, None]).float().mean())
        shifts.append(shift_for(close, close.roll(turn, 0), share) if given is None else given)
    return shifts[0], shifts[1]


def _changed(before: Tensor, now: Tensor, classes: int) -> float:
    """Return the share of cells (n,) that changed their class; which number it has is the same."""
    table = torch.bincount(before * classes + now, minlength=classes**2).view(classes, classes)
    return 1 - int(table.amax(1).sum()) / len(before)


def _spread(projector: Projector, prototypes: Tensor, vectors: Tensor) -> float:
    """Return the temperature at which memberships are those of equal Gaussians.

    Their posterior is a softmax of −d² / 2σ², and d² = 2 − 2 cos; the mean nearest d² is D σ².
    """
    step = -(-len(vectors) // 2**15)
    nearest = (prototypes @ projector.codes(vectors[::step].T)).amax(0)
    return max(float((2 - 2 * nearest).mean()) / vectors.shape[1], 1e-4)


def _median_distance(probe: Tensor) -> float:
    """Return the median squared distance of cells (n, D), or the mean if most are equal."""
    squared = squared_distances(probe[:1024], probe[:1024])
    median = float(squared.median())
    return max(median if median > 1e-6 else float(squared.mean()), 1e-6)


def _distinct(vectors: Tensor, wanted: int) -> int:
    """Return how many vectors differ, ``wanted`` at most; looks at all of them only in doubt."""
    for part in (vectors[: 50 * wanted], vectors):
        found = len(torch.unique(part, dim=0))
        if found >= wanted:
            return wanted
    return found
