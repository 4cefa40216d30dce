"""Embeddings of pictures as bytes that prove that they are whole, in the safetensors format."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_firstpass.errors import WeightsError
from napari_firstpass.tensor_file import notes_of, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor


def pack_embedding(embedding: tuple[Tensor, ...], key: str) -> bytes:
    """Return the bytes of a file with an embedding; the same for the same one.

    Parameters
    ----------
    embedding : tuple of float32 tensors
        On any device.
    key : str
        What to find it by; `unpack_embedding` takes it under no other.
    """
    arrays = {f"map {number:03}": _array(one) for number, one in enumerate(embedding)}
    return pack(arrays, {"sha256": _digest(arrays, key)})


def unpack_embedding(content: bytes, key: str) -> tuple[Tensor, ...]:
    """Return the embedding in a file, on the CPU and contiguous.

    Parameters
    ----------
    content : bytes
        The whole file.
    key : str
        What it was packed under.

    Raises
    ------
    WeightsError
        If the file is cut off, changed, of another kind, or was packed under another key: it
        belongs to another picture or another model.
    """
    arrays, notes = unpack(content, key), notes_of(content, key)
    if not arrays or notes.get("sha256") != _digest(arrays, key):
        raise WeightsError(
            expected=f"the embedding that was stored as {key}",
            found=f"{len(content)} bytes that are not those",
            remedy="compute it again",
        )
    return tuple(torch.from_numpy(arrays[name]) for name in sorted(arrays))


def _array(tensor: Tensor) -> NDArray[np.float32]:
    values: NDArray[np.float32] = tensor.detach().cpu().numpy().astype(np.float32)
    return np.ascontiguousarray(values)


def _digest(arrays: Mapping[str, NDArray[np.float32]], key: str) -> str:
    names = sorted(arrays)
    digest = sha256(json.dumps([key, [[name, arrays[name].shape] for name in names]]).encode())
    for name in names:
        digest.update(arrays[name].reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
