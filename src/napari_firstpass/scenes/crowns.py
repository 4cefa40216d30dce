"""Painting trees and shrubs: heaps of leafy clumps, and cones of whorls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.scenes.classes import TREE
from napari_firstpass.scenes.dice import stream
from napari_firstpass.scenes.light import slope_light
from napari_firstpass.scenes.things import Pose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.scenes.canvas import Canvas, Spot
    from napari_firstpass.scenes.things import Tree


def paint_tree(canvas: Canvas, tree: Tree) -> None:
    """Paint a crown, lit by the slopes of its clumps, wherever nothing higher stands."""
    # Level axes make the columns share their a and the rows their b, which `_clumps` relies on.
    spot = canvas.spot(Pose(tree.pose.x, tree.pose.y), tree.reach)
    if spot is None:
        return
    crown = _whorls(tree, spot) if tree.conifer else _clumps(tree, spot)
    leaves = canvas.texture("leaves", spot, tree.salt % 97)
    fine = canvas.texture("grass", spot, tree.salt % 89)
    rough: NDArray[np.float32] = 0.075 * leaves + 0.05 * fine
    rough *= np.float32(tree.radius**0.5)
    rough += crown
    cover: NDArray[np.float32] = np.clip(
        (rough - 0.12) / np.float32(0.12 + 0.5 * canvas.pixel_size), 0, 1
    )
    lift = tree.height - tree.radius * (1.9 if tree.conifer else 1.1)
    top: NDArray[np.float32] = np.maximum(rough + np.float32(lift), np.float32(0.3))
    cover *= top > canvas.height[spot.at]
    if not cover.any():
        return
    light = slope_light(rough * np.float32(0.9), canvas.pixel_size, spread=0.12)
    hollow = np.clip(crown / np.float32(tree.radius) - np.float32(0.5), -0.5, 0.4)
    tone: NDArray[np.float32] = (0.98 + 0.35 * hollow) * (1 + 0.05 * leaves + 0.04 * fine)
    canvas.lay(spot, cover, tone, tree.colour, label=TREE, height=top, shade=light)


def _clumps(tree: Tree, spot: Spot) -> NDArray[np.float32]:
    """Return the height of a broad-leaved crown over its base, negative outside."""
    rng = stream(tree.salt, 30)
    radius = tree.radius
    count = int(np.clip(9 * radius, 5, 34))
    angle = rng.uniform(0, 2 * np.pi, count)
    out = radius * np.sqrt(rng.uniform(0, 0.72, count))
    sizes = radius * rng.uniform(0.24, 0.42, count)
    bases = 0.85 * np.sqrt(radius**2 - out**2) - 0.62 * sizes
    top = np.full(spot.a.shape, -1.0, dtype=np.float32)
    _heap(top, spot, 0.0, 0.0, 0.84 * radius, 0.0)
    for a, b, size, base in zip(
        out * np.cos(angle), out * np.sin(angle), sizes, bases, strict=True
    ):
        _heap(top, spot, a, b, size, base)
    return top


def _heap(
    top: NDArray[np.float32], spot: Spot, a: float, b: float, size: float, base: float
) -> None:
    """Raise ``top`` to a clump of radius ``size`` around (a, b), its middle height ``base``."""
    cols = slice(*np.searchsorted(spot.a[0], (a - size, a + size)))
    rows = slice(*np.searchsorted(spot.b[:, 0], (b - size, b + size)))
    da, db = spot.a[0, cols] - np.float32(a), spot.b[rows, 0] - np.float32(b)
    square = np.float32(size * size) - (da * da)[None, :] - (db * db)[:, None]
    clump = np.sqrt(np.maximum(square, 0)) * np.float32(1.3) + np.float32(base)
    clump[square <= 0] = -1
    np.maximum(top[rows, cols], clump, out=top[rows, cols])


def _whorls(tree: Tree, spot: Spot) -> NDArray[np.float32]:
    """Return the height of a conifer's crown over its base, negative outside."""
    rng = stream(tree.salt, 31)
    out = np.hypot(spot.a, spot.b) / np.float32(tree.radius)
    turn = np.arctan2(spot.b, spot.a) * np.float32(rng.integers(9, 15))
    arms = np.cos(turn + np.float32(rng.uniform(0, 6))) * np.clip(out, 0, 1)
    cone: NDArray[np.float32] = 1 - out * (np.float32(1.02) + np.float32(0.16) * arms)
    return cone * np.float32(1.9 * tree.radius)
