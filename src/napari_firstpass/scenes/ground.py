"""Painting the ground: carriageways, pavements, and the lawns of the parcels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.scenes.canvas import rounded_distance
from napari_firstpass.scenes.classes import GRASS
from napari_firstpass.scenes.dice import stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_firstpass.scenes.canvas import Canvas
    from napari_firstpass.scenes.streets import Block, Town

_CORNER = 5.0
_SLACK = 4.0
_PARCELS = 128
_SLAB = 0.75
_FRESH = (0.305, 0.40, 0.23, 0.87)
_DRY = (0.54, 0.515, 0.37, 0.88)
_ASPHALT = (1.0, 0.995, 0.985, 0.94)
_PAVEMENT = (0.62, 0.605, 0.575, 0.63)
_ALL = (slice(None), slice(None))


@dataclass(frozen=True, slots=True)
class Plan:
    """Where every pixel of a canvas lies in the street plan; all (H, W).

    Attributes
    ----------
    u, v : float32 array
        Street coordinates in metres.
    inside : float32 array
        Metres from the nearest kerb, positive on blocks.
    rim, verge : float32 array
        Width of the public land of the block, and of its grass strip.
    parcel : int32 array
        Number of the parcel; parcels of one block follow one another.
    """

    u: NDArray[np.float32]
    v: NDArray[np.float32]
    inside: NDArray[np.float32]
    rim: NDArray[np.float32]
    verge: NDArray[np.float32]
    parcel: NDArray[np.int32]

    @classmethod
    def of(cls, canvas: Canvas, town: Town) -> Plan:
        """Return a plan without blocks."""
        u, v = town.warp.plane(canvas.x[None, :], canvas.y[:, None])
        far = np.full_like(u, -99)
        return cls(u, v, far, np.zeros_like(u), np.zeros_like(u), np.zeros(u.shape, np.int32))

    def enter(self, block: Block, number: int) -> None:
        """Enter a block; ``number`` counts the blocks of the canvas."""
        part = self._around(block)
        u, v = self.u[part], self.v[part]
        depth = _depth(block, u, v)
        nearer = depth > self.inside[part]
        np.copyto(self.inside[part], depth, where=nearer)
        np.copyto(self.rim[part], np.float32(block.rim), where=nearer)
        np.copyto(self.verge[part], np.float32(block.verge), where=nearer)
        np.copyto(self.parcel[part], _parcel_of(block, u, v) + number * _PARCELS, where=nearer)

    def _around(self, block: Block) -> tuple[slice, slice]:
        """Return the rows and columns that hold a block; found on every eighth pixel."""
        u, v = self.u[::8, ::8], self.v[::8, ::8]
        hit = (u > block.u0 - _SLACK) & (u < block.u1 + _SLACK)
        hit &= (v > block.v0 - _SLACK) & (v < block.v1 + _SLACK)
        height, width = self.u.shape
        return _range(hit, 1, height), _range(hit, 0, width)


def _range(hit: NDArray[np.bool_], axis: int, size: int) -> slice:
    at = np.flatnonzero(hit.any(axis=axis))
    if len(at) == 0:
        return slice(0, 0)
    return slice(max(int(at[0]) * 8 - 8, 0), min(int(at[-1]) * 8 + 16, size))


def _depth(block: Block, u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how many metres a pixel lies inside the kerb."""
    half_u = (block.u1 - block.u0) / 2 - _CORNER
    half_v = (block.v1 - block.v0) / 2 - _CORNER
    du = np.abs(u - np.float32((block.u1 + block.u0) / 2)) - np.float32(half_u)
    dv = np.abs(v - np.float32((block.v1 + block.v0) / 2)) - np.float32(half_v)
    return -rounded_distance(du, dv, _CORNER)


