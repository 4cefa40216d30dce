"""What stands and lies in the built-in town, as values in metres."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

Colour = tuple[float, float, float, float]
"""Reflectance in red, green, blue and near infrared, 0 to 1, as a lit flat surface shows it."""

Finish = Literal["asphalt", "paving", "gravel", "soil", "crop", "water", "pool", "paint", "smooth"]
Roofing = Literal["tile", "sheet", "flat"]


@dataclass(frozen=True, slots=True)
class Pose:
    """A place and a heading.

    Attributes
    ----------
    x, y : float
        Metres right of and below the top-left corner of the scene.
    angle : float
        Heading of the local axis a in radians, from x towards y; the local axis b is a quarter
        turn further.
    """

    x: float
    y: float
    angle: float = 0.0

    def moved(self, a: float, b: float, turn: float = 0.0) -> Pose:
        """Return the pose ``a`` ahead and ``b`` aside, turned by ``turn`` radians."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return Pose(self.x + a * cos - b * sin, self.y + a * sin + b * cos, self.angle + turn)


@dataclass(frozen=True, slots=True)
class Flat:
    """A level surface: a driveway, a flower bed, a road marking; a rounded box."""

    pose: Pose
    half_length: float
    half_width: float
    colour: Colour
    label: int
    finish: Finish = "smooth"
    rounding: float = 0.0

    @property
    def reach(self) -> float:
        """Radius of a circle around everything drawn."""
        return math.hypot(self.half_length, self.half_width)


@dataclass(frozen=True, slots=True)
class Car:
    """A car, a van or a lorry, heading along a."""

    pose: Pose
    colour: Colour
    half_length: float = 2.25
    half_width: float = 0.92
    height: float = 1.5
    boxy: bool = False

    @property
    def reach(self) -> float:
        """Radius of a circle around everything drawn."""
        return math.hypot(self.half_length, self.half_width)


@dataclass(frozen=True, slots=True)
class Tree:
    """A crown seen from above; ``salt`` makes its shape its own."""

    pose: Pose
    radius: float
    height: float
    colour: Colour
    salt: int
    conifer: bool = False

    @property
    def reach(self) -> float:
        """Radius of a circle around everything drawn."""
        return 1.25 * self.radius


@dataclass(frozen=True, slots=True)
class Hedge:
    """A clipped row of shrubs along a."""

    pose: Pose
    half_length: float
    half_width: float
    height: float
    colour: Colour

    @property
    def reach(self) -> float:
        """Radius of a circle around everything drawn."""
        return math.hypot(self.half_length, self.half_width) + 0.5


@dataclass(frozen=True, slots=True)
class Post:
    """A street lamp: too thin to see but for its shadow."""

    pose: Pose
    height: float = 6.0

    @property
    def reach(self) -> float:
        """Radius of a circle around everything drawn."""
        return 1.0


@dataclass(frozen=True, slots=True)
class Wing:
    """A rectangular part of a roof, in the axes of its building.

    Attributes
    ----------
    a, b : float
        Centre.
    half_length, half_width : float
        Along and across the ridge.
    turned : bool
        Whether the ridge runs along b instead of a.
    pitch : float
        Rise over run; 0 is a flat roof.
    hipped : bool
        Whether the short ends slope too.
    eaves : float
        Height of the eaves above ground.
    """

    a: float
    b: float
    half_length: float
    half_width: float
    turned: bool = False
    pitch: float = 0.8
    hipped: bool = False
    eaves: float = 5.0

    @property
    def extent(self) -> tuple[float, float]:
        """Half sizes along a and b."""
        sizes = self.half_length, self.half_width
        return (sizes[1], sizes[0]) if self.turned else sizes


@dataclass(frozen=True, slots=True)
class Fixture:
    """Something on a roof: a chimney, a skylight, solar panels, a ventilator; a box along a, b."""

    a: float
    b: float
    half_length: float
    half_width: float
    colour: Colour
    rise: float = 0.0
    ruling: float = 0.0
    """Spacing in metres of thin bright lines, 0 for none."""

    @property
    def reach(self) -> float:
        """Radius of a circle around everything drawn."""
        return math.hypot(self.half_length, self.half_width)


@dataclass(frozen=True, slots=True)
class Building:
    """A roof of one or more wings with what stands on it."""

    pose: Pose
    wings: tuple[Wing, ...]
    colour: Colour
    roofing: Roofing
    fixtures: tuple[Fixture, ...] = ()
    salt: int = 0
    party_walls: float = 0.0
    """Width in metres of the units of a terrace, 0 for a single house."""

    @property
    def reach(self) -> float:
        """Radius of a circle around everything drawn."""
        return max(math.hypot(abs(w.a) + w.extent[0], abs(w.b) + w.extent[1]) for w in self.wings)


@dataclass(slots=True)
class Furnishing:
    """All things of one block, in the order in which they are drawn."""

    flats: list[Flat] = field(default_factory=list)
    cars: list[Car] = field(default_factory=list)
    hedges: list[Hedge] = field(default_factory=list)
    buildings: list[Building] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
