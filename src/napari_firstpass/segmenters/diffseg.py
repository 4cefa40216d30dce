"""DiffSeg without a network: places that resemble the same places become a class.

Tian, Aggarwal, Colaco, Kira and Gonzalez-Franco, "Diffuse, Attend, and Segment" (arXiv
2308.12469), merge the rows of an attention matrix of Stable Diffusion. The merging
(`kl_merging`) asks only for rows that are at least 0 and sum to 1. Here they come from the features
of any backbone: a row tells how alike a place is to each of a thousand places, the *keys*, as
exp(−‖f − key‖² / T), divided by the sum. For attention itself, see `attention_labels`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_firstpass.clustering import require_distinct, squared_distances
from napari_firstpass.errors import OptionError
from napari_firstpass.feature_scaling import valid_vectors
from napari_firstpass.kernel_model import KernelModel
from napari_firstpass.kl_merging import anchored_steps, count_steps, refined_steps
from napari_firstpass.progress import Progress, Span, Steps, relay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_firstpass.features import FeatureMap
    from napari_firstpass.kl_merging import Merged

_ROWS = 256
"""Rows by which the temperature is chosen."""
_HALVINGS = 12
_FAR = -40.0
_COOLEST = 1e-4
"""Of the largest squared distance; below, rounding of distances would show."""
_ANCHORS_FOR_EACH = 4
_MOST_KEYS = 4096
_MOST_BEYOND = 32
_NARROWEST = 1 / 16


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffSegConfig:
    """How to compare and merge.

    Attributes
    ----------
    threshold : float or None
        τ: rows closer than this, in nats, say the same, and the number of classes is what emerges.
        None for the threshold that leaves some proposals, which are then joined to classes.
    proposals : int
        How many it leaves at least; twice as many as classes where that is more (of more than 32
        classes, 32 more).
    keys : int
        Places that all are compared with, 16 to 4096, drawn from all over the sample; as many as
        anchors at least. Memory and time grow with the square: 4 MB for 1024, 64 MB for 4096.
    anchors : int
        Keys around which rows are collected; four for each proposal where that is more.
    rounds : int
        How often to merge, 1 or more.
    spread : float or None
        Share of the keys over which a row spreads, between 0 and 1: T is such that the mean
        entropy of rows is ln(spread · keys). None for half of what an even class has, and 1/16 at
        least.
    refine : bool
        Whether k-means over all rows follows.
    """

    threshold: float | None = None
    proposals: int = 12
    keys: int = 1024
    anchors: int = 256
    rounds: int = 3
    spread: float | None = None
    refine: bool = False

    def __post_init__(self) -> None:
        _require(self.threshold is None or self.threshold > 0, "a threshold above 0, or None")
        _require(16 <= self.keys <= _MOST_KEYS, f"16 to {_MOST_KEYS} keys")
        _require(self.proposals >= 1, "at least 1 proposal")
        _require(self.anchors >= 1, "at least 1 anchor")
        _require(self.rounds >= 1, "at least 1 round")
        _require(self.spread is None or 0 < self.spread < 1, "a spread between 0 and 1, or None")


def _require(holds: bool, expected: str) -> None:
    if not holds:
        raise OptionError(expected=expected, found="another", remedy="change it")


DEFAULT = DiffSegConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffSegSegmenter:
    """Merges rows of similarities of a sample until classes are left.

    Attributes
    ----------
    classes : int
        Number of classes; not used where ``config`` has a threshold.
    seed : int
        Draws keys and anchors.
    config : DiffSegConfig
        How.
    """

    classes: int
    seed: int
    config: DiffSegConfig = DEFAULT

    def fit(self, sample: Sequence[FeatureMap]) -> Steps[KernelModel]:
        """Return classes that fit ``sample``; see `Segmenter`."""
        cells, config = valid_vectors(sample), self.config
        require_distinct(cells, self.classes if config.threshold is None else 1)
        yield Progress(0, 100, "comparing places")
        keys, anchors = self._drawn(cells)
        temperature = temperature_for(keys, self.spread)
        rows, sums = similarities(keys, temperature)
        anchored = yield from relay(anchored_steps(rows, anchors), Span(5, 40, 100))
        if config.threshold is None:
            merging = count_steps(
                anchored, self.classes, proposals=self._proposals, rounds=config.rounds
            )
            found = yield from relay(merging, Span(40, 90, 100))
        else:
            found = anchored.merged(config.threshold, config.rounds)
        if config.refine:
            found = yield from relay(refined_steps(found, rows), Span(90, 100, 100))
        return KernelModel.of(keys, _weights(found, sums), temperature)

    @property
    def spread(self) -> float:
        """Share of the keys over which a row spreads.

        Rows that are narrow beside classes are as far from each other within one as between two.
        """
        if self.config.spread is not None:
            return self.config.spread
        return max(1 / (2 * self.classes), _NARROWEST)

    @property
    def _proposals(self) -> int:
        """How many a threshold leaves before they are joined to classes."""
        return max(self.config.proposals, self.classes + min(self.classes, _MOST_BEYOND))

    def _drawn(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys (N, D), in the order of the sample, and which of them are anchors."""
        rng = np.random.default_rng(self.seed)
        most = max(self.config.anchors, _ANCHORS_FOR_EACH * self._proposals)
        keys = min(max(self.config.keys, most), _MOST_KEYS)
        drawn = np.sort(rng.permutation(len(cells))[:keys])
        anchors = np.sort(rng.permutation(len(drawn))[:most])
        return cells[torch.from_numpy(drawn).to(cells.device)], torch.from_numpy(anchors)


def _weights(found: Merged, sums: Tensor) -> Tensor:
    """Return how much each key counts for each class: at a key, a class is its proposal's share."""
    weights = found.shares / sums
    return weights / weights.amax()


def similarities(keys: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return how alike keys (N, D) are: rows (N, N) that sum to 1, and their sums (N,) before."""
    rows = squared_distances(keys, keys).fill_diagonal_(0)
    # Numbers near the smallest there are make products of matrices a hundred times as slow.
    rows.div_(-temperature).clamp_min_(_FAR).exp_()
    sums = rows.sum(1)
    return rows.div_(sums.unsqueeze(1)), sums


def temperature_for(keys: Tensor, spread: float) -> float:
    """Return the temperature at which rows spread over a share of the keys.

    The mean entropy of rows grows with the temperature, from 0 to ln N; that of some rows is
    brought to ln(``spread`` · N) by bisection, between squared distances that occur. Nothing but
    the sample is looked at.

    Parameters
    ----------
    keys : (N, D) float tensor
        Points in feature space.
    spread : float
        Between 0 and 1; a row spreads over two keys at least.
    """
    step = -(-len(keys) // _ROWS)
    distances = squared_distances(keys[::step], keys)
    wanted = log(max(2.0, spread * len(keys)))
    high = max(float(distances.max()), 1e-6)
    low = high * _COOLEST
    for _ in range(_HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if _entropy(distances / -middle) < wanted else (low, middle)
    return high


def _entropy(logits: Tensor) -> float:
    logs = logits.log_softmax(1)
    return float(-(logs.exp() * logs).sum(1).mean())
