"""Classes of labels replaced by others."""

from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.grid import Window
from napari_firstpass.label_changes import Replacement, StepBudget, reassign, relabelled, replace
from napari_firstpass.packed_pixels import PackedMask

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


def test_a_window_is_replaced_and_what_is_kept_takes_it_back() -> None:
    labels, before = some_labels(), some_labels()
    after = (before[90:690, 5:30] + 3) % 5
    change = replace(labels, Window(90, 5, 600, 25), after.astype(np.int64))
    expected = before.copy()
    expected[90:690, 5:30] = after
    np.testing.assert_array_equal(labels, expected)
    assert change is not None
    assert (change.pixels, change.first) == (600 * 25, (90, 5))
    labels[change.where] = change.before
    np.testing.assert_array_equal(labels, before)
    labels[change.where] = change.after
    np.testing.assert_array_equal(labels, expected)
    assert replace(labels, Window(90, 5, 600, 25), after) is None


def test_where_all_become_one_class_only_the_places_are_kept_besides() -> None:
    labels = np.ones((ROWS, 37), np.uint8)
    labels[600:] = 2
    before = labels.copy()
    upper = replace(labels, Window(0, 3, 600, 20), np.full((600, 20), 7))
    assert upper is not None
    assert (upper.before, upper.after) == (1, 7)
    all_of_it = replace(labels, Window(0, 0, *labels.shape), np.full_like(labels, 300 % 256))
    assert all_of_it is not None
    assert all_of_it.after == 44
    painted = labels.copy()
    labels[all_of_it.where] = all_of_it.before
    labels[upper.where] = upper.before
    np.testing.assert_array_equal(labels, before)
    labels[upper.where] = upper.after
    labels[all_of_it.where] = all_of_it.after
    np.testing.assert_array_equal(labels, painted)


def test_strips_of_one_class_each_are_taken_back_as_they_were() -> None:
    labels = np.repeat(np.array([1, 2], np.uint8), 512)[:, None] * np.ones((1, 9), np.uint8)
    before = labels.copy()
    change = replace(labels, Window(0, 0, 1024, 9), np.zeros_like(labels))
    assert change is not None
    assert change.after == 0
    labels[change.where] = change.before
    np.testing.assert_array_equal(labels, before)


def test_what_was_painted_since_an_answer_was_asked_for_stays() -> None:
    labels, before = some_labels(), some_labels()
    after = np.full_like(before, 1)
    wanted = Replacement.of(Window(0, 0, *before.shape), before, after)
    labels[300:320] = 9
    now = labels.copy()
    change = wanted.write(labels)
    np.testing.assert_array_equal(labels, np.where(now == 9, 9, 1))
    assert change is not None
    assert change.pixels == np.count_nonzero((now != 9) & (now != 1))
    labels[change.where] = change.before
    np.testing.assert_array_equal(labels, now)


def test_what_takes_a_step_back_is_compressed_later_and_stays_the_same() -> None:
    labels = some_labels().repeat(9, axis=1)
    before = labels.copy()
    change = replace(labels, Window(0, 0, *labels.shape), np.roll(before, 9, axis=1))
    assert change is not None
    loose = sum(packed.nbytes for packed in change.packed)
    for packed in change.packed:
        packed.squeeze()
    assert sum(packed.nbytes for packed in change.packed) < loose / 3
    labels[change.where] = change.before
    np.testing.assert_array_equal(labels, before)


def test_the_oldest_steps_are_given_up_when_all_take_too_much() -> None:
    labels = np.random.default_rng(1).integers(0, 200, (400, 400), dtype=np.uint8)
    budget, steps = StepBudget(700_000), []
    states = [labels.copy()]
    for _ in range(4):  # noise, which cannot be compressed: about 320 kB each
        change = replace(labels, Window(0, 0, 400, 400), labels[::-1].copy())
        assert change is not None
        budget.add([change])
        steps.append(change)
        states.append(labels.copy())
        labels[:, 0] += 1
    assert [bool(step.where.nbytes) for step in steps] == [False, False, True, True]
    labels[steps[0].where] = steps[0].before  # changes nothing any more
    np.testing.assert_array_equal(labels[:, 1:], states[-1][:, 1:])
