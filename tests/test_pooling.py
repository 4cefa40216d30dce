from __future__ import annotations

from itertools import product

import pytest
import torch

from napari_firstpass import pooling
from napari_firstpass.pooling import SAME_COLOUR_REACH, same_colour_mean
from napari_firstpass.progress import run


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def slow_same_colour_mean(maps: torch.Tensor, colour: torch.Tensor) -> torch.Tensor:
    """Average by the definition, one cell and one neighbour at a time."""
    height, width = maps.shape[1:]
    offsets = range(-SAME_COLOUR_REACH, SAME_COLOUR_REACH + 1, pooling._STEP)
    result = torch.zeros_like(maps)
    for row, col in product(range(height), range(width)):
        total = 0.0
        for down, right in product(offsets, offsets):
            at = (min(max(row + down, 0), height - 1), min(max(col + right, 0), width - 1))
            contrast = (colour[:, *at] - colour[:, row, col]).norm() / pooling._COLOUR_SIGMA
            distance = torch.tensor([down, right]).float().norm() / pooling._SPACE_SIGMA
            share = torch.exp(-(contrast**2 + distance**2) / 2)
            result[:, row, col] += share * maps[:, *at]
            total += share
        result[:, row, col] /= total
    return result


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (11, 8)])
def test_the_mean_of_the_same_colour_is_what_the_definition_says(size: tuple[int, int]) -> None:
    maps, colour = noise(2, *size), 0.3 * noise(3, *size, seed=1)
    expected = slow_same_colour_mean(maps, colour)
    torch.testing.assert_close(run(same_colour_mean(maps, colour)), expected, atol=1e-5, rtol=0)


def test_a_constant_stays() -> None:
    constant = torch.tensor([3.0, -2.0])[:, None, None].expand(2, 9, 12)
    same = run(same_colour_mean(constant, noise(3, 9, 12)))
    torch.testing.assert_close(same, constant, atol=1e-5, rtol=0)


def test_an_edge_between_two_colours_is_kept_and_one_within_a_colour_is_not() -> None:
    maps = torch.zeros(1, 12, 16)
    maps[:, :, 8:] = 1
    kept = run(same_colour_mean(maps, maps.expand(3, -1, -1)))
    torch.testing.assert_close(kept, maps, atol=1e-6, rtol=0)
    blurred = run(same_colour_mean(maps, torch.zeros(3, 12, 16)))
    assert 0.2 < float(blurred[0, 6, 7]) < 0.5 < float(blurred[0, 6, 8]) < 0.8


def test_noise_within_a_colour_is_averaged_away() -> None:
    maps = noise(1, 24, 24)
    assert float(run(same_colour_mean(maps, torch.zeros(3, 24, 24))).std()) < maps.std() / 3


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turning_the_maps_turns_their_means(turns: int) -> None:
    maps, colour = noise(2, 10, 13), 0.3 * noise(3, 10, 13, seed=1)
    turned = (torch.rot90(one, turns, dims=(1, 2)) for one in (maps, colour))
    expected = torch.rot90(run(same_colour_mean(maps, colour)), turns, dims=(1, 2))
    torch.testing.assert_close(run(same_colour_mean(*turned)), expected, atol=1e-5, rtol=0)


def test_what_is_averaged_is_left_as_it_was() -> None:
    maps, colour = noise(2, 6, 6), noise(3, 6, 6)
    run(same_colour_mean(maps, colour))
    assert torch.equal(maps, noise(2, 6, 6))
    assert torch.equal(colour, noise(3, 6, 6))
