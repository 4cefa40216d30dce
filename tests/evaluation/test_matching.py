from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.errors import ImageContentError
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.matching import (
    image_scores,
    many_to_one_scores,
    named_scores,
    set_scores,
)
from napari_firstpass.evaluation.overlap import Overlap


def pair(truth: list[int], pred: list[int], *, ignore: tuple[int, ...] = ()) -> Overlap:
    """Count a row of pixels; predicted -1 is no prediction."""
    return Overlap.of(
        LabelImage.of(np.array([truth]), ignore=ignore),
        LabelImage.of(np.array([pred]), ignore=(-1,)),
    )


def test_clusters_are_matched_by_pixels() -> None:
    #            7 7 7 8       8 8 7 7
    scores = set_scores([pair([1, 1, 1, 1, 2, 2, 2, 2], [7, 7, 7, 8, 8, 8, 7, 7])])
    # 7 shares 3 pixels with 1 and 2 with 2; 8 shares 1 and 2. Best: 7 is 1, 8 is 2, 5 right.
    assert scores.names == {7: 1, 8: 2}
    assert scores.accuracy == 5 / 8
    assert [one.iou for one in scores.classes] == [3 / (4 + 5 - 3), 2 / (4 + 3 - 2)]
    assert scores.miou == pytest.approx((3 / 6 + 2 / 5) / 2)
    assert scores.confusion.tolist() == [[3, 1, 0], [2, 2, 0]]


def test_precision_recall_and_f1_by_hand() -> None:
    (first, _) = set_scores([pair([1, 1, 1, 1, 2, 2], [7, 7, 8, -1, 7, 8])]).classes
    assert (first.truth, first.predicted, first.hits) == (4, 3, 2)
    assert (first.precision, first.recall, first.f1) == (2 / 3, 2 / 4, 2 * 2 / 7)


def test_the_best_sum_is_not_the_best_first_choice() -> None:
    # Cluster 7 fits class 1 best (3 pixels), but then 8 gets nothing: 3 in all. 7 as 2 gives 2 + 2.
    scores = set_scores([pair([1] * 5 + [2] * 2, [7, 7, 7, 8, 8, 7, 7])])
    assert scores.names == {7: 2, 8: 1}
    assert scores.accuracy == 4 / 7


def test_set_and_image_rules_differ_where_clusters_swap() -> None:
    swapped = [pair([1, 1, 2, 2], [7, 7, 8, 8]), pair([1, 1, 2, 2], [8, 8, 7, 7])]
    assert set_scores(swapped).accuracy == 1 / 2
    assert image_scores(swapped).accuracy == 1
    assert image_scores(swapped).miou == 1


def test_images_of_different_classes_are_summed_by_class() -> None:
    scores = image_scores([pair([1, 1, 3], [5, 5, 5]), pair([2, 3, 3], [5, 6, 6])])
    # First image: 5 is 1 (2 of 3 right). Second: 5 is 2, 6 is 3 (all right).
    assert [one.id for one in scores.classes] == [1, 2, 3]
    assert [one.iou for one in scores.classes] == [2 / 3, 1, 2 / 3]
    assert scores.confusion.tolist() == [[2, 0, 0, 0], [0, 1, 0, 0], [1, 0, 2, 0]]
    assert scores.clusters == 2


def test_ignored_pixels_do_not_count() -> None:
    scores = set_scores([pair([1, 255, 2, 255], [7, 7, 8, 9], ignore=(255,))])
    assert scores.pixels == 2
    assert scores.accuracy == 1
    assert scores.clusters == 2


def test_a_class_that_the_truth_lacks_is_not_averaged_but_its_pixels_are_wrong() -> None:
    scores = named_scores([pair([1, 1, 2, 2], [1, 3, 2, 2])])
    assert [one.id for one in scores.classes] == [1, 2]
    assert scores.miou == (1 / 2 + 1) / 2
    assert scores.confusion.tolist() == [[1, 0, 1], [0, 2, 0]]


def test_a_class_that_nothing_is_called_has_no_precision_and_no_iou() -> None:
    (_, missing) = named_scores([pair([1, 1, 2], [1, 1, 1])]).classes
    assert (missing.iou, missing.recall, missing.f1, missing.precision) == (0, 0, 0, None)


def test_with_fewer_clusters_than_classes_some_class_is_lost() -> None:
    scores = set_scores([pair([1, 1, 1, 2, 2, 3], [7, 7, 7, 7, 7, 7])])
    assert scores.names == {7: 1}
    assert [one.iou for one in scores.classes] == [1 / 2, 0, 0]


def test_with_more_clusters_one_to_one_leaves_some_without_a_name() -> None:
    table = pair([1] * 6 + [2] * 2, [4, 4, 4, 5, 5, 6, 7, 7])
    one = set_scores([table])
    many = many_to_one_scores([table])
    assert one.accuracy == 5 / 8  # 4 is 1, 7 is 2; 5 and 6 are nothing
    assert one.confusion.tolist() == [[3, 0, 3], [0, 2, 0]]
    assert many.names == {4: 1, 5: 1, 6: 1, 7: 2}
    assert many.accuracy == 1


def test_many_to_one_names_over_the_set_not_over_the_image() -> None:
    scores = many_to_one_scores([pair([1, 1, 1], [5, 5, 5]), pair([2, 2], [5, 5])])
    assert scores.names == {5: 1}
    assert scores.accuracy == 3 / 5


def test_pixels_without_a_prediction_are_wrong() -> None:
    for rule in (set_scores, image_scores, named_scores, many_to_one_scores):
        scores = rule([pair([1, 1, 1, 1], [1, -1, -1, -1])])
        assert scores.accuracy == 1 / 4
        assert scores.confusion.tolist() == [[1, 3]]


def test_ties_are_broken_by_iou_whatever_the_ids() -> None:
    # 7 shares two pixels with 1 and two with 2; 1 is the smaller class, so that its IoU is larger.
    for small, large in ((1, 2), (2, 1)):
        table = pair([small] * 2 + [large] * 4, [7, 7, 7, 7, -1, -1])
        assert set_scores([table]).names == {7: small}
        assert many_to_one_scores([table]).names == {7: small}


def test_renaming_clusters_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    truth, pred = rng.integers(0, 4, 400), rng.integers(0, 6, 400)
    other = rng.permutation(6)[pred]
    for rule in (set_scores, image_scores, many_to_one_scores):
        one = rule([pair(truth.tolist(), pred.tolist())])
        two = rule([pair(truth.tolist(), other.tolist())])
        assert one.accuracy == two.accuracy
        assert one.miou == pytest.approx(two.miou)


def test_the_matching_beats_every_other_naming() -> None:
    from itertools import permutations

    rng = np.random.default_rng(2)
    truth, pred = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    best = max(int((np.array(p)[pred] == truth).sum()) for p in permutations(range(4)))
    assert set_scores([pair(truth.tolist(), pred.tolist())]).accuracy == best / 60


def test_no_pairs_are_refused() -> None:
    for rule in (set_scores, image_scores, named_scores, many_to_one_scores):
        with pytest.raises(ImageContentError, match="at least one pair"):
            rule([])
