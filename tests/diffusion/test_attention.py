from __future__ import annotations

import pytest
import torch

from napari_firstpass.diffusion.attention import AttentionMap, Attentions, PromptTokens
from napari_firstpass.errors import GridMismatchError, OptionError

# The tokens of begin, "a", "car", "on", "the", "car", "port", ",", "Dining", "Table", end.
TEXT = "a car on the carport, Dining Table"
TOKENS = PromptTokens(
    TEXT,
    (
        (0, 0), (0, 1), (2, 5), (6, 8), (9, 12), (13, 16), (16, 20), (20, 21), (22, 28), (29, 34),
        (0, 0),
    ),
)  # fmt: skip


def map_of(weights: torch.Tensor, name: str = "layer", factor: int = 1) -> AttentionMap:
    return AttentionMap(name, "self", factor, (1, 2), weights)


@pytest.mark.parametrize(
    ("phrase", "tokens"),
    [
        ("car", ((2,),)),
        ("carport", ((5, 6),)),
        ("dining  table", ((8, 9),)),
        ("TABLE", ((9,),)),
        ("a car", ((1, 2),)),
    ],
)
def test_words_of_a_prompt_have_tokens(phrase: str, tokens: tuple[tuple[int, ...], ...]) -> None:
    assert TOKENS.of(phrase) == tokens


def test_a_word_that_comes_twice_has_two_places() -> None:
    tokens = PromptTokens("sea and sea", ((0, 0), (0, 3), (4, 7), (8, 11), (0, 0)))
    assert tokens.of("sea") == ((1,), (3,))


@pytest.mark.parametrize("phrase", ["port", "boat", "", "  ", "."])
def test_words_that_the_prompt_lacks_are_refused(phrase: str) -> None:
    with pytest.raises(OptionError, match="in the prompt"):
        TOKENS.of(phrase)


def test_a_word_whose_letters_were_not_spelt_is_refused() -> None:
    with pytest.raises(OptionError, match="in the prompt"):
        PromptTokens("sea", ((0, 0), (0, 0))).of("sea")


def test_the_mean_is_over_layers_and_heads() -> None:
    plain = map_of(torch.tensor([[1.0, 0.0], [0.5, 0.5]]))
    heads = map_of(torch.tensor([[[0.0, 1.0], [1.0, 0.0]], [[0.5, 0.5], [0.0, 1.0]]]).half())
    coarse = map_of(torch.ones(2, 2) / 2, factor=2)
    for maps in ((plain, heads, coarse), (heads, coarse, plain)):
        found = Attentions(maps, TOKENS, (1, 2)).mean("self", 1)
        # Of the heads alone: 1/4, 3/4 and 1/2, 1/2.
        torch.testing.assert_close(found, torch.tensor([[0.625, 0.375], [0.5, 0.5]]))
    assert plain.weights[0, 0] == 1


def test_layers_that_were_not_asked_for_are_named() -> None:
    attentions = Attentions((map_of(torch.ones(2, 2) / 2, factor=4),), TOKENS, (4, 8))
    with pytest.raises(OptionError, match=r"cross-attention at 1/4 .*, found self at 1/4; ask"):
        attentions.where("cross", 4)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (2,), (1, 1, 2, 2)])
def test_weights_that_do_not_fit_their_cells_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(GridMismatchError, match="for each of 2 cells in layer"):
        map_of(torch.ones(shape))
