"""Furnishing blocks of terraces with their strips of garden."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_firstpass.scenes.gardens import dig_bed, put_shed
from napari_firstpass.scenes.large_roofs import terrace
from napari_firstpass.scenes.lots import Lot, lots_of
from napari_firstpass.scenes.plants import plant_hedge, plant_shrubs, plant_trees
from napari_firstpass.scenes.vehicles import car

if TYPE_CHECKING:
    from napari_firstpass.scenes.streets import Block, Frame
    from napari_firstpass.scenes.things import Furnishing

_LONGEST_ROW = 6
_RIDGE = 9.2
_REAR = 14.4


def furnish_terraces(things: Furnishing, block: Block, frame: Frame) -> None:
    """Furnish one side of a block with rows of houses."""
    row: list[Lot] = []
    for lot in lots_of(things, block, frame):
        row.append(lot)
        _lay_out_strip(lot)
        if len(row) == _LONGEST_ROW or lot.dice.chance(0.1):
            _raise_terrace(row)
            row = []
    _raise_terrace(row)


def _raise_terrace(row: list[Lot]) -> None:
    if len(row) < 2:
        return
    first, last = row[0], row[-1]
    unit = 2 * first.half
    pose = first.pose((last.middle - first.middle) / 2, _RIDGE)
    half_length = len(row) * unit / 2 - 0.6
    first.things.buildings.append(terrace(first.dice, pose, half_length, unit))


def _lay_out_strip(lot: Lot) -> None:
    """Lay out the narrow land before and behind one house of a row."""
    dice, end = lot.dice, lot.depth - 0.5
    lot.take(0, _RIDGE, lot.half, 6.2)
    lot.pave(lot.pose(-1.2, 2.2), 0.6, 2.4)
    if dice.chance(0.45):
        _lay_stand(lot)
    half_b = dice.between(1.3, 2.4)
    lot.pave(lot.pose(0, _REAR + half_b), lot.half - 0.5, half_b)
    if lot.depth > 22 and dice.chance(0.7):
        put_shed(lot, end - dice.between(1.4, 3.5))
    if dice.chance(0.6):
        dig_bed(lot, 18.0, end)
    if dice.chance(0.6):
        plant_hedge(lot, (-lot.half, _REAR + 0.6), (-lot.half, lot.depth))
    plant_trees(lot, dice.count(0, 2), (1.0, 2.6), 17.5, end)
    plant_shrubs(lot, dice.count(1, 4), 17.0, end)
    plant_shrubs(lot, dice.count(0, 2), 0.6, 3.0)


def _lay_stand(lot: Lot) -> None:
    """Pave a stand for a car before the house."""
    lot.pave(lot.pose(1.3, 2.2 - lot.rim / 2), 1.3, 2.3 + lot.rim / 2)
    lot.take(1.3, 2.2, 1.5, 2.5)
    if lot.dice.chance(0.7):
        lot.things.cars.append(car(lot.dice, lot.pose(1.3, 2.1, math.pi / 2)))
