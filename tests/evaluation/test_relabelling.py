from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.evaluation.judging import Judging
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.relabelling import Counts, relabel

CLASSES = 4


def gain_of(
    truth: np.ndarray, labels: np.ndarray, where: np.ndarray, judged: np.ndarray
) -> tuple[int, int]:
    """Return the best gain of giving some pixels one class, and minus that class."""
    here = where & judged
    right = int((labels == truth)[here].sum())
    return max((int((truth[here] == c).sum()) - right, -c) for c in range(CLASSES))


def naive(
    truth: np.ndarray,
    judged: np.ndarray,
    regions: np.ndarray,
    groups: np.ndarray,
    numbers: np.ndarray,
    enough: int,
    min_error: int,
) -> tuple[int, np.ndarray, int]:
    """Try every click on every pixel; return clicks, classes of the regions, and pixels right."""
    numbers, free, clicks = numbers.copy(), np.ones(len(numbers), dtype=bool), 0
    while ((numbers[regions] == truth) & judged).sum() < enough:
        options = []
        for group in range(groups.max() + 1):
            members = (groups == group) & free
            gain, minus_class = gain_of(truth, numbers[regions], members[regions], judged)
            options.append((gain, 1, -group, minus_class))
        for region in np.flatnonzero(free):
            gain, minus_class = gain_of(truth, numbers[regions], regions == region, judged)
            options.append((gain, 0, -region, minus_class))
        gain, is_group, minus_index, minus_class = max(options)
        if gain <= min_error:
            break
        clicks += 1
        if is_group:
            numbers[(groups == -minus_index) & free] = -minus_class
        else:
            numbers[-minus_index], free[-minus_index] = -minus_class, False
    return clicks, numbers, int(((numbers[regions] == truth) & judged).sum())


@pytest.mark.parametrize("seed", range(40))
def test_the_clicks_are_those_that_trying_all_of_them_finds(seed: int) -> None:
    dice = np.random.default_rng(seed)
    shape = tuple(dice.integers(8, 20, 2))
    count = int(dice.integers(4, 40))
    regions = dice.integers(0, count, shape)
    # Most regions have a class of their own, so that clicks on groups and on regions alternate.
    own = dice.integers(0, CLASSES, count)[regions]
    truth = np.where(dice.random(shape) < 0.5, own, dice.integers(0, CLASSES, shape))
    truth[0, :CLASSES] = range(CLASSES)
    groups = dice.integers(0, 4, count)
    groups[:4] = range(4)
    # Class CLASSES is one that the truth lacks.
    numbers = dice.integers(0, CLASSES + 1, count)
    judging = Judging.of(LabelImage(truth, dice.random(shape) < 0.9), 0)
    judging = Judging(np.arange(CLASSES), truth.astype(np.int32), judging.judged)
    enough, min_error = int(dice.integers(1, truth.size)), int(dice.integers(0, 3))

    counts = Counts.of(regions.astype(np.int32), count, judging)
    found = relabel(counts, numbers, groups, enough=enough, min_error=min_error)

    clicks, expected, right = naive(
        truth, judging.judged, regions, groups, numbers, enough, min_error
    )
    assert (len(found.clicked), found.right) == (clicks, right)
    np.testing.assert_array_equal(found.numbers, expected)


def counted(*rows: str) -> tuple[Counts, np.ndarray]:
    """Take a truth whose rows are its regions."""
    truth = LabelImage.of(np.array([[int(mark) for mark in row] for row in rows]))
    regions = np.indices(truth.shape)[0].astype(np.int32)
    return Counts.of(regions, len(rows), Judging.of(truth, 0)), np.full(len(rows), -1)


def test_a_group_goes_before_a_region_that_gains_the_same() -> None:
    counts, none = counted("000", "012")
    # Group 1 holds region 0 alone, group 0 the other: all gains are 3, 3, 1, 1.
    found = relabel(counts, none, np.array([1, 0]), enough=6, min_error=0)
    assert found.clicked.tolist() == [0, 1]
    assert found.right == 4


def test_the_click_of_a_group_is_made_in_its_largest_region() -> None:
    truth = LabelImage.of(np.zeros((1, 6), dtype=int))
    regions = np.array([[0, 1, 1, 1, 2, 2]], dtype=np.int32)
    counts = Counts.of(regions, 3, Judging.of(truth, 0))
    found = relabel(counts, np.full(3, -1), np.zeros(3, int), enough=6, min_error=0)
    assert found.clicked.tolist() == [1]


def test_a_region_clicked_by_itself_is_left_alone_by_its_group() -> None:
    truth = LabelImage.of(np.array([[0] * 9 + [1, 1, 1, 1, 2] * 2]))
    regions = np.array([[0] * 9 + [1] * 5 + [2] * 5], dtype=np.int32)
    counts = Counts.of(regions, 3, Judging.of(truth, 0))
    # All are class 2, which is right twice. Region 0 gains 9 alone, 9 - 2 with its group. Then the
    # other two gain 4 - 1 each, together 6.
    found = relabel(counts, np.full(3, 2), np.zeros(3, int), enough=19, min_error=0)
    assert found.clicked.tolist() == [0, 1]
    assert (found.numbers.tolist(), found.right) == ([0, 1, 1], 17)


def test_of_equal_classes_a_region_takes_the_smallest() -> None:
    # The group becomes class 3, four gained; then row 0 gains two with class 1 or 2.
    counts, none = counted("1122", "3333", "0000")
    found = relabel(counts, none, np.array([0, 0, 1]), enough=10, min_error=0)
    assert found.numbers.tolist() == [1, 3, 0]


def test_of_equal_classes_a_group_takes_the_smallest() -> None:
    counts, none = counted("2110", "2201")
    # Row 0 holds 1 twice; row 1 holds 2 twice; together each class 1 and 2 occurs three times.
    found = relabel(counts, none, np.zeros(2, int), enough=3, min_error=0)
    assert found.numbers.tolist() == [1, 1]
