from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from borders import picture
from sources import WatchedSource

from napari_firstpass.config import PromptConfig
from napari_firstpass.errors import ImageContentError, PromptError, UnknownNameError
from napari_firstpass.grid import Grid
from napari_firstpass.progress import run
from napari_firstpass.prompt_session import Prompting
from napari_firstpass.prompts import Box, Line, Point, Prompt
from napari_firstpass.raster import Raster

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.prompt_session import Stamp

CONFIG = PromptConfig(device="cpu")
IDS = np.ones((96, 112), np.uint8)
IDS[24:54, 34:74] = 2
ON_IT = Prompt(points=(Point(40, 50),))


def watched(bands: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> WatchedSource:
    grid = Grid(*bands.shape[1:])
    roles = ("red", "green", "blue")
    return WatchedSource(Raster.from_array(bands, grid, roles=roles, valid=valid))


def prompting(
    source: WatchedSource, config: PromptConfig = CONFIG, stamp: Stamp | None = None
) -> Prompting:
    return Prompting(lambda: nullcontext(source), config, stamp=stamp)


def test_an_image_is_looked_at_once_and_answers_stay_the_same() -> None:
    source = watched(picture(IDS))
    asked = prompting(source, stamp=lambda: 0)
    first = run(asked.answer_steps(ON_IT))
    assert first.masks[0][40, 50]
    reads = len(source.windows)
    other = run(asked.answer_steps(Prompt(points=(Point(5, 5),))))
    assert other.masks[0][5, 5]
    again = run(asked.answer_steps(ON_IT))
    assert len(source.windows) == reads
    np.testing.assert_array_equal(again.masks, first.masks)
    fresh = run(prompting(source).answer_steps(ON_IT))
    np.testing.assert_array_equal(fresh.masks, first.masks)
    assert fresh.scores == first.scores


def test_an_image_that_changed_is_looked_at_again() -> None:
    bands = picture(IDS)
    asked = prompting(watched(bands))
    run(asked.answer_steps(ON_IT))
    bands[:] = bands[:, ::-1, ::-1].copy()  # the same values, elsewhere
    after = run(asked.answer_steps(ON_IT))
    fresh = run(prompting(watched(bands)).answer_steps(ON_IT))
    np.testing.assert_array_equal(after.masks, fresh.masks)


def test_an_image_that_changes_meanwhile_gets_no_answer() -> None:
    bands = picture(IDS)
    steps = prompting(watched(bands)).answer_steps(ON_IT)
    progress = next(steps)
    while progress.done < 70:
        progress = next(steps)
    bands[0, 0, 0] += 1
    with pytest.raises(PromptError, match="expected the image to stay as it is"):
        run(steps)


def test_a_file_is_asked_for_its_stamp_alone() -> None:
    source, stamps = watched(picture(IDS)), iter([1, 1, 1, 1, 2, 2, 2, 2])
    asked = prompting(source, stamp=lambda: next(stamps))
    run(asked.answer_steps(ON_IT))
    run(asked.answer_steps(ON_IT))
    reads = len(source.windows)
    run(asked.answer_steps(ON_IT))
    assert len(source.windows) > reads


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        (Prompt(points=(Point(2, 50),)), "a point where the image holds none"),
        (Prompt(lines=(Line(((2, 50), (3, 60))),)), "a line where the image holds none"),
        (Prompt(boxes=(Box(0, 10, 10, 60),)), "a box where the image holds none"),
        (Prompt(points=(Point(40, 120),)), "row 40, column 120"),
    ],
)
def test_marks_where_nothing_is_are_refused(prompt: Prompt, found: str) -> None:
    valid = np.ones(IDS.shape, bool)
    valid[:10] = False
    with pytest.raises(PromptError, match=found):
        run(prompting(watched(picture(IDS), valid)).answer_steps(prompt))


def test_nothing_without_data_belongs_to_an_answer() -> None:
    valid = np.ones(IDS.shape, bool)
    valid[:30] = False
    found = run(prompting(watched(picture(IDS), valid)).answer_steps(ON_IT))
    assert not found.masks[:, ~valid].any()
    with pytest.raises(ImageContentError):
        run(prompting(watched(picture(IDS), ~np.ones(IDS.shape, bool))).answer_steps(ON_IT))


def test_what_is_unknown_is_refused_before_the_image_is_opened() -> None:
    source = watched(picture(IDS))
    with pytest.raises(UnknownNameError, match="way to answer prompts out of"):
        prompting(source, PromptConfig(method="magic"))
    with pytest.raises(UnknownNameError, match="a backbone out of"):
        prompting(source, PromptConfig(backbone="magic"))
    assert source.windows == []
    steps = prompting(source, PromptConfig(preset="no")).answer_steps(ON_IT)
    with pytest.raises(UnknownNameError, match="a preset of iseg"):
        run(steps)
