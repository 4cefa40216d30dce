"""Prompts as questions to a model."""

from __future__ import annotations

import pytest
import torch

from napari_firstpass.errors import GridMismatchError, PromptError
from napari_firstpass.prompt_places import box_window
from napari_firstpass.prompts import Box, Line, Point, Prompt
from napari_firstpass.sam_models.frame import Frame
from napari_firstpass.sam_models.marks import Question, questions_of

FRAME = Frame(64, 64, 64, keeps_ratio=True)
"""The model's positions are ours, but for half a pixel."""


def asked(prompt: Prompt, valid: torch.Tensor | None = None) -> tuple[Question, ...]:
    everywhere = torch.ones(64, 64, dtype=torch.bool)
    return questions_of(prompt, FRAME, everywhere if valid is None else valid, 16)


def places(question: Question) -> list[tuple[float, float]]:
    """Return rows and columns in the image."""
    return [(y + 0.5, x + 0.5) for x, y in question.marks.places[0].tolist()]


def half() -> torch.Tensor:
    """Data in the left half only."""
    valid = torch.zeros(64, 64, dtype=torch.bool)
    valid[:, :32] = True
    return valid


def test_points_are_places_on_the_thing_and_beside_it() -> None:
    (question,) = asked(Prompt(points=(Point(3.5, 9), Point(20, 63.9, positive=False))))
    assert places(question) == [(3.5, 9.0), (20.0, pytest.approx(63.9))]
    assert question.marks.labels.tolist() == [[1, 0]]
    assert (question.rows, question.cols) == (slice(0, 64), slice(0, 64))


def test_a_long_line_is_eight_places_at_even_distances() -> None:
    (question,) = asked(Prompt(lines=(Line(((10, 0), (10, 64))),)))
    assert places(question) == [(10.0, 4.0 + 8 * i) for i in range(8)]


def test_a_line_is_followed_around_its_corners() -> None:
    bent = Line(((0, 0), (0, 8), (0, 8), (8, 8)))
    (question,) = asked(Prompt(lines=(bent,)))
    # Sixteen pixels of way, a place for each four of them.
    assert places(question) == [(0.0, 2.0), (0.0, 6.0), (2.0, 8.0), (6.0, 8.0)]


def test_a_short_line_is_one_place_in_its_middle_and_a_dot_is_itself() -> None:
    (short,) = asked(Prompt(lines=(Line(((10, 10), (10, 12))),)))
    (dot,) = asked(Prompt(lines=(Line(((10, 10),)),)))
    assert (places(short), places(dot)) == ([(10.0, 11.0)], [(10.0, 10.0)])


def test_a_line_counts_where_it_lies_in_the_image_and_on_data() -> None:
    (question,) = asked(Prompt(lines=(Line(((10, -64), (10, 64))),)), half())
    assert places(question) == [(10.0, 8.0), (10.0, 24.0)]


def test_a_box_reaches_from_side_to_side_and_is_cut_off_at_the_image() -> None:
    (question,) = asked(Prompt(boxes=(Box(2.5, -9, 40.5, 99),)))
    assert question.marks.boxes is not None
    assert question.marks.boxes.tolist() == [[-0.5, 2.0, 63.5, 40.0]]
    assert (question.rows, question.cols) == (slice(2, 40), slice(0, 64))
    assert not question.marks.has_places


def test_each_of_several_boxes_is_asked_with_what_concerns_it() -> None:
    said = (Point(5, 5), Point(40, 40), Point(60, 2, positive=False))
    first, second = asked(Prompt(points=said, boxes=(Box(0, 0, 20, 20), Box(30, 30, 50, 50))))
    assert (places(first), places(second)) == ([(5, 5), (60, 2)], [(40, 40), (60, 2)])


def test_a_start_alone_comes_with_a_place_that_means_nothing() -> None:
    (question,) = asked(Prompt(start=torch.ones(64, 64, dtype=torch.bool)))
    assert question.marks.labels.tolist() == [[-1]]
    assert question.marks.start is not None
    assert question.marks.start.shape == (16, 16)


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        (Prompt(points=(Point(64, 3),)), "64 × 64 pixels, found a point at row 64, column 3"),
        (Prompt(points=(Point(3, -0.1),)), "column -0.1"),
        (Prompt(points=(Point(3, 3), Point(3, 99, positive=False))), "column 99"),
        (Prompt(points=(Point(3, 40),)), "a point where the image holds none"),
        (Prompt(points=(Point(3, 3), Point(3, 40, positive=False))), "a point where the image"),
        (Prompt(lines=(Line(((3, 40), (60, 40))),)), "a line where the image holds none"),
        (Prompt(lines=(Line(((-3, 4), (-9, 4))),)), "found a line from row -3, column 4"),
        (Prompt(boxes=(Box(3, 40, 9, 60),)), "a box where the image holds none"),
        (Prompt(boxes=(Box(-9, -9, 0, 0),)), "found a box of rows -9 to 0, columns -9 to 0"),
        (Prompt(points=(Point(1, 1),), words=("roof",)), "found the words roof"),
    ],
)
def test_what_points_at_nothing_is_refused(prompt: Prompt, sentence: str) -> None:
    with pytest.raises(PromptError, match=sentence):
        asked(prompt, half())


def test_a_line_that_touches_data_between_its_places_counts_there() -> None:
    valid = torch.zeros(64, 64, dtype=torch.bool)
    valid[10, 24] = True  # between columns 20 and 28
    (question,) = asked(Prompt(lines=(Line(((10.5, 0), (10.5, 64))),)), valid)
    assert places(question) == [(10.5, 24.5)]


def test_the_answer_for_a_box_has_the_pixels_that_a_box_has_elsewhere() -> None:
    box = Box(2.6, 3.4, 40.4, 50.6)
    (question,) = asked(Prompt(boxes=(box,)))
    assert (question.rows, question.cols) == box_window(box, (64, 64))


def test_a_start_of_another_size_is_refused() -> None:
    with pytest.raises(GridMismatchError, match=r"64 × 64 pixels .*found 64 × 63"):
        asked(Prompt(start=torch.ones(64, 63, dtype=torch.bool)))
