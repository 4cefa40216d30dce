"""Describing cells of 4 x 4 pixels by formula: colour, contrast, edges and micro-patterns.

Everything is local, and every operation is aligned to the image's own pixel grid, so that a window
read with enough context gives the same vectors as the whole image (see ``REACH``). All features are
the same when the image is turned by a right angle or mirrored.

Texture is measured over a neighbourhood, so a border between two smooth areas would look like a
strip of rough ground and become a class of its own: a ring around every roof. Roughness is
therefore opened (its minimum, then its maximum, over a window wider than such a strip): thin strips
vanish, rough areas stay.

Sources: Förstner and Gülch (1987) for the structure tensor; Ojala, Pietikäinen and Mäenpää (2002),
section 2, for rotation-invariant uniform local binary patterns; Ottosson (2020) for Oklab.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_firstpass.bands import visible_bands
from napari_firstpass.cells import cell_means
from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_firstpass.bands import Role
    from napari_firstpass.raster import Raster

STRIDE = 4
REACH = 40
"""Largest distance in pixels at which a pixel can change a description."""

TEXTURES = 16
"""Texture features of a cell."""

_COLOUR_SIGMA = 1.0
_TEXTURE_SIGMA = 1.0
_LEVELS = 3
_PATTERN_LEVELS = 2
_OPENING = 7


def whole_cells(maps: Tensor, stride: int = STRIDE) -> Tensor:
    """Continue (c, H, W) beyond its last row and column, so that cells cover it exactly."""
    height, width = maps.shape[1:]
    return _padded(maps, (0, -width % stride, 0, -height % stride))


def colours(bands: Tensor, raster: Raster, roles: tuple[Role | None, ...]) -> Tensor:
    """Return what cells look like.

    Parameters
    ----------
    bands : (C, H, W) float tensor
        Stretched bands of whole cells.
    raster : Raster
        Raw bands, for the vegetation index.
    roles : tuple of C str or None
        What the bands show.

    Returns
    -------
    (c, h, w) tensor
        Red, green and blue together as a perceptual colour, every other band as it is, and the
        vegetation index where red and near infrared are known.
    """
    where = {role: i for i, role in enumerate(roles) if role is not None}
    cells = cell_means(bands, STRIDE)
    visible = visible_bands(roles)
    seen = visible if len(visible) == 3 else []
    parts = [oklab(cells[seen])] if seen else []
    parts.append(cells[[i for i in range(len(roles)) if i not in seen]])
    if "nir" in where and "red" in where:
        raw = raster.bands[[where["nir"], where["red"]]].astype(np.float32)
        pair = whole_cells(torch.from_numpy(raw).to(bands.device))
        parts.append(_vegetation_index(*cell_means(pair, STRIDE))[None])
    return torch.cat(parts)


def look(picture: Tensor) -> Tensor:
    """Return (3, h, w) perceptual colours of cells of (3, H, W) red, green, blue in [0, 1]."""
    return oklab(cell_means(picture, STRIDE))


def any_valid(raster: Raster, device: torch.device, stride: int = STRIDE) -> Tensor:
    """Return (h, w) bool: cells in which some pixel holds data."""
    valid = whole_cells(torch.from_numpy(raster.valid).to(device)[None].float(), stride)
    return functional.max_pool2d(valid, stride)[0] > 0


def blurred(maps: Tensor) -> Tensor:
    """Return maps (c, h, w) of cells averaged with their neighbours."""
    return gaussian(maps, _COLOUR_SIGMA)


def luminance(bands: Tensor, roles: Sequence[Role | None]) -> Tensor:
    """Return (H, W) brightness of (C, H, W): of the visible bands where known, else of all."""
    visible = sorted(visible_bands(tuple(roles)))
    return (bands[visible] if visible else bands).mean(0)


def textures(brightness: Tensor) -> Steps[Tensor]:
    """Return (TEXTURES, h, w) contrast, edges and micro-patterns of (H, W) brightness in [0, 1]."""
    parts: list[Tensor] = []
    for level, image in enumerate(_pyramid(brightness, _LEVELS)):
        yield Progress(len(parts), _LEVELS + _PATTERN_LEVELS, "measuring textures")
        parts.append(_edges(image, STRIDE >> level))
        if level < _PATTERN_LEVELS:
            yield Progress(len(parts), _LEVELS + _PATTERN_LEVELS, "measuring textures")
            parts.append(_patterns(image, STRIDE >> level))
    return torch.cat(parts)


def oklab(rgb: Tensor) -> Tensor:
    """Convert (3, …) sRGB values in [0, 1] to Oklab lightness, green–red and blue–yellow."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055).pow(2.4))
    cones = (_CONES.to(rgb) @ linear.flatten(1)).clamp_min(0).pow(1 / 3)
    return (_OPPONENTS.to(rgb) @ cones).reshape(rgb.shape)


_CONES = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_OPPONENTS = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def _vegetation_index(nir: Tensor, red: Tensor) -> Tensor:
    """Return (nir − red) / (nir + red) in [−1, 1], of raw values as the index is defined."""
    total = nir.abs() + red.abs()
    return torch.where(total > 0, (nir - red) / total.clamp_min(1e-6), 0.0)


