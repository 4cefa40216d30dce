"""Sentences, and which letters of them are looked at."""

from __future__ import annotations

import pytest

from napari_firstpass.diffusion.attention import PromptTokens
from napari_firstpass.diffusion.sentences import Sentence, Wording, sentences
from napari_firstpass.errors import PromptError

PLAIN = Wording()
LAND = Wording(opening="a photography of", context=("tree", "sky"), heads={"potted plant": "plant"})


def looked_at(sentence: Sentence) -> list[str]:
    return [sentence.text[start:stop] for start, stop in sentence.letters]


def test_a_sentence_tells_the_names_and_what_else_there_is() -> None:
    found = Sentence.of(["dining table", "cat"], PLAIN)
    assert found.text == "a photograph of dining table and cat and other object and background"
    assert looked_at(found) == ["dining table", "cat"]
    found = Sentence.of(["cat"], LAND)
    assert found.text == "a photography of cat and other object and background, tree, sky"


def test_of_some_names_only_a_word_is_looked_at() -> None:
    found = Sentence.of(["Potted  plant", "plant"], LAND)
    assert looked_at(found) == ["plant", "plant"]
    assert found.letters[0] == (24, 29)


def test_a_name_is_not_mistaken_for_a_part_of_another_or_for_the_context() -> None:
    found = Sentence.of(["car", "racing car", "background", "Tree"], LAND)
    start = len("a photography of ")
    assert found.letters[0] == (start, start + 3)
    assert found.letters[1] == (start + 8, start + 18)
    assert looked_at(found)[2:] == ["background", "Tree"]
    assert found.letters[2][0] < found.text.index("other object")
    assert found.text.endswith("background, sky")  # a name is no context


def test_tokens_are_those_of_the_letters_and_start_after_what_precedes() -> None:
    sentence = Sentence(text="a cat and dog", letters=((2, 5), (10, 13)))
    # Begin, a, ca, t, and, dog, end: names of different lengths do not shift each other.
    letters = ((0, 0), (0, 1), (2, 4), (4, 5), (6, 9), (10, 13), (0, 0))
    assert sentence.tokens(PromptTokens(sentence.text, letters)) == ((2, 3), (5,))
    with pytest.raises(PromptError, match="names that the network can read, found 'dog'"):
        sentence.tokens(PromptTokens(sentence.text, letters[:5]))


def test_many_names_are_told_in_several_sentences_of_about_equal_length() -> None:
    names = ["roof", "road", "tree", "lake", "field"]
    (only,) = sentences(names, PLAIN, lambda _: True)
    assert only[1] == (0, 1, 2, 3, 4)
    most = len(Sentence.of(names[:2], PLAIN).text) + 2
    parts = sentences(names, PLAIN, lambda text: len(text) <= most)
    assert [numbers for _, numbers in parts] == [(0, 1), (2,), (3, 4)]
    assert all(len(sentence.text) <= most for sentence, _ in parts)
    assert looked_at(parts[2][0]) == ["lake", "field"]
    with pytest.raises(PromptError, match="found 'field' of 5 letters; shorten it"):
        sentences(names, PLAIN, lambda _: False)


@pytest.mark.parametrize(
    ("names", "found"),
    [([], "none"), (["roof", "  "], "an empty one"), (["Roof", "roof "], "'roof' more than once")],
)
def test_no_names_empty_ones_and_the_same_twice_are_refused(names: list[str], found: str) -> None:
    with pytest.raises(PromptError, match=found):
        Sentence.of(names, PLAIN)
    with pytest.raises(PromptError, match=found):
        sentences(names, PLAIN, lambda _: True)
