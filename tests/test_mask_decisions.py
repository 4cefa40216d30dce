"""Masks decided on and painted, on pixels and probabilities set by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.candidates import Choice, Choices
from napari_firstpass.errors import OptionError
from napari_firstpass.found_masks import FoundMask, masks_of_regions
from napari_firstpass.grid import Window
from napari_firstpass.mask_decisions import Held, MaskConfig, Verdict, painted, painting_order
from napari_firstpass.region_words import RuleConfig

CHOICES = Choices(
    {0: Choice(0, ()), 1: Choice(10, (10, 11)), 2: Choice(20, (20,)), 3: Choice(0, (30, 31))},
    (99,),
    dict.fromkeys((10, 11, 20, 30, 31, 99), ("x",)),
)
PAPER = MaskConfig(veto=0, skip_decided=False, least_share=0)
HALF = RuleConfig(rule="probability", threshold=0.5)


def mask(row: int, col: int, height: int, width: int) -> FoundMask:
    box = Window(row, col, height, width)
    inside = np.ones((height, width), bool)
    return FoundMask.of(inside, box, score=1, stability=1, row=row + 0.5, col=col + 0.5)


def verdict(target: int, reason: str = "clip", confidence: float = 1.0) -> Verdict:
    return Verdict(Held(1, 1.0, None), target, confidence, reason)


def test_most_pixels_tell_the_class_of_a_mask_and_the_next_is_runner_up() -> None:
    held = Held.of(np.array([2, 2, 2, 1, 0]), None, 3)
    assert held == Held(2, 0.6, 0, "pixels")
    assert Held.of(np.array([1, 1]), None, 3) == Held(1, 1.0, None)


def test_what_the_source_is_not_sure_of_is_shared_by_all_classes() -> None:
    # Three pixels: two of class 1 at 51/255 = .2, one of class 2 at 1. Of the belief, .4 / 3 is
    # that of class 1 and 1 / 3 that of class 2; the rest, 1.6 / 3, is shared by four classes.
    held = Held.of(np.array([1, 1, 2]), np.array([51, 51, 255], np.uint8), 4)
    assert (held.source, held.evidence) == (1, "confidence")
    assert held.share == pytest.approx(0.4 / 3 + 1.6 / 12)
    assert held.runner_up == 2


def test_candidates_are_those_of_the_class_and_then_what_is_always_one() -> None:
    assert PAPER.candidates(CHOICES, Held(1, 0.2, 3), 5, 100) == (10, 11, 99)
    assert PAPER.candidates(CHOICES, Held(2, 1.0, None), 5, 100) == (20, 99)
    assert PAPER.candidates(CHOICES, Held(0, 1.0, None), 5, 100) == (99,)


def test_a_source_that_is_doubted_lets_its_runner_up_take_part() -> None:
    ours = MaskConfig(veto=0.5)
    assert ours.candidates(CHOICES, Held(1, 0.51, 3), 5, 100) == (10, 11, 99)
    assert ours.candidates(CHOICES, Held(1, 0.5, 3), 5, 100) == (10, 11, 30, 31, 99)
    assert ours.candidates(CHOICES, Held(2, 0.5, 1), 5, 100) == (20, 10, 11, 99)
    assert ours.candidates(CHOICES, Held(1, 0.3, None), 5, 100) == (10, 11, 99)


def test_all_probabilities_of_the_network_can_veto_what_the_labels_are_sure_of() -> None:
    # Three of four pixels are called 1; the network gave that class .4 of its belief, and 3 the
    # rest of it but what class 2 got.
    held = Held.believed(np.array([1, 1, 1, 3]), {1: 0.4, 2: 0.15, 3: 0.45})
    assert held == Held(1, 0.4, 3, "probabilities")
    half = MaskConfig(veto=0.5)
    assert half.doubts(held)
    assert half.candidates(CHOICES, held, 5, 100) == (10, 11, 30, 31, 99)
    assert Verdict.of(held, ((30, 0.9), (10, 0.1)), 10, HALF).target == 30
    kept = Verdict.of(held, ((30, 0.4), (10, 0.3), (11, 0.3)), 10, HALF)
    assert (kept.target, kept.reason, kept.confidence) == (10, "default", 0.4)
    assert not half.doubts(Held.believed(np.array([1, 3]), {1: 0.51, 2: 0.49}))
    assert not PAPER.doubts(Held.believed(np.array([4]), {1: 1.0}))  # as published: never
    # Pixels without a class are nobody's: the likeliest class tells what they may be.
    assert Held.believed(np.array([0, 0, 1]), {1: 0.3, 3: 0.7}) == Held(0, 0.0, 3, "probabilities")


def test_what_is_decided_anyway_or_tiny_is_not_looked_at() -> None:
    ours = MaskConfig(least_share=0.05)
    assert ours.candidates(CHOICES, Held(2, 1.0, None), 50, 100) == ()
    assert ours.candidates(CHOICES, Held(0, 1.0, None), 50, 100) == ()
    assert ours.candidates(CHOICES, Held(1, 1.0, None), 5, 100) == (10, 11, 99)
    assert ours.candidates(CHOICES, Held(1, 1.0, None), 4, 100) == ()


def test_words_decide_strictly_above_the_threshold_else_the_default_does() -> None:
    held = Held(1, 0.8, 2)
    sure = Verdict.of(held, ((11, 0.7), (10, 0.2), (99, 0.1)), 10, HALF)
    assert (sure.target, sure.reason, sure.confidence) == (11, "clip", pytest.approx(0.5))
    even = Verdict.of(held, ((11, 0.5), (10, 0.5)), 10, HALF)
    assert (even.target, even.reason, even.confidence) == (10, "default", 0.8)
    assert even.scores == ((11, 0.5), (10, 0.5))
    assert Verdict.of(held, (), 10, HALF).reason == "default"
    unknown = Verdict.of(held, ((11, 0.5), (10, 0.5)), 0, HALF)
    assert (unknown.target, unknown.reason) == (0, "unknown")


def test_large_masks_are_painted_first_and_small_ones_over_them() -> None:
    labels = np.array([[1, 1, 1, 2], [1, 1, 1, 2], [0, 3, 3, 2]], np.uint8)
    masks = [mask(0, 1, 1, 1), mask(0, 0, 2, 3), mask(0, 1, 2, 2)]
    assert painting_order(masks) == [1, 2, 0]
    verdicts = [verdict(11), verdict(10, confidence=0.2), verdict(20)]
    found = painted(labels, None, {0: 0, 1: 10, 2: 20, 3: 0}.__getitem__, masks, verdicts, 99)
    assert found.labels.tolist() == [[10, 11, 20, 20], [10, 20, 20, 20], [0, 0, 0, 20]]
    assert found.regions.tolist() == [[2, 1, 3, 0], [2, 3, 3, 0], [0, 0, 0, 0]]
    assert found.confidence.tolist() == [[51, 255, 255, 255], [51, 255, 255, 255], [0, 0, 0, 255]]


def test_a_mask_of_which_nothing_is_known_changes_nothing() -> None:
    labels = np.array([[1, 1], [3, 3]], np.uint8)
    masks = [mask(0, 0, 2, 2), mask(1, 0, 1, 2)]
    verdicts = [verdict(11), verdict(0, "unknown", 0.0)]
    found = painted(labels, None, {1: 10, 3: 0}.__getitem__, masks, verdicts, 300)
    assert found.labels.tolist() == [[11, 11], [11, 11]]
    assert found.labels.dtype == np.uint16


def test_defaults_keep_how_sure_the_source_was() -> None:
    labels, sure = np.array([[1, 3]], np.uint8), np.array([[40, 50]], np.uint8)
    found = painted(labels, sure, {1: 10, 3: 0}.__getitem__, [], [], 99)
    assert found.confidence.tolist() == [[40, 0]]


def test_regions_become_masks_where_there_is_data() -> None:
    places = np.array([[0, 0, 2], [1, 1, 2]], np.int32)
    valid = np.array([[True, False, True], [False, False, True]])
    found = masks_of_regions(places, valid)
    assert len(found) == 2
    assert [one.area for one in found.masks] == [1, 2]
    assert found[1].tolist() == [[False, False, True], [False, False, True]]
    assert (found.masks[1].row, found.masks[1].col) == (0.5, 2.5)


@pytest.mark.parametrize("options", [{"veto": 1.1}, {"least_share": -0.1}])
def test_shares_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="from 0 to 1"):
        MaskConfig(**options)
