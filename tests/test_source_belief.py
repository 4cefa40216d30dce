"""Probabilities of a network pooled over masks, on numbers set by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_firstpass.features import FeatureMap
from napari_firstpass.found_masks import FoundMask
from napari_firstpass.grid import Grid, Window
from napari_firstpass.source_belief import SourceBelief

SHARES = torch.tensor([[[0.9, 0.5], [0.1, 0.3]], [[0.1, 0.5], [0.9, 0.7]]])


def mask(inside: np.ndarray, row: int, col: int) -> FoundMask:
    box = Window(row, col, *inside.shape)
    return FoundMask.of(inside, box, score=1, stability=1, row=row + 0.5, col=col + 0.5)


def belief() -> SourceBelief:
    """Return that of a window of 3 x 4 pixels, which cells of 2 x 2 pixels reach beyond."""
    found = FeatureMap(SHARES, torch.ones(2, 2, dtype=torch.bool), Grid(2, 2), 2)
    return SourceBelief.of(found, (3, 8), (3, 4))


def test_every_pixel_of_a_mask_counts_with_its_cell() -> None:
    inside = np.ones((3, 2), bool)
    inside[1, 0] = False  # leaves one pixel of the first cell, two of the second, one each below
    found = belief().in_mask(mask(inside, 0, 1))
    assert found == pytest.approx(
        {3: (0.9 + 2 * 0.5 + 0.1 + 0.3) / 5, 8: (0.1 + 1.0 + 0.9 + 0.7) / 5}
    )
    corner = belief().in_mask(mask(np.ones((1, 1), bool), 2, 3))
    assert corner == pytest.approx({3: 0.3, 8: 0.7})


def test_a_window_brought_to_another_size_is_believed_to_be_the_same() -> None:
    small = np.array([[True, False], [True, True]])
    large = belief().framed((6, 12))
    assert large.in_mask(mask(small.repeat(2, 0).repeat(3, 1), 2, 3)) == pytest.approx(
        belief().in_mask(mask(small, 1, 1))
    )
