"""The small network of DynaGuide: its sizes, and what it takes its statistics of."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from napari_firstpass.response_network import (
    NetworkShape,
    ResponseNetwork,
    Statistics,
    by_given,
    by_own,
    measuring,
)

SMALL = NetworkShape(width=6, channels=5)


def drawn(shape: NetworkShape = SMALL, seed: int = 0) -> ResponseNetwork:
    return ResponseNetwork.drawn(shape, torch.Generator().manual_seed(seed))


def pictures(count: int = 1, side: int = 9) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    ("depth", "own_skip", "parameters"),
    [(2, True, 106_400), (3, False, 193_900), (2, False, 103_600), (3, True, 196_700)],
)
def test_networks_have_the_published_numbers_of_parameters(
    depth: int, own_skip: bool, parameters: int
) -> None:
    network = drawn(NetworkShape(depth=depth, own_skip=own_skip))
    assert sum(tensor.numel() for tensor in network.tensors) == parameters


@pytest.mark.parametrize("own_skip", [True, False])
def test_responses_are_those_of_the_same_layers_in_torch(own_skip: bool) -> None:
    network = drawn(NetworkShape(width=6, channels=5, own_skip=own_skip))

    def convolution(weight: torch.Tensor, bias: torch.Tensor) -> nn.Conv2d:
        made = nn.Conv2d(*weight.shape[1::-1], weight.shape[2], padding=weight.shape[2] // 2)
        made.load_state_dict({"weight": weight, "bias": bias})
        return made

    x = pictures(2)
    first = convolution(*network.layers[0].tensors[:2])(x)
    y = nn.BatchNorm2d(6)(functional.relu(first))
    y = nn.BatchNorm2d(6)(functional.relu(convolution(*network.layers[1].tensors[:2])(y)))
    y = y + (convolution(*network.skip)(x) if own_skip else first)
    expected = nn.BatchNorm2d(5)(convolution(*network.last.tensors[:2])(y))
    torch.testing.assert_close(network.responses(x, by_own(None)), expected)


def test_weights_are_drawn_within_the_bounds_of_torch() -> None:
    layer = drawn(NetworkShape(width=50)).layers[1]
    bound = (50 * 9) ** -0.5
    assert 0.98 * bound < float(layer.weight.abs().max()) <= bound
    assert float(layer.bias.abs().max()) <= bound
    assert abs(float(layer.weight.mean())) < 0.02 * bound


def test_what_is_masked_does_not_count_in_statistics() -> None:
    network = drawn()
    x = pictures(side=8)
    mask = torch.ones(1, 1, 8, 8)
    mask[..., 5:] = 0
    into: list[Statistics] = []
    responses = network.responses(x, measuring(mask, into))
    seen = responses[..., :5]
    torch.testing.assert_close(seen.mean((0, 2, 3)), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen.var((0, 2, 3), correction=0), torch.ones(5), atol=1e-2, rtol=0)
    torch.testing.assert_close(responses, network.responses(x, by_own(mask)))


def test_given_statistics_make_pixels_independent_of_the_rest_of_the_picture() -> None:
    network = drawn()
    x = pictures(side=16)
    into: list[Statistics] = []
    whole = network.responses(x, measuring(None, into))
    torch.testing.assert_close(whole, network.responses(x, by_own(None)), atol=1e-5, rtol=1e-5)
    part = network.responses(x[..., :10], by_given(into))
    torch.testing.assert_close(part[..., :8], whole[..., :8], atol=1e-5, rtol=1e-5)


def test_channels_can_be_put_into_another_order() -> None:
    network, fresh = drawn(), drawn(NetworkShape(width=6, channels=3), seed=1)
    x = pictures()
    was = network.responses(x, by_own(None))
    now = network.rearranged([4, None, 0], fresh).responses(x, by_own(None))
    torch.testing.assert_close(now[:, [0, 2]], was[:, [4, 0]])
    assert not torch.allclose(now[:, 1], was[:, 1], atol=1e-2)
