"""A small network that looks at an image alone and responds to each pixel on a few channels.

The network of differentiable feature clustering (Kim, Kanezaki and Tanaka, arXiv 2007.09990), with
the skip of DynaGuide: y = BN(ReLU(conv(x))), some times over, plus conv(x); R = BN(conv₁ₓ₁(y)). The
largest response of a pixel is its label. Statistics are of the pixels that are looked at, or, once
it is trained, given numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from napari_firstpass.progress import Progress, Span, relay, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.progress import Steps

_EPSILON = 1e-5
"""Added to variances, as is usual."""

_VALUES_AT_ONCE = 2**21
"""What a layer finds at once, where nobody trains it: less than 100 ms of work."""

KERNEL = 3
"""Side of the kernels that look at neighbours, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkShape:
    """How large a network is.

    Attributes
    ----------
    width : int
        Numbers for each pixel between layers.
    channels : int
        Numbers for each pixel at the end.
    depth : int
        Layers that look at neighbours, but for the skip.
    own_skip : bool
        Whether the skip is a convolution by itself; else it is the first one's, before its ReLU.
    """

    width: int = 100
    channels: int = 100
    depth: int = 2
    own_skip: bool = True


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution and the normalisation that goes with it.

    Attributes
    ----------
    weight : (C, D, k, k) tensor
        The kernels.
    bias, gain, offset : (C,) tensor
        Added to what these find; multiplied with and added to what is normalised.
    """

    weight: Tensor
    bias: Tensor
    gain: Tensor
    offset: Tensor

    @classmethod
    def drawn(cls, inputs: int, outputs: int, kernel: int, rng: torch.Generator) -> Layer:
        """Draw weights as PyTorch draws those of layers."""
        weight, bias = drawn_kernels(inputs, outputs, kernel, rng)
        return cls(weight, bias, torch.ones(outputs), torch.zeros(outputs))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that is trained."""
        return self.weight, self.bias, self.gain, self.offset


@dataclass(frozen=True, slots=True)
class Statistics:
    """What one normalisation takes off and divides by.

    Attributes
    ----------
    mean, variance : (C,) tensor
        Of pixels.
    """

    mean: Tensor
    variance: Tensor


Normalise = Callable[[Tensor, Layer], Tensor]
"""Normalises the numbers (N, C, H, W) that a layer found."""


