"""Joining groups that look alike into fewer, without swallowing those that are small and apart."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_firstpass.progress import Progress, Steps

_BLOCK = 1024
"""Cells compared with all others at a time."""


def merged(
    vectors: Tensor, group_of: Tensor, count: int, scale: float, power: float
) -> Steps[Tensor]:
    """Join groups two by two until ``count`` are left.

    Groups are compared by the Gaussian affinities exp(−d² / scale) of their cells: the two are
    joined whose mean affinities differ least, times (n₁ n₂ / (n₁ + n₂)) to ``power``. With 1 that
    is Ward's rule, under which everything small is joined first; with 0, size does not count, and
    single odd cells stay by themselves.

    Parameters
    ----------
    vectors : (n, D) float tensor
        Some thousand cells.
    group_of : (n,) int64 tensor
        Their groups, from 0; no group is empty.
    count : int
        How many groups to leave; at most those there are.
    scale : float
        Squared distance over which affinity fades.
    power : float
        How much size counts, in [0, 1].

    Returns
    -------
    (M,) int64 tensor
        The new group of each of the M groups, from 0.
    """
    sizes = torch.bincount(group_of).double()
    affinity = yield from _mean_affinity(vectors, group_of, sizes, scale)
    owner: Tensor = torch.arange(len(sizes), device=vectors.device)
    live = list(range(len(sizes)))
    while len(live) > count:
        one, other = _most_alike(affinity, sizes, live, power)
        share = sizes[other] / (sizes[one] + sizes[other])
        affinity[one] = torch.lerp(affinity[one], affinity[other], share)
        affinity[:, one] = torch.lerp(affinity[:, one], affinity[:, other], share)
        sizes[one] += sizes[other]
        owner[owner == other] = one
        live.remove(other)
    renumbered: Tensor = torch.unique(owner, return_inverse=True)[1]
    return renumbered


def _mean_affinity(vectors: Tensor, group_of: Tensor, sizes: Tensor, scale: float) -> Steps[Tensor]:
    """Return the mean affinity (M, M) between the cells of two groups."""
    member = torch.nn.functional.one_hot(group_of, len(sizes)).to(vectors)
    sums = sizes.new_zeros(len(sizes), len(sizes))
    for start in range(0, len(vectors), _BLOCK):
        yield Progress(start, len(vectors), "joining groups")
        part = slice(start, start + _BLOCK)
        near = torch.exp(-torch.cdist(vectors[part], vectors).square() / scale)
        sums += (member[part].T @ (near @ member)).double()
    return sums / (sizes[:, None] * sizes)


def _most_alike(affinity: Tensor, sizes: Tensor, live: list[int], power: float) -> tuple[int, int]:
    rows = torch.tensor(live, device=affinity.device)
    among, size = affinity[rows][:, rows], sizes[rows]
    within = among.diagonal()
    apart = (within[:, None] + within - 2 * among).clamp_min(0)
    cost = apart * (size[:, None] * size / (size[:, None] + size)) ** power
    cost.fill_diagonal_(torch.inf)
    at = int(cost.argmin())
    first, second = sorted((at // len(live), at % len(live)))
    return live[first], live[second]
