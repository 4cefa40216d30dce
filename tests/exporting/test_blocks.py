from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.errors import OptionError
from napari_firstpass.exporting.balance import balanced, spread
from napari_firstpass.exporting.blocks import (
    SPLITS,
    block_side,
    blocks_of,
    chips_of,
    parse_shares,
)
from napari_firstpass.grid import Grid

GRID = Grid(1000, 1300)
SHARES = parse_shares("0.6,0.2,0.2")


def test_shares_are_read_and_add_up() -> None:
    assert parse_shares("8,1,1") == (0.8, 0.1, 0.1)
    assert parse_shares("1") == (1.0, 0.0, 0.0)
    for wrong in ("", "a,b", "1,-1,1", "0,0,0", "1,1,1,1", "nan", "inf"):
        with pytest.raises(OptionError, match="shares of train, val and test"):
            parse_shares(wrong)


@pytest.mark.parametrize("edges", ["pad", "shift", "drop"])
@pytest.mark.parametrize("stride", [32, 64, 100])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_pixel_of_one_part_is_in_a_chip_of_another(edges: str, stride: int, seed: int) -> None:
    owner = np.full(GRID.shape, -1, np.int8)
    for block in blocks_of(GRID, 256, SHARES, seed):
        assert (owner[block.window.slices] == -1).all()
        owner[block.window.slices] = SPLITS.index(block.split)
    assert (owner >= 0).all()
    chips = chips_of(blocks_of(GRID, 256, SHARES, seed), 64, stride, edges=edges)
    seen = np.zeros(GRID.shape, bool)
    for chip in chips:
        assert set(np.unique(owner[chip.window.slices])) == {SPLITS.index(chip.split)}
        seen[chip.window.slices] = True
    if edges == "pad" and stride <= 64:
        assert seen.all()
    if edges == "drop":
        assert {(c.window.height, c.window.width) for c in chips} == {(64, 64)}
    assert len({chip.key for chip in chips}) == len(chips)


def test_every_part_gets_a_block_and_about_its_share() -> None:
    blocks = blocks_of(Grid(1280, 1280), 128, parse_shares("0.8,0.15,0.05"), 3)
    assert [sum(b.split == name for b in blocks) for name in SPLITS] == [80, 15, 5]
    few = blocks_of(Grid(128, 384), 128, parse_shares("0.9,0.05,0.05"), 0)
    assert sorted(b.split for b in few) == ["test", "train", "val"]


def test_an_image_too_small_to_be_divided_is_refused_unless_all_is_for_training() -> None:
    with pytest.raises(OptionError, match="an image of 3 blocks or more"):
        blocks_of(Grid(100, 100), 128, SHARES, 0)
    alone = parse_shares("1")
    side = block_side(Grid(100, 1000), 64, alone)
    (block,) = blocks_of(Grid(100, 1000), side, alone, 0)
    assert block.window == Grid(100, 1000).window


def test_blocks_are_large_where_there_are_enough_of_them() -> None:
    assert block_side(Grid(10_000, 10_000), 512, SHARES) == 2048
    assert block_side(Grid(2048, 2048), 512, SHARES) == 512


def test_rare_classes_are_chosen_first() -> None:
    pixels = np.array([[100, 0], [100, 0], [95, 5], [100, 0], [50, 50]])
    assert balanced(pixels, 2) == [2, 4]
    assert balanced(pixels, 9) == [0, 1, 2, 3, 4]
    assert spread(10, 3, seed=1) == spread(10, 3, seed=1)
    assert len(set(spread(10, 3, seed=1))) == 3
