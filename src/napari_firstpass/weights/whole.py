"""Telling a whole file of weights from one that was cut off, without reading its numbers."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

from napari_firstpass.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

_HEAD = 8
_LARGEST_HEADER = 100_000_000  # the limit that the format sets
_POINTER = b"version https://git-lfs"


def check_whole(path: Path) -> None:
    """Make sure that a file of a model is all there, as far as its own header tells.

    Raises
    ------
    WeightsError
        If a safetensors file or a zip archive is cut off, or git left a pointer in its place.
    """
    with path.open("rb") as file:
        start = file.read(len(_POINTER))
    if start == _POINTER:
        raise WeightsError(
            expected=f"the content of {path}",
            found="a pointer that git left in its place",
            remedy='run "git lfs pull" where it was cloned',
        )
    if path.suffix == ".safetensors":
        _check_safetensors(path)
    elif start.startswith(b"PK") and not zipfile.is_zipfile(path):
        raise _cut_off(path, "an archive without its end")


def _check_safetensors(path: Path) -> None:
    size = path.stat().st_size
    try:
        expected = _length_by_header(path)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _cut_off(path, f"{size} bytes that are not in safetensors format") from error
    if size != expected:
        raise _cut_off(path, f"{size} of {expected} bytes")


def _length_by_header(path: Path) -> int:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_HEAD), "little")
        if not 0 < length <= _LARGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(file.read(length))
    stops = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
    return _HEAD + length + int(max(stops, default=0))


def _cut_off(path: Path, found: str) -> WeightsError:
    return WeightsError(expected=f"the whole of {path}", found=found, remedy="get the file again")
