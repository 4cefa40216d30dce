"""The street plan: curved streets, the blocks between them, and the parcels in a block."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_firstpass.scenes.dice import stream
from napari_firstpass.scenes.things import Pose

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["houses", "terraces", "flats", "trade", "park"]

_STREET_SPACING = 66.0
_CROSS_SPACING = 104.0
_PROBES = 40
_KINDS: tuple[Kind, ...] = ("houses", "terraces", "flats", "trade", "park")
_KIND_SHARES = (0.56, 0.18, 0.09, 0.11, 0.06)


@dataclass(frozen=True, slots=True)
class Wave:
    """A sine over the plane: amplitude in metres, wave numbers per metre, phase."""

    amplitude: float
    k: float
    m: float
    phase: float


@dataclass(frozen=True, slots=True)
class Warp:
    """Bends a rectangular plan: (x, y) in metres to street coordinates (u, v) and back.

    Streets are lines of constant v, cross streets of constant u. Each coordinate is a shear of
    the other axis, so that lengths change by a few percent only while directions turn.
    """

    turn: float
    along: tuple[Wave, ...]
    across: tuple[Wave, ...]

    @classmethod
    def of(cls, seed: int) -> Warp:
        """Draw the waves of a seed."""
        rng = stream(seed, 1)
        turn = float(rng.uniform(0.1, 0.45) * rng.choice((-1, 1)))
        along = (_wave(rng, 310.0, 5.0), _wave(rng, 120.0, 1.6))
        across = (_wave(rng, 190.0, 6.5), _wave(rng, 95.0, 1.8))
        return cls(turn, tuple(_swapped(w) for w in along), across)

    def plane(
        self, x: NDArray[np.float32], y: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (u, v) for broadcastable arrays of metres."""
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        p, q = x * cos + y * sin, y * cos - x * sin
        u, v = p.copy(), q.copy()
        for target, waves in ((u, self.along), (v, self.across)):
            for w in waves:
                target += w.amplitude * np.sin(w.k * p + w.m * q + w.phase)
        return u.astype(np.float32), v.astype(np.float32)

    def pose(self, u: float, v: float, turn: float = 0.0, *, across: bool = False) -> Pose:
        """Return the place of (u, v), heading along the street there, or across it."""
        p, q = u, v
        for _ in range(6):  # a contraction: slopes of the waves stay below 0.4
            p, q = u - _sum(self.along, p, q), v - _sum(self.across, p, q)
        if across:
            du_dp, du_dq = _slope(self.along, p, q)
            heading = math.atan2(1 + du_dp, -du_dq)
        else:
            dv_dp, dv_dq = _slope(self.across, p, q)
            heading = math.atan2(-dv_dp, 1 + dv_dq)
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        return Pose(p * cos - q * sin, p * sin + q * cos, heading + self.turn + turn)


def _wave(rng: np.random.Generator, length: float, amplitude: float) -> Wave:
    k = 2 * math.pi / (length * rng.uniform(0.85, 1.2))
    return Wave(
        float(amplitude * rng.uniform(0.8, 1.2)), float(k), float(k * rng.uniform(-0.25, 0.25)),
        float(rng.uniform(0, 2 * math.pi)),
    )  # fmt: skip


def _swapped(wave: Wave) -> Wave:
    return Wave(wave.amplitude, wave.m, wave.k, wave.phase)


def _sum(waves: tuple[Wave, ...], p: float, q: float) -> float:
    total = 0.0
    for w in waves:  # a plain loop: this is the hottest scalar code of the layout
        total += w.amplitude * math.sin(w.k * p + w.m * q + w.phase)
    return total


def _slope(waves: tuple[Wave, ...], p: float, q: float) -> tuple[float, float]:
    terms = [(w, w.amplitude * math.cos(w.k * p + w.m * q + w.phase)) for w in waves]
    return sum(w.k * t for w, t in terms), sum(w.m * t for w, t in terms)


@dataclass(frozen=True, slots=True)
class Frame:
    """A strip of land along a street: a runs along the street, b away from it into the land."""

    warp: Warp
    u: float
    v: float
    sign: int

    def pose(self, a: float, b: float, turn: float = 0.0, *, across: bool = False) -> Pose:
        """Return the place and heading at (a, b); ``across`` heads into the land."""
        flip = 0.0 if self.sign > 0 else math.pi
        u, v = self.u + self.sign * a, self.v + self.sign * b
        return self.warp.pose(u, v, turn + flip, across=across)


