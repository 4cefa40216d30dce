"""Cells that look alike and lie near have to do with each other."""

from __future__ import annotations

import pytest
import torch

from napari_firstpass.features import FeatureMap
from napari_firstpass.grid import Grid
from napari_firstpass.self_similarity import SIDE, self_similarity, unit_looks


def looks(height: int, width: int) -> torch.Tensor:
    """Two halves, alike within, unlike each other."""
    found = torch.ones(1, height, width)
    found[:, :, width // 2 :] = -1
    return found


def test_rows_sum_to_one_and_a_cell_is_most_like_itself() -> None:
    affinity, grid = self_similarity(looks(8, 12))
    assert grid == (8, 12)
    torch.testing.assert_close(affinity.sum(1), torch.ones(96))
    assert bool((affinity.diagonal() == affinity.amax(1)).all())


def test_what_looks_alike_is_nearer_than_what_does_not() -> None:
    affinity, _ = self_similarity(looks(1, 12))
    assert affinity[5, 4] == pytest.approx(float(affinity[5, 5]), rel=0.1)
    assert affinity[5, 6] < 0.01 * affinity[5, 5]


def test_large_images_are_compared_on_a_coarser_grid() -> None:
    affinity, grid = self_similarity(looks(40, 4 * SIDE))
    assert grid == (10, SIDE)
    assert len(affinity) == 10 * SIDE


def test_looks_have_a_mean_square_of_one() -> None:
    vectors = torch.randn(5, 9, 7, generator=torch.Generator().manual_seed(0)) * 30 + 4
    features = FeatureMap(vectors, torch.ones(9, 7, dtype=torch.bool), Grid(9, 7), 4)
    assert float(unit_looks(features).square().sum(0).mean()) == pytest.approx(1, rel=1e-4)


def test_looks_that_are_all_alike_are_none() -> None:
    features = FeatureMap(torch.ones(5, 9, 7), torch.ones(9, 7, dtype=torch.bool), Grid(9, 7), 4)
    assert not bool(unit_looks(features).any())
