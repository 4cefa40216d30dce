"""What the fast classes of PriMaPs-EM see: pictures blurred, and some in other colours.

Hahn et al. (arXiv 2404.16818), section 3.4. Colours are changed before pixels are scaled for the
network: changed afterwards and then cut off at 0 and 1, most values of a picture would be lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

_BLUR_REACH = 10
"""A kernel of 21 pixels."""
_BLUR = (0.1, 2.0)
_CHANGE = 0.1
"""Of brightness, contrast, saturation and hue, at most."""
_JITTERED = 0.3
_GREY = 0.1
_LUMA = (0.299, 0.587, 0.114)


def student_view(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """Return a picture (3, H, W) in [0, 1] blurred, perhaps jittered in colour, or grey.

    The blur is always there; then, of one half, three in ten are jittered, and of the other half,
    one in ten becomes grey.
    """
    seen = blurred(picture, float(rng.uniform(*_BLUR)))
    if rng.random() < 0.5:
        return jittered(seen, rng) if rng.random() < _JITTERED else seen
    return grey(seen) if rng.random() < _GREY else seen


def blurred(picture: Tensor, spread: float) -> Tensor:
    """Return a picture under a Gaussian of this spread in pixels, borders reflected."""
    reach = torch.arange(-_BLUR_REACH, _BLUR_REACH + 1).to(picture)
    wave = (-reach.square() / (2 * spread**2)).exp()
    wave = wave / wave.sum()
    padded = functional.pad(picture[:, None], (_BLUR_REACH,) * 4, mode="reflect")
    tall = functional.conv2d(padded, wave[None, None, :, None])
    return functional.conv2d(tall, wave[None, None, None, :])[:, 0]


def jittered(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """Change brightness, contrast, saturation and hue a little, in any order."""
    for kind in rng.permutation(4):
        if kind < 3:
            factor = float(rng.uniform(1 - _CHANGE, 1 + _CHANGE))
            picture = _towards(picture, _without(int(kind), picture), factor)
        else:
            picture = turned(picture, float(rng.uniform(-_CHANGE, _CHANGE)))
    return picture


def grey(picture: Tensor) -> Tensor:
    """Return a picture without its colours, in three equal bands."""
    shares = picture.new_tensor(_LUMA)[:, None, None]
    return (shares * picture).sum(0).expand_as(picture)


def _without(kind: int, picture: Tensor) -> Tensor:
    """Return a picture without brightness (0), contrast (1) or saturation (2)."""
    if kind == 0:
        return torch.zeros_like(picture)
    grey_one = grey(picture)
    return grey_one if kind == 2 else grey_one.mean().expand_as(picture)


def _towards(picture: Tensor, reference: Tensor, factor: float) -> Tensor:
    """Return reference + factor · (picture − reference), in [0, 1]."""
    return torch.lerp(reference, picture, factor).clamp(0, 1)


def turned(picture: Tensor, turn: float) -> Tensor:
    """Turn the hue, which is a circle of length 1, and leave saturation and value."""
    high, low = picture.amax(0), picture.amin(0)
    span = (high - low).clamp_min(1e-12)
    red, green, blue = picture
    hue = torch.where(
        high == red,
        (green - blue) / span,
        torch.where(high == green, 2 + (blue - red) / span, 4 + (red - green) / span),
    )
    # A band is at its lowest on one third of the circle, at its highest on another.
    offset = hue.new_tensor((5.0, 3.0, 1.0))[:, None, None]
    place = (offset + hue + 6 * turn) % 6
    share = torch.minimum(place, 4 - place).clamp(0, 1)
    return high - (high - low) * share
