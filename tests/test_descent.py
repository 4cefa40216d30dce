"""Gradient descent on a few numbers."""

from __future__ import annotations

import pytest
import torch

from napari_firstpass.descent import Adam, Momentum
from napari_firstpass.errors import ComputeError


def valley(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return ((a - 3).square() * torch.tensor([1.0, 20.0])).sum() + (b * a.sum() - 1).square().sum()


def test_the_steps_are_those_of_torch() -> None:
    ours = torch.tensor([1.0, -2.0], requires_grad=True), torch.tensor([0.5], requires_grad=True)
    theirs = tuple(part.detach().clone().requires_grad_() for part in ours)
    adam, other = Adam(ours, 5e-2), torch.optim.Adam(theirs, lr=5e-2)
    for _ in range(60):
        adam.descend(valley(*ours))
        other.zero_grad()
        valley(*theirs).backward()
        other.step()
    for part, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(part, expected)
    assert adam.steps == 60


def test_steps_with_momentum_are_those_of_torch() -> None:
    ours = torch.tensor([1.0, -2.0], requires_grad=True), torch.tensor([0.5], requires_grad=True)
    theirs = tuple(part.detach().clone().requires_grad_() for part in ours)
    momentum, other = Momentum(ours, 1e-3), torch.optim.SGD(theirs, lr=1e-3, momentum=0.9)
    for step in range(60):
        momentum.rate = other.param_groups[0]["lr"] = 1e-3 / (1 + step)
        momentum.descend(valley(*ours))
        other.zero_grad()
        valley(*theirs).backward()
        other.step()
    for part, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(part, expected)
    assert momentum.steps == 60


def test_a_loss_that_is_no_number_names_its_step_and_moves_nothing() -> None:
    number = torch.tensor([1.0], requires_grad=True)
    adam = Adam([number], 0.1)
    adam.descend(number.sum())
    before = number.detach().clone()
    with pytest.raises(ComputeError, match="found inf in step 2 of the training"):
        adam.descend(number.sum() / 0)
    assert torch.equal(number.detach(), before)
