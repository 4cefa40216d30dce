"""Mosaics of made-up textures that are clearly different: how many there are is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = (256, 320)

_TEXTURES = (
    ((70, 110, 60), 26, (0.0, 0.0)),
    ((190, 90, 70), 5, (0.0, 0.0)),
    ((60, 70, 150), 4, (2.0, 2.0)),
    ((150, 145, 140), 30, (0.0, 6.0)),
    ((235, 232, 228), 3, (0.0, 0.0)),
    ((215, 180, 90), 9, (1.0, 1.0)),
    ((30, 32, 34), 6, (1.5, 1.5)),
    ((130, 190, 60), 4, (0.0, 0.0)),
)
"""Colour, contrast, and blur of the grain down and across."""


def mosaic(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Make pieces of ``count`` textures, each of about the same area.

    Returns
    -------
    (3, H, W) uint8 array
        Red, green and blue.
    (H, W) int64 array
        Which texture, 0 … ``count`` − 1.
    """
    rng = np.random.default_rng([count, seed])
    ids = _pieces(count, rng)
    chosen = rng.permutation(len(_TEXTURES))[:count]
    pixels = np.zeros((3, *SHAPE))
    for place, which in enumerate(chosen):
        colour, contrast, blur = _TEXTURES[which]
        grain = ndimage.gaussian_filter(rng.normal(size=SHAPE), blur)
        painted = np.asarray(colour)[:, None, None] + contrast * grain / grain.std()
        pixels = np.where(ids == place, painted, pixels)
    return np.clip(pixels, 0, 255).astype(np.uint8), ids


def _pieces(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Cut smooth pieces out of fields of noise; each id takes the same share of the area."""
    smooth = ndimage.gaussian_filter(rng.normal(size=SHAPE), 22)
    ranks = smooth.ravel().argsort().argsort().reshape(SHAPE)
    across = ndimage.gaussian_filter(rng.normal(size=SHAPE), 22)
    rows = -(-count // 3)
    level = ranks * rows // ranks.size
    ids = np.zeros(SHAPE, dtype=np.int64)
    for row in range(rows):
        own = np.arange(row * count // rows, (row + 1) * count // rows)
        part = level == row
        inner = across[part].argsort().argsort()
        ids[part] = own[inner * len(own) // len(inner)]
    return ids
