"""Borders by a dense conditional random field: every pixel is a neighbour of every other.

Krähenbühl and Koltun, "Efficient inference in fully connected CRFs with Gaussian edge potentials",
NIPS 2011. Pixels that are near, and pixels of the same colour that are not too far, should bear the
same label. The field is solved by mean-field iterations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_firstpass.lattice import Lattice
from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_CUT = 6
"""Spreads beyond which a Gaussian is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseCRFConfig:
    """How strongly pixels pull at each other; the constants of STEGO, SmooSeg and PriMaPs.

    Attributes
    ----------
    iterations : int
        Mean-field iterations.
    near_weight, near_spread : float
        Weight and spread in pixels of the term of position alone.
    like_weight, like_spread, colour_spread : float
        Weight, spread in pixels, and spread of colours from 0 to 255, of the term of position and
        colour.
    least : float
        What a probability is at least.
    """

    iterations: int = 10
    near_weight: float = 3.0
    near_spread: float = 1.0
    like_weight: float = 4.0
    like_spread: float = 67.0
    colour_spread: float = 3.0
    least: float = 1e-5


PUBLISHED = DenseCRFConfig()


def dense_crf_steps(
    probabilities: Tensor, image: Tensor, config: DenseCRFConfig = PUBLISHED
) -> Steps[Tensor]:
    """Return class probabilities that agree with the colours of an image.

    Each iteration is Q ← softmax(ln P + Σ w k̃ Q) over the two terms, where k̃ is a Gaussian k
    divided by √(n_i n_j), n_i being the sum of k over all pixels, the pixel itself included.

    Parameters
    ----------
    probabilities : (K, H, W) float tensor
        P, of each pixel.
    image : (3, H, W) tensor
        Colours from 0 to 255.
    config : DenseCRFConfig
        The constants.

    Returns
    -------
    (K, H, W) float32 tensor
        Q. They sum to 1 over K.
    """
    shape = probabilities.shape
    said = probabilities.float().flatten(1).T.clamp(config.least, 1).log()
    yield Progress(0, config.iterations, "comparing colours")
    terms = (
        (config.near_weight, _normalised(_near(shape[1], shape[2], config.near_spread), said)),
        (config.like_weight, _normalised(Lattice.of(_places(image, config)).sums, said)),
    )
    found = said.softmax(1)
    for done in range(config.iterations):
        yield Progress(done, config.iterations, "following colours")
        found = (said + sum(weight * pull(found) for weight, pull in terms)).softmax(1)
    return found.T.reshape(shape)


def _places(image: Tensor, config: DenseCRFConfig) -> Tensor:
    """Return position and colour (n, 5) of each pixel, in spreads."""
    height, width = image.shape[1:]
    rows = torch.arange(height, device=image.device)[:, None].expand(height, width)
    cols = torch.arange(width, device=image.device).expand(height, width)
    position = torch.stack([rows, cols]).double() / config.like_spread
    colour = image.double() / config.colour_spread
    return torch.cat([position, colour]).flatten(1).T


def _normalised(sums: Callable[[Tensor], Tensor], like: Tensor) -> Callable[[Tensor], Tensor]:
    root = sums(torch.ones_like(like[:, :1])).clamp_min(1e-20).sqrt()
    return lambda values: sums(values / root) / root


def _near(height: int, width: int, spread: float) -> Callable[[Tensor], Tensor]:
    """Return what adds up values (n, k) of pixels by their distance alone."""

    def sums(values: Tensor) -> Tensor:
        maps = values.T.reshape(-1, 1, height, width)
        reach = torch.arange(-round(_CUT * spread), round(_CUT * spread) + 1).to(maps)
        wave = (-reach.square() / (2 * spread**2)).exp()
        half = len(wave) // 2
        tall = functional.conv2d(maps, wave[None, None, :, None], padding=(half, 0))
        both = functional.conv2d(tall, wave[None, None, None, :], padding=(0, half))
        return both.flatten(1).T

    return sums
