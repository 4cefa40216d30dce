from __future__ import annotations

import pytest
import torch

from napari_firstpass.errors import ComputeError
from napari_firstpass.lattice import Lattice


def test_sums_on_the_lattice_fade_as_a_gaussian_does() -> None:
    line = torch.linspace(0, 4, 41, dtype=torch.float64)[:, None] * torch.tensor([0.6, 0.0, 0.8])
    crowd = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0)).double()
    vectors = torch.cat([line, 3 * crowd])
    lattice = Lattice.of(vectors)
    torch.testing.assert_close(lattice.weights.sum(1), torch.ones(len(vectors)).double())
    assert float(lattice.weights.min()) > -1e-9
    values = torch.rand(len(vectors), 2, generator=torch.Generator().manual_seed(1)).double()
    wanted = torch.exp(-torch.cdist(vectors, vectors).square() / 2) @ values
    found = lattice.sums(values)
    scale = float((found * wanted).sum() / wanted.square().sum())
    assert float((found / scale - wanted).norm() / wanted.norm()) < 0.1


def test_vectors_that_are_too_far_apart_are_refused() -> None:
    far = torch.tensor([[0.0] * 5, [1e6] * 5], dtype=torch.float64)
    with pytest.raises(ComputeError, match="larger spreads"):
        Lattice.of(far)