def _parcel_of(block: Block, u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the number of the parcel under each pixel."""
    a = u - np.float32((block.u0 + block.u1) / 2)
    front, back = _lot_of(block.lots(1), a), _lot_of(block.lots(-1), -a)
    return np.where(v < np.float32((block.v0 + block.v1) / 2), front, back + _PARCELS // 2)


def _lot_of(edges: NDArray[np.float64], a: NDArray[np.float32]) -> NDArray[np.int32]:
    """Find the lot by a table of quarter metres, much faster than a search by pixel."""
    ruler = np.arange(edges[0], edges[-1], 0.25)
    table = np.searchsorted(edges[1:-1], ruler).astype(np.int32)
    index = ((a - np.float32(edges[0])) * np.float32(4)).astype(np.int32)
    return table.take(index, mode="clip")


def paint_ground(canvas: Canvas, town: Town, blocks: list[Block]) -> Iterator[None]:
    """Paint everything that lies flat and belongs to the street plan."""
    plan = Plan.of(canvas, town)
    yield
    for number, block in enumerate(blocks):
        plan.enter(block, number)
        yield
    _paint_carriageways(canvas, town, plan)
    yield
    _paint_pavements(canvas, plan)
    yield
    _paint_lawns(canvas, plan, _care(blocks))
    yield


def _paint_carriageways(canvas: Canvas, town: Town, plan: Plan) -> None:
    streets = town.streets(float(plan.v.min()), float(plan.v.max()))
    off, half, tone = (np.full_like(plan.v, value) for value in (np.inf, 1, 1))
    for street in streets:
        away = np.abs(plan.v - np.float32(street.v))
        nearer = away < off
        for known, new in ((off, away), (half, street.half_width), (tone, street.tone)):
            np.copyto(known, new, where=nearer)
    tone *= 1 + _wear(canvas, off, half)
    for band, value in zip(canvas.colour, _ASPHALT, strict=True):
        np.multiply(tone, np.float32(value), out=band)


def _wear(
    canvas: Canvas, off: NDArray[np.float32], half: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return grain, stains, wheel tracks, dirty gutters and cracks of asphalt."""
    wear = 0.035 * canvas.texture("gravel") + 0.03 * canvas.noise(1, 7.0)
    wear += 0.03 * canvas.texture("medium") + 0.02 * canvas.texture("stains")
    wear -= 0.025 * np.cos((off / half) * np.float32(2 * np.pi)) * (off < half)
    wear -= 0.10 * np.clip(1 - np.abs(off - half) * 2, 0, 1)
    old = np.clip(canvas.noise(4, 25.0) - 0.1, 0, 1)
    old *= np.clip(1 - np.abs(canvas.texture("medium", shift=5)) * 22, 0, 1)
    wear -= 0.14 * old
    return wear


def _paint_pavements(canvas: Canvas, plan: Plan) -> None:
    tone = 1 + 0.035 * canvas.texture("gravel", shift=9)
    tone += 0.04 * canvas.texture("medium", shift=2)
    for axis in (plan.u, plan.v):
        slabs = axis * np.float32(1 / _SLAB)
        slabs -= np.floor(slabs)
        tone -= 0.07 * (slabs < 0.12)
    tone += 0.13 * canvas.cover(np.abs(plan.inside - np.float32(0.1)) - np.float32(0.09))
    canvas.colour *= 1 - 0.2 * canvas.cover(np.abs(plan.inside + np.float32(0.1)) - np.float32(0.1))
    canvas.tint(_ALL, canvas.cover(-plan.inside), tone, _PAVEMENT)


def _paint_lawns(canvas: Canvas, plan: Plan, care: NDArray[np.float32]) -> None:
    """Paint grass: each parcel is tended in its own way."""
    grass = canvas.cover(plan.rim - plan.inside)
    strip = canvas.cover(np.float32(0.2) - plan.inside) * canvas.cover(plan.inside - plan.verge)
    np.maximum(grass, strip, out=grass)
    dry, light, stripes = (table.take(plan.parcel) for table in care)
    blades = canvas.texture("grass", shift=3)
    dry += 0.16 * canvas.noise(6, 9.0) + 0.11 * canvas.texture("medium", shift=7)
    dry += 0.10 * canvas.texture("stains", shift=1) + 0.05 * blades
    np.clip(dry, 0, 1, out=dry)
    stripes *= np.sin(plan.u * np.float32(2 * np.pi / 1.1))
    light *= 1 + 0.09 * blades + 0.05 * canvas.texture("fine") + stripes
    for band, fresh, parched in zip(canvas.colour, _FRESH, _DRY, strict=True):
        tone = dry * np.float32(parched - fresh)
        tone += np.float32(fresh)
        tone *= light
        band += grass * (tone - band)
    canvas.labels[grass > 0.5] = GRASS


def _care(blocks: list[Block]) -> NDArray[np.float32]:
    """Return dryness, lightness and strength of the mowing stripes: (3, parcels)."""
    tables = [np.zeros((3, 1))]
    for block in blocks:
        rng = stream(block.seed, 6, block.row, block.col)
        dry = rng.beta(1.5, 4.0, _PARCELS)
        light = rng.uniform(0.86, 1.1, _PARCELS)
        stripes = rng.uniform(0, 0.045, _PARCELS) * (rng.random(_PARCELS) < 0.35)
        tables.append(np.stack([dry, light, stripes]))
    return np.concatenate(tables[1:] or tables, axis=1).astype(np.float32)