def _padded(maps: Tensor, pad: tuple[int, int, int, int]) -> Tensor:
    return functional.pad(maps[None], pad, mode="replicate")[0]


def _pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """Return an (H, W) image and its halvings."""
    images = [image]
    for _ in range(levels - 1):
        images.append(cell_means(images[-1], 2))
    return images


def gaussian(maps: Tensor, sigma: float) -> Tensor:
    """Blur maps (c, h, w) with a Gaussian cut off at 2.5 sigma; borders are replicated."""
    radius = max(1, round(2.5 * sigma))
    wave = [math.exp(-0.5 * (step / sigma) ** 2) for step in range(radius + 1)]
    total = wave[0] + 2 * sum(wave[1:])
    # Adding shifted copies takes a quarter of the time of a convolution of few channels.
    for axis, pad in ((1, (0, 0, radius, radius)), (2, (radius, radius, 0, 0))):
        around, length = _padded(maps, pad), maps.shape[axis]
        maps = around.narrow(axis, radius, length) * (wave[0] / total)
        for step in range(1, radius + 1):
            before = around.narrow(axis, radius - step, length)
            both = before + around.narrow(axis, radius + step, length)
            maps.add_(both, alpha=wave[step] / total)
    return maps


def opened(maps: Tensor, side: int) -> Tensor:
    """Remove what is brighter than its surroundings and narrower than ``side`` cells (c, h, w)."""
    lowest = _extreme(maps, side, torch.minimum, beyond=float("inf"))
    return _extreme(lowest, side, torch.maximum, beyond=-float("inf"))


def _extreme(
    maps: Tensor, side: int, pick: Callable[[Tensor, Tensor], Tensor], *, beyond: float
) -> Tensor:
    """Return the value that ``pick`` prefers in each square of ``side`` (odd) cells of (c, h, w).

    What a run of cells prefers, two runs of half its length tell: 6 comparisons for 7 x 7 cells,
    where torch's pooling makes 48 and takes 20 times as long.
    """
    maps = functional.pad(maps, (side // 2,) * 4, value=beyond)
    for axis in (1, 2):
        covered = 1
        while covered < side:
            step = min(covered, side - covered)
            kept = maps.shape[axis] - step
            maps = pick(maps.narrow(axis, 0, kept), maps.narrow(axis, step, kept))
            covered += step
    return maps


def _edges(image: Tensor, block: int) -> Tensor:
    """Return (4, h, w): contrast, both structure tensor eigenvalues, and fine detail, as logs."""
    padded = _padded(image[None], (1, 1, 1, 1))[0]
    d_col = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2
    d_row = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    around = padded[1:-1, 2:] + padded[1:-1, :-2] + padded[2:, 1:-1] + padded[:-2, 1:-1]
    detail = image - around / 4
    factors = ((d_col, d_col), (d_row, d_row), (d_col, d_row), (detail, detail), (image, image))
    products = [cell_means(one * other, block) for one, other in factors]
    moments = torch.stack([*products, cell_means(image, block)])
    cols, rows, mixed, fine, square, mean = gaussian(moments, _TEXTURE_SIGMA)
    half_sum, root = (cols + rows) / 2, ((cols - rows).square() / 4 + mixed.square()).sqrt()
    energies = torch.stack([square - mean * mean, half_sum + root, half_sum - root, fine])
    return opened((energies.clamp_min(0) + 1e-5).log(), _OPENING)


def _patterns(image: Tensor, block: int) -> Tensor:
    """Return (2, h, w): how often the ground nearby is irregular, and how often not flat."""
    codes = pattern_codes(image)
    rough = torch.stack([codes == IRREGULAR, codes != FLAT]).float()
    shares = gaussian(cell_means(rough, block), _TEXTURE_SIGMA)
    return opened(shares.clamp_min(0).sqrt(), _OPENING)


FLAT, IRREGULAR = 0, 9

_NOISE = 0.01
"""Differences below this, of the stretched image, do not count: else sensor noise would decide."""


def pattern_codes(image: Tensor) -> Tensor:
    """Return rotation-invariant uniform local binary patterns.

    Parameters
    ----------
    image : (H, W) float tensor
        Brightness in [0, 1].

    Returns
    -------
    (H, W) integer tensor
        How many of the 8 neighbours are brighter, 0 … 8, if these adjoin each other; else 9.
    """
    padded = _padded(image[None], (1, 1, 1, 1))[0]
    height, width = image.shape
    ring = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))
    floor = image + _NOISE
    brighter = [(padded[r : r + height, c : c + width] > floor).byte() for r, c in ring]
    count, changed = torch.zeros_like(brighter[0]), torch.zeros_like(brighter[0])
    for one, other in zip(brighter, [*brighter[1:], brighter[0]], strict=True):
        count += one
        changed += one ^ other
    return torch.where(changed <= 2, count, IRREGULAR)
