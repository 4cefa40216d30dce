from __future__ import annotations

import torch

from napari_firstpass.kernel_model import KernelModel

KEYS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [4.0, 0.0], [4.0, 1.0], [9.0, 9.0]])
WEIGHTS = torch.tensor([[0.0, 0.0, 0.5, 0.5, 0.0], [1.0, 0.2, 0.0, 0.0, 0.0]])


def test_scores_are_sums_of_gaussians_as_shares() -> None:
    model = KernelModel(KEYS[:4], WEIGHTS[:, :4], 2.0)
    at = torch.tensor([2.0, 0.5])
    near = [float(torch.exp(-((at - key) ** 2).sum() / 2)) for key in KEYS[:4]]
    ours, other = near[2] * 0.5 + near[3] * 0.5, near[0] + 0.2 * near[1]
    found = model.scores(at.view(2, 1, 1)).flatten()
    expected = torch.tensor([ours, other]) / (ours + other)
    torch.testing.assert_close(found, expected)


def test_far_from_all_keys_the_nearest_decides() -> None:
    model = KernelModel(KEYS[:4], WEIGHTS[:, :4], 0.01)
    cells = torch.tensor([[-1e3, 1e3], [0.0, 0.0]])[:, :, None]
    found = model.scores(cells)
    torch.testing.assert_close(found.sum(0), torch.ones(2, 1))
    assert found.argmax(0).flatten().tolist() == [1, 0]


def test_the_most_frequent_class_comes_first_and_idle_keys_go() -> None:
    keys = torch.cat([KEYS, KEYS[:2] + 0.1])
    weights = torch.cat([WEIGHTS, WEIGHTS[:, :2]], 1)
    model = KernelModel.of(keys, weights, 1.0)
    assert torch.equal(model.keys, keys[[0, 1, 2, 3, 5, 6]])
    assert torch.equal(model.weights, weights[[1, 0]][:, [0, 1, 2, 3, 5, 6]])
    assert model.count == 2


def test_many_cells_are_scored_as_few_are() -> None:
    model = KernelModel(KEYS[:4], WEIGHTS[:, :4], 3.0)
    cells = torch.randn(2, 70, 90, generator=torch.Generator().manual_seed(0))
    whole = model.scores(cells)
    assert whole.shape == (2, 70, 90)
    torch.testing.assert_close(whole[:, 65:, 7:9], model.scores(cells[:, 65:, 7:9]))
