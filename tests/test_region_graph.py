"""Regions are measured as one would by hand."""

from __future__ import annotations

import numpy as np

from napari_firstpass.region_graph import RegionGraph

PLACES = np.array([[0, 0, 1], [0, 0, 1], [2, 2, 2], [2, 2, 2]], np.int32)


def graph() -> RegionGraph:
    colour = np.zeros((3, 4, 3), np.float32)
    colour[0] = np.array([0.0, 0.3, 0.7])[PLACES]
    cells = np.array([[[1.0, 5.0], [2.0, 8.0]]], np.float32)
    return RegionGraph.of(PLACES, colour, cells, 2)


def test_regions_are_measured() -> None:
    found = graph()
    assert found.pixels.tolist() == [4, 2, 6]
    np.testing.assert_allclose(found.middles, [[1, 1], [1, 2.5], [3, 1.5]])
    np.testing.assert_allclose(found.colours[:, 0], [0.0, 0.3, 0.7], rtol=1e-6)
    # The last cells reach beyond the image: region 2 has four pixels of one and two of the other.
    np.testing.assert_allclose(found.looks[:, 0], [1, 5, (4 * 2 + 2 * 8) / 6])


def test_neighbours_share_borders_of_some_length_and_contrast() -> None:
    found = graph()
    assert found.ends.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert found.borders.tolist() == [2, 2, 1]
    np.testing.assert_allclose(found.contrasts, [0.3, 0.7, 0.4], rtol=1e-6)


def test_shares_rim_and_places() -> None:
    found = graph()
    mask = np.zeros((4, 3), bool)
    mask[0] = True
    np.testing.assert_allclose(found.shares(mask), [0.5, 0.5, 0])
    assert found.rim.tolist() == [0, 1, 2]
    assert found.at(np.array([[0, 2], [3, 0]])).tolist() == [1, 2]


def test_one_region_has_no_neighbours() -> None:
    one = RegionGraph.of(
        np.zeros((3, 3), np.int32),
        np.zeros((3, 3, 3), np.float32),
        np.ones((2, 1, 1), np.float32),
        4,
    )
    assert one.ends.shape == (0, 2)
    assert one.looks.tolist() == [[1, 1]]
