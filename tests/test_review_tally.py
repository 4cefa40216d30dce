"""What reviewing came to."""

from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.grid import Window
from napari_firstpass.progress import run
from napari_firstpass.review_tally import ClassTally, ReviewClock, kept_share, tally_steps
from napari_firstpass.reviewed import Reviewed


def test_kept_and_changed_pixels_are_counted_where_somebody_looked() -> None:
    made = np.full((700, 20), 1, np.uint16)
    now = made.copy()
    made[:, 10:] = 60_000
    now[:, 10:], now[:300, :5] = 60_000, 7
    seen = np.zeros(made.shape, bool)
    seen[:600, :12] = True
    reviewed = Reviewed.none(made.shape).marked(Window(0, 0, *made.shape), seen)
    tally = run(tally_steps(made, now, reviewed))
    assert tally == {
        1: ClassTally(kept=600 * 10 - 300 * 5, lost=300 * 5),
        7: ClassTally(gained=300 * 5),
        60_000: ClassTally(kept=600 * 2),
    }
    assert kept_share(tally) == pytest.approx(5700 / 7200)
    assert kept_share(run(tally_steps(made, now, Reviewed.none(made.shape)))) is None


def test_breaks_are_no_work() -> None:
    clock = ReviewClock()
    for now in (100.0, 110.0, 4000.0, 4003.0):
        clock = clock.at(now)
    assert clock.seconds == 10 + 60 + 3
