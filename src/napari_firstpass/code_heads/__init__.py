"""Segmentation heads of others (STEGO, HP): what makes codes of a network's features."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.errors import WeightsError

if TYPE_CHECKING:
    from napari_firstpass.code_heads.head import HeadFile

NO_PROJECTION = "none"
SUFFIXES = (".ckpt", ".pt", ".pth", ".safetensors")


def head_of(reference: str) -> HeadFile | None:
    """Return the head in a file, None for ``none``.

    Parameters
    ----------
    reference : str
        ``none``, or the path of a checkpoint; of a file named ``none``, say ``./none``.

    Raises
    ------
    WeightsError
        If there is no such file, it holds more than tensors, or no head is found in it.
    """
    if reference == NO_PROJECTION:
        return None
    try:
        place = Path(reference).expanduser().absolute()
        status = place.stat() if place.is_file() and place.suffix in SUFFIXES else None
    except (OSError, RuntimeError):  # a name that no file can have; a home that nobody has
        status = None
    if status is None:
        raise WeightsError(
            expected=f"a checkpoint of STEGO or HP ({', '.join(SUFFIXES)}) at {reference}",
            found="no such file",
            remedy="check the path",
        )
    return _head_in(place, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1)  # a run asks several times
def _head_in(place: Path, _changed: int, _size: int) -> HeadFile:
    from napari_firstpass.code_heads.layout import head_among
    from napari_firstpass.code_heads.reading import tensors_in

    return head_among(tensors_in(place), place.name)
