from __future__ import annotations

import numpy as np

from napari_firstpass.mask_writing import changed_by, class_under

LABELS = np.array([[0, 0, 3, 3], [0, 2, 3, 3]])
MASK = np.array([[0, 1, 1, 1], [0, 1, 1, 0]], bool)


def test_the_class_under_a_mask_is_what_most_of_it_has() -> None:
    assert class_under(LABELS, MASK) == 3
    assert class_under(LABELS, np.zeros_like(MASK)) == 0
    assert class_under(LABELS, LABELS < 3) == 0
    assert class_under(np.array([[4, 2]]), np.ones((1, 2), bool)) == 2


def test_only_what_was_asked_for_changes() -> None:
    assert changed_by(LABELS, MASK, "everywhere", 3).tolist() == MASK.tolist()
    unlabelled = changed_by(LABELS, MASK, "unlabelled", 3)
    assert unlabelled.astype(int).tolist() == [[0, 1, 0, 0], [0, 0, 0, 0]]
    same = changed_by(LABELS, MASK, "class", 3)
    assert same.astype(int).tolist() == [[0, 0, 1, 1], [0, 0, 1, 0]]
