"""Cues and chances of regions whose place and look are known."""

from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.prompt_chances import (
    AGAINST_WEIGHTS,
    ALONE_WEIGHTS,
    BOX_WEIGHTS,
    box_chances,
    chances_of,
)
from napari_firstpass.prompt_cues import (
    BOX_CUES,
    MARK_CUES,
    Regions,
    box_cues,
    mark_cues,
    odds,
)
from napari_firstpass.prompt_places import places_of
from napari_firstpass.prompts import Box, Point, Prompt
from napari_firstpass.region_graph import RegionGraph

SIDE, SQUARE = 12, 4


@pytest.fixture(scope="module")
def regions() -> Regions:
    """Squares of four pixels, 12 × 12 of them; the 4 × 4 in the middle are red, all else green."""
    numbers = np.arange(SIDE * SIDE, dtype=np.int32).reshape(SIDE, SIDE)
    places = numbers.repeat(SQUARE, 0).repeat(SQUARE, 1)
    colour = np.zeros((3, SIDE, SIDE), np.float32)
    colour[0] = 0.5
    colour[1] = -0.1
    colour[1, 4:8, 4:8] = 0.1
    fine = colour.repeat(SQUARE, 1).repeat(SQUARE, 2)
    return Regions.of(RegionGraph.of(places, fine, np.zeros((2, SIDE, SIDE), np.float32), SQUARE))


def at(row: int, col: int) -> int:
    return row * SIDE + col


def test_each_cue_has_a_name_and_a_weight(regions: Regions) -> None:
    inside = np.zeros(SIDE * SIDE)
    inside[:20] = 1
    boxed = box_cues(regions, inside, (0, 0, 8, 48))
    marked = mark_cues(regions, np.array([3]), np.array([9]))
    assert boxed.shape[1] == len(BOX_CUES) == len(BOX_WEIGHTS) - 1
    assert marked.shape[1] == len(MARK_CUES) == len(ALONE_WEIGHTS) - 1 == len(AGAINST_WEIGHTS) - 1
    assert np.isfinite(boxed).all()
    assert np.isfinite(marked).all()


def test_weights_make_odds() -> None:
    chance = odds(np.array([[1.0, 2.0], [0.0, 0.0]]), (0.5, 0.25, -1.0))
    assert chance.tolist() == pytest.approx([0.5, 1 / (1 + np.e)])


def test_what_is_in_a_box_and_unlike_its_surroundings_is_likely(regions: Regions) -> None:
    chances = box_chances(regions, Box(12, 12, 36, 36))
    assert chances[at(5, 5)] > 0.5
    assert chances[at(3, 3)] < 0.2
    assert chances[at(0, 0)] == 0


def test_colours_lead_where_they_are_more_frequent_inside(regions: Regions) -> None:
    inside = np.zeros((SIDE, SIDE))
    inside[3:9, 3:9] = 1
    colour = box_cues(regions, inside.ravel(), (12, 12, 36, 36))[:, BOX_CUES.index("colour")]
    assert colour[at(5, 5)] > 0 > colour[at(0, 0)]


def test_a_joined_region_that_stays_in_a_box_fills_it(regions: Regions) -> None:
    inside = np.zeros((SIDE, SIDE))
    inside[3:9, 3:9] = 1
    cues = box_cues(regions, inside.ravel(), (12, 12, 36, 36))
    fills = cues[:, BOX_CUES.index("fills, 0.02 outside")]
    # All red squares are joined before any green one is: 16 of 36.
    assert fills[at(5, 5)] == pytest.approx(np.log(16 / 36 + 0.003))


def test_marks_are_near_in_every_sense_to_what_they_lie_on(regions: Regions) -> None:
    cues = mark_cues(regions, np.array([at(5, 5)]), np.array([at(0, 0)]))
    share = np.exp(cues[:, MARK_CUES.index("joined with")]) - 1e-4
    assert share[at(6, 6)] == pytest.approx(16 / 144, abs=1e-6)
    assert share[at(0, 5)] == pytest.approx(1)
    walk = cues[:, MARK_CUES.index("walk")]
    assert walk[at(6, 6)] > 0 > walk[at(0, 5)]
    way = cues[:, MARK_CUES.index("way")]
    assert way[at(5, 6)] < way[at(5, 7)] < way[at(5, 8)]


def test_marks_are_certain(regions: Regions) -> None:
    valid = np.ones((SIDE * SQUARE,) * 2, bool)
    prompt = Prompt(points=(Point(21, 21), Point(1, 1), Point(2, 40, positive=False)))
    chances = chances_of(regions, prompt.boxes, places_of(prompt, valid))
    assert chances[at(5, 5)] == chances[at(0, 0)] == 1
    assert chances[at(0, 10)] == 0
    assert chances[at(6, 6)] > 0.5 > chances[at(1, 10)]


def test_a_mark_corrects_a_box_around_itself(regions: Regions) -> None:
    valid = np.ones((SIDE * SQUARE,) * 2, bool)
    box = (Box(12, 12, 36, 36),)
    before = chances_of(regions, box, places_of(Prompt(boxes=box), valid))
    prompt = Prompt(boxes=box, points=(Point(21, 21, positive=False),))
    after = chances_of(regions, box, places_of(prompt, valid))
    assert before[at(6, 6)] > 0.5 > after[at(6, 6)]
