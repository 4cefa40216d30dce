from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.evaluation.judging import Judging
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.strokes import paint


@pytest.mark.parametrize(("min_error", "path"), [(0, 0), (3, 0), (4, 4)])
def test_edges_of_specks_are_no_edges(min_error: int, path: int) -> None:
    truth = np.zeros((4, 8), dtype=int)
    truth[:, 4:] = 1
    # Squares of four pixels, each of another wrong class: there is an edge wherever the truth has
    # one, but of pieces that are no larger than an error not worth a click.
    labels = (2 + np.arange(8).reshape(2, 4)).repeat(2, axis=0).repeat(2, axis=1)
    judging = Judging.of(LabelImage.of(truth), 0)
    strokes = paint(labels, judging, min_error=min_error, wanted=32, demanded=0)
    assert (len(strokes.places), strokes.path, strokes.gained) == (2, path, 32)


def test_what_is_demanded_is_painted_even_if_small() -> None:
    truth = LabelImage.of(np.array([[0, 1, 0, 0, 1, 1, 0, 1]]))
    judging, labels = Judging.of(truth, 0), np.zeros((1, 8), dtype=np.int64)
    # Pieces of one, two and one pixel: the large one first, then the left of the small ones.
    strokes = paint(labels, judging, min_error=1, wanted=4, demanded=3)
    assert (strokes.gained, strokes.places.tolist()) == (3, [[0, 4], [0, 1]])


def test_nothing_wrong_is_nothing_painted() -> None:
    judging = Judging.of(LabelImage.of(np.array([[0, 1]])), 0)
    strokes = paint(judging.numbers.astype(np.int64), judging, min_error=0, wanted=0, demanded=0)
    assert (strokes.places.shape, strokes.path, strokes.gained) == ((0, 2), 0, 0)