@dataclass(frozen=True, slots=True)
class Block:
    """Land between streets, a rectangle in street coordinates up to the kerbs.

    Attributes
    ----------
    seed : int
        Seed of the town.
    row, col : int
        Which block: counted along v and u.
    u0, u1, v0, v1 : float
        The kerbs.
    kind : str
        What is built there.
    verge, pavement : float
        Widths of the grass strip behind the kerb and of the pavement behind that; the private
        land begins after both.
    """

    seed: int
    row: int
    col: int
    u0: float
    u1: float
    v0: float
    v1: float
    kind: Kind
    verge: float
    pavement: float

    def is_near(self, u: NDArray[np.float32], v: NDArray[np.float32], slack: float) -> bool:
        """Whether any of the places (u, v) lies within ``slack`` metres."""
        hit = (u > self.u0 - slack) & (u < self.u1 + slack)
        return bool((hit & (v > self.v0 - slack) & (v < self.v1 + slack)).any())

    @property
    def rim(self) -> float:
        """Width of public land from the kerb to the private land."""
        return self.verge + self.pavement

    @property
    def depth(self) -> float:
        """Depth of the private land behind one street, up to the middle of the block."""
        return (self.v1 - self.v0) / 2 - self.rim

    @property
    def length(self) -> float:
        """Length of the private land along the street."""
        return self.u1 - self.u0 - 2 * self.rim

    def frames(self, warp: Warp) -> tuple[Frame, Frame]:
        """Return the private land behind both streets; a = 0 is the middle of the block."""
        mid = (self.u0 + self.u1) / 2
        return (
            Frame(warp, mid, self.v0 + self.rim, 1),
            Frame(warp, mid, self.v1 - self.rim, -1),
        )

    def lots(self, side: int) -> NDArray[np.float64]:
        """Return the edges of the parcels along ``a`` behind street ``side`` (1 or -1)."""
        rng = stream(self.seed, 5, self.row, self.col, side)
        frontage = {"houses": 19.5, "terraces": 6.6}.get(self.kind, self.length)
        count = max(1, round(self.length / frontage))
        even = np.linspace(-self.length / 2, self.length / 2, count + 1)
        if self.kind == "houses":
            even[1:-1] += rng.uniform(-1.5, 1.5, count - 1)
        return even


@dataclass(frozen=True, slots=True)
class Street:
    """A street along u: its middle line and half the width of its carriageway."""

    v: float
    half_width: float
    tone: float
    marked: bool


@dataclass(frozen=True, slots=True)
class Town:
    """An endless street plan that a seed decides."""

    seed: int
    warp: Warp

    @classmethod
    def of(cls, seed: int) -> Town:
        """Draw the plan of a seed."""
        return cls(seed, Warp.of(seed))

    def street(self, row: int) -> Street:
        """Return the street above block row ``row``."""
        rng = stream(self.seed, 2, row)
        marked = bool(rng.random() < 0.3)
        half = rng.uniform(4.1, 4.6) if marked else rng.uniform(2.9, 3.4)
        v = (row + 0.35 + rng.uniform(-0.07, 0.07)) * _STREET_SPACING
        return Street(float(v), float(half), float(rng.uniform(0.36, 0.54)), marked)

    def streets(self, low: float, high: float) -> list[Street]:
        """Return the streets from before ``v = low`` to after ``v = high``."""
        return [self.street(row) for row in _span(low, high, _STREET_SPACING)]

    def crossing(self, row: int, col: int) -> float:
        """Return u of the cross street left of block ``col`` of block row ``row``."""
        start = stream(self.seed, 3, row).uniform(0, 1)
        jitter = stream(self.seed, 3, row, col).uniform(-0.17, 0.17)
        return float((col + start + jitter) * _CROSS_SPACING)

    def block(self, row: int, col: int) -> Block:
        """Return a block."""
        rng = stream(self.seed, 4, row, col)
        above, below = self.street(row), self.street(row + 1)
        narrow = 2.7
        kind = _KINDS[int(rng.choice(len(_KINDS), p=_KIND_SHARES))]
        verge = float(rng.uniform(1.4, 1.9)) if rng.random() < 0.45 else 0.0
        return Block(
            self.seed, row, col,
            self.crossing(row, col) + narrow, self.crossing(row, col + 1) - narrow,
            above.v + above.half_width, below.v - below.half_width,
            kind, verge, float(rng.uniform(1.4, 1.9)),
        )  # fmt: skip

    def blocks(
        self, top: float, left: float, bottom: float, right: float, slack: float
    ) -> list[Block]:
        """Return the blocks within ``slack`` metres of a box given in metres."""
        edge = np.linspace(0, 1, _PROBES, dtype=np.float32)
        x, y = left + (right - left) * edge[None, :], top + (bottom - top) * edge[:, None]
        u, v = self.warp.plane(x, y)
        slack += 0.8 * max(bottom - top, right - left) / _PROBES
        rows = _span(float(v.min()) - slack, float(v.max()) + slack, _STREET_SPACING)
        cols = _span(float(u.min()) - slack, float(u.max()) + slack, _CROSS_SPACING)
        found = (self.block(row, col) for row in rows for col in cols)
        return [block for block in found if block.is_near(u, v, slack)]


def _span(low: float, high: float, spacing: float) -> range:
    return range(math.floor(low / spacing) - 2, math.ceil(high / spacing) + 2)
