"""Trees, shrubs and hedges as gardeners set them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.scenes import palette
from napari_firstpass.scenes.things import Hedge, Tree

if TYPE_CHECKING:
    from napari_firstpass.scenes.dice import Dice
    from napari_firstpass.scenes.lots import Lot
    from napari_firstpass.scenes.things import Pose

_PIECE = 5.0


def tree(dice: Dice, pose: Pose, radius: float) -> Tree:
    """Return a tree of some kind with a crown of ``radius`` metres."""
    if radius > 0.9 and dice.chance(0.13):
        radius = min(radius, 2.6)
        colour = palette.varied(dice, palette.CONIFER)
        return Tree(pose, radius, min(4.2 * radius, 14.0), colour, dice.salt(), conifer=True)
    colours = palette.UNUSUAL if dice.chance(0.07) else palette.BROADLEAF
    height = min(1.9 * radius + dice.between(0.2, 2.0) * min(radius, 1.5), 13.0)
    return Tree(pose, radius, height, palette.varied(dice, colours, 0.09), dice.salt())


def shrub(dice: Dice, pose: Pose) -> Tree:
    """Return a shrub."""
    radius = dice.between(0.45, 1.15)
    colour = palette.varied(dice, palette.BROADLEAF, 0.1)
    return Tree(pose, radius, 1.3 * radius, colour, dice.salt())


def plant_trees(lot: Lot, count: int, radii: tuple[float, float], low: float, high: float) -> None:
    """Plant trees wherever there is room for b from ``low`` to ``high``."""
    for _ in range(count):
        radius = lot.dice.between(*radii)
        place = lot.free_place(0.55 * radius, low, high)
        if place is not None:
            lot.things.trees.append(tree(lot.dice, lot.pose(*place), radius))


def plant_shrubs(lot: Lot, count: int, low: float, high: float) -> None:
    """Plant shrubs in groups, most of them along the edges of the parcel."""
    while count > 0:
        group = min(count, lot.dice.count(1, 5))
        count -= group
        a, b = _shrubbery(lot, low, high)
        along = lot.dice.side()
        step_a, step_b = (0.2, along) if abs(a) > lot.half - 1.2 else (along, 0.2)
        for i in range(group):
            place = a + i * step_a * lot.dice.between(0.8, 1.3), b + i * step_b
            if low <= place[1] <= high and lot.is_free(*place, 0.4):
                lot.things.trees.append(shrub(lot.dice, lot.pose(*place)))


def _shrubbery(lot: Lot, low: float, high: float) -> tuple[float, float]:
    """Choose where a group of shrubs begins."""
    inside = lot.dice.between(low, high)
    if lot.dice.chance(0.7):
        return lot.dice.side() * (lot.half - 0.8), inside
    return lot.dice.between(-1, 1) * lot.half, lot.dice.one_of((low + 0.3, high - 0.6, inside))


def plant_hedge(lot: Lot, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Plant a hedge between two places (a, b), in pieces that follow the bends of the land."""
    (a0, b0), (a1, b1) = start, end
    length = max(abs(a1 - a0), abs(b1 - b0))
    pieces = max(1, round(length / _PIECE))
    half_width, height = lot.dice.between(0.35, 0.6), lot.dice.between(1.1, 2.1)
    colour = palette.varied(lot.dice, palette.HEDGE)
    for i in range(pieces):
        t = (i + 0.5) / pieces
        a, b = lot.middle + a0 + t * (a1 - a0), b0 + t * (b1 - b0)
        pose = lot.frame.pose(a, b, across=abs(b1 - b0) > abs(a1 - a0))
        half_length = length / pieces / 2 + 0.25
        lot.things.hedges.append(Hedge(pose, half_length, half_width, height, colour))
