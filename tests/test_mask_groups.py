"""Classes of masks in closed form."""

from __future__ import annotations

import torch

from napari_firstpass.clustering import squared_distances
from napari_firstpass.mask_groups import majority_step


def test_the_majority_vote_equals_a_loop_over_masks() -> None:
    rng = torch.Generator().manual_seed(2)
    cells, centres = torch.randn(300, 4, generator=rng), torch.randn(3, 4, generator=rng)
    mask_of = torch.randint(0, 12, (300,), generator=rng)
    nearest = squared_distances(cells, centres).argmin(1)
    winner = torch.empty_like(nearest)
    for mask in range(12):
        winner[mask_of == mask] = torch.bincount(nearest[mask_of == mask], minlength=3).argmax()
    expected = torch.stack(
        [cells[winner == k].mean(0) if (winner == k).any() else centres[k] for k in range(3)]
    )
    torch.testing.assert_close(majority_step(cells, mask_of, 12, centres), expected)


def test_a_tied_vote_goes_to_the_smaller_class_and_a_lost_class_stays() -> None:
    cells = torch.tensor([[0.0], [1.0]])
    centres = torch.tensor([[0.0], [1.0]])
    moved = majority_step(cells, torch.tensor([0, 0]), 1, centres)
    assert moved[:, 0].tolist() == [0.5, 1.0]
