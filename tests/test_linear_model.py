"""Classes as directions in feature space."""

from __future__ import annotations

import torch
from torch.nn import functional

from napari_firstpass.linear_model import LinearModel
from napari_firstpass.prototypes import PrototypeModel


def some(classes: int = 5, dims: int = 16) -> LinearModel:
    rng = torch.Generator().manual_seed(0)
    return LinearModel(
        torch.randn(classes, dims, generator=rng),
        torch.rand(classes, generator=rng) + 0.5,
        torch.randn(classes, generator=rng),
    )


def test_linear_scores_may_be_upsampled_after_the_head() -> None:
    # What makes cheap training possible: the logits of interpolated features are interpolated
    # logits, offsets too, for the weights of an interpolation sum to 1.
    vectors = torch.randn(16, 6, 6, generator=torch.Generator().manual_seed(1))
    model = some()

    def larger(maps: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(maps[None], scale_factor=4, mode="bilinear")[0]

    before = model.logits(larger(vectors).flatten(1)).view(5, 24, 24)
    after = larger(model.logits(vectors.flatten(1)).view(5, 6, 6))
    torch.testing.assert_close(before, after, atol=1e-4, rtol=0)


def test_a_logit_is_gain_times_projection_plus_offset_whatever_the_length() -> None:
    model = LinearModel(
        torch.tensor([[3.0, 4.0], [0.0, 0.1]]), torch.tensor([2.0, 1.0]), torch.tensor([0.5, 0.0])
    )
    found = model.logits(torch.tensor([[5.0, 0.0], [10.0, -1.0]]))
    torch.testing.assert_close(found, torch.tensor([[22.5, -1.1], [10.0, -1.0]]))
    assert model.nearest(torch.tensor([[5.0, 0.0], [10.0, -1.0]])).tolist() == [0, 1]


def test_points_become_directions_with_the_same_scores() -> None:
    rng = torch.Generator().manual_seed(2)
    points = PrototypeModel(torch.randn(4, 6, generator=rng), 1.7)
    vectors = torch.randn(6, 5, 7, generator=rng)
    linear = LinearModel.of_prototypes(points)
    torch.testing.assert_close(linear.scores(vectors), points.scores(vectors), atol=1e-5, rtol=0)


def test_a_point_at_the_origin_has_no_direction_and_still_scores() -> None:
    linear = LinearModel.of_prototypes(PrototypeModel(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), 1.0))
    assert linear.nearest(torch.tensor([[0.9, 1.1], [0.0, 0.0]])).tolist() == [0, 1]


def test_blending_keeps_a_share_of_every_number() -> None:
    zero = LinearModel(torch.zeros(2, 3), torch.zeros(2), torch.zeros(2))
    one = LinearModel(torch.ones(2, 3), torch.ones(2), torch.ones(2))
    blended = zero.blend(one, 0.75)
    for part in (blended.directions, blended.gains, blended.offsets):
        torch.testing.assert_close(part, torch.full_like(part, 0.25))
    assert torch.equal(zero.blend(one, 0.0).gains, one.gains)
