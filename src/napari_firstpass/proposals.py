"""Mask proposals: windows taken apart into regions of similar features, without classes.

Hahn, Araslanov, Schaub-Meyer and Roth, "Boosting unsupervised semantic segmentation with principal
mask proposals", TMLR 2024 (arXiv 2404.16818), section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from napari_firstpass.progress import Progress, Steps
from napari_firstpass.training_state import FORGETFUL, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.features import FeatureMap
    from napari_firstpass.training_state import Keeper

BACKGROUND = 0
"""Id of cells that no mask claims: left-overs that would only blur the classes."""

UNCLAIMED = -1
"""In place of the number of a mask, for such cells."""

WINDOW = "window"
"""What is counted while masks are proposed."""

_ALL = slice(None)


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
    return competing(masks, config).argmax(0)


def competing(masks: Tensor, config: MaskConfig) -> Tensor:
    """Return how strongly background and masks claim cells.

    Parameters
    ----------
    masks : (M, h, w) float tensor
        From `soft_masks`; M > 0.

    Returns
    -------
    (M + 1, h, w) float tensor
        In [0, 1]; the background first.
    """
    cleaned = (median3(masks) * config.gain).clamp(0, 1)
    present = cleaned[cleaned > 0]
    level = present.mean() if len(present) else cleaned.new_zeros(())
    background = (level - cleaned.sum(0)).clamp(0, 1)
    return torch.cat([background[None], cleaned])


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
class Proposals:
    """The masks of a whole sample, cell by cell, in the order of `valid_vectors`.

    Attributes
    ----------
    mask_of : (n,) int64 tensor
        The number of each cell's mask, 0 … count − 1; `UNCLAIMED` where it has none.
    count : int
        Number of masks.
    windows : tuple of int
        How many of the cells each window of the sample has.
    """

    mask_of: Tensor
    count: int
    windows: tuple[int, ...]

    @classmethod
    def restored(cls, state: State | None, device: torch.device) -> Proposals:
        """Return those in a state, of the windows that were taken apart by then; none of None."""
        if state is None:
            return cls(torch.empty(0, dtype=torch.int64, device=device), 0, ())
        mask_of = state.tensors["mask_of"].long().to(device)
        return cls(mask_of, state.notes["masks"], tuple(state.notes["windows"]))

    def state(self, total: int) -> State:
        """Return the state of a fit on ``total`` windows that has come so far, and no further."""
        notes = {"masks": self.count, "windows": list(self.windows)}
        return State(WINDOW, len(self.windows), total, {"mask_of": self.mask_of}, notes)

    def votes(self, classes: Tensor, count: int, part: slice | Tensor = _ALL) -> Tensor:
        """Return how many cells of each mask are of each class, (M, K) int64.

        Parameters
        ----------
        classes : (m,) int64 tensor
            Classes of cells, 0 … count − 1.
        count : int
            Number of classes.
        part : slice or (m,) int64 tensor
            Which cells these are; by default all.
        """
        places = (self.mask_of[part] + 1) * count + classes
        counted = torch.bincount(places, minlength=(self.count + 1) * count)
        return counted.view(self.count + 1, count)[1:]

    def spread(self, classes: Tensor, part: slice | Tensor = _ALL) -> Tensor:
        """Return the class of each cell's mask, `UNCLAIMED` where it has none.

        Parameters
        ----------
        classes : (M,) int64 tensor
            Classes of masks.
        part : slice or (m,) int64 tensor
            Which cells are wanted; by default all.
        """
        without = classes.new_full((1,), UNCLAIMED)
        return torch.cat([without, classes])[self.mask_of[part] + 1]


def propose_steps(
    sample: Sequence[FeatureMap], config: MaskConfig, keeper: Keeper = FORGETFUL
) -> Steps[Proposals]:
    """Take all windows of a sample apart, but those that an earlier run did."""
    found = Proposals.restored(keeper.restore(), sample[0].vectors.device)
    numbers, windows, count = [found.mask_of], list(found.windows), found.count
    for window in sample[len(windows) :]:
        yield Progress(len(windows), len(sample), "proposing masks")
        ids = mask_ids(soft_masks(window.vectors, window.valid, config), config)[window.valid]
        used = ids != BACKGROUND
        kept, compact = torch.unique(ids[used], return_inverse=True)
        numbers.append(torch.full_like(ids, UNCLAIMED))
        numbers[-1][used] = compact + count
        windows.append(len(ids))
        count += len(kept)
        keeper.keep(partial(_state, numbers, count, windows, len(sample)))
    return Proposals(torch.cat(numbers), count, tuple(windows))


def _state(numbers: list[Tensor], count: int, windows: list[int], total: int) -> State:
    return Proposals(torch.cat(numbers), count, tuple(windows)).state(total)
