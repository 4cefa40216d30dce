from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label

from napari_firstpass.refiners.small_regions import merge_small_regions


def labels_of(*rows: str) -> np.ndarray:
    return np.array([[int(digit) for digit in row] for row in rows], dtype=np.uint8)


def test_a_small_region_takes_the_label_of_the_longest_border() -> None:
    labels = labels_of("11122", "11322", "11322", "11122")
    expected = labels_of("11122", "11122", "11122", "11122")
    # Region 3 touches 1 along four pixel edges (left, above, below) and 2 along two.
    np.testing.assert_array_equal(merge_small_regions(labels, 3), expected)


def test_regions_of_the_limit_stay() -> None:
    labels = labels_of("1111", "1221", "1111")
    assert (merge_small_regions(labels, 2) == labels).all()
    assert (merge_small_regions(labels, 3) == 1).all()


def test_a_nest_of_small_regions_is_settled_from_outside() -> None:
    labels = labels_of("1111111", "1222221", "1233321", "1222221", "1111111")
    merged = merge_small_regions(labels, 14)
    assert (merged == 1).all()


def test_no_data_stays_and_takes_nobody() -> None:
    labels = labels_of("00000", "02000", "00111", "00111")
    np.testing.assert_array_equal(merge_small_regions(labels, 3), labels)


def test_diagonal_neighbours_are_not_one_region() -> None:
    labels = labels_of("2111", "1211", "1121", "1112")
    assert (merge_small_regions(labels, 2) == 1).all()


def test_equal_borders_go_to_the_smaller_id() -> None:
    labels = labels_of("44422", "44322", "44422")
    labels[1, 2] = 3
    labels[0, 2] = labels[2, 2] = 2
    assert merge_small_regions(labels, 2)[1, 2] == 2


@pytest.mark.parametrize("limit", [2, 5, 20])
def test_nothing_small_is_left_in_noise(limit: int) -> None:
    noise = np.random.default_rng(0).integers(1, 4, (40, 50)).astype(np.uint8)
    noise[:, :20] = 1
    merged = merge_small_regions(noise, limit)
    sizes = np.bincount(label(merged, background=0, connectivity=1).ravel())[1:]
    assert sizes.min() >= limit


def test_the_input_is_not_modified() -> None:
    labels = labels_of("111", "121", "111")
    merge_small_regions(labels, 5)
    assert labels[1, 1] == 2


def test_ids_beyond_a_byte_survive() -> None:
    labels = np.full((6, 6), 700, dtype=np.uint16)
    labels[2, 2] = 300
    merged = merge_small_regions(labels, 2)
    assert merged.dtype == np.uint16
    assert (merged == 700).all()
