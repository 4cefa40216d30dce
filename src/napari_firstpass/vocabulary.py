"""Visual words: what small pieces of images typically look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Typical vectors, and the space in which they are compared.

    Attributes
    ----------
    mean : (D,) tensor
        Taken from a vector first.
    projection : (E, D) tensor
        Turns it then.
    words : (K, E) tensor
        What it is compared with.
    """

    mean: Tensor
    projection: Tensor
    words: Tensor

    def memberships(self, vectors: Tensor) -> Tensor:
        """Tell which words vectors are like.

        Coates, Ng and Lee (AISTATS 2011), section 3.2, "k-means (triangle)": how much nearer a word
        is than the average word, 0 for those further away. Here shares, which add up to 1, so that
        an unusual place does not count for more than a usual one.

        Parameters
        ----------
        vectors : (D, h, w) tensor
            Descriptions of cells.

        Returns
        -------
        (K, h, w) tensor
            Shares in [0, 1]; all 0 where every word is equally far.
        """
        # One row a word: averaging over rows, and joining them to colours, needs no turning.
        flat = self.projection @ (vectors.flatten(1) - self.mean.unsqueeze(1))
        lengths = self.words.square().sum(1, keepdim=True) + flat.square().sum(0)
        distances = torch.addmm(lengths, self.words, flat, alpha=-2).clamp_min_(0).sqrt_()
        nearness = (distances.mean(0) - distances).clamp_min_(0)
        nearness /= nearness.sum(0).clamp_min_(1e-6)
        return nearness.view(-1, *vectors.shape[1:])

    def to(self, like: Tensor) -> Vocabulary:
        """Return the vocabulary on the device, and of the dtype, of a tensor."""
        return Vocabulary(self.mean.to(like), self.projection.to(like), self.words.to(like))
