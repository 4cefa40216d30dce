"""Reading and writing named arrays in the safetensors format, whose files can run no code.

The format (https://huggingface.co/docs/safetensors): the length of a JSON header in 8 bytes, the
header, then the arrays, one after the other. Ours hold 32-bit floats only.
"""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

_HEAD = 8
_METADATA = "__metadata__"


def pack(arrays: Mapping[str, NDArray[np.float32]], notes: Mapping[str, str]) -> bytes:
    """Return the bytes of a file with these arrays and notes; the same for the same values."""
    header: dict[str, Any] = {_METADATA: dict(sorted(notes.items()))}
    start = 0
    for name, array in sorted(arrays.items()):
        place = [start, start + array.nbytes]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": place}
        start += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _HEAD)
    body = b"".join(array.astype("<f4").tobytes() for _, array in sorted(arrays.items()))
    return len(text).to_bytes(_HEAD, "little") + text + body


def unpack(content: bytes, name: str) -> dict[str, NDArray[np.float32]]:
    """Return the arrays of a file.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        What to call it in an error.

    Raises
    ------
    WeightsError
        If the file is cut off, is no such file, or holds anything but finite 32-bit floats.
    """
    with _reading(content, name):
        return _arrays(content)


def notes_of(content: bytes, name: str) -> dict[str, str]:
    """Return the notes of a file, none if it has none.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        What to call it in an error.

    Raises
    ------
    WeightsError
        If the file is no such file, or its notes are anything but texts.
    """
    with _reading(content, name):
        header, _ = _parts(content)
        notes: dict[str, str] = header.get(_METADATA, {})
        if any(type(text) is not str for text in notes.values()):
            raise ValueError("notes that are not text")
        return notes


@contextmanager
def _reading(content: bytes, name: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is taken apart into a `WeightsError`."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(
            expected=f"32-bit floats in safetensors format in {name}",
            found=f"{len(content)} bytes that are not in this format ({error})",
            remedy="get the file again",
        ) from error


def _parts(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """Return the header and the bytes of the arrays."""
    length = int.from_bytes(content[:_HEAD], "little")
    header: dict[str, Any] = json.loads(content[_HEAD : _HEAD + length])
    return header, memoryview(content)[_HEAD + length :]


def _arrays(content: bytes) -> dict[str, NDArray[np.float32]]:
    header, body = _parts(content)
    header.pop(_METADATA, None)
    arrays = {key: _array(entry, body) for key, entry in header.items()}
    if sum(array.nbytes for array in arrays.values()) != len(body):
        raise ValueError(f"{len(body)} bytes of numbers")
    return arrays


def _array(entry: dict[str, Any], body: memoryview) -> NDArray[np.float32]:
    start, stop = entry["data_offsets"]
    shape = entry["shape"]
    if any(type(side) is not int or side < 0 for side in shape):
        raise ValueError(f"shape {shape}")
    if entry["dtype"] != "F32" or stop - start != 4 * math.prod(shape):
        raise ValueError(f"{entry['dtype']} of shape {shape} in {stop - start} bytes")
    if not 0 <= start <= stop <= len(body):
        raise ValueError(f"bytes {start} to {stop} of {len(body)}")
    array = np.frombuffer(body[start:stop], "<f4").reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError("values that are not finite")
    return array.astype(np.float32)
