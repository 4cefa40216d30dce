"""AnyUp: attention from fine cells, which see the picture, to coarse cells, which hold features.

Wimmer, Truong, Rakotosaona, Oechsle, Tombari, Schiele and Lenssen, "AnyUp: Universal Feature
Upsampling", ICLR 2026 (arXiv 2510.12764), section 4. A fine cell takes the mean of the features of
coarse cells near it, weighted by how alike they are: its query is made of the picture, the keys of
the picture and of the structure of the features. That structure is found for each channel by
itself, so that any number of channels will do.

The names and shapes of parameters, and what the paper leaves open (layers of the encoders, rotary
positions, how windows are rounded), are those of the published weights, and were looked up in the
authors' code (https://github.com/wimmerth/anyup, CC BY 4.0); none of it is copied.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 128
"""Channels of queries and keys."""

HEADS = 4
WINDOW = 0.1
"""How far a fine cell looks, as a share of the height and of the width of the map."""

_GROUPS = 8
_BASIS_SIDE = 5
_NUMBERS_AT_ONCE = 4_000_000


class AnyUpNetwork(nn.Module):
    """The network, with the names of parameters that published weights have."""

    def __init__(self) -> None:
        super().__init__()
        self.image_encoder = _encoder(_Mixing(3, 1))
        self.key_encoder = _encoder(_Mixing(WIDTH, 1))
        self.query_encoder = _encoder(_Mixing(WIDTH, 1))
        self.key_features_encoder = _encoder(_Structure())
        self.aggregation = _encoder(_Mixing(2 * WIDTH, 3))
        self.cross_decode = _Decoder()
        self.rope = _Positions()

    def forward(
        self, picture: Tensor, maps: Tensor, factor: int, at_once: int = _NUMBERS_AT_ONCE
    ) -> Tensor:
        """Return finer maps.

        Parameters
        ----------
        picture : (3, H, W) float tensor
            Scaled by the mean and spread of ImageNet; H and W are multiples of h · factor and
            w · factor.
        maps : (D, h, w) float tensor
            Features, of any D.
        factor : int
            Fine cells for each coarse one, along each axis.
        at_once : int
            How many similarities, or answers of filters, are held at a time; the result is the
            same.

        Returns
        -------
        (D, h · factor, w · factor) tensor
            Each vector is a mean of vectors of ``maps``, with weights that sum to 1.
        """
        height, width = maps.shape[1:]
        seen = self.rope(self.image_encoder(picture[None]))
        fine = (height * factor, width * factor)
        queries = _pooled(self.query_encoder(seen), fine)
        keys = _pooled(self.key_encoder(seen), (height, width))
        structure = self.key_features_encoder[0](functional.normalize(maps, dim=0), at_once)
        structure = self.key_features_encoder[1:](structure[None])
        keys = self.aggregation(torch.cat([keys, structure], 1))
        finer: Tensor = self.cross_decode(queries, keys, maps, at_once)
        return finer


def _pooled(maps: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return the means (N, c, *shape) of the blocks of maps (N, c, H, W)."""
    return functional.avg_pool2d(maps, maps.shape[2] // shape[0])


def _encoder(first: nn.Module) -> nn.Sequential:
    return nn.Sequential(first, _Block(), _Block())


class _Mixing(nn.Conv2d):
    """A convolution to `WIDTH` channels whose borders are mirrored."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__(channels, WIDTH, side, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        rim = self.kernel_size[0] // 2
        # A map of one row has no second one to be mirrored.
        mode = "reflect" if min(maps.shape[2:]) > rim else "replicate"
        return super().forward(functional.pad(maps, (rim,) * 4, mode=mode) if rim else maps)


class _Block(nn.Module):
    """Two pointwise convolutions whose result is added to what came in."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(
            *(nn.GroupNorm(_GROUPS, WIDTH), nn.SiLU(inplace=True), _Mixing(WIDTH, 1)),
            *(nn.GroupNorm(_GROUPS, WIDTH), nn.SiLU(inplace=True), _Mixing(WIDTH, 1)),
        )

    def forward(self, maps: Tensor) -> Tensor:
        changed: Tensor = self.block(maps)
        return changed.add_(maps)


