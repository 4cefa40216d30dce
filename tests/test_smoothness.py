"""The energy of SmooSeg without pairs (methods.md, 7.8) beside the same with all of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from napari_firstpass.smoothness import gaussian_waves, on_waves, shift_for, smoothness


def draw(kind: int, *shape: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(kind)
    return functional.normalize(torch.rand(*shape, generator=rng, dtype=torch.double) - 0.3, dim=1)


def all_pairs(
    one: torch.Tensor, other: torch.Tensor, p: torch.Tensor, q: torch.Tensor, shift: float
) -> torch.Tensor:
    """The definition in 7.3, pair by pair."""
    raw = torch.einsum("bdi,bdj->bij", one, other)
    centred = raw - raw.mean(2, keepdim=True)
    closeness = centred - centred.mean() + raw.mean()
    disagreement = 1 - torch.einsum("bki,bkj->bij", p, q)
    return ((closeness - shift) * disagreement).mean()


@pytest.mark.parametrize("shift", [-0.02, 0.1, 0.5])
@pytest.mark.parametrize("inter", [False, True])
def test_the_factorised_energy_and_its_gradients_are_those_of_all_pairs(
    shift: float, inter: bool
) -> None:
    results = []
    for energy in (smoothness, all_pairs):
        features = draw(0, 4, 7, 30).requires_grad_()
        labels = draw(1, 4, 5, 30).requires_grad_()
        turn = 1 if inter else 0
        others = features.roll(turn, 0), labels.roll(turn, 0)
        value = energy(features, others[0], labels, others[1], shift)
        results.append((value, *torch.autograd.grad(value, (features, labels))))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-12)


def test_images_of_different_size_are_compared_too() -> None:
    given = draw(0, 2, 6, 20), draw(1, 2, 6, 33), draw(2, 2, 3, 20), draw(3, 2, 3, 33)
    torch.testing.assert_close(smoothness(*given, 0.2), all_pairs(*given, 0.2))


def test_labels_that_follow_the_features_have_less_energy_than_others() -> None:
    features = torch.eye(2, dtype=torch.double).repeat_interleave(5, 1)[None]
    right, wrong = features, features[:, :, [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]]
    energies = [float(smoothness(features, features, p, p, 0.5)) for p in (right, wrong)]
    assert energies[0] < energies[1]


def test_a_shift_leaves_the_share_of_pairs_above_it() -> None:
    one, other = draw(0, 3, 6, 40).float(), draw(1, 3, 6, 40).float()
    raw = one.mT @ other
    closeness = raw - raw.mean(2, keepdim=True) + raw.mean()
    for share in (0.02, 0.4, 1.0):
        above = float((closeness >= shift_for(one, other, share)).float().mean())
        assert above == pytest.approx(share, abs=1e-3)


def test_waves_give_gaussian_closeness_of_vectors_of_length_one() -> None:
    rng = torch.Generator().manual_seed(0)
    vectors = torch.tensor([[0.0, 1.0, 0.0, 3.0], [0.0, 0.0, 2.0, 0.0]])
    on = on_waves(vectors, gaussian_waves(20_000, 2, 4.0, rng))
    torch.testing.assert_close(on.norm(dim=0), torch.ones(4), atol=1e-3, rtol=0)
    expected = torch.tensor([math.exp(-d / 4) for d in (0.0, 1.0, 4.0, 9.0)])
    torch.testing.assert_close(on[:, 0] @ on, expected, atol=0.02, rtol=0)
