"""Classes of masks, in closed form: masks take the majority class of their cells, in rounds.

Section 3.3 of arXiv 2404.16818 trains this by gradient descent against a momentum copy. With frozen
features and nearest centres, its fixed point is reached in a few rounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_firstpass.clustering import kmeans, squared_distances
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.proposals import UNCLAIMED

if TYPE_CHECKING:
    from torch import Tensor

    from napari_firstpass.proposals import Proposals

ROUNDS = 20
"""Rounds until next to nothing changes."""


def group_steps(
    cells: Tensor, proposals: Proposals, classes: int, *, seed: int, rounds: int = ROUNDS
) -> Steps[Tensor]:
    """Find classes of masks.

    Parameters
    ----------
    cells : (n, D) float tensor
        All valid vectors of the sample.
    proposals : Proposals
        Their masks.
    classes : int
        Number of classes.
    seed : int
        Drives the first grouping.
    rounds : int
        Largest number of E- and M-steps.

    Returns
    -------
    (classes, D) tensor
        Their centres. Where there are few masks, those of cells.

    Raises
    ------
    ImageContentError
        If fewer than ``classes`` vectors are distinct.
    """
    # A uniform image has few masks; its cells still differ.
    if proposals.count < 2 * classes:
        return (yield from kmeans(cells, classes, seed=seed))
    claimed = proposals.mask_of != UNCLAIMED
    cells, mask_of = cells[claimed], proposals.mask_of[claimed]
    units, sizes = _means(cells, mask_of, proposals.count)
    first = kmeans(units, classes, seed=seed, weights=sizes)
    centres = yield from relay(first, Span(0, 80, 100))
    for done in range(rounds):
        yield Progress(80 + 20 * done // rounds, 100, "grouping masks")
        moved = majority_step(cells, mask_of, proposals.count, centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres


def _means(cells: Tensor, mask_of: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the mean vector (M, D) and the size (M,) of each mask."""
    size = torch.bincount(mask_of, minlength=count).to(cells)
    sums = cells.new_zeros((count, cells.shape[1])).index_add_(0, mask_of, cells)
    return sums / size.unsqueeze(1), size


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
