"""What can be said of a thing, and what is refused."""

from __future__ import annotations

import pytest
import torch

from napari_firstpass.errors import GridMismatchError, PromptError
from napari_firstpass.prompts import Answer, Box, Line, Named, Point, Prompt, require_names


def test_a_point_nowhere_is_refused() -> None:
    with pytest.raises(PromptError, match=r"a point with finite rows.*nan"):
        Point(float("nan"), 3)


@pytest.mark.parametrize("sides", [(2, 1, 2, 5), (2, 5, 4, 5), (4, 1, 2, 5)])
def test_a_box_without_an_inside_is_refused(sides: tuple[float, float, float, float]) -> None:
    with pytest.raises(PromptError, match="some height and width"):
        Box(*sides)


def test_a_line_without_corners_is_refused() -> None:
    with pytest.raises(PromptError, match="at least one corner"):
        Line(())


def test_pointing_only_at_what_does_not_belong_says_nothing_of_the_thing() -> None:
    with pytest.raises(PromptError, match="only what does not belong"):
        Prompt(points=(Point(1, 1, positive=False),), lines=(Line(((2, 2),), positive=False),))


@pytest.mark.parametrize("words", [(), ("",), ("  ", "")])
def test_an_empty_prompt_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(PromptError, match="found nothing; click"):
        Prompt(words=words)


def test_a_mask_to_mend_is_enough() -> None:
    negative = Point(1, 1, positive=False)
    prompt = Prompt(points=(negative,), start=torch.ones(3, 3, dtype=torch.bool))
    assert prompt.points == (negative,)


def test_candidates_need_a_score_each() -> None:
    with pytest.raises(GridMismatchError, match=r"\(2, 3, 3\) and \(1,\)"):
        Answer(torch.zeros(2, 3, 3, dtype=torch.bool), torch.ones(1))


def test_names_of_pixels_have_one_shape() -> None:
    labels = torch.zeros(2, 3, dtype=torch.int64)
    assert Named(labels, torch.zeros(2, 3)).labels.shape == (2, 3)
    for confidence in (torch.zeros(3, 2), torch.zeros(6)):
        with pytest.raises(GridMismatchError, match=r"labels and confidence of one shape"):
            Named(labels, confidence)


@pytest.mark.parametrize(
    ("names", "found"),
    [((), "none"), (("roof", "\t"), "an empty one"), (("A  tree", "a tree"), "'a tree' more than")],
)
def test_names_that_say_nothing_or_the_same_are_refused(names: tuple[str, ...], found: str) -> None:
    require_names(("roof", "roofs"))
    with pytest.raises(PromptError, match=f"found {found}"):
        require_names(names)
