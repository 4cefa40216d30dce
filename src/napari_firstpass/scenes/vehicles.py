"""Cars and vans, and bays to park them in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_firstpass.scenes import palette
from napari_firstpass.scenes.classes import PAVED
from napari_firstpass.scenes.things import Car

if TYPE_CHECKING:
    from napari_firstpass.scenes.dice import Dice
    from napari_firstpass.scenes.lots import Lot
    from napari_firstpass.scenes.things import Pose

BAY_WIDTH, BAY_LENGTH = 2.5, 5.0
_OCCUPIED = 0.62


def car(dice: Dice, pose: Pose) -> Car:
    """Return a car, or now and then a van, not quite straight."""
    pose = pose.moved(0, dice.around(0, 0.08), dice.around(0, 0.025))
    if dice.chance(0.07):
        return van(dice, pose)
    half_length = dice.between(1.95, 2.4)
    colour = palette.varied(dice, palette.CARS, 0.08)
    return Car(pose, colour, half_length, 0.36 * half_length + 0.1, dice.between(1.4, 1.65))


def van(dice: Dice, pose: Pose) -> Car:
    """Return a van."""
    colour = palette.varied(dice, palette.VANS)
    return Car(pose, colour, dice.between(2.5, 3.1), 1.0, 2.3, boxy=True)


def lay_parking(lot: Lot, a: float, b: float, bays: int) -> None:
    """Lay a row of parking bays along the street, its aisle towards the street."""
    colour = palette.varied(lot.dice, palette.ASPHALT)
    pose = lot.pose(a, b)
    half = bays * BAY_WIDTH / 2
    reach = (b + BAY_LENGTH / 2 + lot.rim) / 2
    lane = pose.moved(half - 2.6, BAY_LENGTH / 2 - reach)
    lot.lay(lane, 2.6, reach, colour, PAVED, "asphalt")
    lot.lay(pose.moved(0, -1.6), half + 0.2, 4.4, colour, PAVED, "asphalt")
    lot.take(a, b - 1.5, half + 0.5, 4.6)
    for i in range(bays + 1):
        line = pose.moved(i * BAY_WIDTH - half, 0)
        lot.lay(line, 0.06, 2.4, palette.MARKING, PAVED, "paint")
    for i in range(bays):
        if lot.dice.chance(_OCCUPIED):
            turn = math.pi / 2 * lot.dice.side()
            bay = pose.moved((i + 0.5) * BAY_WIDTH - half, lot.dice.around(0, 0.2), turn)
            lot.things.cars.append(car(lot.dice, bay))
