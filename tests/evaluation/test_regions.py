from __future__ import annotations

from itertools import combinations
from math import log2

import numpy as np
import pytest
from skimage.metrics import variation_of_information as skimage_voi

from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.overlap import Overlap
from napari_firstpass.evaluation.regions import (
    RegionPair,
    RegionScores,
    covering,
    rand_index,
    region_scores,
    variation_of_information,
)


def table(truth: list[list[int]], pred: list[list[int]]) -> Overlap:
    """Count a pair; predicted -1 is no prediction."""
    return Overlap.of(LabelImage.of(np.array(truth)), LabelImage.of(np.array(pred), ignore=(-1,)))


def test_covering_by_hand() -> None:
    # Region 1 (4 px) meets 7 (3 px): IoU 3/4. Region 2 (2 px) meets 8 (3 px): IoU 2/3.
    overlap = table([[1, 1, 1, 1, 2, 2]], [[7, 7, 7, 8, 8, 8]])
    assert covering(overlap) == pytest.approx((4 * 3 / 4 + 2 * 2 / 3) / 6)


def test_a_blank_image_covers_each_region_by_its_share() -> None:
    overlap = table([[1, 1, 1, 2]], [[0, 0, 0, 0]])
    assert covering(overlap) == pytest.approx((3 / 4) ** 2 + (1 / 4) ** 2)


def test_what_is_not_predicted_covers_nothing() -> None:
    assert covering(table([[1, 1, 2, 2]], [[7, 7, -1, -1]])) == 1 / 2


def test_rand_index_counts_pairs_of_pixels() -> None:
    rng = np.random.default_rng(0)
    truth, pred = rng.integers(0, 3, (5, 7)), rng.integers(-1, 3, (5, 7))
    pairs = list(combinations(zip(truth.ravel(), pred.ravel(), strict=True), 2))
    agreed = sum((a[0] == b[0]) == (a[1] == b[1]) for a, b in pairs)
    assert rand_index(table(truth.tolist(), pred.tolist())) == pytest.approx(agreed / len(pairs))


def test_rand_index_of_a_single_pixel_is_one() -> None:
    assert rand_index(table([[1]], [[4]])) == 1


def test_variation_of_information_by_hand() -> None:
    # The truth halves the pixels, the prediction is blank: one bit is unknown.
    assert variation_of_information(table([[1, 1, 2, 2]], [[0, 0, 0, 0]])) == 1
    # Independent halves: two bits.
    assert variation_of_information(table([[1, 1, 2, 2]], [[5, 6, 5, 6]])) == 2


def test_variation_of_information_agrees_with_scikit_image() -> None:
    rng = np.random.default_rng(1)
    truth, pred = rng.integers(1, 6, (20, 30)), rng.integers(1, 9, (20, 30))
    found = variation_of_information(table(truth.tolist(), pred.tolist()))
    assert found == pytest.approx(sum(skimage_voi(truth, pred)))


def test_pixels_without_a_prediction_are_a_region_of_the_variation_of_information() -> None:
    missing = variation_of_information(table([[1, 1, 2, 2]], [[5, -1, -1, 5]]))
    assert missing == variation_of_information(table([[1, 1, 2, 2]], [[5, 6, 6, 5]]))


def test_a_perfect_prediction_gets_the_best_of_each() -> None:
    truth = LabelImage.of(np.kron(np.array([[1, 2], [3, 1]]), np.ones((4, 4), int)))
    scores = region_scores([RegionPair.of(truth, truth)])
    assert scores == RegionScores(1.0, 1.0, 0.0, 1.0, 3.0)


def test_annotators_are_averaged() -> None:
    pred = LabelImage.of(np.array([[0, 0, 0, 0]]))
    halves = RegionPair.of(LabelImage.of(np.array([[1, 1, 2, 2]])), pred)
    whole = RegionPair.of(LabelImage.of(np.array([[1, 1, 1, 1]])), pred)
    scores = region_scores([halves, whole])
    assert scores.covering == (1 / 2 + 1) / 2
    assert scores.variation_of_information == 1 / 2
    assert scores.segments == 1


def test_over_segmentation_ruins_covering_and_only_halves_the_rand_index() -> None:
    truth = np.arange(64).reshape(8, 8) // 32
    speckle = table(truth.tolist(), np.arange(64).reshape(8, 8).tolist())
    assert covering(speckle) == pytest.approx(1 / 32)
    # Every pair is apart in the prediction: right for the 32 x 32 pairs across the halves.
    assert rand_index(speckle) == pytest.approx(32 * 32 / (64 * 63 / 2))
    assert log2(32) == pytest.approx(variation_of_information(speckle))
