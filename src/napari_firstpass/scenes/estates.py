"""Furnishing blocks of flats, of trade, and parks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_firstpass.scenes import palette
from napari_firstpass.scenes.classes import PAVED, SOIL, WATER
from napari_firstpass.scenes.large_roofs import hall, slab
from napari_firstpass.scenes.lots import Lot, whole_lot
from napari_firstpass.scenes.plants import plant_hedge, plant_shrubs, plant_trees
from napari_firstpass.scenes.vehicles import BAY_WIDTH, lay_parking

if TYPE_CHECKING:
    from napari_firstpass.scenes.streets import Block, Frame
    from napari_firstpass.scenes.things import Finish, Furnishing


def furnish_flats(things: Furnishing, block: Block, frame: Frame) -> None:
    """Furnish one side of a block with flats in green, and parking by the street."""
    lot = whole_lot(things, block, frame)
    count = max(1, int(block.length // 38))
    pitch = block.length / count
    for i in range(count):
        a = (i + 0.5) * pitch - lot.half
        half_length, half_width = lot.dice.between(0.32, 0.4) * pitch, lot.dice.between(5.5, 7.0)
        b = lot.depth - half_width - lot.dice.between(2.5, 4.5)
        things.buildings.append(slab(lot.dice, lot.pose(a, b), half_length, half_width))
        lot.take(a, b, half_length + 1, half_width + 1)
        lay_parking(lot, a, 5.4, int(0.36 * pitch / BAY_WIDTH) * 2)
        _lay_walk(lot, a + 0.43 * pitch)
    plant_trees(lot, int(block.length / 8), (2.0, 5.0), 1.0, lot.depth)
    plant_shrubs(lot, int(block.length / 4), 1.0, lot.depth)


def _lay_walk(lot: Lot, a: float) -> None:
    """Lay a foot path into the block, in pieces that follow its bends."""
    colour = palette.varied(lot.dice, palette.PAVING)
    for i in range(round(lot.depth / 3)):
        pose = lot.frame.pose(lot.middle + a, 3 * i + 1.5, across=True)
        lot.lay(pose, 1.7, 0.9, colour, PAVED, "paving")


def furnish_trade(things: Furnishing, block: Block, frame: Frame) -> None:
    """Furnish one side of a block with a large hall on a paved yard."""
    lot = whole_lot(things, block, frame)
    dice = lot.dice
    _lay_yard(lot)
    half_length = lot.half - dice.between(9, 16)
    half_width = dice.between(6.5, 8.0)
    a, b = dice.between(-3, 3), lot.depth - half_width - 1.2
    things.buildings.append(hall(dice, lot.pose(a, b), half_length, half_width))
    lot.take(a, b, half_length + 2, half_width + 2)
    lay_parking(lot, 0.0, 5.2, int(0.72 * block.length / BAY_WIDTH))
    plant_trees(lot, 5, (1.4, 3.0), 0.4, 1.2)
    plant_shrubs(lot, 14, 0.2, 1.2)


def _lay_yard(lot: Lot) -> None:
    """Cover the land but for a strip along the street, in pieces that follow its bends."""
    yard = palette.varied(lot.dice, (*palette.ASPHALT, palette.PAVING[2]))
    pieces = 8
    half = lot.half / pieces
    for i in range(pieces):
        pose = lot.pose((2 * i + 1) * half - lot.half, lot.depth / 2 + 0.8)
        lot.lay(pose, half + 0.4, lot.depth / 2 - 0.7, yard, PAVED, "asphalt")


def furnish_park(things: Furnishing, block: Block, frame: Frame) -> None:
    """Furnish one side of a block as a park: a path, a playground or a pond, old trees."""
    lot = whole_lot(things, block, frame)
    dice = lot.dice
    _lay_path(lot)
    a, b = dice.between(-0.5, 0.5) * lot.half, 0.75 * lot.depth
    if dice.chance(0.55):
        _dig_pond(lot, a, b)
    else:
        sand = palette.varied(dice, palette.SAND)
        lot.lay(lot.pose(a, b, 0.2), 6.0, 3.8, sand, SOIL, "gravel", 3.0)
    lot.take(a, b, 7.0, 4.2)
    plant_trees(lot, int(block.length / 4.5), (2.5, 5.4), 0, lot.depth)
    plant_shrubs(lot, int(block.length / 3), 0.0, lot.depth)
    if dice.chance(0.6):
        edge = lot.half - 1
        plant_hedge(lot, (-edge, 0.6), (edge * dice.between(-0.2, 0.8), 0.6))


def _lay_path(lot: Lot) -> None:
    """Lay a winding gravel path from one end to the other."""
    colour = palette.varied(lot.dice, palette.GRAVEL)
    phase, waves = lot.dice.between(0, 6), lot.dice.between(0.06, 0.10)
    swing = 0.18 * lot.depth
    steps = int(lot.half)
    for i in range(steps + 1):
        a = 2 * lot.half * i / steps - lot.half
        b = 0.5 * lot.depth + swing * math.sin(waves * a + phase)
        turn = math.atan(swing * waves * math.cos(waves * a + phase))
        lot.lay(lot.pose(a, b, turn), 1.5, 1.15, colour, SOIL, "gravel", 0.6)
        lot.take(a, b, 0.8, 1.0)


def _dig_pond(lot: Lot, a: float, b: float) -> None:
    """Dig a pond of two basins with a bare bank."""
    soil, water = (palette.varied(lot.dice, kind) for kind in (palette.SOIL, palette.POND))
    basins = ((a - 3.0, 4.6), (a + 2.6, 4.0))
    for bank, colour, label in ((0.7, soil, SOIL), (0.0, water, WATER)):
        for middle, half in basins:
            half_b = 0.75 * half + bank
            finish: Finish = "soil" if label == SOIL else "water"
            lot.lay(lot.pose(middle, b), half + bank, half_b, colour, label, finish, half_b - 0.1)
