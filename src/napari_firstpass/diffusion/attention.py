"""Attention inside a network that makes images: which place looks at which, and at which words.

These are values that a provider fills (`diffusion.provider`) and that segmenters read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from napari_firstpass.errors import GridMismatchError, OptionError

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["self", "cross"]
"""Attention among places, or of places to the words of a prompt."""


@dataclass(frozen=True, slots=True, eq=False)
class AttentionMap:
    """What one layer attended to.

    Attributes
    ----------
    name : str
        The layer, as diffusers calls it: ``up_blocks.3.attentions.1.transformer_blocks.0.attn1``.
    kind : {"self", "cross"}
        Attention to places or to words.
    factor : int
        Cells of the latent image for each cell of the layer, along a side: 1 for the finest.
    shape : tuple of 2 int
        Rows h and columns w of the layer's cells; together they cover the whole picture.
    weights : (N, M) float tensor, or (heads, N, M)
        N = h · w cells, row by row, that attend; M cells, or tokens of the prompt, attended to.
        At least 0, and each row sums to 1.

    Raises
    ------
    GridMismatchError
        If the weights do not fit the shape.
    """

    name: str
    kind: Kind
    factor: int
    shape: tuple[int, int]
    weights: Tensor

    def __post_init__(self) -> None:
        cells = self.shape[0] * self.shape[1]
        found = tuple(self.weights.shape)
        fits = len(found) in (2, 3) and found[-2] == cells
        if not fits or (self.kind == "self" and found[-1] != cells):
            raise GridMismatchError(
                expected=f"a row of weights for each of {cells} cells in {self.name}",
                found=f"weights of shape {found}",
                remedy="report this: the network is not laid out as those we know",
            )


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """A prompt, and which token stands for which of its letters.

    Attributes
    ----------
    text : str
        The prompt.
    letters : tuple of (int, int)
        For each token, where in ``text`` its letters begin and end; (0, 0) for the tokens that
        begin, end and fill up.
    """

    text: str
    letters: tuple[tuple[int, int], ...]

    def of(self, phrase: str) -> tuple[tuple[int, ...], ...]:
        """Return the tokens of each place where the prompt has a phrase.

        Parameters
        ----------
        phrase : str
            Whole words; capitals do not matter. "car" is not found in "carport".

        Returns
        -------
        tuple of tuple of int
            Numbers of tokens, from 0 for the one that begins; in the order of the prompt.

        Raises
        ------
        OptionError
            If the prompt does not have it.
        """
        words = r"\s+".join(map(re.escape, phrase.split()))
        pattern = re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)
        spans = [match.span() for match in pattern.finditer(self.text)] if words else []
        found = tuple(self.between(*span) for span in spans)
        if not found or not all(found):
            raise OptionError(
                expected=f"the words {phrase!r} in the prompt",
                found=repr(self.text),
                remedy="choose words of the prompt, or change it",
            )
        return found

    def between(self, start: int, stop: int) -> tuple[int, ...]:
        """Return the tokens with letters from ``start`` to before ``stop``."""
        places = enumerate(self.letters)
        return tuple(token for token, (low, high) in places if low < stop and high > start)


@dataclass(frozen=True, slots=True, eq=False)
class Attentions:
    """What the layers of a network attended to while it looked at one picture.

    Attributes
    ----------
    maps : tuple of AttentionMap
        In the order in which the network computes them.
    prompt : PromptTokens
        What it was told; the columns of cross-attention are these tokens.
    latent : tuple of 2 int
        Rows and columns of the latent image, the finest grid.
    """

    maps: tuple[AttentionMap, ...]
    prompt: PromptTokens
    latent: tuple[int, int]

    def where(self, kind: Kind, factor: int) -> tuple[AttentionMap, ...]:
        """Return the layers of a kind and a resolution.

        Raises
        ------
        OptionError
            If there are none.
        """
        found = tuple(m for m in self.maps if (m.kind, m.factor) == (kind, factor))
        if not found:
            known = sorted({(m.kind, m.factor) for m in self.maps})
            raise OptionError(
                expected=f"{kind}-attention at 1/{factor} of the latent image",
                found=", ".join(f"{name} at 1/{at}" for name, at in known),
                remedy="ask the provider for it too",
            )
        return found

    def mean(self, kind: Kind, factor: int) -> Tensor:
        """Return the mean over the layers of a kind and a resolution, and over their heads.

        Returns
        -------
        (N, M) float32 tensor
            Each row sums to 1.

        Raises
        ------
        OptionError
            If there are none.
        """
        layers = self.where(kind, factor)
        total = torch.zeros_like(layers[0].weights[..., :, :], dtype=torch.float32)
        total = total if total.ndim == 2 else total[0]
        for layer in layers:
            weights = layer.weights
            total += (weights if weights.ndim == 2 else weights.float().mean(0)).to(total)
        return total / len(layers)
