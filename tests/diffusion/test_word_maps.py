"""Maps of words, with weights that can be worked out by hand."""

from __future__ import annotations

import pytest
import torch

from napari_firstpass.diffusion.attention import AttentionMap, Attentions, PromptTokens
from napari_firstpass.diffusion.word_maps import (
    LEVELS,
    MapLevel,
    name_maps,
    smoothed,
    token_maps,
)
from napari_firstpass.errors import OptionError

NOBODY = PromptTokens("", ())


def layer(weights: torch.Tensor, factor: int, side: int) -> AttentionMap:
    return AttentionMap(f"layer at 1/{factor}", "cross", factor, (side, side), weights)


def constant(heads: list[list[float]], side: int) -> torch.Tensor:
    """Return (heads, side², tokens): every place the same."""
    return torch.tensor(heads)[:, None].expand(-1, side * side, -1).clone()


def found(*maps: AttentionMap, side: int = 8) -> Attentions:
    return Attentions(maps, NOBODY, (side, side))


def test_levels_count_seven_and_three_tenths_of_maps_that_each_sum_to_one() -> None:
    both = found(layer(constant([[0.9, 0.1]], 2), 4, 2), layer(constant([[0.5, 0.5]], 4), 2, 4))
    maps = token_maps(both)
    # 4 and 16 cells, each token's share spread evenly: 0.7 / 4 + 0.3 / 16.
    torch.testing.assert_close(maps, torch.full((64, 2), 0.19375))
    assert [(level.factor, level.share) for level in LEVELS] == [(4, 0.7), (2, 0.3)]


def test_a_token_that_is_looked_at_from_one_place_has_its_map_there() -> None:
    weights = constant([[1.0, 0.0]], 2)
    weights[0, 3] = torch.tensor([0.25, 0.75])
    maps = token_maps(found(layer(weights, 4, 2)), (MapLevel(factor=4, share=1.0),))
    corner = maps[:, 1].view(8, 8)
    assert corner[7, 7] == 1.0  # of all that is given to token 1, by the place below right
    assert corner[0, 0] == 0.0
    # Bilinear, at the middles of cells: a quarter cell into the fourth along both axes.
    assert corner[3, 7] == pytest.approx(0.375)
    torch.testing.assert_close(maps[:, 0].view(8, 8)[0, 0], torch.tensor(1 / 3.25))


def test_heads_are_numbered_through_the_layers_and_chosen() -> None:
    first, second = constant([[0.8, 0.2], [0.6, 0.4]], 2), constant([[1.0, 0.0], [0.0, 1.0]], 2)
    first[0, 0], second[1, 0] = torch.tensor([0.2, 0.8]), torch.tensor([1.0, 0.0])
    both = found(layer(first, 4, 2), layer(second, 4, 2))

    def at_corner(*heads: int) -> float:
        maps = token_maps(both, (MapLevel(factor=4, share=1.0, heads=heads),))
        return float(maps[0, 1])

    assert at_corner(0) == pytest.approx(0.8 / 1.4)
    assert at_corner(3) == pytest.approx(0.0)
    # Means over heads come first: (0.8 + 0) / 2 of (0.8 + 0 + 3 · 1.2) / 2.
    assert at_corner(0, 3) == pytest.approx(0.8 / 4.4)
    assert at_corner() == pytest.approx((0.8 + 0.4) / (0.8 + 1.6 + 3.6))
    with pytest.raises(
        OptionError, match=r"more than 4 heads at 1/4 .* found 4 heads; .* all heads"
    ):
        at_corner(4)


def test_smoothing_is_constant_in_groups_and_keeps_their_means() -> None:
    noise = torch.rand(144, 5, generator=torch.Generator().manual_seed(0))
    kinds = torch.tensor([[9.0, 1, 1, 1, 1], [1, 1, 9, 1, 1], [1, 1, 1, 1, 9]])
    sides = torch.arange(144) % 12 // 4
    vectors = (kinds[sides] + 0.2 * noise) / 144
    even = smoothed(vectors, (12, 12))
    values, groups = torch.unique(even, dim=0, return_inverse=True)
    assert 3 <= len(values) <= 36
    for group in range(len(values)):
        own = groups == group
        torch.testing.assert_close(values[group], vectors[own].mean(0))
        assert len(sides[own].unique()) == 1  # what differs is not thrown together
    torch.testing.assert_close(even.sum(0), vectors.sum(0))


def test_smoothing_begins_from_cells_eleven_apart() -> None:
    vectors = torch.full((64 * 64, 2), 1e-3)
    bright = torch.zeros(64, 64, dtype=torch.bool)
    bright[55, 55] = True
    vectors[bright.flatten()] = torch.tensor([1.0, 1e-3])
    # A single cell has a group of its own if a mean begins from it, and none else.
    assert smoothed(vectors, (64, 64), rounds=1)[55 * 64 + 55, 0] == 1.0
    assert len(torch.unique(smoothed(vectors.roll(1, 0), (64, 64), rounds=1), dim=0)) == 1
    assert torch.equal(smoothed(vectors, (64, 64), rounds=0), vectors)


def test_the_map_of_a_name_is_the_mean_over_its_tokens() -> None:
    maps = torch.arange(12.0).view(4, 3)
    both = name_maps(maps, [(0, 2), (1,)], (2, 2))
    assert both.tolist() == [[[1.0, 4.0], [7.0, 10.0]], [[1.0, 4.0], [7.0, 10.0]]]
    assert name_maps(maps, [(2,)], (2, 2))[0, 1, 1] == 11.0
