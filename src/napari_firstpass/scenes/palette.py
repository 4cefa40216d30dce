"""Colours of the built-in town: reflectance in red, green, blue, near infrared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.scenes.things import Colour

if TYPE_CHECKING:
    from napari_firstpass.scenes.dice import Dice

Colours = tuple[Colour, ...]

ASPHALT: Colours = ((0.42, 0.42, 0.425, 0.40), (0.50, 0.495, 0.49, 0.47), (0.36, 0.36, 0.37, 0.34))
PAVING: Colours = (
    (0.60, 0.575, 0.54, 0.60),
    (0.56, 0.46, 0.41, 0.53),
    (0.50, 0.50, 0.50, 0.50),
    (0.66, 0.63, 0.57, 0.66),
)
GRAVEL: Colours = ((0.61, 0.57, 0.51, 0.62), (0.55, 0.53, 0.50, 0.56))
SOIL: Colours = ((0.42, 0.34, 0.265, 0.47), (0.49, 0.41, 0.32, 0.54), (0.35, 0.29, 0.235, 0.39))
SAND: Colours = ((0.72, 0.65, 0.53, 0.74),)
POOL: Colours = ((0.33, 0.63, 0.70, 0.16), (0.40, 0.68, 0.70, 0.20))
POND: Colours = ((0.20, 0.24, 0.20, 0.10),)
MARKING: Colour = (0.86, 0.86, 0.84, 0.80)

TILES: Colours = (
    (0.56, 0.36, 0.285, 0.57),
    (0.51, 0.31, 0.245, 0.52),
    (0.47, 0.355, 0.30, 0.48),
    (0.41, 0.33, 0.29, 0.42),
    (0.35, 0.30, 0.275, 0.355),
    (0.34, 0.34, 0.35, 0.335),
    (0.29, 0.29, 0.305, 0.28),
    (0.46, 0.45, 0.435, 0.45),
    (0.53, 0.42, 0.36, 0.54),
)
FLAT_ROOFS: Colours = (
    (0.70, 0.69, 0.67, 0.68),
    (0.58, 0.565, 0.535, 0.58),
    (0.47, 0.47, 0.475, 0.46),
    (0.80, 0.80, 0.80, 0.76),
    (0.36, 0.36, 0.37, 0.34),
)
SHEETS: Colours = ((0.64, 0.66, 0.68, 0.62), (0.74, 0.75, 0.76, 0.70), (0.45, 0.52, 0.52, 0.47))
CHIMNEY: Colours = ((0.46, 0.36, 0.31, 0.45), (0.55, 0.54, 0.53, 0.53))
GLASS: Colour = (0.20, 0.24, 0.30, 0.20)
FRAME: Colour = (0.60, 0.60, 0.60, 0.55)
SOOT: Colour = (0.08, 0.08, 0.08, 0.08)
IRON: Colour = (0.27, 0.26, 0.26, 0.25)
SOLAR: Colour = (0.115, 0.135, 0.20, 0.12)
VENT: Colour = (0.74, 0.75, 0.75, 0.70)

CARS: Colours = (
    (0.86, 0.86, 0.86, 0.80),
    (0.80, 0.81, 0.82, 0.76),
    (0.60, 0.61, 0.62, 0.58),
    (0.45, 0.46, 0.48, 0.44),
    (0.30, 0.31, 0.33, 0.29),
    (0.14, 0.145, 0.155, 0.15),
    (0.11, 0.11, 0.12, 0.12),
    (0.17, 0.24, 0.42, 0.20),
    (0.60, 0.14, 0.13, 0.58),
    (0.66, 0.65, 0.62, 0.63),
    (0.20, 0.32, 0.28, 0.22),
)
VANS: Colours = (
    (0.88, 0.88, 0.88, 0.82),
    (0.80, 0.79, 0.74, 0.76),
    (0.62, 0.63, 0.65, 0.58),
    (0.80, 0.62, 0.25, 0.80),
)

BROADLEAF: Colours = (
    (0.24, 0.345, 0.175, 0.70),
    (0.28, 0.38, 0.18, 0.74),
    (0.20, 0.30, 0.16, 0.62),
    (0.33, 0.41, 0.20, 0.78),
    (0.30, 0.36, 0.23, 0.68),
)
UNUSUAL: Colours = ((0.42, 0.46, 0.20, 0.86), (0.29, 0.20, 0.19, 0.62), (0.38, 0.42, 0.34, 0.74))
CONIFER: Colours = ((0.165, 0.25, 0.17, 0.50), (0.20, 0.28, 0.205, 0.54))
HEDGE: Colours = ((0.21, 0.32, 0.165, 0.66), (0.26, 0.35, 0.18, 0.70))


def varied(dice: Dice, colours: Colours, spread: float = 0.06) -> Colour:
    """Draw one of some colours and vary its brightness and, a little, its hue."""
    brightness = dice.around(1, spread)
    red, green, blue, nir = (
        min(max(value * brightness * dice.around(1, spread / 5), 0.03), 0.95)
        for value in dice.one_of(colours)
    )
    return red, green, blue, nir
