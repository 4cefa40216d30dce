"""Classes of labels replaced by others."""

from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.label_changes import PackedMask, reassign, relabelled

ROWS = 700  # more than are worked on at once


def some_labels(dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 5, (ROWS, 37)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_ids_are_replaced_at_the_same_time_and_all_is_kept_that_takes_it_back(dtype: type) -> None:
    labels, before = some_labels(dtype), some_labels(dtype)
    changes = reassign(labels, {1: 2, 2: 1, 4: 3, 3: 3, 9: 1})
    expected = np.array([0, 2, 1, 3, 3], dtype)[before]
    np.testing.assert_array_equal(labels, expected)
    assert [(c.before, c.after) for c in changes] == [(1, 2), (2, 1), (4, 3)]
    assert [c.pixels for c in changes] == [np.count_nonzero(before == i) for i in (1, 2, 4)]
    assert [before[c.first] for c in changes] == [1, 2, 4]
    for change in changes:
        np.testing.assert_array_equal(np.asarray(change.where), before == change.before)
        labels[change.where] = change.before
    np.testing.assert_array_equal(labels, before)


def test_nothing_changes_where_no_pixel_has_the_class() -> None:
    labels = np.zeros((3, 4), np.uint8)
    assert reassign(labels, {1: 2}) == ()
    assert not labels.any()


def test_masks_take_less_than_an_eighth_of_a_byte_for_each_pixel() -> None:
    labels = np.zeros((2000, 2000), np.uint8)
    labels[300:900, 100:1800] = 7
    (change,) = reassign(labels, {7: 1})
    assert isinstance(change.where, PackedMask)
    assert change.where.nbytes < labels.size / 80


def test_labels_that_are_only_looked_up_stay_as_they_are() -> None:
    before = some_labels()
    after = relabelled(before, {0: 4, 4: 200})
    np.testing.assert_array_equal(after, np.array([4, 1, 2, 3, 200], np.uint8)[before])
    np.testing.assert_array_equal(before, some_labels())
