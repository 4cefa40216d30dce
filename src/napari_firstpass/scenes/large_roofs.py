"""Terraces, blocks of flats, and halls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_firstpass.scenes import palette
from napari_firstpass.scenes.houses import chimneys, skylights
from napari_firstpass.scenes.things import Building, Fixture, Wing

if TYPE_CHECKING:
    from napari_firstpass.scenes.dice import Dice
    from napari_firstpass.scenes.things import Colour, Pose, Roofing

_DOME = (0.82, 0.84, 0.86, 0.70)


def terrace(dice: Dice, pose: Pose, half_length: float, unit: float) -> Building:
    """Return a row of houses under one ridge, ``unit`` metres each."""
    main = Wing(
        0,
        0,
        half_length,
        half_width=dice.between(4.6, 5.3),
        pitch=dice.between(0.55, 0.8),
        eaves=dice.between(5.2, 6.0),
    )
    brick = palette.varied(dice, palette.CHIMNEY)
    count = max(1, round(2 * half_length / unit))
    fixtures = [
        fixture
        for i in range(count)
        for fixture in _unit_fixtures(
            dice, replace(main, a=(2 * i + 1) * half_length / count - half_length), unit, brick
        )
    ]
    tiles = palette.varied(dice, palette.TILES)
    return Building(pose, (main,), tiles, "tile", tuple(fixtures), dice.salt(), unit)


def _unit_fixtures(dice: Dice, wing: Wing, unit: float, brick: Colour) -> tuple[Fixture, ...]:
    """Return what stands on the roof of one house of a row."""
    fixtures = []
    if dice.chance(0.8):
        fixtures.append(Fixture(wing.a + 0.42 * unit, 0.6, 0.45, 0.4, brick, rise=1.0))
    if dice.chance(0.45):
        fixtures.extend(skylights(dice, replace(wing, half_length=unit / 2)))
    if dice.chance(0.16):
        b = 2.4 * dice.side()
        fixtures.append(Fixture(wing.a, b, 0.42 * unit, 1.3, palette.SOLAR, 0.08, 1.0))
    return tuple(fixtures)


def slab(dice: Dice, pose: Pose, half_length: float, half_width: float) -> Building:
    """Return a block of flats of three or four storeys."""
    eaves = dice.between(9.0, 12.0)
    if dice.chance(0.4):
        wing = Wing(0, 0, half_length, half_width, False, 0.45, True, min(eaves, 9.5))
        fixtures = (*chimneys(dice, wing), *skylights(dice, wing))
        colour = palette.varied(dice, palette.TILES)
        return Building(pose, (wing,), colour, "tile", fixtures, dice.salt())
    wing = Wing(0, 0, half_length, half_width, pitch=0, eaves=eaves)
    colour = palette.varied(dice, palette.FLAT_ROOFS)
    return Building(pose, (wing,), colour, "flat", _plant(dice, wing), dice.salt())


def hall(dice: Dice, pose: Pose, half_length: float, half_width: float) -> Building:
    """Return a shop or a workshop with a large light roof."""
    flat = dice.chance(0.6)
    pitch, eaves = 0.0 if flat else 0.13, dice.between(5.0, 8.0)
    wings = [Wing(0, 0, half_length, half_width, pitch=pitch, eaves=eaves)]
    if dice.chance(0.6):
        a, b = dice.side() * 0.55 * half_length, -0.8 * half_width
        office = Wing(a, b, 0.36 * half_length, 0.5 * half_width, pitch=pitch, eaves=eaves - 1.5)
        wings.append(office)
    colour = palette.varied(dice, palette.FLAT_ROOFS if flat else palette.SHEETS, 0.04)
    fixtures = (*_rows(dice, wings[0]), *_plant(dice, wings[0]))
    roofing: Roofing = "flat" if flat else "sheet"
    return Building(pose, tuple(wings), colour, roofing, fixtures, dice.salt())


def _rows(dice: Dice, wing: Wing) -> tuple[Fixture, ...]:
    """Return rows of light domes, or of solar panels."""
    solar = dice.chance(0.35)
    step = 3.2 if solar else 5.5
    count = int((2 * wing.half_length - 5) / step)
    places = [
        ((i - (count - 1) / 2) * step, row * wing.half_width)
        for row in ((-0.45, 0.0, 0.45) if solar else (-0.45, 0.45))
        for i in range(count)
    ]
    if solar:
        half = 0.22 * wing.half_width
        return tuple(Fixture(a, b, 1.4, half, palette.SOLAR, 0.4, 1.0) for a, b in places)
    return tuple(Fixture(a, b, 0.7, 0.9, _DOME, 0.4) for a, b in places)


def _plant(dice: Dice, wing: Wing) -> tuple[Fixture, ...]:
    """Return ventilators, lift heads and hatches."""
    return tuple(
        Fixture(
            dice.between(-0.8, 0.8) * wing.half_length,
            dice.between(-0.7, 0.7) * wing.half_width,
            dice.between(0.4, 1.5),
            dice.between(0.4, 1.3),
            palette.VENT,
            dice.between(0.6, 1.9),
        )
        for _ in range(dice.count(3, 7))
    )
