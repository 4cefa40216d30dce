"""Ent-Self against its formula, and refinement against maps that can be worked out."""

from __future__ import annotations

import math

import pytest
import torch

from napari_firstpass.entropy_reduction import (
    PAPER,
    EntSelfConfig,
    Reduced,
    kept_from,
    mean_map,
    refine_maps,
)
from napari_firstpass.errors import GridMismatchError, OptionError
from napari_firstpass.progress import run


def dense(reduced: Reduced) -> torch.Tensor:
    ties = reduced.ties
    return ties if isinstance(ties, torch.Tensor) else torch.from_numpy(ties.toarray())


def blocks(sizes: tuple[int, ...], leak: float) -> torch.Tensor:
    """An affinity of things that are alike inside, and a little to each other."""
    thing = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return torch.where(thing[:, None] == thing, 1.0, leak)


@pytest.mark.parametrize(
    ("strength", "published"),
    [(0.002, 0.0039), (0.015, 0.0192), (0.1, 0.0713), (0.2, 0.107), (0.3, 0.133)],
)
def test_weak_ties_vanish_below_the_published_shares(strength: float, published: float) -> None:
    share = kept_from(strength)
    assert share == pytest.approx(published, rel=0.02)
    assert share + strength * math.log10(math.e * share) == pytest.approx(0, abs=1e-9)


def test_the_paper_compares_ties_with_the_strongest_that_end_in_their_cell() -> None:
    affinity = torch.tensor([[0.5, 0.3, 0.2], [0.25, 0.6, 0.15], [0.02, 0.18, 0.8]])
    shares = affinity / torch.tensor([0.5, 0.6, 0.8])
    lowered = (shares + 0.1 * torch.log10(math.e * shares)).clamp_min(0)
    assert lowered[2, 0] == 0
    expected = lowered / lowered.sum(1, keepdim=True)
    torch.testing.assert_close(dense(Reduced.of(affinity, PAPER)), expected)


@pytest.mark.parametrize("norm", ["column", "row", "sym"])
@pytest.mark.parametrize("strength", [0.0, 0.015, 0.3])
def test_rows_sum_to_one(norm: str, strength: float) -> None:
    affinity = torch.rand(40, 40, generator=torch.Generator().manual_seed(1)).pow(8).softmax(1)
    config = EntSelfConfig(norm=norm, strength=strength)  # type: ignore[arg-type]
    torch.testing.assert_close(dense(Reduced.of(affinity, config)).sum(1), torch.ones(40))


def test_a_cell_that_is_tied_to_nothing_keeps_what_it_has() -> None:
    affinity = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    assert dense(Reduced.of(affinity, PAPER)).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_an_affinity_that_is_not_a_number_counts_as_none() -> None:
    affinity = torch.tensor([[1.0, torch.nan], [0.0, 1.0]])
    assert dense(Reduced.of(affinity, PAPER)).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_few_ties_are_kept_sparse_and_spread_alike() -> None:
    reduced = Reduced.of(blocks((4,) * 12, 0.01), PAPER)
    assert not isinstance(reduced.ties, torch.Tensor)
    maps = torch.rand(48, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(reduced.spread(maps), dense(reduced) @ maps)


def test_a_point_fills_its_thing_and_nothing_else() -> None:
    reduced = Reduced.of(blocks((6, 10, 20), 0.05), PAPER)
    start = torch.zeros(36, 1)
    start[7] = 1
    refined = run(refine_maps(reduced, start, PAPER))
    assert refined.rounds == PAPER.rounds
    expected = torch.zeros(36)
    expected[6:16] = 0.1
    torch.testing.assert_close(refined.maps[:, 0], expected)


def test_a_map_that_changes_no_more_is_left_alone() -> None:
    config = EntSelfConfig()
    reduced = Reduced.of(blocks((6, 10), 0.05), config)
    start = torch.zeros(16, 1)
    start[0] = 1
    refined = run(refine_maps(reduced, start, config))
    assert refined.stopped == "settled"
    assert refined.rounds == 2


def test_a_map_that_runs_over_is_taken_back() -> None:
    # Five cells; twenty that take after them bit by bit; one that has nothing to do with either.
    ties = torch.block_diag(torch.full((5, 5), 0.2), torch.full((20, 20), 0.03), torch.ones(1, 1))
    ties[5:25, :5] = 0.08
    start = torch.zeros(26, 1)
    start[:5] = 0.2
    config = EntSelfConfig(tolerance=0.0)
    refined = run(refine_maps(Reduced(ties), start, config))
    assert refined.stopped == "leaking"
    assert (refined.maps[:, 0] > 0.5 * refined.maps.max()).nonzero()[:, 0].tolist() == [*range(5)]


def test_a_restart_keeps_the_first_map_in_sight() -> None:
    ties = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]])
    start = torch.tensor([[0.0], [1.0], [0.0]])
    free = run(refine_maps(Reduced(ties.T), start, EntSelfConfig(tolerance=0.0, growth=math.inf)))
    kept = EntSelfConfig(tolerance=0.0, growth=math.inf, restart=0.5)
    held = run(refine_maps(Reduced(ties.T), start, kept))
    assert free.maps[1] < 0.01
    assert held.maps[1] > 0.5


def test_nothing_spreads_out_of_bounds() -> None:
    config = EntSelfConfig(tolerance=0.0, growth=math.inf)
    reduced = Reduced.of(torch.ones(6, 6), config)
    inside = torch.tensor([True] * 3 + [False] * 3)
    start = torch.eye(6)[:, :1]
    refined = run(refine_maps(reduced, start, config, inside))
    assert refined.maps[:, 0].tolist() == pytest.approx([1 / 3] * 3 + [0] * 3)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_map_of_one_value_stays_finite(value: float) -> None:
    reduced = Reduced.of(torch.ones(5, 5), PAPER)
    maps = run(refine_maps(reduced, torch.full((5, 2), value), PAPER)).maps
    assert bool(maps.isfinite().all())
    assert bool(mean_map(maps).isfinite().all())


def test_maps_count_alike_however_high_they_are() -> None:
    maps = torch.tensor([[1.0, 0.0], [0.0, 4.0], [0.0, 0.0]])
    assert mean_map(maps).tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "wrong", [{"rounds": 0}, {"strength": -1.0}, {"restart": 1.0}, {"norm": "both"}]
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="at least 1 round"):
        EntSelfConfig(**wrong)  # type: ignore[arg-type]


def test_what_is_not_square_or_of_another_grid_is_refused() -> None:
    with pytest.raises(GridMismatchError, match=r"\(N, N\), found \(2, 3\)"):
        Reduced.of(torch.ones(2, 3), PAPER)
    with pytest.raises(GridMismatchError, match="maps of 2 cells, found 3"):
        run(refine_maps(Reduced.of(torch.ones(2, 2), PAPER), torch.ones(3, 1), PAPER))


def test_ties_may_be_kept_from_growing_beyond_the_strongest() -> None:
    affinity = torch.tensor([[0.8, 0.2], [0.2, 0.1]])
    config = EntSelfConfig(strength=0.1, capped=True)
    # Shares of columns are 1, 1 and ¼, ½; a step makes them 1.04, which is cut, and less.
    quarter, half = (share + 0.1 * math.log10(math.e * share) for share in (0.25, 0.5))
    both = quarter + half
    expected = torch.tensor([[0.5, 0.5], [quarter / both, half / both]])
    torch.testing.assert_close(dense(Reduced.of(affinity, config)), expected)
