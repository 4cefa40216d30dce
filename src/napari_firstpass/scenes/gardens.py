"""Furnishing blocks of detached houses: a house, a drive, a garden behind."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_firstpass.scenes import houses, palette
from napari_firstpass.scenes.classes import PAVED, SOIL, WATER
from napari_firstpass.scenes.lots import Lot, lots_of
from napari_firstpass.scenes.plants import plant_hedge, plant_shrubs, plant_trees
from napari_firstpass.scenes.vehicles import car, van

if TYPE_CHECKING:
    from napari_firstpass.scenes.streets import Block, Frame
    from napari_firstpass.scenes.things import Furnishing, Pose

_HOUSE_DEPTH = 4.0


def furnish_houses(things: Furnishing, block: Block, frame: Frame) -> None:
    """Furnish the parcels of detached houses behind one street."""
    for lot in lots_of(things, block, frame):
        if lot.dice.chance(0.05):
            _dig_building_site(lot)
        else:
            _build_home(lot)
        _plant_hedges(lot)


def _build_home(lot: Lot) -> None:
    dice = lot.dice
    setback = dice.between(3.5, 6.5)
    half_length = min(dice.between(4.4, 6.4), lot.half - 3.2)
    if half_length < 3.0:
        return
    side = dice.side()
    a = -side * (lot.half - half_length - 1.6) * dice.between(0.4, 1.0)
    b = setback + _HOUSE_DEPTH + 0.6
    house = lot.pose(a, b)
    lot.things.buildings.append(houses.detached(dice, house, half_length))
    lot.take(a, b, half_length + 0.8, 5.6)
    _lay_drive(lot, a + side * (half_length + 1.9), setback)
    door = house.moved(-side * 1.5, -(b + _HOUSE_DEPTH) / 2)
    lot.pave(door, 0.6, (b - _HOUSE_DEPTH) / 2)
    if dice.chance(0.3):
        _cover_front_yard(lot, side, setback)
    _lay_patio(lot, house, a, b)
    _fill_garden(lot, b + 6.5)


def _dig_building_site(lot: Lot) -> None:
    """Dig up a parcel: bare earth, gravel, the slab of a cellar, a van."""
    dice = lot.dice
    middle, half_b = 0.5 * lot.depth, 0.42 * lot.depth
    earth = palette.varied(dice, palette.SOIL)
    lot.lay(lot.pose(0, middle), lot.half - 1, half_b, earth, SOIL, "soil", 1.5)
    way = lot.pose(dice.between(-3, 3), (6.0 - lot.rim) / 2)
    gravel = palette.varied(dice, palette.GRAVEL)
    lot.lay(way, 2.2, (6.0 + lot.rim) / 2, gravel, SOIL, "gravel", 0.8)
    heap = lot.pose(dice.between(-4, 4), 0.78 * lot.depth)
    lot.lay(heap, 3.5, 2.4, palette.varied(dice, palette.SAND), SOIL, "soil", 2.2)
    lot.pave(lot.pose(0.5, 12.0), 5.2, 4.4)
    lot.things.cars.append(van(dice, way.moved(0.2, 0.4, math.pi / 2)))
    lot.take(0, middle, lot.half, half_b)


def _cover_front_yard(lot: Lot, side: float, setback: float) -> None:
    """Cover a front yard with gravel or bark instead of grass."""
    half_a, half_b = 0.3 * lot.half, setback / 2 - 0.5
    pose = lot.pose(-side * (lot.half - half_a - 0.8), setback / 2)
    colours = palette.GRAVEL if lot.dice.chance(0.6) else palette.SOIL
    lot.lay(pose, half_a, half_b, palette.varied(lot.dice, colours), SOIL, "gravel", 0.4)


def _lay_drive(lot: Lot, a: float, setback: float) -> None:
    """Lay a drive from the kerb to a garage or an open place, perhaps with a car on it."""
    dice = lot.dice
    end = setback + dice.between(0.5, 3.5)
    if dice.chance(0.72):
        lot.things.buildings.append(houses.garage(dice, lot.pose(a, end + 3.0), 1.75))
    else:
        end += 4.0
    gate, length = lot.pose(a, end), end + lot.rim
    _surface_drive(lot, gate.moved(0, -length / 2), length / 2)
    lot.take(a, end / 2 + 2, 2.2, end / 2 + 4.5)
    if length > 6.5 and dice.chance(0.62):
        stop = dice.between(2.8, max(length - 3.4, 2.9))
        lot.things.cars.append(car(dice, gate.moved(0, -stop, math.pi / 2 * dice.side())))


def _surface_drive(lot: Lot, pose: Pose, half_length: float) -> None:
    kind = lot.dice.between(0, 1)
    if kind < 0.14:
        gravel = palette.varied(lot.dice, palette.GRAVEL)
        lot.lay(pose, 1.55, half_length, gravel, SOIL, "gravel")
    elif kind < 0.4:
        asphalt = palette.varied(lot.dice, palette.ASPHALT)
        lot.lay(pose, 1.55, half_length, asphalt, PAVED, "asphalt")
    else:
        lot.pave(pose, 1.55, half_length)


def _lay_patio(lot: Lot, house: Pose, a: float, b: float) -> None:
    half_a, half_b = lot.dice.between(1.8, 3.6), lot.dice.between(1.4, 2.4)
    lot.pave(house.moved(lot.dice.between(-2, 2), 4.4 + half_b), half_a, half_b)
    lot.take(a, b + 5 + half_b, half_a + 1, half_b + 0.5)


def _fill_garden(lot: Lot, start: float) -> None:
    """Fill the land behind and before a house."""
    dice, end = lot.dice, lot.depth - 0.8
    if dice.chance(0.15):
        _dig_pool(lot, start + 3, end - 3)
    if dice.chance(0.55):
        put_shed(lot, end - 1.6)
    for _ in range(dice.count(1, 3)):
        dig_bed(lot, start, end)
    plant_trees(lot, dice.count(1, 3), (2.2, 4.4), start, end)
    plant_trees(lot, dice.count(0, 3), (1.1, 2.2), 1.0, end)
    plant_shrubs(lot, dice.count(3, 9), 0.6, end)


def _dig_pool(lot: Lot, low: float, high: float) -> None:
    dice = lot.dice
    half_a, half_b = dice.between(2.8, 4.2), dice.between(1.5, 2.1)
    room = lot.half - half_a - 1.5
    if high - low < 1 or room < 0:
        return
    a, b = dice.between(-room, room), dice.between(low, high)
    pose = lot.pose(a, b)
    lot.pave(pose, half_a + 0.9, half_b + 0.9)
    rounding = dice.one_of((0.1, 0.95 * half_b))
    water = palette.varied(dice, palette.POOL)
    lot.lay(pose, half_a, half_b, water, WATER, "pool", rounding)
    lot.take(a, b, half_a + 1, half_b + 1)


def put_shed(lot: Lot, b: float) -> None:
    """Put a shed into a corner where it is free."""
    a = lot.dice.side() * (lot.half - 2.4)
    if lot.is_free(a, b, 1.5):
        lot.things.buildings.append(houses.shed(lot.dice, lot.pose(a, b)))
        lot.take(a, b, 2.0, 1.6)


def dig_bed(lot: Lot, low: float, high: float) -> None:
    """Dig a flower bed or a vegetable plot where it is free."""
    half_a, half_b = lot.dice.between(1.0, 3.2), lot.dice.between(0.7, 2.0)
    place = lot.free_place(half_b, low + half_b, max(high - half_b, low + half_b + 0.1))
    if place is None:
        return
    colour = palette.varied(lot.dice, palette.SOIL)
    if lot.dice.chance(0.4):
        lot.lay(lot.pose(*place), half_a, half_b, colour, SOIL, "crop", 0.2)
    else:
        rounding = 0.9 * half_b * lot.dice.between(0, 1)
        lot.lay(lot.pose(*place), half_a, half_b, colour, SOIL, "soil", rounding)
    lot.take(*place, 0.5 * half_a, 0.5 * half_b)


def _plant_hedges(lot: Lot) -> None:
    dice, edge, back = lot.dice, lot.half - 0.3, lot.depth
    if dice.chance(0.55):
        begin = dice.one_of((0.3, 8.0, 12.0))
        plant_hedge(lot, (-edge, begin), (-edge, back - 0.3))
    if dice.chance(0.5):
        plant_hedge(lot, (-edge, back - 0.5), (edge, back - 0.5))
    if dice.chance(0.3):
        plant_hedge(lot, (-edge, 0.6), (lot.half * dice.between(-0.3, 0.2), 0.6))
