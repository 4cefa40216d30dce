"""Painting buildings from above: planes, tiles, ridges, and what stands on roofs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.scenes.canvas import box_distance
from napari_firstpass.scenes.classes import BUILDING
from napari_firstpass.scenes.dice import stream
from napari_firstpass.scenes.light import plane_light

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.scenes.canvas import Canvas, Spot
    from napari_firstpass.scenes.things import Building, Fixture, Pose, Wing

_TILE, _COURSE = 0.30, 0.36
_PARAPET = 0.35


@dataclass(slots=True)
class Relief:
    """The upper surface of a building on a spot, all (h, w) float32 arrays.

    Attributes
    ----------
    distance : array
        Signed distance to the outline in metres.
    top : array
        Metres above ground.
    ga, gb : array
        Gradient along the building's axes.
    along, up : array
        Metres along the eaves, and up the slope.
    ridge : array
        Metres to the nearest ridge or hip.
    """

    distance: NDArray[np.float32]
    top: NDArray[np.float32]
    ga: NDArray[np.float32]
    gb: NDArray[np.float32]
    along: NDArray[np.float32]
    up: NDArray[np.float32]
    ridge: NDArray[np.float32]

    def merge(self, other: Relief) -> None:
        """Keep whichever of both is higher; valleys come about by themselves."""
        higher = other.top > self.top
        for name in ("top", "ga", "gb", "along", "up", "ridge"):
            np.copyto(getattr(self, name), getattr(other, name), where=higher)
        np.minimum(self.distance, other.distance, out=self.distance)


def paint_building(canvas: Canvas, building: Building) -> None:
    """Paint a roof and everything on it."""
    spot = canvas.spot(building.pose, building.reach + 0.5)
    if spot is None:
        return
    relief = _relief(building, spot)
    cos, sin = np.float32(np.cos(building.pose.angle)), np.float32(np.sin(building.pose.angle))
    light = plane_light(relief.ga * cos - relief.gb * sin, relief.ga * sin + relief.gb * cos)
    canvas.lay(
        spot, canvas.cover(relief.distance), _covering(canvas, building, spot, relief),
        building.colour, label=BUILDING, height=relief.top, shade=light,
    )  # fmt: skip
    for fixture in building.fixtures:
        _paint_fixture(canvas, building.pose, fixture)


def _relief(building: Building, spot: Spot) -> Relief:
    relief, *others = (_wing_relief(wing, spot) for wing in building.wings)
    for other in others:
        relief.merge(other)
    if building.roofing == "flat":
        rim = relief.distance > -_PARAPET
        relief.top += np.float32(0.45) * rim
    return relief


def _wing_relief(wing: Wing, spot: Spot) -> Relief:
    a, b = spot.a - np.float32(wing.a), spot.b - np.float32(wing.b)
    along, aside = (b, a) if wing.turned else (a, b)
    side = np.float32(wing.half_width) - np.abs(aside)
    end = np.float32(wing.half_length) - np.abs(along)
    distance = -np.minimum(side, end)
    pitch = np.float32(wing.pitch)
    on_end = (end < side) if wing.hipped else np.zeros(a.shape, dtype=bool)
    up = np.where(on_end, end, side)
    across_slope = np.where(on_end, np.float32(0), -np.sign(aside) * pitch)
    along_slope = np.where(on_end, -np.sign(along) * pitch, np.float32(0))
    ridge = np.abs(aside)
    if wing.hipped:
        ridge = np.minimum(np.where(on_end, np.float32(9), ridge), np.abs(end - side) * 0.7)
    top = np.where(distance < 0.3, np.float32(wing.eaves) + np.maximum(up, 0) * pitch, -1)
    ga, gb = (across_slope, along_slope) if wing.turned else (along_slope, across_slope)
    return Relief(
        distance, top.astype(np.float32), ga.copy(), gb.copy(),
        np.where(on_end, aside, along), up.astype(np.float32), ridge,
    )  # fmt: skip


def _covering(
    canvas: Canvas, building: Building, spot: Spot, relief: Relief
) -> NDArray[np.float32]:
    """Return the brightness pattern of a roof, about 1."""
    salt = building.salt % 61
    tone = 1 + 0.025 * canvas.texture("stains", spot, salt)
    tone += 0.04 * canvas.texture("medium", spot, salt)
    match building.roofing:
        case "tile":
            tone += _tiles(canvas, building, relief)
            tone += np.float32(0.10) * (relief.ridge < 0.16) - np.float32(0.10) * (relief.up < 0.14)
        case "sheet":
            tone -= np.float32(0.07) * (np.mod(relief.along, np.float32(0.55)) < 0.09)
        case "flat":
            tone += 0.035 * canvas.texture("pebbles", spot, salt)
            tone -= np.float32(0.05) * (np.mod(relief.along, np.float32(1.9)) < 0.10)
            rim = -relief.distance
            tone += np.float32(0.16) * (rim < _PARAPET)
            tone -= np.float32(0.12) * ((rim >= _PARAPET) & (rim < _PARAPET + 0.25))
    if building.party_walls:
        tone *= _unit_tones(building, spot)
    return tone


def _tiles(canvas: Canvas, building: Building, relief: Relief) -> NDArray[np.float32]:
    """Return courses of tiles, each tile its own brightness, roughened by the brick photograph."""
    table = stream(building.salt, 51).standard_normal((64, 64), dtype=np.float32)
    tile = np.floor(relief.along / _TILE).astype(np.int64) & 63
    course = np.floor(relief.up / _COURSE).astype(np.int64) & 63
    rows = np.round(relief.along / canvas.pixel_size).astype(np.int64) + building.salt % 997
    cols = np.round(relief.up / canvas.pixel_size).astype(np.int64)
    tiles: NDArray[np.float32] = 0.045 * table[tile, course]
    tiles += 0.05 * canvas.textures.brick.at(rows, cols)
    tiles -= np.float32(0.06) * (np.mod(relief.up, np.float32(_COURSE)) < 0.10)
    return tiles


def _unit_tones(building: Building, spot: Spot) -> NDArray[np.float32]:
    """Return the tone of each unit of a terrace, with a light wall between neighbours."""
    tones = stream(building.salt, 52).normal(1, 0.09, 64).astype(np.float32)
    # Units are counted from one end of the row, where the walls are.
    from_end = spot.a + np.float32(building.wings[0].half_length + 0.6)
    unit = np.floor(from_end / np.float32(building.party_walls))
    inside = from_end - unit * np.float32(building.party_walls)
    inner = np.abs(spot.a) < building.wings[0].half_length - 1
    picked: NDArray[np.float32] = tones[unit.astype(np.int64) & 63]
    picked += np.float32(0.12) * ((inside < 0.22) & inner)
    return picked


def _paint_fixture(canvas: Canvas, house: Pose, fixture: Fixture) -> None:
    spot = canvas.spot(house.moved(fixture.a, fixture.b), fixture.reach)
    if spot is None:
        return
    # Nothing hangs over the edge of the roof, or onto a tree that is painted later.
    distance = box_distance(spot, fixture.half_length, fixture.half_width)
    cover = canvas.cover(distance) * (canvas.labels[spot.at] == BUILDING)
    base = canvas.height[spot.at]
    tone = np.ones_like(distance)
    if fixture.ruling:
        thin = 0.06 + 0.3 * canvas.pixel_size
        lines = np.mod(spot.a, np.float32(fixture.ruling)) < thin
        lines |= np.mod(spot.b, np.float32(1.6 * fixture.ruling)) < thin
        tone += np.float32(0.7) * lines
    canvas.lay(
        spot, cover, tone, fixture.colour, height=base + np.float32(fixture.rise),
        shade=1.0 if fixture.rise > 0.3 else None,
    )  # fmt: skip
