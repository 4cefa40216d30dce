"""Attention of several resolutions as one (methods.md, section 3.3)."""

from __future__ import annotations

import pytest
import torch

from napari_firstpass.diffusion.aggregation import aggregated, aggregated_attention
from napari_firstpass.diffusion.attention import AttentionMap, Attentions, PromptTokens
from napari_firstpass.errors import GridMismatchError

GRID = (16, 24)


def rows(cells: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(cells, cells, generator=rng)).softmax(1)


def levels(*factors: int) -> list[tuple[int, torch.Tensor]]:
    return [(at, rows(GRID[0] // at * (GRID[1] // at), at)) for at in factors]


def by_the_text(given: list[tuple[int, torch.Tensor]]) -> torch.Tensor:
    """Query by query, as the specification has it."""
    ratio = sum(1 / factor for factor, _ in given)
    found = torch.zeros(*GRID, GRID[0] * GRID[1])
    for factor, attention in given:
        height, width = GRID[0] // factor, GRID[1] // factor
        for row in range(GRID[0]):
            for col in range(GRID[1]):
                own = attention[row // factor * width + col // factor].view(1, 1, height, width)
                fine = torch.nn.functional.interpolate(own, GRID, mode="bilinear").flatten()
                found[row, col] += fine / fine.sum() / factor / ratio
    return found.flatten(0, 1)


@pytest.mark.parametrize("factors", [(1,), (8,), (1, 2, 4, 8), (2, 4)])
def test_coarse_rows_are_spread_and_counted_by_resolution(factors: tuple[int, ...]) -> None:
    found = aggregated(levels(*factors), GRID)
    torch.testing.assert_close(found, by_the_text(levels(*factors)))
    torch.testing.assert_close(found.sum(1), torch.ones(16 * 24))


def test_the_finest_alone_stays_as_it_is() -> None:
    ((_, fine),) = levels(1)
    torch.testing.assert_close(aggregated([(1, fine)], GRID), fine)


def test_the_shares_of_resolutions_are_those_of_the_paper() -> None:
    """64, 32, 16 and 8 of 120: told by attention to one cell, far away, at each resolution."""
    grid, corner = (64, 64), []
    for factor in (1, 2, 4, 8):
        side = 64 // factor
        corner.append((factor, torch.zeros(side * side, side * side)))
        corner[-1][1][:, {1: 0, 2: side - 1, 4: side * (side - 1), 8: -1}[factor]] = 1
    found = aggregated(corner, grid)[0].view(64, 64)
    quarters = [found[:32, :32], found[:32, 32:], found[32:, :32], found[32:, 32:]]
    shares = torch.stack([part.sum() for part in quarters])
    torch.testing.assert_close(shares, torch.tensor([64.0, 32, 16, 8]) / 120)


def test_short_numbers_are_summed_as_long_ones() -> None:
    given = [(at, attention.half()) for at, attention in levels(1, 2)]
    found = aggregated(given, GRID)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.sum(1), torch.ones(16 * 24))


def test_layers_of_a_network_are_averaged_first() -> None:
    prompt = PromptTokens("", ())
    maps = [
        AttentionMap("a", "self", 2, (8, 12), rows(96, 1)),
        AttentionMap("b", "self", 2, (8, 12), torch.stack([rows(96, 2), rows(96, 3)])),
        AttentionMap("c", "cross", 1, GRID, torch.ones(384, 1)),
        AttentionMap("d", "self", 8, (2, 3), rows(6)),
    ]
    found = aggregated_attention(Attentions(tuple(maps), prompt, GRID))
    mean = (rows(96, 1) + (rows(96, 2) + rows(96, 3)) / 2) / 2
    torch.testing.assert_close(found, by_the_text([(2, mean), (8, rows(6))]))


@pytest.mark.parametrize(
    "given", [[], [(3, rows(40))], [(2, rows(95))], [(1, torch.ones(384, 77))]]
)
def test_what_does_not_fit_the_grid_is_refused(given: list[tuple[int, torch.Tensor]]) -> None:
    with pytest.raises(GridMismatchError, match="rows for the cells of 16 x 24"):
        aggregated(given, GRID)
