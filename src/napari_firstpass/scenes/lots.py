"""Parcels while they are furnished, and where in them something already stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from napari_firstpass.scenes import palette
from napari_firstpass.scenes.classes import PAVED
from napari_firstpass.scenes.dice import Dice
from napari_firstpass.scenes.things import Flat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_firstpass.scenes.streets import Block, Frame
    from napari_firstpass.scenes.things import Colour, Finish, Furnishing, Pose


@dataclass(slots=True)
class Lot:
    """A parcel: a runs from ``-half`` to ``half`` along the street, b from 0 to ``depth``.

    Attributes
    ----------
    things : Furnishing
        What is put on the parcel goes here.
    dice : Dice
        The parcel's own random numbers.
    frame : Frame
        The land along the street that the parcel is cut from.
    middle : float
        Where a = 0 of the parcel lies in the frame.
    half, depth, rim : float
        Half the frontage, the depth, and the width of public land in front, in metres.
    taken : list of (a0, a1, b0, b1)
        Boxes on which nothing more may stand.
    """

    things: Furnishing
    dice: Dice
    frame: Frame
    middle: float
    half: float
    depth: float
    rim: float
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def pose(self, a: float, b: float, turn: float = 0.0) -> Pose:
        """Return the place (a, b), heading along the street."""
        return self.frame.pose(self.middle + a, b, turn)

    def lay(
        self,
        pose: Pose,
        half_a: float,
        half_b: float,
        colour: Colour,
        label: int,
        finish: Finish,
        rounding: float = 0.0,
    ) -> None:
        """Lay a level surface."""
        self.things.flats.append(Flat(pose, half_a, half_b, colour, label, finish, rounding))

    def pave(self, pose: Pose, half_a: float, half_b: float) -> None:
        """Lay paving stones of some kind."""
        self.lay(pose, half_a, half_b, palette.varied(self.dice, palette.PAVING), PAVED, "paving")

    def take(self, a: float, b: float, half_a: float, half_b: float) -> None:
        """Mark a box as built on."""
        self.taken.append((a - half_a, a + half_a, b - half_b, b + half_b))

    def is_free(self, a: float, b: float, margin: float) -> bool:
        """Whether a circle stays clear of everything built."""
        return not any(
            a0 - margin < a < a1 + margin and b0 - margin < b < b1 + margin
            for a0, a1, b0, b1 in self.taken
        )

    def free_place(self, margin: float, low: float, high: float) -> tuple[float, float] | None:
        """Find a free place with b from ``low`` to ``high``, None after a dozen attempts."""
        for _ in range(12):
            a = self.dice.between(-self.half + 0.5, self.half - 0.5)
            b = self.dice.between(low, high)
            if self.is_free(a, b, margin):
                return a, b
        return None


def lots_of(things: Furnishing, block: Block, frame: Frame) -> Iterator[Lot]:
    """Yield the parcels behind one street, each with its own random numbers."""
    edges = block.lots(frame.sign).tolist()
    for index, (left, right) in enumerate(pairwise(edges)):
        dice = Dice.of(block.seed, 7, block.row, block.col, frame.sign, index)
        middle, half = (left + right) / 2, (right - left) / 2
        yield Lot(things, dice, frame, middle, half, block.depth, block.rim)


def whole_lot(things: Furnishing, block: Block, frame: Frame) -> Lot:
    """Return all the land behind one street as one parcel."""
    dice = Dice.of(block.seed, 8, block.row, block.col, frame.sign)
    return Lot(things, dice, frame, 0.0, block.length / 2, block.depth, block.rim)
