"""Detached houses of several plans, garages and sheds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_firstpass.scenes import palette
from napari_firstpass.scenes.things import Building, Fixture, Wing

if TYPE_CHECKING:
    from napari_firstpass.scenes.dice import Dice
    from napari_firstpass.scenes.things import Pose


def detached(dice: Dice, pose: Pose, half_length: float) -> Building:
    """Return a house; ``half_length`` runs along the street."""
    half_width = dice.between(3.7, 4.7)
    if dice.chance(0.12):
        return _modern(dice, pose, half_length, half_width)
    main = _main_wing(dice, half_length, half_width)
    wings = (main, *_annexe(dice, main), *_dormers(dice, main))
    fixtures = (*chimneys(dice, main), *skylights(dice, main), *_solar(dice, main, pose))
    colour = palette.varied(dice, palette.TILES)
    return Building(pose, wings, colour, "tile", fixtures, dice.salt())


def _main_wing(dice: Dice, half_length: float, half_width: float) -> Wing:
    hipped = dice.chance(0.4)
    pitch = dice.between(0.5, 0.7) if hipped else dice.between(0.55, 0.95)
    eaves = dice.between(3.0, 5.6)
    if dice.chance(0.25):  # its gable looks at the street
        return Wing(0, 0, half_width + 0.8, min(half_length, 4.8), True, pitch, hipped, eaves)
    return Wing(0, 0, half_length, half_width, False, pitch, hipped, eaves)


def _annexe(dice: Dice, main: Wing) -> tuple[Wing, ...]:
    """Return a wing at a right angle, at an end (L plan) or in the middle (T plan), or none."""
    if dice.chance(0.45):
        return ()
    half_a, half_b = main.extent
    half_width, out = dice.between(2.3, 3.1), dice.between(1.8, 3.6)
    if main.turned:
        reach = (half_a + out) / 2
        a, b = dice.side() * reach, dice.one_of((-0.5, 0.0, 0.5)) * half_b
    else:
        reach = (half_b + out) / 2
        a = dice.one_of((-1.0, 0.0, 1.0)) * (half_a - half_width)
        b = reach if dice.chance(0.7) else -reach
    turned = not main.turned
    return (Wing(a, b, reach, half_width, turned, main.pitch, main.hipped, main.eaves),)


def _on_slope(main: Wing, side: float, along: float, share: float) -> tuple[float, float]:
    """Return (a, b) on the slope ``side`` of a wing, ``share`` of the way from ridge to eaves."""
    aside = side * share * main.half_width
    return (main.a + aside, main.b + along) if main.turned else (main.a + along, main.b + aside)


def _dormers(dice: Dice, main: Wing) -> tuple[Wing, ...]:
    if main.hipped or main.pitch < 0.7 or dice.chance(0.5):
        return ()
    side = dice.side()
    lift = main.eaves + 0.7 * main.half_width * main.pitch
    dormers = []
    for share in (-0.45, 0.45) if main.half_length > 5 else (0.0,):
        a, b = _on_slope(main, side, share * main.half_length, 0.5)
        reach = 0.32 * main.half_width
        dormers.append(Wing(a, b, reach, 0.95, not main.turned, 0.45, False, lift))
    return tuple(dormers)


def chimneys(dice: Dice, main: Wing) -> tuple[Fixture, ...]:
    """Return up to two chimneys beside a ridge."""
    colour = palette.varied(dice, palette.CHIMNEY)
    spread = 0.6 * main.half_length
    fixtures = []
    for _ in range(dice.count(0, 2)):
        a, b = _on_slope(main, dice.side(), dice.between(-spread, spread), 0.2)
        fixtures.append(Fixture(a, b, 0.4, 0.35, colour, rise=1.1))
        fixtures.append(Fixture(a, b, 0.17, 0.13, palette.SOOT))
    return tuple(fixtures)


def skylights(dice: Dice, main: Wing) -> tuple[Fixture, ...]:
    """Return up to three windows in one slope."""
    side = dice.side()
    spread = 0.55 * main.half_length
    windows = []
    for _ in range(dice.count(0, 3)):
        a, b = _on_slope(main, side, dice.between(-spread, spread), 0.52)
        windows.append(Fixture(a, b, 0.52, 0.52, palette.FRAME))
        windows.append(Fixture(a, b, 0.40, 0.40, palette.GLASS))
    return tuple(windows)


def _solar(dice: Dice, main: Wing, pose: Pose) -> tuple[Fixture, ...]:
    if dice.chance(0.74):
        return ()
    # Panels go on whichever slope looks south, which is down in the picture.
    southward = -math.sin(pose.angle) if main.turned else math.cos(pose.angle)
    half_along, half_up = dice.between(0.35, 0.6) * main.half_length, 0.3 * main.half_width
    a, b = _on_slope(main, math.copysign(1, southward), 0.1 * main.half_length, 0.5)
    sizes = (half_up, half_along) if main.turned else (half_along, half_up)
    return (Fixture(a, b, *sizes, palette.SOLAR, rise=0.08, ruling=1.0),)


def _modern(dice: Dice, pose: Pose, half_length: float, half_width: float) -> Building:
    """Return a flat-roofed house of two interlocking boxes."""
    low = Wing(0, 0, half_length, half_width, pitch=0, eaves=3.3)
    high = Wing(
        dice.side() * 0.35 * half_length,
        dice.between(-0.6, 1.4),
        0.6 * half_length,
        0.85 * half_width,
        pitch=0,
        eaves=6.2,
    )
    fixtures = [Fixture(high.a, high.b, 0.6, 0.6, palette.GLASS, rise=0.2)]
    if dice.chance(0.4):
        fixtures.append(Fixture(high.a + 0.3, high.b + 1.6, 1.7, 0.8, palette.SOLAR, 0.35, 0.95))
    colour = palette.varied(dice, palette.FLAT_ROOFS)
    return Building(pose, (low, high), colour, "flat", tuple(fixtures), dice.salt())


def garage(dice: Dice, pose: Pose, half_length: float) -> Building:
    """Return a garage, its gate towards the street."""
    if dice.chance(0.6):
        wing = Wing(0, 0, half_length, 3.0, pitch=0, eaves=2.7)
        return Building(
            pose, (wing,), palette.varied(dice, palette.FLAT_ROOFS), "flat", (), dice.salt()
        )
    wing = Wing(0, 0, 3.0, half_length, True, 0.55, False, 2.4)
    return Building(pose, (wing,), palette.varied(dice, palette.TILES), "tile", (), dice.salt())


def shed(dice: Dice, pose: Pose) -> Building:
    """Return a garden shed."""
    wing = Wing(0, 0, dice.between(1.2, 1.9), dice.between(0.9, 1.4), pitch=0.4, eaves=2.0)
    colour = palette.varied(dice, (*palette.SHEETS, *palette.TILES[2:4]))
    return Building(pose, (wing,), colour, "sheet", (), dice.salt())
