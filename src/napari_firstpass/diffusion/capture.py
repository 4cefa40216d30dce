"""Watching the attention of a U-Net of diffusers while it computes, and stopping it in time.

Modern networks never write their attention down: for a latent image of 64 × 64 cells it would be
half a gigabyte for each layer. Here it is computed a second time, in the layers that are wanted
alone, from what enters them. What leaves them is what they have always computed, so watching
changes nothing.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from napari_firstpass.diffusion.attention import AttentionMap, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor
    from torch.nn import Module

_KINDS: dict[str, Kind] = {"attn1": "self", "attn2": "cross"}
_PART = 2**26
"""Bytes for the scores of all heads at once, where memory is short."""


@dataclass(frozen=True, slots=True, eq=False)
class AttentionLayer:
    """A layer that can be watched: its name and module, its kind and relative resolution."""

    name: str
    module: Any
    kind: Kind
    factor: int


@dataclass(frozen=True, slots=True)
class Storage:
    """How attention is kept.

    Attributes
    ----------
    per_head : bool or {"self", "cross"}
        Whether heads are kept apart, in all layers or in those of a kind; otherwise their mean is.
    self_heads : tuple of int
        Heads of self-attention that the mean is taken of, from 0; all where empty.
    dtype : torch.dtype
        Type of numbers; computed as float32 in any case.
    tiny : bool
        Whether rows are computed in parts and kept in main memory, so that there is never more
        than a part of them for every head.
    """

    per_head: bool | Kind = False
    self_heads: tuple[int, ...] = ()
    dtype: torch.dtype = torch.float32
    tiny: bool = False

    def apart(self, kind: Kind) -> bool:
        """Tell whether the heads of layers of a kind are kept apart."""
        return self.per_head in (True, kind)


def layers_of(unet: Any) -> tuple[AttentionLayer, ...]:  # noqa: ANN401 - of diffusers
    """Return the attention layers of a U-Net, in the order in which they are computed."""
    blocks = [(f"down_blocks.{i}", block) for i, block in enumerate(unet.down_blocks)]
    blocks += [("mid_block", unet.mid_block)]
    blocks += [(f"up_blocks.{i}", block) for i, block in enumerate(unet.up_blocks)]
    found: list[AttentionLayer] = []
    factor = 1
    for start, block in blocks:
        for name, module in block.named_modules(prefix=start):
            kind = _KINDS.get(name.rpartition(".")[2])
            found += [AttentionLayer(name, module, kind, factor)] if kind else []
        factor = factor * 2 if getattr(block, "downsamplers", None) else factor
        factor = factor // 2 if getattr(block, "upsamplers", None) else factor
    return tuple(found)


@torch.no_grad()
def capture(
    unet: Module,
    layers: tuple[AttentionLayer, ...],
    latents: Tensor,
    timestep: int,
    words: Tensor,
    storage: Storage,
) -> tuple[AttentionMap, ...]:
    """Return the attention of some layers for one latent image.

    The network stops when the last of them has been seen.

    Parameters
    ----------
    unet : Module
        A ``UNet2DConditionModel``; the same after as before, whatever happens.
    layers : tuple of AttentionLayer
        Some of `layers_of`, at least one.
    latents : (1, 4, h, w) float tensor
        Of the network's type and device; h and w are multiples of the coarsest layer's factor.
    timestep : int
        How noisy the network is told that it is.
    words : (1, T, D) float tensor
        Vectors of the prompt.
    storage : Storage
        How to keep it.

    Returns
    -------
    tuple of AttentionMap
        One for each layer, in the order in which they are computed.
    """
    found: list[AttentionMap] = []
    height, width = latents.shape[2:]

    def note(layer: AttentionLayer, asking: Tensor, asked: Tensor) -> None:
        shape = (height // layer.factor, width // layer.factor)
        weights = _weights(layer, asking, asked, storage)
        found.append(AttentionMap(layer.name, layer.kind, layer.factor, shape, weights))
        if len(found) == len(layers):
            raise _Enough

    with suppress(_Enough), _watched(layers, note):
        unet(latents, timestep, encoder_hidden_states=words, return_dict=False)
    return tuple(found)


class _Enough(Exception):  # noqa: N818 - no error: the way out of a network that need not go on
    """All that is wanted has been seen."""


@dataclass(frozen=True, slots=True)
class _Watcher:
    """Stands in for what computes a layer: tells what enters, and lets it compute as ever."""

    layer: AttentionLayer
    inner: Callable[..., Tensor]
    note: Callable[[AttentionLayer, Tensor, Tensor], None]

    def __call__(
        self,
        attn: Module,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        asked = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        self.note(self.layer, hidden_states, asked)
        return self.inner(attn, hidden_states, encoder_hidden_states, attention_mask, temb)


@contextmanager
def _watched(
    layers: tuple[AttentionLayer, ...], note: Callable[[AttentionLayer, Tensor, Tensor], None]
) -> Iterator[None]:
    before = [(layer.module, layer.module.get_processor()) for layer in layers]
    try:
        for layer, (module, inner) in zip(layers, before, strict=True):
            module.set_processor(_Watcher(layer, inner, note))
        yield
    finally:
        for module, inner in before:
            module.set_processor(inner)


def _weights(layer: AttentionLayer, asking: Tensor, asked: Tensor, storage: Storage) -> Tensor:
    """Return softmax(Q Kᵀ / √d) of a layer for its input (1, N, C) and (1, M, C')."""
    module, apart = layer.module, storage.apart(layer.kind)
    query, key = _heads(module.to_q(asking), module), _heads(module.to_k(asked), module)
    if layer.kind == "self" and storage.self_heads and not apart:
        chosen = list(storage.self_heads)
        query, key = query[chosen], key[chosen]
    heads, count, width = query.shape
    rows = max(1, _PART // (4 * heads * key.shape[1])) if storage.tiny else count
    found = torch.empty(
        (*((heads,) if apart else ()), count, key.shape[1]),
        dtype=storage.dtype,
        device="cpu" if storage.tiny else query.device,
    )
    # Short numbers overflow in products, and lose the small weights that make up most of a row.
    query, key = query.float() * width**-0.5, key.float().transpose(1, 2)
    for start in range(0, count, rows):
        shares = (query[:, start : start + rows] @ key).softmax(2)
        kept = shares if apart else shares.mean(0)
        found[..., start : start + rows, :] = kept.to(found)
    return found


def _heads(vectors: Tensor, module: Any) -> Tensor:  # noqa: ANN401
    """Return (heads, N, d) of (1, N, heads · d)."""
    return vectors[0].reshape(len(vectors[0]), module.heads, -1).transpose(0, 1)
