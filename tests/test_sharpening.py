from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from napari_firstpass.local_linear import Boxes
from napari_firstpass.progress import run
from napari_firstpass.sharpening import (
    GuidedFilterConfig,
    SharpLabels,
    sharpen,
)

CONFIG = GuidedFilterConfig()


def halves(size: int = 64, edge: int = 27) -> torch.Tensor:
    """A dark and a bright half whose border lies within a cell."""
    guide = torch.full((3, size, size), 0.2)
    guide[:, :, edge:] = 0.8
    return guide


def coarse(guide: torch.Tensor) -> torch.Tensor:
    """Two classes, blurred over cells of 4 x 4 pixels."""
    bright = functional.avg_pool2d((guide[:1] > 0.5).float(), 4)
    blurred = Boxes.over(bright, 1).means(bright)
    return torch.cat([1 - blurred, blurred])


def sharp(scores: torch.Tensor, guide: torch.Tensor) -> SharpLabels:
    return run(sharpen(scores, guide, 4, CONFIG))


def test_borders_move_to_the_edge_of_the_image() -> None:
    guide = halves()
    expected = (guide[0] > 0.5).long()
    blocky = functional.interpolate(coarse(guide)[None], scale_factor=4)[0].argmax(0)
    assert float((blocky == expected).float().mean()) < 0.99
    assert torch.equal(sharp(coarse(guide), guide).winner, expected)


def test_without_an_edge_scores_are_only_smoothed() -> None:
    scores = coarse(halves())
    result = sharp(scores, torch.full((3, 64, 64), 0.5))
    assert torch.equal(result.winner[:, :16], torch.zeros(64, 16, dtype=torch.int64))
    assert torch.equal(result.winner[:, -16:], torch.ones(64, 16, dtype=torch.int64))


def test_the_margin_is_the_lead_of_the_winner() -> None:
    scores = torch.tensor([0.7, 0.2, 0.1])[:, None, None].expand(3, 8, 8)
    result = sharp(scores, torch.full((1, 32, 32), 0.5))
    assert result.margin.numpy() == pytest.approx(0.5, abs=1e-5)


def test_many_classes_are_handled_a_few_at_a_time() -> None:
    scores = functional.one_hot(torch.arange(64).reshape(8, 8), 64).movedim(-1, 0).float()
    result = sharp(scores, torch.full((1, 32, 32), 0.5))
    assert int(result.winner.max()) > 32
    assert result.winner.shape == (32, 32)


def test_an_image_that_ends_within_a_cell_keeps_its_size() -> None:
    guide = halves()[:, :61, :62]
    scores = coarse(halves())
    assert sharp(scores, guide).winner.shape == (61, 62)
