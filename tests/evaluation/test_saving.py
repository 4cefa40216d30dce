from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from napari_firstpass.errors import ImageContentError, OptionError
from napari_firstpass.evaluation.annotator import Work
from napari_firstpass.evaluation.saving import Saving, Totals


def work(seconds: float, clicks: int = 0, strokes: int = 0, path: int = 0) -> Work:
    return Work(
        clicks=clicks,
        strokes=strokes,
        path=path,
        travel=0.0,
        seconds=seconds,
        accuracy_before=0.5,
        accuracy_after=1.0,
    )


def pairs_of(*seconds: tuple[float, float]) -> list[tuple[Work, Work]]:
    return [(work(pre), work(scratch)) for pre, scratch in seconds]


def many_tiles(count: int = 60) -> list[tuple[Work, Work]]:
    dice = np.random.default_rng(5)
    scratch = dice.uniform(20, 60, count)
    return pairs_of(*zip(scratch * dice.uniform(0, 1.2, count), scratch, strict=True))


def test_the_share_is_a_ratio_of_sums() -> None:
    # (1 + 30) of (10 + 30) seconds; the mean of the ratios would be .45 instead.
    assert Saving.of(pairs_of((1, 10), (30, 30))).share == pytest.approx(1 - 31 / 40)


def test_work_that_grows_is_a_negative_share() -> None:
    assert Saving.of(pairs_of((30, 10))).share == -2


def test_negative_tiles_are_those_that_cost_more() -> None:
    saving = Saving.of(pairs_of((1, 10), (10, 10), (11, 10), (0, 10)))
    assert (saving.negative, saving.tiles) == (0.25, 4)


def test_the_interval_holds_the_share() -> None:
    saving = Saving.of(many_tiles())
    assert saving.interval is not None
    low, high = saving.interval
    assert low < saving.share < high


def test_tiles_that_agree_leave_no_doubt() -> None:
    saving = Saving.of(pairs_of(*[(3, 12)] * 5))
    assert saving.interval == pytest.approx((0.75, 0.75))


def test_the_interval_of_two_tiles_spans_both() -> None:
    # A quarter of the resamples takes only the first tile, a quarter only the second.
    assert Saving.of(pairs_of((0, 10), (5, 10))).interval == (0.5, 1.0)


def test_the_interval_narrows_with_more_tiles() -> None:
    widths = []
    for count in (10, 100, 1000):
        interval = Saving.of(many_tiles(count)).interval
        assert interval is not None
        widths.append(interval[1] - interval[0])
    assert all(wide > narrow for wide, narrow in pairwise(widths))


def test_the_seed_decides_the_interval() -> None:
    tiles = many_tiles()
    assert Saving.of(tiles, seed=3) == Saving.of(tiles, seed=3)
    assert Saving.of(tiles, seed=3).interval != Saving.of(tiles, seed=4).interval


def test_one_tile_has_no_interval() -> None:
    assert Saving.of(pairs_of((1, 10))).interval is None


def test_nothing_to_draw_is_nothing_saved() -> None:
    saving = Saving.of(pairs_of((0, 0), (0, 0)))
    assert (saving.share, saving.interval, saving.negative) == (0, (0, 0), 0)


def test_the_totals_of_both_sides_are_kept() -> None:
    saving = Saving.of([(work(1.5, 1, 2, 3), work(4, 5, 6, 7)), (work(1, 1, 1, 1), work(2, 2))])
    assert saving.prelabelled == Totals(clicks=2, strokes=3, path=4, seconds=2.5)
    assert saving.scratch == Totals(clicks=7, strokes=6, path=7, seconds=6)


def test_what_is_paid_once_counts_on_the_side_of_the_prelabels() -> None:
    # 1 + 3 + 3, and 3 once, of 10 + 3.5 + 6.5 seconds. Each tile bears 1 of the 3, so that the
    # second costs 4 seconds instead of 3.5.
    tiles = pairs_of((1, 10), (3, 3.5), (3, 6.5))
    saving = Saving.of(tiles, once=work(3, clicks=4))
    assert saving.share == pytest.approx(1 - 10 / 20)
    assert saving.negative == pytest.approx(1 / 3)
    assert saving.prelabelled == Totals(clicks=4, strokes=0, path=0, seconds=10)


def test_no_tiles_are_refused() -> None:
    with pytest.raises(ImageContentError, match="one tile or more, found none"):
        Saving.of([])


@pytest.mark.parametrize("options", [{"seed": -1}, {"resamples": 0}])
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="at least 1 resample"):
        Saving.of(pairs_of((1, 2)), **options)
