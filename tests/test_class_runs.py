"""Masks of classes spelt strip by strip, beside those of whole masks."""

from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.class_runs import ClassRuns
from napari_firstpass.run_length import RunLength


@pytest.mark.parametrize("cuts", [(), (1,), (1, 2, 3, 4, 5, 6, 7, 8, 9), (4, 5)])
@pytest.mark.parametrize("kinds", [1, 2, 4])
def test_strips_of_any_width_spell_the_masks_of_the_whole(
    cuts: tuple[int, ...], kinds: int
) -> None:
    rng = np.random.default_rng(kinds)
    ids = np.array([0, 7, 300, 2], np.uint16)[rng.integers(0, kinds, (130, 10))]
    ids[:, 3:5], ids[-60:, 8] = 7, 7  # columns that are full, runs that turn a corner, long ones
    told: dict[int, str] = {}
    runs = ClassRuns()
    for part in [*(runs.add(strip) for strip in np.split(ids, cuts, axis=1)), runs.close()]:
        for key, letters in part.items():
            told[key] = told.get(key, "") + letters
    assert told == {key: RunLength.of(ids == key).text for key in np.unique(ids).tolist() if key}
