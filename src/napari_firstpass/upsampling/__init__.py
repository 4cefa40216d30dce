"""Upsamplers: what makes the coarse features of networks finer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.errors import UnknownNameError
from napari_firstpass.registry import Entry, Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_firstpass.protocols import Upsampler

NO_UPSAMPLER = "none"

UPSAMPLERS: Registry[Callable[[], Upsampler]] = Registry(
    "way to upsample",
    "napari_firstpass.upsamplers",
    {
        "bilinear": Entry(
            "napari_firstpass.upsampling.bilinear:Bilinear",
            "blends neighbouring cells, whatever the image shows",
        ),
        "guided": Entry(
            "napari_firstpass.upsampling.guided:Guided",
            "follows the colours of the image",
        ),
    },
)


def upsampler_of(reference: str) -> Upsampler | None:
    """Return an upsampler, None for ``none``.

    Parameters
    ----------
    reference : str
        A name of `UPSAMPLERS`, or ``none``.

    Raises
    ------
    UnknownNameError
        If it is none of them.
    """
    if reference == NO_UPSAMPLER:
        return None
    if reference not in UPSAMPLERS.names:
        raise UnknownNameError.of(UPSAMPLERS.kind, reference, (NO_UPSAMPLER, *UPSAMPLERS.names))
    return UPSAMPLERS.load(reference)()
