"""Painting level surfaces, cars, hedges and posts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.scenes.canvas import box_distance
from napari_firstpass.scenes.classes import CAR, TREE
from napari_firstpass.scenes.light import slope_light

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.scenes.canvas import Canvas, Spot
    from napari_firstpass.scenes.things import Car, Finish, Flat, Hedge, Post

_GLASS = (0.11, 0.13, 0.16, 0.10)
_STEEL = (0.55, 0.56, 0.57, 0.5)
_RAGGED = ("soil", "gravel", "crop", "water")


def paint_flat(canvas: Canvas, flat: Flat) -> None:
    """Paint a driveway, a bed, a marking."""
    spot = canvas.spot(flat.pose, flat.reach)
    if spot is None:
        return
    distance = box_distance(spot, flat.half_length, flat.half_width, flat.rounding)
    if flat.finish in _RAGGED:
        distance += 0.12 * canvas.texture("fine", spot)
    cover = canvas.cover(distance)
    if flat.finish == "paint":  # worn by wheels
        cover *= np.clip(0.75 + 0.25 * canvas.texture("fine", spot, 3), 0, 1)
    tone = 1 + _pattern(canvas, spot, flat.finish, distance)
    canvas.lay(spot, cover, tone, flat.colour)
    np.copyto(canvas.labels[spot.at], np.uint8(flat.label), where=distance < 0)


def _pattern(
    canvas: Canvas, spot: Spot, finish: Finish, distance: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the brightness pattern of a surface, about 0."""
    match finish:
        case "asphalt":
            pattern = 0.04 * canvas.texture("gravel", spot)
            pattern += 0.05 * canvas.texture("medium", spot, 4)
        case "paving":
            joints = (_phase(spot.a, 0.6) < 0.12) | (_phase(spot.b, 0.4) < 0.17)
            pattern = 0.05 * canvas.texture("gravel", spot, 5) - np.float32(0.10) * joints
            pattern += 0.05 * canvas.texture("medium", spot, 6)
        case "gravel":
            pattern = 0.10 * canvas.texture("gravel", spot)
            pattern += 0.06 * canvas.texture("medium", spot, 8)
        case "soil":
            pattern = 0.12 * canvas.texture("pebbles", spot) + 0.08 * canvas.texture("fine", spot)
        case "crop":
            pattern = 0.14 * np.sin(spot.b * np.float32(2 * np.pi / 0.7))
            pattern += 0.12 * canvas.texture("pebbles", spot)
        case "water" | "pool":
            pattern = 0.05 * canvas.texture("fine", spot) + 0.03 * canvas.texture("stains", spot)
            pattern += 0.18 * np.clip(1 + distance / np.float32(0.7), 0, 1)
        case "paint" | "smooth":
            pattern = 0.02 * canvas.texture("gravel", spot)
    return pattern


def _phase(position: NDArray[np.float32], period: float) -> NDArray[np.float32]:
    """Return the position within a period, 0 to 1."""
    turns = position * np.float32(1 / period)
    turns -= np.floor(turns)
    return turns


def paint_car(canvas: Canvas, car: Car) -> None:
    """Paint a car: body, windscreens, side windows, roof."""
    spot = canvas.spot(car.pose, car.reach)
    if spot is None:
        return
    cover = canvas.cover(
        box_distance(spot, car.half_length, car.half_width, 0.25 if car.boxy else 0.55)
    )
    along = spot.a / np.float32(car.half_length)
    aside = np.abs(spot.b) / np.float32(car.half_width)
    cabin = np.abs(along + np.float32(0.16))
    tone = 1.06 - 0.22 * aside**2 + 0.04 * along - 0.14 * (np.abs(cabin - 0.56) < 0.04)
    is_cabin = cabin < (0.86 if car.boxy else 0.56)
    height = np.where(is_cabin, np.float32(car.height), np.float32(0.62 * car.height))
    canvas.lay(spot, cover, tone, car.colour, label=CAR, height=height, shade=1.0)
    if not car.boxy:
        glass = (cabin > 0.33) & is_cabin & (aside < 0.82)
        glass |= (aside > 0.74) & (aside < 0.9) & (cabin < 0.45)
        sheen = 1 + 0.9 * np.clip(along, -0.2, 0.4)
        canvas.tint(spot.at, cover * glass, sheen, _GLASS)


def paint_hedge(canvas: Canvas, hedge: Hedge) -> None:
    """Paint a hedge."""
    spot = canvas.spot(hedge.pose, hedge.reach)
    if spot is None:
        return
    distance = box_distance(spot, hedge.half_length, hedge.half_width, min(0.3, hedge.half_width))
    distance += 0.13 * canvas.texture("fine", spot, 9)
    leaves = canvas.texture("grass", spot, 11)
    top = np.float32(hedge.height) * np.clip(-distance / np.float32(0.35), 0, 1) + 0.08 * leaves
    tone = 1 + 0.08 * leaves + 0.1 * canvas.texture("medium", spot, 10)
    canvas.lay(
        spot, canvas.cover(distance), tone, hedge.colour, label=TREE,
        height=np.maximum(top, 0.2), shade=slope_light(top, canvas.pixel_size, spread=0.1),
    )  # fmt: skip


def paint_post(canvas: Canvas, post: Post) -> None:
    """Paint a street lamp; what it stands on keeps its class."""
    spot = canvas.spot(post.pose, post.reach)
    if spot is None:
        return
    thin = max(0.09, 0.55 * canvas.pixel_size)
    canvas.lay(spot, canvas.cover(box_distance(spot, 0.35, thin)), 1.0, _STEEL)
    pole = canvas.cover(box_distance(spot, thin, thin)) > 0.5
    canvas.height[spot.at] = np.maximum(canvas.height[spot.at], np.float32(post.height) * pole)
