"""Outlines of masks move to edges of the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_firstpass.mask_edges import MaskEdges

SHAPE = (90, 113)


def blob() -> np.ndarray:
    """A rounded thing."""
    rows, cols = np.indices(SHAPE)
    return ((rows - 45) / 28) ** 2 + ((cols - 60) / 34) ** 2 < 1


def picture(thing: np.ndarray) -> torch.Tensor:
    """It is brown on green, with grain."""
    colours = np.where(thing, np.array([[[0.6]], [[0.45]], [[0.3]]]), np.full((3, 1, 1), 0.35))
    grain = np.random.default_rng(0).normal(size=colours.shape) * 0.02
    return torch.from_numpy((colours + grain).astype(np.float32))


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def coarse(thing: np.ndarray, side: int) -> np.ndarray:
    """The thing in squares."""
    squares = thing[side // 2 :: side, side // 2 :: side]
    fine = squares.repeat(side, 0).repeat(side, 1)
    short = [(0, max(0, want - have)) for want, have in zip(thing.shape, fine.shape, strict=True)]
    return np.pad(fine, short, mode="edge")[: SHAPE[0], : SHAPE[1]]


@pytest.mark.parametrize(("off", "side"), [(12.0, 8), (6.0, 4), (2.0, 2)])
def test_squares_become_the_thing(off: float, side: int) -> None:
    thing = blob()
    rough = coarse(thing, side)
    found = MaskEdges.of(picture(thing), off).follow(torch.from_numpy(rough)[None])[0].numpy()
    assert overlap(found, thing) > 0.97
    assert overlap(found, thing) > overlap(rough, thing)


def test_each_mask_is_decided_by_itself() -> None:
    thing = blob()
    edges = MaskEdges.of(picture(thing), 12.0)
    rough = torch.from_numpy(coarse(thing, 8))
    whole, none = torch.ones(SHAPE, dtype=torch.bool), torch.zeros(SHAPE, dtype=torch.bool)
    together = edges.follow(torch.stack([whole, rough, none]))
    assert together[0].all()
    assert not together[2].any()
    np.testing.assert_array_equal(together[1], edges.follow(rough[None])[0])


def test_far_from_its_outline_nothing_changes() -> None:
    thing = blob()
    square = np.zeros(SHAPE, bool)
    square[5:85, 10:105] = True
    found = MaskEdges.of(picture(thing), 12.0).follow(torch.from_numpy(square)[None])[0].numpy()
    near = ndimage.distance_transform_edt(square) + ndimage.distance_transform_edt(~square)
    np.testing.assert_array_equal(found[near > 20], square[near > 20])


def test_without_masks_there_is_nothing_to_do() -> None:
    none = torch.zeros(2, *SHAPE, dtype=torch.bool)
    assert not MaskEdges.of(picture(blob()), 12.0).follow(none).any()
