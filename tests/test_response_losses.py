"""The loss of DynaGuide against numbers worked out by hand, and the mappings of its guide."""

from __future__ import annotations

from math import e, log

import pytest
import torch

from napari_firstpass.errors import OptionError
from napari_firstpass.response_losses import (
    Rule,
    Terms,
    channels_of,
    continuity,
    present,
)

EVEN = torch.ones(1, 2, 2)
NOWHERE = torch.full((1, 2, 2), -1)


def responses(first: list[list[float]], second: list[list[float]]) -> torch.Tensor:
    return torch.tensor([first, second])[None]


FLAT = responses([[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]])
LEAD = responses([[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]])


def test_similarity_is_the_cross_entropy_with_the_strongest_channel() -> None:
    assert float(Terms.of(FLAT, NOWHERE, EVEN).similarity) == pytest.approx(log(2))
    # ln(e¹ + e⁰) − 1
    assert float(Terms.of(LEAD, NOWHERE, EVEN).similarity) == pytest.approx(log(e + 1) - 1)


def test_continuity_adds_the_means_of_four_directions() -> None:
    # One channel of 0 everywhere; in the other, the lower right pixel is 3. Huber's measure of a
    # difference of 3 is 2.5, of none 0; means are over both channels. Down and right: one of two
    # pairs each. Down right: the only pair. Down left: 0.
    found = continuity(responses([[0, 0], [0, 3.0]], [[0, 0], [0, 0.0]]))
    assert float(found) == pytest.approx(2.5 / 4 + 2.5 / 4 + 2.5 / 2 + 0)


def test_small_differences_count_by_their_squares() -> None:
    # Down: 0.5 twice in one of two channels. Down right and down left: 0.5 each. Right: 0.
    found = continuity(responses([[0, 0], [0.5, 0.5]], [[0, 0], [0, 0.0]]))
    assert float(found) == pytest.approx(3 * 0.5 * 0.5**2 / 2)


@pytest.mark.parametrize("masked", [False, True])
def test_the_slope_of_continuity_is_that_of_its_value(masked: bool) -> None:
    rng = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 3, 4, 5, generator=rng, dtype=torch.float64, requires_grad=True)
    mask = (torch.rand(2, 1, 4, 5, generator=rng) > 0.3).double() if masked else None
    assert torch.autograd.gradcheck(lambda values: continuity(values, mask), (maps,))


def test_guidance_is_the_cross_entropy_with_the_guide_where_it_says_something() -> None:
    targets = torch.tensor([[[0, 1], [-1, -1]]])
    expected = (log(e + 1) - 1 + log(e + 1)) / 2
    assert float(Terms.of(LEAD, targets, EVEN).guidance) == pytest.approx(expected)


def test_an_unsure_guide_counts_less() -> None:
    targets = torch.tensor([[[0, 1], [-1, -1]]])
    weight = torch.tensor([[[1.0, 0.5], [1.0, 1.0]]])
    expected = (log(e + 1) - 1 + 0.5 * log(e + 1)) / 2
    assert float(Terms.of(LEAD, targets, weight).guidance) == pytest.approx(expected)


def test_a_guide_that_says_nothing_adds_nothing() -> None:
    assert float(Terms.of(LEAD, NOWHERE, EVEN).guidance) == 0


def test_the_total_weighs_evenness_by_the_number_of_labels() -> None:
    terms = Terms(torch.tensor(1.0), torch.tensor(10.0), torch.tensor(100.0))
    assert float(terms.total(30, 15.0)) == pytest.approx(1 + 2 * 10 + 100)


def test_masked_pixels_take_no_part() -> None:
    maps = torch.randn(1, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    targets = torch.zeros(1, 4, 6, dtype=torch.int64)
    weight = torch.ones(1, 4, 6)
    mask = torch.ones(1, 1, 4, 6)
    mask[..., 4:] = 0
    targets[..., 4:] = -1
    expected = Terms.of(maps[..., :4], targets[..., :4], weight[..., :4])
    spoiled = maps.clone()
    spoiled[..., 4:] = 1e3
    found = Terms.of(spoiled, targets, weight, mask)
    torch.testing.assert_close(found.similarity, expected.similarity)
    torch.testing.assert_close(found.continuity, expected.continuity)
    torch.testing.assert_close(found.guidance, expected.guidance)


def test_channels_that_occur_are_counted_without_those_of_no_data() -> None:
    assert present(torch.tensor([[-1, 4, 4], [2, -1, 2]]), 6).tolist() == [2, 4]


def stripes(values: list[int]) -> torch.Tensor:
    return torch.tensor(values).repeat_interleave(4)[None, None].expand(1, 3, -1).contiguous()


@pytest.mark.parametrize("rule", ["identity", "hungarian"])
def test_two_classes_never_share_a_channel(rule: Rule) -> None:
    rng = torch.Generator().manual_seed(0)
    for _ in range(30):
        targets = torch.randint(-1, 5, (1, 8, 8), generator=rng)
        # Few channels are left, fewer than classes.
        labels = torch.randint(-1, 3, (1, 8, 8), generator=rng)
        found = channels_of(rule, targets, labels, 5, 9).tolist()
        assert len(set(found)) == 5
        assert all(0 <= channel < 9 for channel in found)


def test_identity_does_not_look() -> None:
    found = channels_of("identity", stripes([0, 1, 2]), stripes([7, 7, 7]), 3, 9)
    assert found.tolist() == [0, 1, 2]


def test_hungarian_takes_the_largest_overlap() -> None:
    found = channels_of("hungarian", stripes([0, 1, 2]), stripes([7, 3, 5]), 3, 9)
    assert found.tolist() == [7, 3, 5]


def test_the_published_rule_counts_living_channels_in_a_circle() -> None:
    # Channels 3 and 7 live: class 0 gets 3, class 1 gets 7, class 2 gets 3 again.
    found = channels_of("repo", stripes([0, 1, 2]), stripes([7, 3, 3]), 3, 9)
    assert found.tolist() == [3, 7, 3]


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(OptionError, match="mapping"):
        channels_of("nearest", NOWHERE, NOWHERE, 1, 2)  # type: ignore[arg-type]
