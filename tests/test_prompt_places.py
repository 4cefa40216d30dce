"""Which pixels marks name, at the borders of the image too."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_firstpass.errors import GridMismatchError, PromptError
from napari_firstpass.prompt_places import box_window, places_of, wordless_places
from napari_firstpass.prompts import Box, Line, Point, Prompt

FULL = np.ones((6, 8), bool)


def pixels(prompt: Prompt, valid: np.ndarray = FULL) -> list[list[int]]:
    return places_of(prompt, valid).positive.tolist()


@pytest.mark.parametrize(
    ("place", "pixel"), [((0, 0), [0, 0]), ((0.99, 1.0), [0, 1]), ((5.99, 7.99), [5, 7])]
)
def test_a_point_is_in_the_pixel_that_it_lies_in(
    place: tuple[float, float], pixel: list[int]
) -> None:
    assert pixels(Prompt(points=(Point(*place),))) == [pixel]


@pytest.mark.parametrize("place", [(-0.01, 3), (3, -0.01), (6, 3), (3, 8)])
def test_a_point_beyond_the_border_is_refused(place: tuple[float, float]) -> None:
    with pytest.raises(PromptError, match="in the image of 6 × 8 pixels"):
        places_of(Prompt(points=(Point(*place),)), FULL)


def test_a_line_leaves_out_no_pixel_between_its_corners() -> None:
    line = Line(((0.5, 0.5), (0.5, 3.5), (2.5, 3.5)))
    assert pixels(Prompt(lines=(line,))) == [[0, 0], [0, 1], [0, 2], [0, 3], [1, 3], [2, 3]]


def test_a_line_counts_where_it_is_in_the_image() -> None:
    assert pixels(Prompt(lines=(Line(((1.5, 6.5), (1.5, 20.0))),))) == [[1, 6], [1, 7]]


def test_a_line_without_a_pixel_in_the_image_is_refused() -> None:
    with pytest.raises(PromptError, match="in the image"):
        places_of(Prompt(lines=(Line(((-2, 1), (-2, 5))),)), FULL)


@pytest.mark.parametrize(
    ("box", "rows", "cols"),
    [
        (Box(1, 2, 3, 5), (1, 3), (2, 5)),
        (Box(0.5, 0.51, 2.5, 2.51), (0, 2), (1, 3)),
        (Box(-4, -4, 100, 100), (0, 6), (0, 8)),
        (Box(2.6, 3.6, 2.7, 3.7), (2, 3), (3, 4)),
        (Box(5.9, 7.9, 9, 9), (5, 6), (7, 8)),
    ],
)
def test_a_box_holds_pixels_whose_middles_it_holds_and_at_least_one(
    box: Box, rows: tuple[int, int], cols: tuple[int, int]
) -> None:
    assert box_window(box, (6, 8)) == (slice(*rows), slice(*cols))


def test_a_box_beside_the_image_is_refused() -> None:
    with pytest.raises(PromptError, match="a box of rows 6 to 9, columns 0 to 3"):
        places_of(Prompt(boxes=(Box(6, 0, 9, 3),)), FULL)


def test_several_boxes_allow_what_any_of_them_holds() -> None:
    inside = places_of(Prompt(boxes=(Box(0, 0, 1, 2), Box(4, 6, 6, 8))), FULL).inside
    assert inside is not None
    assert inside.sum() == 2 + 4


def test_marks_without_data_are_refused() -> None:
    valid = FULL.copy()
    valid[:, 4:] = False
    for prompt in (
        Prompt(points=(Point(1, 5),)),
        Prompt(points=(Point(1, 1), Point(1, 5, positive=False))),
        Prompt(lines=(Line(((0, 5), (5, 5))),)),
        Prompt(boxes=(Box(0, 5, 4, 8),)),
        Prompt(start=torch.from_numpy(~valid)),
    ):
        with pytest.raises(PromptError, match="on pixels with data"):
            places_of(prompt, valid)


def test_a_line_that_leaves_the_data_counts_up_to_there() -> None:
    valid = FULL.copy()
    valid[:, 4:] = False
    assert pixels(Prompt(lines=(Line(((0.5, 2.5), (0.5, 7.5))),)), valid) == [[0, 2], [0, 3]]


def test_words_are_refused_where_nobody_knows_any() -> None:
    prompt = Prompt(points=(Point(1, 1),), words=("roof", "house"))
    assert len(places_of(prompt, FULL).positive) == 1
    with pytest.raises(PromptError, match="found the words roof, house; choose a prompter"):
        wordless_places(prompt, FULL)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(GridMismatchError, match="6 × 8 pixels to start from, found 2 × 2"):
        places_of(Prompt(start=torch.ones(2, 2, dtype=torch.bool)), FULL)


def test_both_kinds_of_marks_are_kept_apart() -> None:
    prompt = Prompt(points=(Point(0, 0), Point(1, 1, positive=False), Point(0.5, 0.5)))
    places = places_of(prompt, FULL)
    assert places.positive.tolist() == [[0, 0]]
    assert places.negative.tolist() == [[1, 1]]
