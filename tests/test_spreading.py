"""Spreading maps along attention."""

from __future__ import annotations

from math import e, log10
from typing import TYPE_CHECKING

import pytest
import torch

from napari_firstpass.errors import OptionError
from napari_firstpass.progress import run
from napari_firstpass.spreading import SpreadConfig, links_of, spread_steps

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = SpreadConfig(rounds=1, strength=0.1)
# Cells 0 and 1 belong together, and so do 2 and 3; a little leaks from the first pair.
LEAKY = torch.tensor(
    [[0.6, 0.37, 0.03, 0.0], [0.37, 0.6, 0.0, 0.03], [0.0, 0.0, 0.7, 0.3], [0.0, 0.0, 0.3, 0.7]]
)


def spread(links: torch.Tensor, maps: torch.Tensor, **options: object) -> torch.Tensor:
    inside = options.pop("inside", None)
    config = SpreadConfig(**{"rounds": 10, "strength": 0.1, **options})
    return run(spread_steps(links, maps, config, inside))


@pytest.mark.parametrize(
    ("strength", "least"),
    [(0.002, 0.0039), (0.015, 0.0192), (0.1, 0.0713), (0.2, 0.107), (0.3, 0.133)],
)
def test_shares_far_below_the_largest_become_nothing(strength: float, least: float) -> None:
    config = SpreadConfig(rounds=1, strength=strength)
    for share, left in ((least * 0.97, False), (least * 1.03, True)):
        attention = torch.tensor([[1.0, share], [share, 1.0]])
        assert bool(links_of(attention, config)[0, 1] > 0) is left


def test_links_are_reduced_shares_that_sum_to_one() -> None:
    links = links_of(torch.tensor([[0.8, 0.2], [0.4, 0.6]]), PLAIN)
    whole, third, half = (share + 0.1 * log10(e * share) for share in (1.0, 1 / 3, 0.5))
    expected = [
        [whole / (whole + third), third / (whole + third)],
        [half / (half + whole), whole / (half + whole)],
    ]
    torch.testing.assert_close(links, torch.tensor(expected))


def test_capped_shares_are_one_at_most_and_rows_may_be_compared_with_themselves() -> None:
    attention = torch.tensor([[0.8, 0.2], [0.2, 0.1]])
    quarter, half = (share + 0.1 * log10(e * share) for share in (0.25, 0.5))
    capped = links_of(attention.clone(), SpreadConfig(rounds=1, strength=0.1, capped=True))
    torch.testing.assert_close(capped[0], torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(
        capped[1], torch.tensor([quarter / (quarter + half), half / (quarter + half)])
    )
    by_row = links_of(attention.clone(), SpreadConfig(rounds=1, strength=0.1, peak="row"))
    peak = 1 + 0.1 * log10(e)
    torch.testing.assert_close(
        by_row,
        torch.tensor(
            [
                [peak / (peak + quarter), quarter / (peak + quarter)],
                [peak / (peak + half), half / (peak + half)],
            ]
        ),
    )


def test_a_cell_with_nothing_left_keeps_to_itself() -> None:
    attention = torch.tensor([[0.9, 0.1, 0.0], [0.02, 0.02, 0.0], [0.5, 0.5, 0.0]])
    links = links_of(attention, PLAIN)
    assert links[1].tolist() == [0.0, 1.0, 0.0]
    torch.testing.assert_close(links.sum(1), torch.ones(3))
    assert links.isfinite().all()


def test_a_place_is_spread_to_what_belongs_together_and_no_further() -> None:
    place = torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    assert spread(LEAKY.clone(), place)[0, 2:].sum() < 0.2  # unreduced, a little leaks
    found = spread(links_of(LEAKY.clone(), PLAIN), place)
    torch.testing.assert_close(found[0, 2:], torch.zeros(2))
    torch.testing.assert_close(found[0, :2], torch.tensor([0.5, 0.5]), atol=1e-2, rtol=0)


def test_a_round_follows_the_links_and_takes_off_what_is_least() -> None:
    links = torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.5, 0.25], [0.0, 0.5, 0.5]])
    # (0, ¼, ½), of which nothing is taken off.
    place = torch.tensor([[0.0, 0.0, 1.0]])
    torch.testing.assert_close(spread(links, place, rounds=1), torch.tensor([[0.0, 1 / 3, 2 / 3]]))
    # (½, ⅜, ¼), less ¼.
    pair = torch.tensor([[0.5, 0.5, 0.0]])
    torch.testing.assert_close(spread(links, pair, rounds=1), torch.tensor([[2 / 3, 1 / 3, 0.0]]))
    # Half of it, and half of where it began: (0, ⅛, ¼ + ½).
    restarted = spread(links, place, rounds=1, restart=0.5)
    torch.testing.assert_close(restarted, torch.tensor([[0.0, 1 / 7, 6 / 7]]))


def test_maps_stay_inside_and_constant_ones_say_nothing() -> None:
    links = links_of(torch.full((4, 4), 0.25) + torch.eye(4), PLAIN)
    inside = torch.tensor([True, True, True, False])
    maps = torch.tensor([[0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    found = spread(links, maps, inside=inside, rounds=3)
    assert not found[:, 3].any()
    assert found[0].argmax() == 1
    assert not spread(links, maps).isnan().any()
    assert not spread(links, maps)[1].any()


def test_rounds_end_when_a_map_is_settled() -> None:
    links = links_of(LEAKY.clone(), PLAIN)
    place = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    counted = counting(lambda: spread_steps(links, place, SpreadConfig(rounds=1000, strength=0.1)))
    early = SpreadConfig(rounds=1000, strength=0.1, settled=1e-3)
    assert counting(lambda: spread_steps(links, place, early)) < counted / 10
    torch.testing.assert_close(
        run(spread_steps(links, place, early)), spread(links, place, rounds=1000), atol=1e-2, rtol=0
    )


def counting(steps: Callable[[], object]) -> int:
    """Return how often work says how far it is."""
    return sum(1 for _ in steps())


@pytest.mark.parametrize(
    "options",
    [{"rounds": 0}, {"strength": 0.0}, {"restart": 1.0}, {"peak": "both"}, {"settled": -1.0}],
)
def test_settings_out_of_their_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        SpreadConfig(**{"rounds": 1, "strength": 0.1, **options})