@dataclass(frozen=True, slots=True)
class ResponseNetwork:
    """The weights.

    Attributes
    ----------
    layers : tuple of Layer
        Those that look at neighbours, in order.
    skip : tuple of tensor
        Kernels and bias of the skip; empty if it has none of its own.
    last : Layer
        What makes responses.
    """

    layers: tuple[Layer, ...]
    skip: tuple[Tensor, ...]
    last: Layer

    @classmethod
    def drawn(cls, shape: NetworkShape, rng: torch.Generator) -> ResponseNetwork:
        """Draw a network, on the device of ``rng``: the CPU."""
        inputs = [3, *[shape.width] * (shape.depth - 1)]
        layers = tuple(Layer.drawn(size, shape.width, KERNEL, rng) for size in inputs)
        skip = drawn_kernels(3, shape.width, KERNEL, rng) if shape.own_skip else ()
        return cls(layers, skip, Layer.drawn(shape.width, shape.channels, 1, rng))

    @property
    def channels(self) -> int:
        """Number of responses for each pixel."""
        return len(self.last.bias)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that is trained."""
        inner = [tensor for layer in self.layers for tensor in layer.tensors]
        return (*inner, *self.skip, *self.last.tensors)

    def to(self, device: torch.device) -> ResponseNetwork:
        """Return a copy on a device, whose tensors take gradients."""

        def moved(tensor: Tensor) -> Tensor:
            # Kernels in the order of channels: that of pictures, in which sums run along memory.
            order = torch.channels_last if tensor.dim() == 4 else torch.contiguous_format
            copied = tensor.detach().to(device).clone(memory_format=order)
            return copied.requires_grad_()

        return self.changed(moved)

    def frozen(self) -> ResponseNetwork:
        """Return a copy that takes no gradients."""
        return self.changed(lambda tensor: tensor.detach().clone())

    def changed(self, change: Callable[[Tensor], Tensor]) -> ResponseNetwork:
        """Return a network of changed tensors."""
        layers = tuple(Layer(*map(change, layer.tensors)) for layer in self.layers)
        last = Layer(*map(change, self.last.tensors))
        return ResponseNetwork(layers, tuple(map(change, self.skip)), last)

    def rearranged(self, order: Sequence[int | None], fresh: ResponseNetwork) -> ResponseNetwork:
        """Return the same network with other responses.

        Parameters
        ----------
        order : sequence of int or None
            For each new response, which of the old it is; None for that of ``fresh``.
        fresh : ResponseNetwork
            One of this width, with ``len(order)`` channels.
        """
        pairs = zip(self.last.tensors, fresh.last.tensors, strict=True)
        parts = [
            torch.stack([new[i] if old is None else was[old] for i, old in enumerate(order)])
            for was, new in pairs
        ]
        return replace(self, last=Layer(*parts))

    def responses(self, pictures: Tensor, normalise: Normalise) -> Tensor:
        """Return responses (N, channels, H, W) to pictures (N, 3, H, W)."""
        return run(self.responses_steps(pictures, normalise))

    def responses_steps(self, pictures: Tensor, normalise: Normalise) -> Steps[Tensor]:
        """Do the same in steps."""
        count = len(self.layers) + 1
        looking = _looked_steps(pictures, *self.layers[0].tensors[:2])
        first = yield from relay(looking, Span(0, 1, count))
        found = normalise(functional.relu(first), self.layers[0])
        for done, layer in enumerate(self.layers[1:], start=1):
            looking = _looked_steps(found, layer.weight, layer.bias)
            seen = yield from relay(looking, Span(done, done + 1, count))
            found = normalise(functional.relu(seen), layer)
        skipped = first
        if self.skip:
            looking = _looked_steps(pictures, *self.skip)
            skipped = yield from relay(looking, Span(count - 1, count, count))
        found = found + skipped
        return normalise(functional.conv2d(found, self.last.weight, self.last.bias), self.last)


def _looked_steps(maps: Tensor, weight: Tensor, bias: Tensor) -> Steps[Tensor]:
    """Return what a layer sees of maps (N, C, H, W); some rows at a time unless it is trained."""
    height, around = maps.shape[2], KERNEL // 2
    rows = max(1, _VALUES_AT_ONCE // (len(weight) * maps.shape[3]))
    if torch.is_grad_enabled() or height <= rows:
        yield Progress(0, 1)
        return functional.conv2d(maps, weight, bias, padding=around)
    found = []
    for top in range(0, height, rows):
        yield Progress(top, height)
        above = min(top, around)
        near = maps[:, :, top - above : top + rows + around]
        seen = functional.conv2d(near, weight, bias, padding=around)
        found.append(seen[:, :, above : above + min(rows, height - top)])
    return torch.cat(found, 2)


def drawn_kernels(
    inputs: int, outputs: int, kernel: int, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw kernels (outputs, inputs, kernel, kernel) and bias (outputs,), as PyTorch draws them."""
    bound = (inputs * kernel**2) ** -0.5
    weight = torch.rand((outputs, inputs, kernel, kernel), generator=rng)
    bias = torch.rand(outputs, generator=rng)
    return (weight * 2 - 1) * bound, (bias * 2 - 1) * bound


def by_own(mask: Tensor | None) -> Normalise:
    """Normalise by the statistics of what is looked at.

    Parameters
    ----------
    mask : (N, 1, H, W) float tensor or None
        1 where pixels count, 0 where they do not; None if all count.
    """

    def whole(found: Tensor, layer: Layer) -> Tensor:
        return torch.batch_norm(
            found, layer.gain, layer.offset, None, None, True, 0.0, _EPSILON, False
        )

    def masked(found: Tensor, layer: Layer) -> Tensor:
        return _normalised(found, layer, measured(found, mask))

    return whole if mask is None else masked


def by_given(statistics: Sequence[Statistics]) -> Normalise:
    """Normalise by given statistics, one for each layer, for a single picture."""
    rest = iter(statistics)
    return lambda found, layer: _normalised(found, layer, next(rest))


def measuring(mask: Tensor | None, into: list[Statistics]) -> Normalise:
    """Normalise as `by_own` does, and add the statistics to a list."""

    def normalise(found: Tensor, layer: Layer) -> Tensor:
        into.append(measured(found, mask))
        return _normalised(found, layer, into[-1])

    return normalise


def measured(found: Tensor, mask: Tensor | None) -> Statistics:
    """Return mean and variance of each channel (N, C, H, W) over pixels that count."""
    if mask is None:
        variance, mean = torch.var_mean(found, (0, 2, 3), correction=0)
        return Statistics(mean, variance)
    count = mask.sum().clamp_min(1)
    mean = (found * mask).sum((0, 2, 3)) / count
    apart = (found - mean[:, None, None]).square()
    return Statistics(mean, (apart * mask).sum((0, 2, 3)) / count)


def _normalised(found: Tensor, layer: Layer, by: Statistics) -> Tensor:
    scale = layer.gain * torch.rsqrt(by.variance + _EPSILON)
    return found * scale[:, None, None] + (layer.offset - by.mean * scale)[:, None, None]
