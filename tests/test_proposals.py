"""The facts about PriMaPs on which the implementation rests (methods.md, section 6)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from features import feature_map, stripes

from napari_firstpass.proposals import (
    BACKGROUND,
    MaskConfig,
    _Moments,
    _oriented,
    mask_ids,
    median3,
    soft_masks,
)

CONFIG = MaskConfig()


def everywhere(vectors: torch.Tensor) -> torch.Tensor:
    return torch.ones(vectors.shape[1:], dtype=torch.bool)


def separated() -> torch.Tensor:
    """Vectors with a clear first principal direction, then a second."""
    rng = torch.Generator().manual_seed(1)
    scales = torch.tensor([5.0, 2.0, 1.0, 0.5, 0.2])
    basis = torch.linalg.qr(torch.randn(5, 5, generator=rng)).Q
    return torch.randn(800, 5, generator=rng) * scales @ basis


def test_the_gram_matrix_gives_the_first_principal_direction() -> None:
    cells = separated()
    exact = torch.linalg.eigh(torch.cov(cells.T)).eigenvectors[:, -1]
    found = _Moments.of(cells).principal_direction(doublings=6)
    assert float((exact @ found).abs()) > 0.9999


def test_taking_cells_away_equals_starting_without_them() -> None:
    cells = separated()
    less = _Moments.of(cells).without(cells[:300])
    fresh = _Moments.of(cells[300:])
    assert less.count == fresh.count
    torch.testing.assert_close(less.total, fresh.total)
    torch.testing.assert_close(less.second, fresh.second)


@pytest.mark.parametrize("noise", [0.05, 0.4, 1.0])
def test_masks_share_no_cell_and_cover_ninety_five_percent(noise: float) -> None:
    vectors = feature_map(stripes(32, 32, 5), noise=noise).vectors
    taken = soft_masks(vectors, everywhere(vectors), CONFIG) > 0
    assert int(taken.sum(0).max()) == 1
    assert float(taken.any(0).float().mean()) >= 0.95


def test_every_mask_takes_new_cells_with_its_seed_strongest() -> None:
    vectors = feature_map(stripes(32, 32, 5), noise=0.8).vectors
    masks = soft_masks(vectors, everywhere(vectors), CONFIG)
    assert all(bool((mask > 0).any()) for mask in masks)
    torch.testing.assert_close(masks.amax((1, 2)), torch.ones(len(masks)))
    assert float(masks[masks > 0].min()) >= CONFIG.similarity - 1e-5


@pytest.mark.parametrize("parity", [False, True])
def test_the_sign_of_a_principal_direction_does_not_matter(parity: bool) -> None:
    cells = separated()
    free = torch.ones(len(cells), dtype=torch.bool)
    direction = _Moments.of(cells).principal_direction(doublings=6)
    config = MaskConfig(parity=parity)
    one, other = (_oriented(sign * direction, cells, free, config) for sign in (1, -1))
    assert torch.equal(one, other)


def test_a_used_cell_is_never_a_seed_even_if_all_similarities_are_negative() -> None:
    # With parity the direction may point away from what is left: 0 at used cells would win.
    vectors = torch.tensor([[3.0, 3.1, -1.0, -1.1, -1.2], [0.0, 0.1, 0.3, -0.3, 0.9]])[:, None]
    for parity in (False, True):
        masks = soft_masks(vectors, everywhere(vectors), MaskConfig(coverage=1.0, parity=parity))
        seeds = [int(mask.flatten().argmax()) for mask in masks]
        assert len(set(seeds)) == len(seeds)
        assert int((masks > 0).sum(0).max()) == 1


def test_parity_orients_by_the_first_free_cell() -> None:
    vectors = torch.tensor([[-4.0, 1.0, 1.1, 1.2, 1.3], [0.1, 0.0, 0.1, 0.0, 0.1]])[:, None]
    ours = soft_masks(vectors, everywhere(vectors), CONFIG)
    parity = soft_masks(vectors, everywhere(vectors), MaskConfig(parity=True))
    assert bool(ours[0, 0, 1] > 0)
    assert bool(parity[0, 0, 0] > 0)


def test_cells_without_data_belong_to_no_mask() -> None:
    vectors = feature_map(stripes()).vectors
    valid = everywhere(vectors)
    valid[:5] = False
    assert not (soft_masks(vectors, valid, CONFIG)[:, :5] > 0).any()


@pytest.mark.parametrize("vectors", [torch.zeros(3, 6, 6), torch.ones(3, 1, 1)])
def test_degenerate_windows_end(vectors: torch.Tensor) -> None:
    masks = soft_masks(vectors, everywhere(vectors), CONFIG)
    assert mask_ids(masks, CONFIG).shape == vectors.shape[1:]
    assert masks.isfinite().all()


def test_a_single_mask_leaves_its_weak_cells_to_the_background() -> None:
    mask = torch.full((1, 5, 5), 0.05)
    mask[:, :, :3] = 1.0
    mask[:, :, 4] = 0.0
    ids = mask_ids(mask, MaskConfig(gain=1.0))
    assert ids[2].tolist() == [1, 1, 1, BACKGROUND, BACKGROUND]


def test_the_median_is_that_of_numpy() -> None:
    maps = torch.rand(3, 7, 9, generator=torch.Generator().manual_seed(0))
    padded = np.pad(maps.numpy(), ((0, 0), (1, 1), (1, 1)), mode="reflect")
    around = [padded[:, r : r + 7, c : c + 9] for r in range(3) for c in range(3)]
    np.testing.assert_array_equal(median3(maps).numpy(), np.median(around, axis=0))
