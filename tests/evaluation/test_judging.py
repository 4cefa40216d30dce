from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.evaluation.judging import Judging, cracks
from napari_firstpass.evaluation.label_image import LabelImage


@pytest.mark.parametrize(("band", "judged"), [(0, "11111111"), (1, "11100111"), (2, "11000011")])
def test_the_band_is_as_wide_at_each_side_of_a_boundary(band: int, judged: str) -> None:
    judging = Judging.of(LabelImage.of(np.array([[1, 1, 1, 1, 2, 2, 2, 2]])), band)
    assert "".join(str(int(mark)) for mark in judging.judged[0]) == judged


def test_all_is_judged_where_the_band_leaves_nothing() -> None:
    truth = LabelImage.of(np.array([[1, 2, 1, 2, 9]]), ignore=[9])
    np.testing.assert_array_equal(Judging.of(truth, 2).judged, truth.valid)


def test_ignored_pixels_are_no_boundary() -> None:
    truth = LabelImage.of(np.array([[1, 1, 9, 2, 2]]), ignore=[9])
    np.testing.assert_array_equal(Judging.of(truth, 2).judged, truth.valid)


def test_one_class_has_no_boundary() -> None:
    assert Judging.of(LabelImage.of(np.ones((3, 3), int)), 5).judged.all()


def test_cracks_are_where_neighbours_differ() -> None:
    beside, below = cracks(np.array([[0, 0, 1], [0, 1, -1]], dtype=np.int32))
    np.testing.assert_array_equal(beside, [[False, True], [True, False]])
    np.testing.assert_array_equal(below, [[False, True, False]])


def test_ids_that_the_truth_lacks_get_numbers_of_their_own() -> None:
    judging = Judging.of(LabelImage.of(np.array([[4, 7]])), 0)
    numbers = judging.numbers_of(np.array([7, -1, 4, 5, 7]))
    assert numbers[[0, 2, 4]].tolist() == [1, 0, 1]
    assert sorted(numbers[[1, 3]].tolist()) == [2, 3]
