"""The street plan and the things on it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_firstpass.scenes.dice import Dice
from napari_firstpass.scenes.furnish import furnish
from napari_firstpass.scenes.light import TALLEST
from napari_firstpass.scenes.lots import Lot
from napari_firstpass.scenes.streets import Town, Warp
from napari_firstpass.scenes.things import Furnishing, Pose

SEEDS = range(4)


def street_coordinates(warp: Warp, pose: Pose) -> tuple[float, float]:
    """Return (u, v) of a pose."""
    u, v = warp.plane(np.full((1, 1), pose.x, np.float32), np.full((1, 1), pose.y, np.float32))
    return float(u[0, 0]), float(v[0, 0])


def test_moving_a_pose_ahead_and_aside_follows_its_heading() -> None:
    moved = Pose(1, 2, math.pi / 2).moved(3, 4, 0.5)
    assert (moved.x, moved.y) == pytest.approx((-3, 5))
    assert moved.angle == pytest.approx(math.pi / 2 + 0.5)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_place_in_street_coordinates_is_found_back(seed: int) -> None:
    warp = Warp.of(seed)
    for u, v in ((0, 0), (35, -70), (800, 650)):
        assert street_coordinates(warp, warp.pose(u, v)) == pytest.approx((u, v), abs=0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_step_along_a_street_stays_on_it(seed: int) -> None:
    warp = Warp.of(seed)
    ahead = warp.pose(40, 100).moved(1.0, 0)
    u, v = street_coordinates(warp, ahead)
    assert v == pytest.approx(100, abs=0.02)
    assert 40.7 < u < 41.3


@pytest.mark.parametrize("seed", SEEDS)
def test_a_step_across_leads_straight_into_the_land(seed: int) -> None:
    warp = Warp.of(seed)
    u, v = street_coordinates(warp, warp.pose(40, 100, across=True).moved(1.0, 0))
    assert u == pytest.approx(40, abs=0.02)
    assert 100.7 < v < 101.3


@pytest.mark.parametrize("seed", SEEDS)
def test_blocks_leave_room_for_streets_and_houses(seed: int) -> None:
    town = Town.of(seed)
    for block in (town.block(row, col) for row in range(3) for col in range(3)):
        beside = town.block(block.row, block.col + 1)
        below = town.block(block.row + 1, block.col)
        assert beside.u0 - block.u1 == pytest.approx(5.4)
        assert 5.7 < below.v0 - block.v1 < 9.3
        assert block.depth > 19


def test_a_box_finds_every_block_that_reaches_into_it() -> None:
    town = Town.of(0)
    found = {(block.row, block.col) for block in town.blocks(0, 0, 100, 100, 5.0)}
    x, y = np.meshgrid(*[np.linspace(0, 100, 200, dtype=np.float32)] * 2)
    u, v = town.warp.plane(x, y)
    for block in (town.block(row, col) for row in range(-4, 5) for col in range(-4, 5)):
        reaches = ((u > block.u0) & (u < block.u1) & (v > block.v0) & (v < block.v1)).any()
        assert not reaches or (block.row, block.col) in found


def test_parcels_fill_the_block_without_gaps() -> None:
    block = Town.of(1).block(0, 0)
    edges = block.lots(1)
    assert (edges[0], edges[-1]) == pytest.approx((-block.length / 2, block.length / 2))
    assert np.all(np.diff(edges) > 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_stands_higher_than_shadows_reach(seed: int) -> None:
    town = Town.of(seed)
    blocks = [furnish(town, town.block(row, col)) for row in range(3) for col in range(3)]
    roofs = (wing for f in blocks for house in f.buildings for wing in house.wings)
    assert max(wing.eaves + wing.half_width * wing.pitch for wing in roofs) + 2 < TALLEST
    assert max(tree.height + 1 for f in blocks for tree in f.trees) < TALLEST


def test_furnishing_a_block_twice_gives_the_same_things() -> None:
    town = Town.of(5)
    assert furnish(town, town.block(1, 1)) == furnish(town, town.block(1, 1))


def test_a_free_place_avoids_what_is_taken() -> None:
    block = Town.of(0).block(0, 0)
    frame = block.frames(Warp.of(0))[0]
    lot = Lot(Furnishing(), Dice.of(0), frame, 0.0, half=10, depth=20, rim=2)
    lot.take(-5, 10, 5, 10)
    places = [lot.free_place(0.5, 0, 20) for _ in range(30)]
    assert all(place is not None and place[0] > 0.5 for place in places)
