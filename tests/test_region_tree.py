"""Regions in a row, of which it is known which belong together."""

from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.region_graph import RegionGraph
from napari_firstpass.region_tree import RegionTree

SIZES = (4, 4, 4, 8)


@pytest.fixture(scope="module")
def tree() -> RegionTree:
    """Four regions: 0 and 1 are nearly alike, 2 is a little like them, 3 is not."""
    places = np.repeat(np.arange(4, dtype=np.int32), SIZES)[None].repeat(1, 0)
    colour = np.array([0.0, 0.01, 0.1, 0.9], np.float32)[places][None].repeat(3, 0)
    graph = RegionGraph.of(places, colour, np.zeros((1, 1, 5), np.float32), 4)
    return RegionTree.of(graph)


def test_what_looks_most_alike_is_joined_first(tree: RegionTree) -> None:
    assert [set(pair) for pair in tree.pairs.tolist()] == [{0, 1}, {2, 4}, {3, 5}]
    assert tree.pixels.tolist() == [*SIZES, 8, 12, 20]
    assert tree.leaves == 4


def test_sums_go_up(tree: RegionTree) -> None:
    assert tree.sums(np.array([1.0, 2.0, 3.0, 4.0])).tolist() == [1, 2, 3, 4, 3, 6, 10]


def test_the_smallest_region_with_a_seed_grows_with_what_is_unlike_it(tree: RegionTree) -> None:
    seeds = np.array([True, False, False, False])
    shares = tree.least_with(seeds)
    np.testing.assert_allclose(shares, [4 / 20, 8 / 20, 12 / 20, 1])


def test_the_largest_value_of_those_that_hold_a_region_counts(tree: RegionTree) -> None:
    values = np.array([0.0, 0, 0, 3, 4, 0, 0])
    assert tree.largest_where(values[:, None])[:, 0].tolist() == [4, 4, 0, 3]


def test_the_value_of_the_largest_allowed_region_counts(tree: RegionTree) -> None:
    allowed = np.array([True, True, True, True, True, False, False])
    values = np.arange(10.0, 17.0)
    assert tree.of_largest(allowed[:, None], values)[:, 0].tolist() == [14, 14, 12, 13]


def test_regions_that_do_not_touch_stay_apart() -> None:
    graph = RegionGraph.of(
        np.zeros((2, 2), np.int32),
        np.zeros((3, 2, 2), np.float32),
        np.ones((1, 1, 1), np.float32),
        2,
    )
    alone = RegionTree.of(graph)
    assert len(alone.pairs) == len(alone.levels) == 0
    assert alone.least_with(np.array([False])).tolist() == [1.0]
