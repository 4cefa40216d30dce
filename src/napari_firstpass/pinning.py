"""Classes with a few examples: the sample then tells how wide, how frequent and where they are.

Each class is a Gaussian, all of one covariance, fitted to examples and to the whole sample at once
by EM; examples keep their class (Nigam, McCallum, Thrun and Mitchell 2000, "Text classification
from labeled and unlabeled documents using EM"; here with Gaussians). What was tried besides is in
docs/research/hints.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_firstpass.clustering import kmeans, squared_distances
from napari_firstpass.errors import ImageContentError
from napari_firstpass.feature_scaling import valid_vectors
from napari_firstpass.mixture_model import MixtureModel
from napari_firstpass.progress import Progress, Span, Steps, relay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_firstpass.features import FeatureMap
    from napari_firstpass.protocols import ClassModel, Segmenter

_CELLS = 2**17
"""Of the sample, EM looks at so many at most."""
_ROUNDS = 10
_SAMPLE_SHARE = 0.8
"""How much the whole sample counts; the rest is the examples'."""
_ROUND = 0.3
"""How much the covariance is drawn towards that of a ball: examples are few."""
_RARE = 0.05
"""No part is taken to be rarer than this share of an even one."""
_LOOKS = 3
_LEAST_EXAMPLES = 4
_RECOGNISED = 0.65
"""Classes of which less of the examples is recognised at the start have several looks."""
_THIN = 1e-3
"""Least variance of examples, of that of the sample."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Cells of which somebody says what they are.

    Attributes
    ----------
    vectors : (n, D) tensor
        Their features, scaled as those of the sample.
    classes : (n,) int64 tensor
        Classes from 0.
    names : tuple of str
        What the classes are called.
    """

    vectors: Tensor
    classes: Tensor
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        for index, name in enumerate(self.names):
            if not bool((self.classes == index).any()):
                raise ImageContentError(
                    expected=f"hints on {name!r} where there is data",
                    found="none that is not outweighed by others in its cell, or on no data",
                    remedy="paint larger ones, or leave the class out",
                )

    @property
    def mass(self) -> Tensor:
        """How much each example counts (n,): classes count alike, all together 1."""
        sizes = torch.bincount(self.classes, minlength=len(self.names))
        return (1 / (sizes * len(self.names)))[self.classes].to(self.vectors)

    def require_recognised(self, model: MixtureModel) -> None:
        """Refuse a model that sees another class in all examples of one.

        Raises
        ------
        ImageContentError
            Naming both classes.
        """
        said = _classes_of(model, self.vectors)
        for index, name in enumerate(self.names):
            own = said[self.classes == index]
            if bool((own != index).all()):
                other = int(torch.bincount(own).argmax())
                like = repr(self.names[other]) if other < len(self.names) else "something else"
                raise ImageContentError(
                    expected=f"hints on {name!r} that differ from all others",
                    found=f"none: they look like {like}",
                    remedy="check them, give more, or give both one name",
                )


