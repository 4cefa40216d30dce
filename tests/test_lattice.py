from __future__ import annotations

import pytest
import torch

from napari_firstpass import lattice as lattices
from napari_firstpass.errors import ComputeError
from napari_firstpass.lattice import Lattice
from napari_firstpass.progress import run


def test_sums_on_the_lattice_fade_as_a_gaussian_does() -> None:
    line = torch.linspace(0, 4, 41, dtype=torch.float64)[:, None] * torch.tensor([0.6, 0.0, 0.8])
    crowd = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0)).double()
    vectors = torch.cat([line, 3 * crowd])
    lattice = run(Lattice.of_steps(vectors))
    torch.testing.assert_close(lattice.weights.sum(0), torch.ones(len(vectors)).double())
    assert float(lattice.weights.min()) > -1e-9
    values = torch.rand(len(vectors), 2, generator=torch.Generator().manual_seed(1)).double()
    wanted = torch.exp(-torch.cdist(vectors, vectors).square() / 2) @ values
    found = run(lattice.sums_steps(values))
    scale = float((found * wanted).sum() / wanted.square().sum())
    assert float((found / scale - wanted).norm() / wanted.norm()) < 0.1


def test_vectors_that_are_too_far_apart_are_refused() -> None:
    far = torch.tensor([[0.0] * 5, [1e6] * 5], dtype=torch.float64)
    with pytest.raises(ComputeError, match="larger spreads"):
        run(Lattice.of_steps(far))


def test_sums_are_the_same_in_however_many_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(0)
    vectors = 4 * torch.randn(3000, 4, generator=rng).double()
    values = torch.rand(len(vectors), 3, generator=rng)

    def found() -> tuple[int, Lattice, torch.Tensor]:
        lattice = run(Lattice.of_steps(vectors))
        adding = list(lattice.sums_steps(values))
        return len(adding), lattice, run(lattice.sums_steps(values))

    few, whole, wanted = found()
    for name, size in (("_VALUES", 500), ("_PLACED", 170), ("_NUMBERED", 900), ("_APART", 7)):
        monkeypatch.setattr(lattices, name, size)
    many, parts, sums = found()
    assert many > 20 * few
    for name in ("corners", "weights", "beside"):
        assert torch.equal(getattr(parts, name), getattr(whole, name))
    assert torch.equal(sums, wanted)