class _Structure(nn.Module):
    """Answers of learned filters to each channel, as shares of all answers; means over channels.

    By the paper, the answers of all filters to one channel are brought to shares, and these are
    averaged over channels. The published weights were trained with the answers in another order:
    all of them, channel by channel, are dealt into `WIDTH` rows of D, shares are taken down the
    columns, and means along the rows. What these weights expect is done here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.zeros(WIDTH, 1, _BASIS_SIDE, _BASIS_SIDE))

    def forward(self, maps: Tensor, at_once: int) -> Tensor:
        """Return (WIDTH, h, w) of maps (D, h, w), some rows of cells at a time."""
        count, height, width = maps.shape
        rim = _BASIS_SIDE // 2
        padded = functional.pad(maps, (rim,) * 4)
        inside = functional.pad(maps.new_ones(1, height, width), (rim,) * 4)
        rows = max(1, at_once // (WIDTH * count * width))
        found = maps.new_empty(WIDTH, height, width)
        for top in range(0, height, rows):
            part = slice(top, min(top + rows, height) + 2 * rim)
            answers = functional.conv2d(padded[:, None, part], self.basis)
            covered = functional.conv2d(inside[:, None, part], torch.ones_like(self.basis[:1]))
            dealt = (answers / covered).reshape(WIDTH, count, *answers.shape[2:])
            found[:, top : top + rows] = dealt.softmax(0).mean(1)
        return found


class _Positions(nn.Module):
    """Turns pairs of channels by angles that grow with the position in the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.freqs = nn.Parameter(torch.zeros(2, WIDTH))

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (N, WIDTH, H, W), turned; positions run from 0 to 1 along each axis."""
        rows, cols = (torch.linspace(0, 1, side).to(maps) for side in maps.shape[2:])
        down, right = self.freqs[:, :, None, None]
        angle = down * rows[:, None] + right * cols
        first, second = maps.chunk(2, dim=1)
        turned: Tensor = maps * angle.cos()
        turned += torch.cat([-second, first], 1) * angle.sin()
        return turned


class _Projections(nn.Module):
    """The parameters of torch's multi-head attention; of these, queries and keys have a use."""

    def __init__(self) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * WIDTH, WIDTH))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * WIDTH))
        self.out_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Project vectors (…, WIDTH)."""
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        return (
            functional.linear(queries, weights[0], biases[0]),
            functional.linear(keys, weights[1], biases[1]),
        )


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm_q = nn.RMSNorm(WIDTH)
        self.norm_k = nn.RMSNorm(WIDTH)
        self.attention = _Projections()

    def forward(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries (1, WIDTH, H, W) and keys (1, WIDTH, h, w) as (HEADS, H, W, c) each."""
        projected = self.attention(
            self.norm_q(queries[0].movedim(0, -1)), self.norm_k(keys[0].movedim(0, -1))
        )
        # Split into heads, and scaled as attention is.
        ready = [one.unflatten(-1, (HEADS, -1)).movedim(-2, 0) for one in projected]
        return ready[0] * (HEADS / WIDTH) ** 0.5, ready[1]


class _Decoder(nn.Module):
    """Means of features over windows, weighted by how well keys fit queries."""

    def __init__(self) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)
        self.cross_attn = _Attention()

    def forward(self, queries: Tensor, keys: Tensor, maps: Tensor, at_once: int) -> Tensor:
        """Return (D, H, W), some rows at a time: a row looks at few rows of ``maps`` only."""
        asked, known = self.cross_attn(self.conv2d(queries), keys)
        height, width = asked.shape[1:3]
        tops, bottoms = windows(height, maps.shape[1])
        near = _mask(*windows(width, maps.shape[2]), maps.shape[2]).to(maps.device)
        result = maps.new_empty(len(maps), height, width)
        for first, last in _rows(tops, bottoms, HEADS * near.numel(), at_once):
            top, bottom = int(tops[first]), int(bottoms[last - 1])
            below = _mask(tops[first:last] - top, bottoms[first:last] - top, bottom - top)
            scores = torch.einsum("arcd,aijd->arcij", asked[:, first:last], known[:, top:bottom])
            allowed = below.to(maps.device)[:, None, :, None] & near[:, None]
            shares = scores.masked_fill_(~allowed, -torch.inf).flatten(3).softmax(-1).mean(0)
            values = maps[:, top:bottom].flatten(1)
            result[:, first:last] = torch.einsum("rck,dk->drc", shares, values)
        return result


def windows(fine: int, coarse: int) -> tuple[Tensor, Tensor]:
    """Return where the windows of fine cells begin and end, in coarse cells, along one axis.

    Returns
    -------
    two (fine,) int64 tensors
        The first coarse cell that a fine one looks at, and the one after the last.
    """
    centres = (torch.arange(fine, dtype=torch.float32) + 0.5) / fine
    begin = ((centres - WINDOW).clamp(0, 1) * coarse).floor().long()
    return begin, ((centres + WINDOW).clamp(0, 1) * coarse).ceil().long()


def _mask(begin: Tensor, end: Tensor, length: int) -> Tensor:
    """Return (n, length) bool: which places lie in each of n spans."""
    places = torch.arange(length)
    return (places >= begin[:, None]) & (places < end[:, None])


def _rows(begin: Tensor, end: Tensor, numbers: int, limit: int) -> Iterator[tuple[int, int]]:
    """Yield spans of rows whose windows hold at most ``limit`` numbers together, or one row.

    Each of the rows has ``numbers`` for every coarse row that one of them looks at.
    """
    cuts = [0]
    for row in range(1, len(begin)):
        tall = int(end[row] - begin[cuts[-1]])
        if (row + 1 - cuts[-1]) * tall * numbers > limit:
            cuts.append(row)
    yield from pairwise([*cuts, len(begin)])
