from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.errors import ImageContentError
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.prelabel import Prelabel


def classes_of_pixels(prelabel: Prelabel) -> list[list[int]]:
    found: list[list[int]] = prelabel.classes[prelabel.regions].tolist()
    return found


def test_pieces_of_one_id_are_regions_and_the_ids_are_groups_and_classes() -> None:
    ids = np.array([[3, 3, 5, 3], [5, 3, 5, 5]])
    prelabel = Prelabel.of(LabelImage.of(ids))
    # Threes at the left and at the right, fives at the left and at the right.
    assert len(prelabel.classes) == 4
    assert classes_of_pixels(prelabel) == ids.tolist()
    np.testing.assert_array_equal(prelabel.groups, prelabel.classes)


def test_what_has_no_prediction_has_no_class() -> None:
    prelabel = Prelabel.of(LabelImage.of(np.array([[3, 9, 9, 3, 9]]), ignore=[9]))
    assert classes_of_pixels(prelabel) == [[3, -1, -1, 3, -1]]
    assert len(prelabel.classes) == 4


def test_an_empty_prediction_is_one_piece_without_class() -> None:
    prelabel = Prelabel.of(LabelImage.of(np.zeros((3, 4), int), ignore=[0]))
    assert prelabel.classes.tolist() == [-1]


def test_clusters_take_the_classes_they_are_named_by() -> None:
    clusters = LabelImage.of(np.array([[0, 1, 2, 0]]))
    prelabel = Prelabel.of_clusters(clusters, {0: 7, 1: 7})
    assert classes_of_pixels(prelabel) == [[7, 7, -1, 7]]
    assert prelabel.groups[prelabel.regions].tolist() == [[0, 1, 2, 0]]


def test_superpixels_are_one_group_without_class() -> None:
    prelabel = Prelabel.of_regions(np.array([[0, 1, 2]], dtype=np.uint16))
    assert prelabel.regions.dtype == np.int32
    assert (prelabel.groups.tolist(), prelabel.classes.tolist()) == ([0, 0, 0], [-1, -1, -1])


def test_blank_is_one_region() -> None:
    prelabel = Prelabel.blank((3, 5))
    assert prelabel.regions.shape == (3, 5)
    assert prelabel.classes.tolist() == [-1]


def test_regions_are_cut_where_nothing_is_valid() -> None:
    prelabel = Prelabel.of(LabelImage.of(np.array([[3, 3, 3, 3, 3]])))
    cut = prelabel.within(np.array([[True, True, False, True, True]]))
    assert classes_of_pixels(cut) == [[3, 3, -1, 3, 3]]
    left, hole, right = cut.regions[0, [0, 2, 4]]
    assert left != right
    assert cut.groups[left] == cut.groups[right] != cut.groups[hole]


@pytest.mark.parametrize(
    ("regions", "groups", "classes", "message"),
    [
        ([[0, 1]], [0], [1, 2], "a group and a class for each region"),
        ([[0, 2]], [0, 0], [1, 2], r"region numbers in \[0, 1\], found 0 to 2"),
        ([[-1, 0]], [0, 0], [1, 2], "found -1 to 0"),
        ([[0, 1]], [0, 0], [1, -2], "or -1, found -2"),
        ([[]], [0], [1], "expected regions"),
    ],
)
def test_contradictions_are_refused(
    regions: list[list[int]], groups: list[int], classes: list[int], message: str
) -> None:
    with pytest.raises(ImageContentError, match=message):
        Prelabel(np.array(regions, np.int32), np.array(groups), np.array(classes))