def pinned_steps(
    sample: Sequence[FeatureMap], examples: Examples, segmenter: Segmenter, count: int
) -> Steps[MixtureModel]:
    """Find ``count`` classes: those that have examples come first, in their order.

    Parameters
    ----------
    sample : sequence of FeatureMap
        Windows spread over the images.
    examples : Examples
        Of C classes.
    segmenter : Segmenter
        Finds ``count`` classes without examples. The ``count`` − C of these that are least like any
        example are what the others start from; where all have examples, it is not asked.
    count : int
        At least C.

    Raises
    ------
    ImageContentError
        If the examples of one class all look like another, or the sample has too few places that
        differ.
    """
    named = len(examples.names)
    cells = valid_vectors(sample)
    cells = cells[:: -(-len(cells) // _CELLS)]
    parts = _Parts.of(examples)
    for _ in range(_LOOKS - 1):
        model = _Mixture.of(examples, parts, cells).model(parts, named)
        parts = yield from relay(parts.split(examples, _poor(model, examples)), Span(0, 0, 100))
    mixture = _Mixture.of(examples, parts, cells)
    if count > named:
        found = yield from relay(segmenter.fit(sample), Span(0, 80, 100))
        means = yield from relay(_means(sample, found), Span(80, 85, 100))
        apart = mixture.distances(means)
        chosen = torch.argsort(apart, descending=True, stable=True)[: count - named]
        parts = parts.beside(means[chosen], named)
        mixture = _Mixture.of(examples, parts, cells)
    for done in range(_ROUNDS):
        yield Progress(85 + 15 * done // _ROUNDS, 100, "fitting classes to the hints")
        mixture = mixture.moved(examples, parts, cells)
    model = mixture.model(parts, named)
    examples.require_recognised(model)
    return model


def _classes_of(model: ClassModel, vectors: Tensor) -> Tensor:
    """Return the class (n,) of vectors (n, D)."""
    return model.scores(vectors.T[:, :, None])[:, :, 0].argmax(0)


def _poor(model: ClassModel, examples: Examples) -> list[int]:
    """Return the classes of which few examples are recognised."""
    right = (_classes_of(model, examples.vectors) == examples.classes).to(examples.mass)
    sums = right.new_zeros(len(examples.names)).index_add_(0, examples.classes, right)
    sizes = torch.bincount(examples.classes, minlength=len(sums))
    return (sums < _RECOGNISED * sizes).nonzero()[:, 0].tolist()


def _means(sample: Sequence[FeatureMap], found: ClassModel) -> Steps[Tensor]:
    """Return the mean vectors (K, D) of classes that were found; 0 for those without a cell."""
    size = sample[0].vectors.new_zeros(found.count)
    sums = size.new_zeros(found.count, len(sample[0].vectors))
    for done, window in enumerate(sample):
        yield Progress(done, len(sample), "looking at classes")
        cells = window.vectors[:, window.valid].T
        own = functional.one_hot(_classes_of(found, cells), found.count).to(cells)
        size += own.sum(0)
        sums += own.T @ cells
    return sums / size[:, None].clamp_min(1)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Parts of the mixture: which class each belongs to, (M,), and where it starts, (M, D)."""

    owner: Tensor
    centres: Tensor

    @classmethod
    def of(cls, examples: Examples) -> _Parts:
        """Start with one part for each class that has examples."""
        own = functional.one_hot(examples.classes, len(examples.names)).to(examples.vectors)
        means = own.T @ examples.vectors / own.sum(0)[:, None]
        return cls(torch.arange(len(means), device=means.device), means)

    def beside(self, others: Tensor, named: int) -> _Parts:
        """Add a class for each of some centres (U, D), after the ``named`` ones."""
        more = torch.arange(named, named + len(others), device=others.device)
        return _Parts(torch.cat([self.owner, more]), torch.cat([self.centres, others]))

    def split(self, examples: Examples, classes: Sequence[int]) -> Steps[_Parts]:
        """Give some classes one part more each, as far as they have examples for it."""
        parts = self
        for index in classes:
            vectors = examples.vectors[examples.classes == index]
            looks = int((parts.owner == index).sum()) + 1
            enough = min(len(vectors) // _LEAST_EXAMPLES, len(torch.unique(vectors, dim=0)))
            if looks > enough:
                continue
            centres = yield from kmeans(vectors, looks, seed=0)
            kept = parts.owner != index
            owner = torch.cat([parts.owner[kept], parts.owner.new_full((looks,), index)])
            order = torch.argsort(owner, stable=True)
            parts = _Parts(owner[order], torch.cat([parts.centres[kept], centres])[order])
        return parts


@dataclass(frozen=True, slots=True)
class _Mixture:
    """Gaussians of one covariance (D, D), with means (M, D) and shares (M,)."""

    means: Tensor
    covariance: Tensor
    shares: Tensor

    @classmethod
    def of(cls, examples: Examples, parts: _Parts, cells: Tensor) -> _Mixture:
        """Start from the examples alone."""
        apart = squared_distances(examples.vectors, parts.centres)
        foreign = parts.owner != examples.classes[:, None]
        nearest = apart.masked_fill(foreign, torch.inf).argmin(1)
        off = examples.vectors - parts.centres[nearest]
        thin = _THIN * cells.var(0, correction=0).mean().clamp_min(1e-6)
        covariance = (off.T * examples.mass) @ off + thin * torch.eye(off.shape[1]).to(off)
        even = torch.full_like(parts.centres[:, 0], 1 / len(parts.centres))
        return cls(parts.centres, covariance, even)

    def moved(self, examples: Examples, parts: _Parts, cells: Tensor) -> _Mixture:
        """Return what fits examples and cells best, given what they seem to be now."""
        weights, offsets = self.linear()
        seeming = torch.softmax(torch.addmm(offsets, cells, weights.T), 1)
        foreign = parts.owner != examples.classes[:, None]
        logits = torch.addmm(offsets, examples.vectors, weights.T)
        said = torch.softmax(logits.masked_fill(foreign, -torch.inf), 1)
        shares = seeming.mean(0).clamp_min(_RARE / len(offsets))
        from_cells = seeming * (_SAMPLE_SHARE / len(cells))
        from_examples = said * ((1 - _SAMPLE_SHARE) * examples.mass)[:, None]
        mass = (from_cells.sum(0) + from_examples.sum(0)).clamp_min(1e-9)
        means = (from_cells.T @ cells + from_examples.T @ examples.vectors) / mass[:, None]
        second = _second_moment(cells, from_cells.sum(1))
        second = second + _second_moment(examples.vectors, from_examples.sum(1))
        between = _second_moment(means, mass)
        return _Mixture(means, second - between, shares / shares.sum())

    def over_covariance(self, vectors: Tensor) -> Tensor:
        """Return vectors (n, D) times the inverse of the covariance, which is drawn to a ball."""
        even = self.covariance.diagonal().mean().clamp_min(1e-6)
        ball = even * torch.eye(len(self.covariance)).to(self.covariance)
        drawn = torch.lerp(self.covariance, ball, _ROUND)
        solved: Tensor = torch.linalg.solve(drawn.double(), vectors.T.double())
        return solved.T.to(vectors)

    def distances(self, vectors: Tensor) -> Tensor:
        """Return how far (n,) vectors (n, D) are from the nearest part, by its covariance."""
        apart = [(vectors - mean) * self.over_covariance(vectors - mean) for mean in self.means]
        return torch.stack(apart).sum(2).amin(0)

    def linear(self) -> tuple[Tensor, Tensor]:
        """Return weights (M, D) and offsets (M,) of the logits."""
        weights = self.over_covariance(self.means)
        return weights, self.shares.log() - (weights * self.means).sum(1) / 2

    def model(self, parts: _Parts, named: int) -> MixtureModel:
        """Return the classes: the ``named`` ones in order, then the others by frequency."""
        weights, offsets = self.linear()
        members = functional.one_hot(parts.owner).to(weights).T
        order = torch.argsort(members[named:] @ self.shares, descending=True, stable=True)
        ordered = torch.cat([members[:named], members[named:][order]])
        return MixtureModel(weights, offsets, ordered.contiguous())


def _second_moment(vectors: Tensor, mass: Tensor) -> Tensor:
    """Return Σ m f fᵀ (D, D) of vectors (n, D) with mass (n,)."""
    return (vectors.T * mass) @ vectors
