"""Feature maps as bytes that prove that they are whole, in the safetensors format.

Vectors are kept as 32-bit floats, as they were computed. 16-bit floats would take half the space,
but rounding moves classes: on a made-up town k-means gave most pixels another id. A run with the
cache and one without it would then differ, unless all runs rounded.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_firstpass.errors import WeightsError
from napari_firstpass.features import FeatureMap
from napari_firstpass.tensor_file import notes_of, pack, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.grid import Grid


def pack_features(features: FeatureMap, key: str) -> bytes:
    """Return the bytes of a file with a feature map but for its grid; the same for the same map.

    Parameters
    ----------
    features : FeatureMap
        On any device.
    key : str
        What to find it by; `unpack_features` takes it under no other.
    """
    arrays = {"vectors": _array(features.vectors), "valid": _array(features.valid)}
    layout = json.dumps([features.stride, features.groups])
    return pack(arrays, {"layout": layout, "sha256": _digest(arrays, layout, key)})


def unpack_features(content: bytes, key: str, grid: Grid) -> FeatureMap:
    """Return the feature map in a file, on the CPU and contiguous.

    Parameters
    ----------
    content : bytes
        The whole file.
    key : str
        What it was packed under.
    grid : Grid
        Of the image that the map describes.

    Raises
    ------
    WeightsError
        If the file is cut off, changed in any way that matters, packed under another key, or of
        another kind.
    GridMismatchError
        If the map describes an image of another size.
    """
    arrays, notes = unpack(content, key), notes_of(content, key)
    layout = notes.get("layout", "")
    if set(arrays) != {"vectors", "valid"} or notes.get("sha256") != _digest(arrays, layout, key):
        raise WeightsError(
            expected=f"the features that were stored as {key}",
            found=f"{len(content)} bytes that are not those",
            remedy="compute them again",
        )
    # Whoever can compute the digest has written what follows, so it needs no check of its own.
    stride, groups = json.loads(layout)
    vectors, valid = torch.from_numpy(arrays["vectors"]), torch.from_numpy(arrays["valid"]) > 0
    return FeatureMap(vectors, valid, grid.coarsen(stride), stride, tuple(groups))


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    values: NDArray[np.float32] = tensor.detach().cpu().numpy().astype(np.float32)
    return np.ascontiguousarray(values)


def _digest(arrays: dict[str, NDArray[np.float32]], layout: str, key: str) -> str:
    """Hash all that makes a feature map, not the file: then nothing unhashed can be served."""
    names = sorted(arrays)
    digest = sha256(json.dumps([key, layout, [[n, arrays[n].shape] for n in names]]).encode())
    for name in names:
        digest.update(arrays[name].reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
