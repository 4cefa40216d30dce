from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.errors import ImageContentError
from napari_firstpass.evaluation.label_image import LabelImage, Numbering


def test_ignored_ids_are_not_valid() -> None:
    labels = LabelImage.of(np.array([[0, 1], [255, 2]]), ignore=(0, 255))
    assert labels.valid.tolist() == [[False, True], [False, True]]
    assert labels.present().tolist() == [1, 2]
    assert LabelImage.of(labels.ids, valid=labels.valid, ignore=(2,)).present().tolist() == [1]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64])
def test_ids_are_numbered_in_order_whatever_their_type(dtype: type) -> None:
    labels = LabelImage.of(np.array([[90, 7, 7], [0, 90, 3]], dtype=dtype), ignore=(3,))
    numbering = Numbering(labels)
    assert numbering.ids.tolist() == [0, 7, 90]
    assert numbering.index(np.s_[:]).tolist() == [[2, 1, 1], [0, 2, -1]]


def test_ids_too_large_for_a_table_are_numbered_too() -> None:
    labels = LabelImage.of(np.array([[2**31, 5], [2**40, 5]]))
    numbering = Numbering(labels)
    assert numbering.ids.tolist() == [5, 2**31, 2**40]
    assert numbering.index(np.s_[:]).tolist() == [[1, 0], [2, 0]]


def test_what_is_not_valid_may_hold_anything() -> None:
    ids = np.array([[1, -5], [2**30, 2]])
    labels = LabelImage(ids, np.array([[True, False], [False, True]]))
    assert labels.present().tolist() == [1, 2]
    assert Numbering(labels).index(np.s_[:]).tolist() == [[0, -1], [-1, 1]]


def test_an_image_taller_than_a_strip_is_seen_whole() -> None:
    ids = np.zeros((1000, 2), np.uint8)
    ids[999, 1] = 9
    assert LabelImage.of(ids).present().tolist() == [0, 9]


@pytest.mark.parametrize("ids", [np.zeros((2, 2)), np.zeros((2, 2, 3), int), np.zeros((0, 4), int)])
def test_other_arrays_than_labels_are_refused(ids: np.ndarray) -> None:
    with pytest.raises(ImageContentError, match="expected labels: an array"):
        LabelImage.of(ids)


def test_negative_ids_are_refused_unless_ignored() -> None:
    ids = np.array([[-1, 2]])
    with pytest.raises(ImageContentError, match=r"expected ids of at least 0 .*, found -1"):
        LabelImage.of(ids)
    with pytest.raises(ImageContentError, match="found 9223372036854775808"):
        LabelImage.of(np.array([[2**63]], np.uint64))
    assert LabelImage.of(ids, ignore=(-1,)).present().tolist() == [2]


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ImageContentError, match="expected a mask of shape"):
        LabelImage(np.zeros((2, 2), int), np.ones((2, 3), bool))
