"""Embeddings as bytes."""

from __future__ import annotations

import pytest
import torch

from napari_firstpass.errors import WeightsError
from napari_firstpass.sam_models.embedding_file import pack_embedding, unpack_embedding

KEY, OTHER = "a" * 64, "b" * 64


def embedding() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    sizes = [(1, 2, 8, 8), (1, 4, 4, 4), *((1, 1, 1, 1),) * 10]
    return tuple(torch.randn(size, generator=generator) for size in sizes)


def test_maps_come_back_in_their_order() -> None:
    maps = embedding()
    found = unpack_embedding(pack_embedding(maps, KEY), KEY)
    assert len(found) == len(maps)
    assert all(one.equal(other) for one, other in zip(found, maps, strict=True))


def test_an_embedding_under_another_key_is_refused() -> None:
    with pytest.raises(WeightsError, match=f"the embedding that was stored as {OTHER}"):
        unpack_embedding(pack_embedding(embedding(), KEY), OTHER)


def test_bytes_that_were_changed_or_cut_off_are_refused() -> None:
    content = pack_embedding(embedding(), KEY)
    changed = bytearray(content)
    changed[-1] ^= 1
    for damaged in (bytes(changed), content[:-4], content[: len(content) // 2], b""):
        with pytest.raises(WeightsError):
            unpack_embedding(damaged, KEY)
