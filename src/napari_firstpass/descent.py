"""Gradient descent on a few numbers, without what torch.optim brings along.

Making the first optimiser of torch imports its compiler: four seconds in which nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from napari_firstpass.errors import ComputeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_KEEP = (0.9, 0.999)
_FLOOR = 1e-8


@dataclass(slots=True)
class Adam:
    """Moves tensors downhill (Kingma and Ba 2015), with the usual constants.

    Attributes
    ----------
    numbers : sequence of tensor
        What to move, in place; they require gradients.
    rate : float
        Step size.
    steps : int
        How many were made.
    """

    numbers: Sequence[Tensor]
    rate: float
    steps: int = 0
    _means: list[Tensor] = field(init=False)
    _squares: list[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self._means = [torch.zeros_like(part) for part in self.numbers]
        self._squares = [torch.zeros_like(part) for part in self.numbers]

    def descend(self, loss: Tensor) -> None:
        """Take one step down a loss, () float tensor.

        Raises
        ------
        ComputeError
            If the loss is not finite.
        """
        self.steps += 1
        if not bool(loss.isfinite()):
            raise ComputeError(
                expected="a finite loss",
                found=f"{float(loss.detach())} in step {self.steps} of the training",
                remedy="use a method that trains nothing, such as primaps, or fewer classes",
            )
        slopes = torch.autograd.grad(loss, list(self.numbers))
        lag, lag_of_squares = (1 - keep**self.steps for keep in _KEEP)
        with torch.no_grad():
            for part, slope, mean, square in zip(
                self.numbers, slopes, self._means, self._squares, strict=True
            ):
                mean.lerp_(slope, 1 - _KEEP[0])
                square.lerp_(slope.square(), 1 - _KEEP[1])
                part -= self.rate * (mean / lag) / ((square / lag_of_squares).sqrt() + _FLOOR)
