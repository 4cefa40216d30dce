"""From maps of names to labels: which name a pixel gets, and when it gets none.

As the published code of iSeg (arXiv 2409.03209) has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_firstpass.errors import OptionError
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.prompts import Named

if TYPE_CHECKING:
    from torch import Tensor


def stretched(maps: Tensor) -> Tensor:
    """Bring each of (C, H, W) maps to [0, 1]; a constant one becomes 0."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    span = high - low
    return (maps - low) / torch.where(span > 0, span, torch.ones_like(span))


def full_size(maps: Tensor, shape: tuple[int, int], between: int) -> Tensor:
    """Enlarge maps: first to a square, in which they are stretched, then to the image.

    Parameters
    ----------
    maps : (C, h, w) float tensor
        Of cells.
    shape : (int, int)
        Rows and columns of the image.
    between : int
        Side of the square: that of the picture that the network was shown.

    Returns
    -------
    (C, *shape) float tensor
        In [0, 1]; see `stretched`.
    """
    square = stretched(enlarged(maps, (between, between)))
    return stretched(enlarged(square, shape))


def enlarged(maps: Tensor, shape: tuple[int, int]) -> Tensor:
    """Interpolate (C, h, w) maps to another size; both cover the same."""
    return functional.interpolate(maps[None], shape, mode="bilinear", align_corners=False)[0]


def require_background(background: float) -> None:
    """Check a threshold.

    Raises
    ------
    OptionError
        If it is not in [0, 1).
    """
    if not 0 <= background < 1:
        raise OptionError(
            expected="a background threshold in [0, 1)",
            found=f"{background:g}",
            remedy="change it; 0 lets the names decide",
        )


def named_steps(
    maps: Tensor, shape: tuple[int, int], background: float, *, between: int = 512
) -> Steps[Named]:
    """Give each pixel of an image the name whose map is highest there, or none.

    With a background threshold above 0, a pixel has no name where all maps are below. With 0, the
    background has the value (1 − m)², where m is that of the highest map, and wins where that is
    higher: where m is below 0.38. One map is enlarged at a time.

    Parameters
    ----------
    maps : (C, h, w) float tensor
        Of names; each is brought to [0, 1] by itself.
    shape : (int, int)
        Rows and columns of the image.
    background : float
        The threshold, in [0, 1).
    between : int
        See `full_size`.

    Returns
    -------
    Named
        The first of names that are equally high. The confidence is the lead over the second, or
        over the background where that has a value.

    Raises
    ------
    OptionError
        If the threshold is out of range.
    """
    require_background(background)
    best = maps.new_full(shape, -1.0)
    second, winner = torch.zeros_like(best), torch.zeros(shape, dtype=torch.int64)
    winner = winner.to(maps.device)
    for number in range(1, len(maps) + 1):
        yield Progress(number - 1, len(maps), "naming pixels")
        found = full_size(maps[number - 1 : number], shape, between)[0]
        second = torch.maximum(second, torch.minimum(best, found))
        winner = torch.where(found > best, number, winner)
        best = torch.maximum(best, found)
    nothing = (1 - best).square() if background == 0 else torch.zeros_like(best)
    kept = best > nothing if background == 0 else best >= background
    lead = (best - torch.maximum(second, nothing)).clamp(0, 1)
    return Named(winner * kept, lead * kept)
