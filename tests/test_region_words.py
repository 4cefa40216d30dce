"""Regions compared with words, with vectors set by hand."""

from __future__ import annotations

import pytest
import torch

from napari_firstpass.errors import OptionError
from napari_firstpass.region_words import RuleConfig, class_vectors, fused, probabilities, ranked


def test_a_class_is_the_mean_of_its_phrases_before_lengths_are_made_one() -> None:
    words = torch.tensor([[3.0, 0.0], [0.0, 4.0], [0.0, 2.0]])
    torch.testing.assert_close(class_vectors(words, [2, 1]), torch.tensor([[0.6, 0.8], [0.0, 1.0]]))


def test_surroundings_count_the_more_the_more_they_are_like_the_region() -> None:
    alone = torch.tensor([[1.0, 0.0]])
    # Six windows each. The mean of the first ring is (0.5, 0.5): its cosine with the region is
    # 1 / sqrt(2). The second shows another thing only: it says nothing.
    near = torch.tensor([[[1.0, 0.0], [0.0, 1.0]] * 3])
    far = torch.tensor([[[0.0, 1.0]] * 6])
    alike = 2**-0.5
    first = torch.tensor([[0.5 * alike + (1 - alike), 0.5 * alike]])
    torch.testing.assert_close(fused(alone, [near]), first)
    torch.testing.assert_close(fused(alone, [near, far]), (first + alone) / 2)
    assert torch.equal(fused(alone, []), alone)


def test_probabilities_are_over_the_candidates_alone() -> None:
    words = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    vector = torch.tensor([0.5, 0.0])
    # Likenesses .5, .3, 0; differences of .2 and .5, ten times.
    raw = torch.tensor([1.0, 2.718281828**-2, 2.718281828**-5])
    torch.testing.assert_close(probabilities(vector, words, 10.0), raw / raw.sum())
    pair = probabilities(vector, words[[0, 2]], 10.0)
    torch.testing.assert_close(pair[0], 1 / (1 + raw[2]))


def test_the_likeliest_comes_first_and_ties_keep_their_order() -> None:
    assert ranked(torch.tensor([0.25, 0.5, 0.25]), (7, 3, 9)) == ((3, 0.5), (7, 0.25), (9, 0.25))


@pytest.mark.parametrize(
    ("rule", "threshold", "likely", "decides"),
    [
        ("probability", 0.6, (0.6, 0.4), False),  # strictly above
        ("probability", 0.6, (0.6001, 0.3999), True),
        ("probability", 0.0, (0.1, 0.1), True),
        ("margin", 0.2, (0.75, 0.25), True),
        ("margin", 0.5, (0.75, 0.25), False),
        ("margin", 0.0, (0.5, 0.5), False),  # a tie
        ("margin", 0.9, (1.0,), True),
        ("probability", 0.0, (), False),
    ],
)
def test_when_words_decide(
    rule: str, threshold: float, likely: tuple[float, ...], decides: bool
) -> None:
    assert RuleConfig(rule=rule, threshold=threshold).decides(likely) is decides


@pytest.mark.parametrize("options", [{"rule": "vote"}, {"threshold": 1.1}, {"threshold": -0.1}])
def test_rules_out_of_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=r"a (rule out of|threshold in)"):
        RuleConfig(**options)
