"""PriMaPs: principal mask proposals, grouped into classes.

Hahn, Araslanov, Schaub-Meyer and Roth, "Boosting unsupervised semantic segmentation with principal
mask proposals", TMLR 2024 (arXiv 2404.16818), sections 3.2 and 3.3. Each window of the sample is
taken apart into masks of similar features, seeded by principal directions of what is still free.
All masks are then grouped into classes: each mask takes the majority class of its cells (E-step),
each class becomes the mean of the cells under its masks (M-step). The paper trains the second part
by gradient descent against a momentum copy; with frozen features its fixed point is reached in a
few closed-form rounds, which is what happens here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from napari_firstpass.clustering import kmeans, squared_distances
from napari_firstpass.normalize import valid_vectors
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.prototypes import PrototypeModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.features import FeatureMap

BACKGROUND = 0
"""Id of cells that no mask claims: left-overs that would only blur the classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskConfig:
    """How to take one window apart.

    Attributes
    ----------
    similarity : float
        ψ of the paper: cells join a mask down to this share of its largest cosine similarity.
    coverage : float
        Stop when this share of the valid cells is covered.
    gain : float
        Steepness of masks before they compete for cells.
    max_masks : int
        Stop after so many masks.
    doublings : int
        Effort for a principal direction: 2 to this power rounds of power iteration.
    parity : bool
        Orient principal directions as the reference implementation does (the first free cell
        projects positively) instead of by the mean cosine of the free cells.
    """

    similarity: float = 0.4
    coverage: float = 0.95
    gain: float = 10.0
    max_masks: int = 40
    doublings: int = 6
    parity: bool = False


DEFAULT_MASKS = MaskConfig(similarity=0.6, max_masks=80)
"""Decorrelated features spread their cosines further than the raw ones of a transformer, for which
the paper's 0.4 was chosen: at 0.4 rare things vanish in the masks of common ones."""


def soft_masks(vectors: Tensor, valid: Tensor, config: MaskConfig) -> Tensor:
    """Take a window apart into soft masks (section 3.2).

    Parameters
    ----------
    vectors : (D, h, w) float tensor
        Features; best centred, or a strong common mean makes everything similar.
    valid : (h, w) bool tensor
        Cells to use.
    config : MaskConfig
        Thresholds.

    Returns
    -------
    (M, h, w) float tensor
        Cosine similarities to each mask's seed relative to the largest, 0 outside the mask. The
        masks share no cell, and leave at most 1 − coverage of the valid cells uncovered unless
        ``max_masks`` is reached.
    """
    cells = vectors.flatten(1).T
    unit = functional.normalize(cells, dim=1)
    free = valid.flatten().clone()
    allowed_left = (1 - config.coverage) * int(free.sum())
    moments = _Moments.of(cells[free])
    masks: list[Tensor] = []
    while int(free.sum()) > allowed_left and len(masks) < config.max_masks:
        direction = _oriented(moments.principal_direction(config.doublings), unit, free, config)
        # −∞ and not 0 outside: where all similarities are negative, 0 would win.
        seed = (unit @ direction).masked_fill(~free, -torch.inf).argmax()
        similar = (unit @ unit[seed]).masked_fill(~free, 0)
        mask = torch.where(similar >= config.similarity * similar.max(), similar, 0)
        taken = mask > 0
        if not bool(taken.any()):
            break  # only zero vectors are left
        masks.append(mask / mask.max())
        free &= ~taken
        moments = moments.without(cells[taken])
    stacked = torch.stack(masks) if masks else cells.new_zeros((0, len(cells)))
    return stacked.reshape(-1, *vectors.shape[1:])


@dataclass(frozen=True, slots=True)
class _Moments:
    """Count, sum and second moment of a set of vectors; members can leave one by one.

    Principal directions of what is left follow from D x D numbers, not from the n x D vectors.
    """

    count: int
    total: Tensor
    second: Tensor

    @classmethod
    def of(cls, cells: Tensor) -> _Moments:
        exact = cells.double()
        return cls(len(cells), exact.sum(0), exact.T @ exact)

    def without(self, cells: Tensor) -> _Moments:
        gone = _Moments.of(cells)
        return _Moments(self.count - gone.count, self.total - gone.total, self.second - gone.second)

    def principal_direction(self, doublings: int) -> Tensor:
        """Return the (D,) first principal direction, its sign arbitrary.

        Squaring a D x D matrix n times stands for 2ⁿ rounds of power iteration.
        """
        mean = self.total / max(self.count, 1)
        covariance = self.second - self.count * torch.outer(mean, mean)
        # A start without symmetry: orthogonal to the answer only by an accident nobody arranges.
        start = torch.cos(torch.arange(len(mean), dtype=mean.dtype, device=mean.device))
        for _ in range(doublings):
            covariance = covariance / covariance.norm().clamp_min(1e-30)
            covariance = covariance @ covariance
        return functional.normalize(covariance @ start, dim=0).float()


def _oriented(direction: Tensor, unit: Tensor, free: Tensor, config: MaskConfig) -> Tensor:
    """Fix the sign of a principal direction."""
    cosines = unit[free] @ direction
    reference = cosines[0] if config.parity else cosines.mean()
    return -direction if bool(reference < 0) else direction


