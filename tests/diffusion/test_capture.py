"""Watching a tiny U-Net, beside what its own layers say of themselves."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from diffusion import TOKENS, WIDTH, build_unet
from napari_firstpass.diffusion.capture import (
    AttentionLayer,
    Storage,
    _watched,
    capture,
    layers_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from diffusers import UNet2DConditionModel
    from torch import Tensor

STEP = 100
LAST = "up_blocks.3.attentions.1.transformer_blocks.0.attn1"


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


DEFAULT = Storage()
LATENTS, WORDS = noise(1, 4, 16, 24), noise(1, TOKENS, WIDTH, seed=1)


@pytest.fixture(scope="module", params=["1", "2"])
def unet(request: pytest.FixtureRequest) -> UNet2DConditionModel:
    return build_unet(request.param)


def captured(
    unet: UNet2DConditionModel,
    latents: Tensor = LATENTS,
    ends: str = "",
    storage: Storage = DEFAULT,
) -> dict[str, Tensor]:
    layers = tuple(layer for layer in layers_of(unet) if layer.name.endswith(ends))
    maps = capture(unet, layers, latents, STEP, WORDS, storage)
    assert [found.name for found in maps] == [layer.name for layer in layers]
    return {found.name: found.weights for found in maps}


def said_of_themselves(unet: UNet2DConditionModel) -> dict[str, Tensor]:
    """Return (heads, N, M) of every layer in a whole forward pass, from its own Q and K."""
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda _, __, output: seen.__setitem__(name, output[0])

    layers = layers_of(unet)
    parts = {f"{a.name}.{p}": getattr(a.module, p) for a in layers for p in ("to_q", "to_k")}
    handles = [part.register_forward_hook(keep(name)) for name, part in parts.items()]
    with torch.no_grad():
        unet(LATENTS, STEP, encoder_hidden_states=WORDS)
    for handle in handles:
        handle.remove()
    return {layer.name: _by_hand(layer, seen) for layer in layers}


def _by_hand(layer: AttentionLayer, seen: dict[str, Tensor]) -> Tensor:
    query, key = (seen[f"{layer.name}.{part}"].double() for part in ("to_q", "to_k"))
    width = query.shape[1] // layer.module.heads
    heads = []
    for start in range(0, query.shape[1], width):
        part = slice(start, start + width)
        scores = torch.exp(query[:, part] @ key[:, part].T / width**0.5)
        heads.append(scores / scores.sum(1, keepdim=True))
    return torch.stack(heads).float()


def test_all_layers_are_known_with_their_resolution(unet: UNet2DConditionModel) -> None:
    layers = layers_of(unet)
    counts = {
        (kind, factor): sum((layer.kind, layer.factor) == (kind, factor) for layer in layers)
        for kind in ("self", "cross")
        for factor in (1, 2, 4, 8)
    }
    assert counts == {
        (kind, factor): 1 if factor == 8 else 5
        for kind in ("self", "cross")
        for factor in (1, 2, 4, 8)
    }
    assert len(layers) == 32
    assert layers[0].name == "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    assert layers[-1].name == "up_blocks.3.attentions.2.transformer_blocks.0.attn2"


def test_every_row_sums_to_one(unet: UNet2DConditionModel) -> None:
    found = captured(unet)
    assert len(found) == 32
    for weights in found.values():
        assert weights.dtype == torch.float32
        assert weights.min() >= 0
        torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)), atol=1e-6, rtol=0)


def test_it_is_what_queries_and_keys_say(unet: UNet2DConditionModel) -> None:
    expected = said_of_themselves(unet)
    apart, mean = captured(unet, storage=Storage(per_head=True)), captured(unet)
    for name, weights in expected.items():
        assert apart[name].shape == weights.shape
        # Lively enough to tell one layer from another.
        assert weights.max() > 2 / weights.shape[2]
        torch.testing.assert_close(apart[name], weights, atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(mean[name], weights.mean(0), atol=1e-6, rtol=1e-4)


def test_maps_have_the_cells_of_the_picture(unet: UNet2DConditionModel) -> None:
    maps = capture(unet, layers_of(unet), LATENTS, STEP, WORDS, Storage())
    for found in maps:
        assert found.shape == (16 // found.factor, 24 // found.factor)
        cells = found.shape[0] * found.shape[1]
        assert found.weights.shape == (cells, cells if found.kind == "self" else TOKENS)


def test_watching_does_not_change_what_the_network_says(unet: UNet2DConditionModel) -> None:
    seen = []
    with torch.no_grad():
        plain = unet(LATENTS, STEP, encoder_hidden_states=WORDS).sample
        with _watched(layers_of(unet), lambda layer, *_: seen.append(layer.name)):
            watched = unet(LATENTS, STEP, encoder_hidden_states=WORDS).sample
    assert len(seen) == 32
    assert torch.equal(plain, watched)


def test_the_network_stops_when_all_is_seen(unet: UNet2DConditionModel) -> None:
    calls: list[str] = []
    watched = ("down_blocks.0", "mid_block", "up_blocks.3.attentions.0", "up_blocks.3.resnets.2")
    later = ("up_blocks.3.attentions.2", "conv_out")
    handles = [
        unet.get_submodule(name).register_forward_hook(lambda *_, name=name: calls.append(name))
        for name in (*watched, *later, LAST.replace("attn1", "attn2"))
    ]
    try:
        early = captured(unet, ends=LAST)
    finally:
        for handle in handles:
            handle.remove()
    assert calls == list(watched[:3])
    assert list(early) == [LAST]
    assert torch.equal(early[LAST], captured(unet)[LAST])


def test_processors_are_what_they_were_afterwards(unet: UNet2DConditionModel) -> None:
    before = dict(unet.attn_processors)
    captured(unet, ends="attn1")
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        capture(unet, layers_of(unet), LATENTS, STEP, WORDS[..., :3], Storage())
    after = unet.attn_processors
    assert all(after[name] is processor for name, processor in before.items())
    assert after.keys() == before.keys()


def test_only_wanted_layers_are_watched(unet: UNet2DConditionModel) -> None:
    inside: set[str] = set()

    def look(*_: object) -> None:
        kinds = {name: type(processor) for name, processor in unet.attn_processors.items()}
        inside.update(name for name, kind in kinds.items() if kind.__name__ == "_Watcher")

    handle = unet.down_blocks[0].register_forward_hook(look)
    captured(unet, ends=LAST)
    handle.remove()
    assert inside == {f"{LAST}.processor"}


class _Largest(TorchDispatchMode):
    """Notes the most numbers that any tensor has while it is on."""

    numbers = 0

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        found = func(*args, **(kwargs or {}))
        for tensor in found if isinstance(found, tuple | list) else [found]:
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return found


def test_with_tiny_memory_the_result_is_the_same_and_no_large_tensor_exists() -> None:
    unet, latents = build_unet("1", attention_head_dim=4), noise(1, 4, 64, 64, seed=2)
    first = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    with _Largest() as ordinary:
        expected = captured(unet, latents, ends=first)[first]
    with _Largest() as tiny:
        found = captured(unet, latents, ends=first, storage=Storage(tiny=True))[first]
    assert ordinary.numbers == 4 * 4096**2
    assert tiny.numbers == 4096**2  # the result
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.sum(1), torch.ones(4096), atol=1e-5, rtol=0)


def test_stored_as_short_numbers_it_is_the_same_rounded(unet: UNet2DConditionModel) -> None:
    expected, found = captured(unet), captured(unet, storage=Storage(dtype=torch.float16))
    for name, weights in found.items():
        assert weights.dtype == torch.float16
        assert torch.equal(weights, expected[name].half())


def test_a_network_of_short_numbers_says_about_the_same(unet: UNet2DConditionModel) -> None:
    expected, short = captured(unet), deepcopy(unet).to(torch.bfloat16)
    latents, words = LATENTS.bfloat16(), WORDS.bfloat16()
    maps = capture(short, layers_of(short), latents, STEP, words, Storage())
    for found in maps[:4]:
        assert found.weights.dtype == torch.float32
        # Eight bits of scores as large as 10 are off by 0.04, and so are shares, relatively.
        torch.testing.assert_close(found.weights, expected[found.name], atol=0.05, rtol=0)
        ones = torch.ones(len(found.weights))
        torch.testing.assert_close(found.weights.sum(1), ones, atol=1e-6, rtol=0)
