from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from napari_firstpass.local_linear import Boxes, LocalLinear


def test_the_linear_model_is_that_of_the_full_guided_filter() -> None:
    # He et al. (2013), equations 5 and 6, over the 20 x 20 pixels around cell (4, 4).
    rng = np.random.default_rng(0)
    guide, cells = rng.random((32, 32)), rng.random((8, 8))
    scores = np.kron(cells, np.ones((4, 4)))
    image, wanted = guide[8:28, 8:28], scores[8:28, 8:28]
    covariance = (image * wanted).mean() - image.mean() * wanted.mean()
    slope = covariance / (image.var() + 1e-3)
    model = LocalLinear.of(torch.from_numpy(guide)[None], 4, radius=2, smoothness=1e-3)
    fitted, _ = model.fit(torch.from_numpy(cells)[None])
    assert float(fitted[0, 0, 4, 4]) == pytest.approx(slope)


def test_box_averages_count_only_what_is_inside() -> None:
    maps = torch.arange(12.0).reshape(1, 3, 4)
    expected = functional.avg_pool2d(maps, 3, stride=1, padding=1, count_include_pad=False)
    torch.testing.assert_close(Boxes.over(maps, 1).means(maps), expected)


def test_cells_far_from_a_map_need_not_be_looked_at() -> None:
    guide = torch.from_numpy(np.random.default_rng(0).random((3, 40, 56)))
    model = LocalLinear.of(guide, 2, radius=2, smoothness=1e-3)
    cells = torch.zeros(1, 20, 28, dtype=torch.float64)
    cells[:, :3, 10:14] = 1
    rows, cols = slice(0, 8), slice(5, 19)
    for whole, part in zip(
        model.explain(cells), model.crop(rows, cols).explain(cells[:, rows, cols]), strict=True
    ):
        torch.testing.assert_close(part, whole[..., rows, cols])
        assert not whole[..., rows.stop :, :].any()
