"""Learning from corrections: on a made-up scene of which it is known what should change."""

from __future__ import annotations

import numpy as np
import pytest
from borders import picture, squares

from napari_firstpass.config import SegmentConfig
from napari_firstpass.corrections import CorrectedLabels, learn_steps
from napari_firstpass.errors import LayerError
from napari_firstpass.grid import Grid, Window
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.reviewed import Reviewed

TRUTH = squares()
SHAPE = TRUTH.shape


def source() -> ArraySource:
    raster = Raster.from_array(picture(TRUTH), Grid(*SHAPE), roles=("red", "green", "blue"))
    return ArraySource(raster)


def test_places_like_a_corrected_one_are_proposed_and_decided_ones_never() -> None:
    made = np.where(TRUTH == 3, 2, TRUTH)  # squares of 3 were taken for 2
    now = made.copy()
    now[16:48, 80:112] = 3  # one of them was corrected
    window = Window(144, 80, 32, 32)
    reviewed = Reviewed.none(SHAPE).marked(window, np.ones((32, 32), bool))
    given = now.copy()
    learned = run(learn_steps(source(), CorrectedLabels(made, now, reviewed), SegmentConfig()))
    np.testing.assert_array_equal(now, given)
    assert learned.corrected == 32 * 32
    after = learned.replacement.after
    assert (after[84:108, 84:108] == 3).mean() > 0.95  # the like one, but for its rim
    np.testing.assert_array_equal(after[window.slices], 2)  # somebody said that it is right
    others = TRUTH != 3
    assert (after[others] == now[others]).mean() > 0.99


def test_nothing_is_learned_without_corrections() -> None:
    with pytest.raises(LayerError, match="correct a few regions first"):
        run(learn_steps(source(), CorrectedLabels(TRUTH, TRUTH), SegmentConfig()))