def mask_ids(masks: Tensor, config: MaskConfig) -> Tensor:
    """Let soft masks compete for cells.

    Parameters
    ----------
    masks : (M, h, w) float tensor
        From `soft_masks`.

    Returns
    -------
    (h, w) int64 tensor
        1 … M, or `BACKGROUND`.
    """
    if len(masks) == 0:
        return torch.zeros(masks.shape[1:], dtype=torch.int64, device=masks.device)
    cleaned = (median3(masks) * config.gain).clamp(0, 1)
    present = cleaned[cleaned > 0]
    level = present.mean() if len(present) else cleaned.new_zeros(())
    background = (level - cleaned.sum(0)).clamp(0, 1)
    return torch.cat([background[None], cleaned]).argmax(0)


def median3(maps: Tensor) -> Tensor:
    """Return the 3 x 3 median of maps (M, h, w), borders reflected where there is room."""
    mode = "reflect" if min(maps.shape[1:]) > 1 else "replicate"
    padded = functional.pad(maps[None], (1, 1, 1, 1), mode=mode)[0]
    height, width = maps.shape[1:]
    lows, middles, highs = _sorted3(*(padded[:, i : i + height] for i in range(3)))
    # The median of nine lies among the largest low, the middle middle and the smallest high.
    low = _sorted3(*(lows[:, :, i : i + width] for i in range(3)))[2]
    middle = _sorted3(*(middles[:, :, i : i + width] for i in range(3)))[1]
    high = _sorted3(*(highs[:, :, i : i + width] for i in range(3)))[0]
    return _sorted3(low, middle, high)[1]


def _sorted3(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sort three tensors element by element."""
    a, b = torch.minimum(a, b), torch.maximum(a, b)
    b, c = torch.minimum(b, c), torch.maximum(b, c)
    return torch.minimum(a, b), torch.maximum(a, b), c


@dataclass(frozen=True, slots=True)
class _Proposals:
    """The masks of a whole sample, cell by cell.

    ``mask_of`` (n,) holds for each of the ``cells`` (n, D) the number of its mask, from 0.
    """

    cells: Tensor
    mask_of: Tensor
    count: int

    def means(self) -> tuple[Tensor, Tensor]:
        """Return the mean vector (M, D) and the size (M,) of each mask."""
        size = torch.bincount(self.mask_of, minlength=self.count).to(self.cells)
        sums = self.cells.new_zeros((self.count, self.cells.shape[1]))
        sums.index_add_(0, self.mask_of, self.cells)
        return sums / size.unsqueeze(1), size


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimapsSegmenter:
    """Groups the masks of a sample into classes.

    Attributes
    ----------
    classes : int
        Number of classes.
    seed : int
        Drives the first grouping.
    rounds : int
        Largest number of E- and M-steps.
    masks : MaskConfig
        How to take windows apart.
    """

    classes: int
    seed: int
    rounds: int = 20
    masks: MaskConfig = DEFAULT_MASKS

    def fit(self, sample: Sequence[FeatureMap]) -> Steps[PrototypeModel]:
        """Return classes that fit ``sample``; see `Segmenter`."""
        cells = valid_vectors(sample)
        proposals = yield from relay(self._propose(sample), Span(0, 60, 100))
        # A uniform image has few masks; its cells still differ.
        few = proposals.count < 2 * self.classes
        grouping = kmeans(cells, self.classes, seed=self.seed) if few else self._group(proposals)
        centres = yield from relay(grouping, Span(60, 100, 100))
        return PrototypeModel.of(centres, cells)

    def _group(self, proposals: _Proposals) -> Steps[Tensor]:
        """Return the centres of classes of masks."""
        units, sizes = proposals.means()
        first = kmeans(units, self.classes, seed=self.seed, weights=sizes)
        centres = yield from relay(first, Span(0, 80, 100))
        for done in range(self.rounds):
            yield Progress(80 + 20 * done // self.rounds, 100, "grouping masks")
            moved = majority_step(proposals.cells, proposals.mask_of, proposals.count, centres)
            if torch.equal(moved, centres):
                break
            centres = moved
        return centres

    def _propose(self, sample: Sequence[FeatureMap]) -> Steps[_Proposals]:
        cells: list[Tensor] = []
        numbers: list[Tensor] = []
        count = 0
        for done, window in enumerate(sample):
            yield Progress(done, len(sample), "proposing masks")
            ids = mask_ids(soft_masks(window.vectors, window.valid, self.masks), self.masks)
            used = window.valid & (ids != BACKGROUND)
            kept, compact = torch.unique(ids[used], return_inverse=True)
            cells.append(window.vectors[:, used].T)
            numbers.append(compact + count)
            count += len(kept)
        return _Proposals(torch.cat(cells), torch.cat(numbers), count)


def majority_step(cells: Tensor, mask_of: Tensor, count: int, centres: Tensor) -> Tensor:
    """Give each mask the majority class of its cells; return the means of the classes.

    Parameters
    ----------
    cells : (n, D) tensor
        Vectors under masks.
    mask_of : (n,) int64 tensor
        The mask of each cell, 0 … count − 1.
    count : int
        Number of masks.
    centres : (K, D) tensor
        Classes before.

    Returns
    -------
    (K, D) tensor
        Classes after; one that won no mask stays where it was. Ties go to the smaller class.
    """
    classes = len(centres)
    nearest = squared_distances(cells, centres).argmin(1)
    votes = torch.bincount(mask_of * classes + nearest, minlength=count * classes)
    winner = votes.view(count, classes).argmax(1)[mask_of]
    size = torch.bincount(winner, minlength=classes).to(cells)
    sums = torch.zeros_like(centres).index_add_(0, winner, cells)
    means = sums / size.clamp_min(1).unsqueeze(1)
    return torch.where(size.unsqueeze(1) > 0, means, centres)
