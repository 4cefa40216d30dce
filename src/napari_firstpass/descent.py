"""Gradient descent on a few numbers, without what torch.optim brings along.

Making the first optimiser of torch imports its compiler: four seconds in which nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from napari_firstpass.errors import ComputeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

_KEEP = (0.9, 0.999)
_FLOOR = 1e-8


class DivergedError(ComputeError):
    """A training whose numbers are not finite any more.

    Parameters
    ----------
    method : str
        What was trained.
    step : int
        The step in which that was found, from 1; kept as attribute.
    found : str
        What was found instead of a finite number.
    remedy : str
        What to do.
    """

    def __init__(
        self,
        method: str,
        step: int,
        found: str,
        remedy: str = "try another seed, fewer classes, or a method that trains nothing, such as "
        "primaps: the same again would come to the same",
    ) -> None:
        self.step = step
        super().__init__(
            expected="a finite loss",
            found=f"{found} in step {step} of the training of {method}",
            remedy=remedy,
        )


@dataclass(slots=True)
class Adam:
    """Moves tensors downhill (Kingma and Ba 2015), with the usual constants.

    Attributes
    ----------
    numbers : sequence of tensor
        What to move, in place; they require gradients.
    rate : float
        Step size.
    method : str
        What is trained, for errors.
    steps : int
        How many were made.
    """

    numbers: Sequence[Tensor]
    rate: float
    method: str = "a method"
    steps: int = 0
    _means: list[Tensor] = field(init=False)
    _squares: list[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self._means = [torch.zeros_like(part) for part in self.numbers]
        self._squares = [torch.zeros_like(part) for part in self.numbers]

    @property
    def finite(self) -> bool:
        """Whether all numbers are finite, and what is remembered of their slopes."""
        return all(bool(part.isfinite().all()) for part in (*self.numbers, *self._squares))

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Return all tensors that a later run goes on from, by names that begin with ``name``."""
        parts = {"number": self.numbers, "mean": self._means, "square": self._squares}
        return {
            f"{name}.{kind}.{index}": part.detach()
            for kind, some in parts.items()
            for index, part in enumerate(some)
        }

    def restore(self, name: str, tensors: Mapping[str, Tensor], steps: int) -> None:
        """Go on after ``steps`` steps, from what `tensors` returned then."""
        self.steps = steps
        for key, part in self.tensors(name).items():
            part.copy_(tensors[key])

    def descend(self, loss: Tensor) -> None:
        """Take one step down a loss, () float tensor.

        Raises
        ------
        DivergedError
            If the loss is not finite.
        """
        self.steps += 1
        if not bool(loss.isfinite()):
            raise DivergedError(self.method, self.steps, str(float(loss.detach())))
        slopes = torch.autograd.grad(loss, list(self.numbers))
        lag, lag_of_squares = (1 - keep**self.steps for keep in _KEEP)
        with torch.no_grad():
            for part, slope, mean, square in zip(
                self.numbers, slopes, self._means, self._squares, strict=True
            ):
                mean.lerp_(slope, 1 - _KEEP[0])
                square.lerp_(slope.square(), 1 - _KEEP[1])
                part -= self.rate * (mean / lag) / ((square / lag_of_squares).sqrt() + _FLOOR)


@dataclass(slots=True)
class Momentum:
    """Moves tensors downhill with the speed that they have gathered (Polyak 1964).

    Attributes
    ----------
    numbers : sequence of tensor
        What to move, in place; they require gradients.
    rate : float
        Step size; may be changed between steps.
    keep : float
        What is left of the speed after each step, in [0, 1).
    steps : int
        How many were made.
    """

    numbers: Sequence[Tensor]
    rate: float
    keep: float = 0.9
    steps: int = 0
    _speeds: list[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self._speeds = [torch.zeros_like(part) for part in self.numbers]

    def descend(self, loss: Tensor) -> None:
        """Take one step down a finite loss, () float tensor."""
        self.steps += 1
        slopes = torch.autograd.grad(loss, list(self.numbers))
        with torch.no_grad():
            for part, slope, speed in zip(self.numbers, slopes, self._speeds, strict=True):
                speed.mul_(self.keep).add_(slope)
                part.sub_(speed, alpha=self.rate)
