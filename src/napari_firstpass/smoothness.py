"""The smoothness energy of SmooSeg: places that look alike should bear the same label.

Lan, Wang, Ke, Xu, Feng and Zhang, "SmooSeg: smoothness prior for unsupervised semantic
segmentation", NeurIPS 2023 (arXiv 2310.17874), section 3.2. All pairs of places of two images
count, but no tensor of pairs is made: a sum over pairs of products is a product of sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def smoothness(one: Tensor, other: Tensor, p: Tensor, q: Tensor, shift: float) -> Tensor:
    """Return the mean over pairs of (closeness − shift) · disagreement.

    With W_ij = ⟨one_i, other_j⟩, closeness is W_ij − mean_j W_ij + m, where m is the mean of W over
    the whole batch; disagreement is 1 − ⟨p_i, q_j⟩. Pairs closer than ``shift`` are pulled to one
    label, all others are pushed apart.

    Parameters
    ----------
    one, other : (B, D, N) float tensor
        Vectors of length 1: N places of B images, and of as many images to compare them with.
    p, q : (B, K, N) float tensor
        Their labels: class probabilities divided by their length.
    shift : float
        What counts as close, in [−1, 1].

    Returns
    -------
    () tensor
        The energy; differentiable in all four tensors.
    """
    pairs = one.shape[2] * other.shape[2]
    mean_other = other.mean(2)
    mean = (one.mean(2) * mean_other).sum(1).mean()
    # ⟨A, B⟩ of two (D, K) matrices is Σ_ij ⟨one_i, other_j⟩ ⟨p_i, q_j⟩.
    paired = ((one @ p.mT) * (other @ q.mT)).sum((1, 2))
    off_centre = ((p @ (one.mT @ mean_other[:, :, None])).squeeze(2) * q.sum(2)).sum(1)
    agreement = (p.sum(2) * q.sum(2)).sum(1)
    agreed = paired - off_centre + (mean - shift) * agreement
    return (mean - shift) - agreed.mean() / pairs


def shift_for(one: Tensor, other: Tensor, share: float) -> float:
    """Return the shift above which ``share`` of all pairs are close; see `smoothness`.

    Parameters
    ----------
    one, other : (B, D, N) float tensor
        As for `smoothness`. All B · N² pairs are made, so choose few places.
    share : float
        In [0, 1].
    """
    close = one.mT @ other
    centred = (close - close.mean(2, keepdim=True) + close.mean()).flatten().sort().values
    return float(centred[round((1 - share) * (len(centred) - 1))])


def gaussian_waves(count: int, features: int, scale: float, rng: torch.Generator) -> Tensor:
    """Return waves (count, D) under which scalar products are Gaussian closeness; see `on_waves`.

    Parameters
    ----------
    count : int
        Number of waves; the more, the smaller the error.
    features : int
        D, length of the vectors.
    scale : float
        Squared distance at which closeness has fallen to 1/e.
    rng : torch.Generator
        Draws them.
    """
    return torch.randn(count, features, generator=rng).mul((2 / scale) ** 0.5)


def on_waves(vectors: Tensor, waves: Tensor) -> Tensor:
    """Return vectors (…, D, n) as vectors of length 1 (…, 2 · count, n) (Rahimi and Recht 2007).

    Their scalar products are about exp(−d² / scale). So an affinity that fades with distance can
    still be summed over all pairs without making them.
    """
    phase = waves @ vectors
    return torch.cat([phase.cos(), phase.sin()], -2).div(len(waves) ** 0.5)
