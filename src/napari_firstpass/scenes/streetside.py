"""Furnishing the street: markings, parked and moving cars, lamps, manholes, street trees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass.scenes import palette
from napari_firstpass.scenes.classes import PAVED
from napari_firstpass.scenes.dice import Dice
from napari_firstpass.scenes.plants import tree
from napari_firstpass.scenes.things import Flat, Post
from napari_firstpass.scenes.vehicles import car

if TYPE_CHECKING:
    from napari_firstpass.scenes.streets import Block, Frame, Street
    from napari_firstpass.scenes.things import Colour, Finish, Furnishing, Pose

_DASH_SPACING = 6.0
_CLEAR_OF_CORNER = 5.0


@dataclass(frozen=True, slots=True)
class _Side:
    """The half of a street along one side of a block, while it is furnished."""

    things: Furnishing
    block: Block
    frame: Frame
    street: Street
    dice: Dice

    @property
    def half(self) -> float:
        """Half the length of the private land along the street."""
        return self.block.length / 2

    def pose(self, a: float, out: float, turn: float = 0.0) -> Pose:
        """Return the place ``out`` metres from the kerb onto the carriageway."""
        return self.frame.pose(a, -self.block.rim - out, turn)

    def lay(self, pose: Pose, half_a: float, half_b: float, colour: Colour, finish: Finish) -> None:
        """Lay something on the carriageway."""
        self.things.flats.append(Flat(pose, half_a, half_b, colour, PAVED, finish))


def furnish_street(things: Furnishing, block: Block, frame: Frame, street: Street) -> None:
    """Furnish the half of a street that runs along one side of a block."""
    dice = Dice.of(block.seed, 9, block.row, block.col, frame.sign)
    side = _Side(things, block, frame, street, dice)
    _park_cars(side)
    _set_lamps_and_trees(side)
    if frame.sign > 0:  # what lies in the middle of the street is laid from one side only
        _lay_repairs(side)
        _paint_zebra(side)
        if street.marked:
            _paint_dashes(side)
            _drive_cars(side)


def _park_cars(side: _Side) -> None:
    dice, share = side.dice, side.dice.between(0.1, 0.5)
    a = _CLEAR_OF_CORNER - side.half
    while a < side.half - _CLEAR_OF_CORNER:
        if dice.chance(share):
            turn = 0.0 if dice.chance(0.85) else math.pi
            side.things.cars.append(car(dice, side.pose(a, 1.15, turn)))
            if side.street.marked:
                side.lay(side.pose(a + 2.9, 1.15), 0.06, 1.0, palette.MARKING, "paint")
        a += dice.between(5.6, 7.2)


def _set_lamps_and_trees(side: _Side) -> None:
    dice = side.dice
    leafy = side.block.verge > 0 and dice.chance(0.8)
    radius = dice.between(1.6, 2.9)
    a, count = 4 - side.half, 0
    while a < side.half - 3:
        count += 1
        if count % 3 == 0:
            side.things.posts.append(Post(side.pose(a, -0.35, math.pi / 2)))
        elif leafy and dice.chance(0.8):
            pose = side.pose(a, -0.7)
            side.things.trees.append(tree(dice, pose, radius * dice.between(0.8, 1.15)))
        a += dice.between(7.5, 10)


def _lay_repairs(side: _Side) -> None:
    """Lay patches of newer asphalt, and manholes."""
    dice, width = side.dice, 2 * side.street.half_width
    for _ in range(dice.count(1, 4)):
        pose = side.pose(dice.between(-1, 1) * side.half, dice.between(0.8, width - 0.8))
        tone = side.street.tone * dice.one_of((0.8, 0.88, 1.12))
        colour = (tone, tone, tone, 0.95 * tone)
        side.lay(pose, dice.between(0.5, 5), dice.between(0.35, 0.9), colour, "asphalt")
    for share in (-0.6, 0.24):
        pose = side.pose(share * side.half, 0.4 * width)
        side.things.flats.append(Flat(pose, 0.36, 0.36, palette.IRON, PAVED, "smooth", 0.35))


def _paint_zebra(side: _Side) -> None:
    if not side.dice.chance(0.7 if side.street.marked else 0.2):
        return
    width = 2 * side.street.half_width
    bars = int(width)
    for i in range(bars):
        pose = side.pose(2.5 - side.half, (i + 0.5) * width / bars)
        side.lay(pose, 1.5, 0.25, palette.MARKING, "paint")


def _paint_dashes(side: _Side) -> None:
    for i in range(int(2 * side.half / _DASH_SPACING)):
        pose = side.pose((i + 0.5) * _DASH_SPACING - side.half, side.street.half_width)
        side.lay(pose, 1.5, 0.07, palette.MARKING, "paint")


def _drive_cars(side: _Side) -> None:
    """Let a car drive in either lane now and then."""
    middle = side.street.half_width
    for out, turn in ((middle - 1.0, math.pi), (middle + 1.0, 0.0)):
        if side.dice.chance(0.4):
            pose = side.pose(side.dice.between(-0.9, 0.9) * side.half, out, turn)
            side.things.cars.append(car(side.dice, pose))
