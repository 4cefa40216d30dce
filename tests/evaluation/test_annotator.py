from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.errors import GridMismatchError, ImageContentError, OptionError
from napari_firstpass.evaluation.annotator import AnnotatorConfig, Work, annotate, from_scratch
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.pointer import Pointer
from napari_firstpass.evaluation.prelabel import Prelabel

# Every pixel is judged, and every error is corrected.
EXACT = AnnotatorConfig(target=1.0, band=0, min_error=0)
IGNORED = 255


def labels_of(*rows: str) -> LabelImage:
    """Digits are ids, dots are ignored."""
    ids = [[IGNORED if mark == "." else int(mark) for mark in row] for row in rows]
    return LabelImage.of(np.array(ids, dtype=np.uint8), ignore=[IGNORED])


def halves(height: int, width: int, edge: int) -> np.ndarray:
    """Id 1 up to a column, 2 from there."""
    ids = np.ones((height, width), dtype=np.uint8)
    ids[:, edge:] = 2
    return ids


def patches(seed: int, shape: tuple[int, int], side: int, count: int) -> np.ndarray:
    """Squares of random ids."""
    rows, cols = -(-shape[0] // side), -(-shape[1] // side)
    ids = np.random.default_rng(seed).integers(0, count, (rows, cols), dtype=np.uint8)
    return ids.repeat(side, axis=0).repeat(side, axis=1)[: shape[0], : shape[1]]


def corrected(truth: LabelImage, pred: LabelImage, config: AnnotatorConfig = EXACT) -> Work:
    return annotate(truth, Prelabel.of(pred), config)


def nothing_done(accuracy: float = 1.0) -> Work:
    return Work(
        clicks=0,
        strokes=0,
        path=0,
        travel=0.0,
        seconds=0.0,
        accuracy_before=accuracy,
        accuracy_after=accuracy,
    )


@pytest.mark.parametrize("config", [EXACT, AnnotatorConfig()])
def test_a_perfect_prediction_costs_exactly_nothing(config: AnnotatorConfig) -> None:
    truth = LabelImage.of(patches(0, (60, 70), 13, 4), ignore=[3])
    assert corrected(truth, truth, config) == nothing_done()


def test_a_wrongly_named_cluster_costs_one_click() -> None:
    # Both pieces of cluster 5 are class 2: as a group they gain four pixels, alone two.
    work = corrected(labels_of("221122"), labels_of("551155"))
    assert (work.clicks, work.strokes, work.path, work.travel) == (1, 0, 0, 0)
    assert work.seconds == 0.75
    assert (work.accuracy_before, work.accuracy_after) == (2 / 6, 1)


def test_a_wrongly_named_piece_of_a_cluster_costs_one_click() -> None:
    # To relabel the whole cluster 2 would win the right piece and lose the left one.
    work = corrected(labels_of("221133"), labels_of("221122"))
    assert (work.clicks, work.strokes, work.path, work.seconds) == (1, 0, 0, 0.75)


def test_clusters_that_are_named_rightly_cost_nothing() -> None:
    prelabel = Prelabel.of_clusters(labels_of("774477"), {7: 2, 4: 1})
    assert annotate(labels_of("221122"), prelabel, EXACT) == nothing_done()


def test_a_missing_rectangle_costs_one_stroke_along_its_outline() -> None:
    truth = labels_of("111111", "112221", "112221", "111111", "111111", "111111")
    work = corrected(truth, labels_of(*["111111"] * 6))
    # 2 x 3 pixels have an outline of 2 + 2 + 3 + 3 edges.
    assert (work.clicks, work.strokes, work.path, work.travel) == (0, 1, 10, 0)
    assert work.seconds == pytest.approx(1.4 + 10 / 120)
    assert (work.accuracy_before, work.accuracy_after) == (30 / 36, 1)


def test_an_edge_that_is_there_already_is_not_drawn() -> None:
    # The lower row of the rectangle is there. Of the upper row three edges are missing above and
    # one at each side; the three below it are within the rectangle.
    truth = labels_of("111111", "122211", "122211", "111111")
    pred = labels_of("111111", "111111", "122211", "111111")
    work = corrected(truth, pred)
    assert (work.clicks, work.strokes, work.path) == (0, 1, 5)


def test_an_edge_between_two_strokes_is_drawn_once() -> None:
    # From left to right three classes in a region of class 1: two strokes and two edges.
    work = corrected(labels_of("111123"), labels_of("111111"))
    assert (work.clicks, work.strokes, work.path) == (0, 2, 2)


def test_the_way_between_strokes_takes_time() -> None:
    work = corrected(labels_of("11211111211"), labels_of("11111111111"))
    # Columns 2 and 8 are six pixels apart; each stroke has an edge at its left and its right.
    assert (work.strokes, work.path, work.travel) == (2, 4, 6)
    assert work.seconds == pytest.approx(2 * 1.4 + 6 / 800 + 4 / 120)


def test_the_way_between_clicks_takes_time() -> None:
    # Four regions, two of them wrong in ways that no cluster shares. Their middle pixels are in
    # columns 0 and 6.
    work = corrected(labels_of("1122334"), labels_of("5522336"))
    assert (work.clicks, work.strokes, work.travel) == (2, 0, 6)
    assert work.seconds == pytest.approx(2 * 0.75 + 6 / 800)


def test_the_pointer_of_the_config_counts() -> None:
    slow = Pointer(travel=2, painting=30, click_seconds=5, stroke_seconds=7)
    config = AnnotatorConfig(target=1.0, band=0, min_error=0, pointer=slow)
    work = corrected(labels_of("11211111211"), labels_of("11111111111"), config)
    assert work.seconds == pytest.approx(2 * 7 + 6 / 2 + 4 / 30)


def test_from_scratch_is_a_fill_and_a_stroke_for_two_classes() -> None:
    work = from_scratch(LabelImage.of(halves(4, 6, edge=4)), EXACT)
    # A click fills all with class 1. The right part touches it along four edges.
    assert (work.clicks, work.strokes, work.path, work.travel) == (1, 1, 4, 0)
    assert work.seconds == pytest.approx(0.75 + 1.4 + 4 / 120)
    assert (work.accuracy_before, work.accuracy_after, work.redrawn) == (0, 1, False)


def test_a_blank_prelabel_is_from_scratch() -> None:
    truth = LabelImage.of(patches(1, (80, 90), 17, 3))
    assert annotate(truth, Prelabel.blank(truth.shape)) == from_scratch(truth)


def test_a_single_class_is_filled_from_scratch() -> None:
    work = from_scratch(LabelImage.of(np.full((9, 9), 4)), EXACT)
    assert (work.clicks, work.strokes, work.seconds) == (1, 0, 0.75)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", [(1, 40), (33, 47), (90, 60)])
@pytest.mark.parametrize("side", [1, 3, 12])
@pytest.mark.parametrize("config", [AnnotatorConfig(), EXACT, AnnotatorConfig(min_error=7)])
def test_a_useless_prelabel_costs_no_more_than_scratch_and_the_clicks_spent(
    seed: int, shape: tuple[int, int], side: int, config: AnnotatorConfig
) -> None:
    truth = LabelImage.of(patches(seed, shape, 15, 4))
    scratch = from_scratch(truth, config)
    work = corrected(truth, LabelImage.of(patches(seed + 100, shape, side, 4)), config)
    spent = work.clicks * 0.75 + work.travel / 800
    assert work.seconds <= scratch.seconds + spent + 1e-9
    assert work.accuracy_after >= min(config.target, scratch.accuracy_after)


def test_scratch_can_be_handed_in() -> None:
    truth = LabelImage.of(patches(3, (60, 60), 15, 4))
    prelabel = Prelabel.of(LabelImage.of(patches(4, (60, 60), 5, 4)))
    known = annotate(truth, prelabel, scratch=from_scratch(truth))
    assert known == annotate(truth, prelabel)


def test_who_gives_up_pays_for_scratch_and_the_clicks_before() -> None:
    # Each pixel is a region of its own, and wrong in its own way: nothing is worth a click. Two
    # strokes would cost more than a fill and one stroke.
    truth = LabelImage.of(halves(4, 8, edge=4))
    pred = LabelImage.of(np.arange(10, 42).reshape(4, 8))
    config = AnnotatorConfig(target=1.0, band=0, min_error=4)
    work = corrected(truth, pred, config)
    assert work.redrawn
    assert (work.clicks, work.strokes, work.path) == (1, 1, 4)
    assert work.seconds == from_scratch(truth, config).seconds


def test_noise_is_not_free_because_its_specks_are_small() -> None:
    # Nine specks, each of a class of its own, spoil a plain image. None is worth a stroke, but a
    # single click from scratch would do better.
    pred = np.ones((9, 9), dtype=np.uint8)
    pred[np.arange(9), np.arange(9)] = np.arange(2, 11)
    config = AnnotatorConfig(target=1.0, band=0, min_error=4)
    work = corrected(LabelImage.of(np.ones((9, 9), np.uint8)), LabelImage.of(pred), config)
    assert (work.redrawn, work.clicks, work.strokes, work.seconds) == (True, 1, 0, 0.75)


def test_small_errors_are_painted_where_scratch_would_be_better_without() -> None:
    pred = halves(10, 10, edge=5)
    pred[4, 1] = 3
    config = AnnotatorConfig(target=1.0, band=0, min_error=4)
    work = corrected(LabelImage.of(halves(10, 10, edge=5)), LabelImage.of(pred), config)
    # No class ends beside the speck, so there is no path.
    assert (work.strokes, work.path, work.seconds, work.redrawn) == (1, 0, 1.4, False)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("side", [1, 5])
def test_a_prediction_where_the_truth_is_ignored_never_matters(seed: int, side: int) -> None:
    dice = np.random.default_rng(seed)
    truth = LabelImage.of(patches(seed, (50, 60), 9, 5), ignore=[4])
    pred = np.where(dice.random((50, 60)) < 0.8, truth.ids, patches(seed + 9, (50, 60), 5, 4))
    other = np.where(truth.valid, pred, patches(seed + 20, (50, 60), side, 7))
    config = AnnotatorConfig(min_error=3)
    expected = corrected(truth, LabelImage.of(pred), config)
    assert expected.seconds > 0
    assert corrected(truth, LabelImage.of(other), config) == expected


def test_nothing_is_drawn_along_ignored_pixels() -> None:
    # The second class ends at the ignored column; only its left edge is drawn, over two rows.
    truth = labels_of("11112.1", "11112.1")
    work = corrected(truth, labels_of("1111111", "1111111"))
    assert (work.strokes, work.path) == (1, 2)


def test_an_edge_that_is_off_by_the_band_costs_nothing() -> None:
    truth, pred = (LabelImage.of(halves(20, 20, edge)) for edge in (10, 11))
    assert corrected(truth, pred, AnnotatorConfig(target=1.0, min_error=0)) == nothing_done()
    # Without a band one column of 20 is wrong, and its left edge is to be drawn.
    work = corrected(truth, pred, EXACT)
    assert (work.clicks, work.strokes, work.path) == (0, 1, 20)


@pytest.mark.parametrize(("side", "cost"), [((1, 5), 0), ((2, 3), 1)])
def test_work_ends_at_the_target(side: tuple[int, int], cost: int) -> None:
    truth = np.ones((10, 10), dtype=np.uint8)
    truth[2 : 2 + side[0], 2 : 2 + side[1]] = 2
    pred = LabelImage.of(np.ones((10, 10), np.uint8))
    config = AnnotatorConfig(target=0.95, band=0, min_error=0)
    # Five wrong pixels of 100 leave exactly .95, six leave .94.
    assert corrected(LabelImage.of(truth), pred, config).strokes == cost
    assert corrected(LabelImage.of(truth), pred, EXACT).strokes == 1


def test_the_largest_error_is_painted_first() -> None:
    truth = np.ones((20, 20), dtype=np.uint8)
    truth[2:7, 2:4] = 2
    truth[10:15, 10:16] = 2
    pred = LabelImage.of(np.ones((20, 20), np.uint8))
    config = AnnotatorConfig(target=0.95, band=0, min_error=0)
    # 40 of 400 are wrong. The larger piece, 5 x 6, is enough.
    work = corrected(LabelImage.of(truth), pred, config)
    assert (work.strokes, work.path, work.accuracy_after) == (1, 22, 390 / 400)


def test_work_ends_at_the_target_although_scratch_would_be_better() -> None:
    truth, pred = halves(20, 20, edge=10), halves(20, 20, edge=10)
    pred[:10, 10:13] = 1
    pred[14:16, 10:12] = 1
    config = AnnotatorConfig(target=0.95, band=0, min_error=0)
    # 34 of 400 pixels are wrong. The larger piece, three beyond the edge in ten rows, is enough.
    work = corrected(LabelImage.of(truth), LabelImage.of(pred), config)
    assert from_scratch(LabelImage.of(truth), config).accuracy_after == 1
    assert (work.strokes, work.path, work.accuracy_after) == (1, 10, 396 / 400)


@pytest.mark.parametrize(("min_error", "strokes"), [(9, 2), (10, 1), (29, 1), (30, 0)])
def test_an_error_must_be_larger_than_the_smallest_worth_it(min_error: int, strokes: int) -> None:
    truth = np.ones((20, 20), dtype=np.uint8)
    truth[2:7, 2:4] = 2
    truth[10:15, 10:16] = 2
    pred = LabelImage.of(np.ones((20, 20), np.uint8))
    config = AnnotatorConfig(target=1.0, band=0, min_error=min_error)
    # Pieces of 10 and 30 pixels. From scratch would leave the same ones.
    assert corrected(LabelImage.of(truth), pred, config).strokes == strokes


def test_a_click_must_remove_more_than_the_smallest_error() -> None:
    # Region 5 holds three wrong pixels.
    truth, pred = labels_of("111222"), labels_of("111555")
    config = {limit: AnnotatorConfig(target=1.0, band=0, min_error=limit) for limit in (2, 3)}
    assert corrected(truth, pred, config[2]).clicks == 1
    assert corrected(truth, pred, config[3]).accuracy_after == 0.5


def test_a_class_that_the_truth_lacks_is_corrected_at_one_click() -> None:
    work = corrected(labels_of("111222"), labels_of("111999"))
    assert (work.clicks, work.strokes) == (1, 0)


def test_a_class_that_the_prediction_lacks_is_painted() -> None:
    work = corrected(labels_of("111123"), labels_of("111122"))
    assert (work.clicks, work.strokes, work.path) == (0, 1, 1)


def test_pixels_without_a_prediction_are_wrong_until_clicked() -> None:
    work = corrected(labels_of("11100"), labels_of("111.."))
    assert (work.accuracy_before, work.clicks, work.strokes) == (0.6, 1, 0)


def test_superpixels_that_fit_cost_clicks_only() -> None:
    regions = np.arange(16).reshape(4, 4).repeat(5, axis=0).repeat(5, axis=1)
    truth = LabelImage.of(halves(20, 20, edge=10))
    work = annotate(truth, Prelabel.of_regions(regions), EXACT)
    # One click fills all with class 1; eight of the sixteen superpixels are class 2.
    assert (work.clicks, work.strokes, work.path, work.accuracy_after) == (9, 0, 0, 1)


def test_works_add_up() -> None:
    parts = {"clicks": 1, "strokes": 2, "path": 3, "travel": 4.0, "seconds": 5.0}
    one = Work(**parts, accuracy_before=0.1, accuracy_after=0.5)
    other = Work(**parts, accuracy_before=0.5, accuracy_after=0.9)
    doubled = {name: 2 * value for name, value in parts.items()}
    assert one.then(other) == Work(**doubled, accuracy_before=0.1, accuracy_after=0.9)


def test_a_truth_of_ignored_pixels_only_is_refused() -> None:
    with pytest.raises(ImageContentError, match="found ignored or no-data pixels only"):
        corrected(labels_of("...."), labels_of("1111"))


def test_a_prelabel_of_another_size_is_refused() -> None:
    with pytest.raises(GridMismatchError, match="as large as the truth, 1 x 3, found 1 x 4"):
        corrected(labels_of("111"), labels_of("1111"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 0.0}, "a target above 0 and at most 1, found 0.0"),
        ({"target": 1.01}, "a target above 0 and at most 1, found 1.01"),
        ({"target": float("nan")}, "found nan"),
        ({"band": -1}, "a band of a whole number of pixels, at least 0, found -1"),
        ({"band": 1.5}, "a band of a whole number"),
        ({"min_error": -1}, "min_error, a whole number of at least 0, found -1"),
    ],
)
def test_a_config_out_of_range_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        AnnotatorConfig(**options)
