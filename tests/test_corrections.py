"""Learning from corrections: on a made-up scene of which it is known what should change."""

from __future__ import annotations

import numpy as np
import pytest
from borders import picture
from mistaken import THREES, corrected, first_pass, square, truth

from napari_firstpass.config import SegmentConfig
from napari_firstpass.corrections import CorrectedLabels, learn_steps
from napari_firstpass.errors import LayerError
from napari_firstpass.feature_memory import FeatureMemory
from napari_firstpass.grid import Grid, Window
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.reviewed import Reviewed

TRUTH, MADE = truth(), first_pass()


def source(like: np.ndarray = TRUTH) -> ArraySource:
    raster = Raster.from_array(picture(like), Grid(*TRUTH.shape), roles=("red", "green", "blue"))
    return ArraySource(raster)


def test_places_like_corrected_ones_are_proposed_and_decided_ones_never() -> None:
    now = corrected(6)
    stays = Window(*THREES[-1], 12, 12)  # too little to speak against the others
    reviewed = Reviewed.none(MADE.shape).marked(stays, np.ones((12, 12), bool))
    given = now.copy()
    said, memory, told = CorrectedLabels(MADE, now, reviewed), FeatureMemory(), set[str]()
    learned = run(learn_steps(source(), said, SegmentConfig(), memory=memory))
    np.testing.assert_array_equal(now, given)
    assert learned.corrected == 6 * 32 * 32
    after = learned.replacement.after
    shares = [(after[square(place)] == 3).mean() for place in THREES[6:-1]]
    assert np.mean(shares) > 0.8
    np.testing.assert_array_equal(after[stays.slices], 2)  # somebody said that it is right
    np.testing.assert_array_equal(after[now == 3], 3)
    others = TRUTH != 3
    assert (after[others] == now[others]).mean() > 0.999
    (taught,) = learned.taught
    assert (taught.lesson.verdict, taught.lesson.regions) == ("learned", 6)
    assert taught.pixels == np.count_nonzero(after != now)
    again = learn_steps(source(), said, SegmentConfig(), memory=memory)
    found = run(again, lambda progress: told.add(progress.message))
    np.testing.assert_array_equal(found.replacement.after, after)
    assert "learning" in told
    assert not told & {"measuring textures", "comparing with words", "looking around"}


def test_a_part_of_a_large_scene_is_learned_from_corrections_elsewhere() -> None:
    now, part = corrected(6), Window(192, 128, 192, 256)
    assert (now == MADE)[part.slices].all()
    said = CorrectedLabels(MADE, now)
    learned = run(learn_steps(source(), said, SegmentConfig(), part=part))
    wanted = learned.replacement
    assert wanted.window == part
    assert (wanted.after[TRUTH[part.slices] == 3] == 3).mean() > 0.7
    assert (wanted.after[TRUTH[part.slices] != 3] != 3).mean() > 0.999
    # What was proposed and accepted is no correction.
    now[part.slices] = wanted.after
    taken = Reviewed.none(MADE.shape).marked(part, wanted.before != wanted.after)
    again = run(learn_steps(source(), CorrectedLabels(MADE, now, None, taken), SegmentConfig()))
    assert again.corrected == learned.corrected


def test_nothing_is_proposed_that_cannot_be_told_or_checked() -> None:
    config, memory = SegmentConfig(), FeatureMemory()
    few = run(learn_steps(source(), CorrectedLabels(MADE, corrected(4)), config, memory=memory))
    assert [taught.lesson.verdict for taught in few.taught] == ["few"]
    assert few.replacement.change is None
    mask = np.zeros_like(MADE, bool)
    for row, col in THREES[:6]:
        mask[row : row + 4, col : col + 4] = True  # about a cell each
    tiny = run(
        learn_steps(source(), CorrectedLabels(MADE, np.where(mask, 3, MADE)), config, memory=memory)
    )
    assert [taught.lesson.verdict for taught in tiny.taught] == ["small"]
    # The same corrections, of squares that look as the others do.
    said = CorrectedLabels(MADE, corrected(6))
    alike = run(learn_steps(source(MADE), said, config, memory=memory))
    assert [taught.lesson.verdict for taught in alike.taught] == ["alike"]
    assert alike.replacement.change is None


def test_nothing_is_learned_without_corrections() -> None:
    with pytest.raises(LayerError, match="correct a few regions first"):
        run(learn_steps(source(), CorrectedLabels(TRUTH, TRUTH), SegmentConfig()))
