"""Upsamplers: what makes the coarse features of networks finer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.digest import sha256_steps
from napari_firstpass.errors import UnknownNameError
from napari_firstpass.progress import run
from napari_firstpass.registry import Entry, Registry
from napari_firstpass.weights.folder import is_path, weights_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_firstpass.protocols import Upsampler

NO_UPSAMPLER = "none"
ANYUP = "anyup"
"""A learned upsampler; also the folder, beside those of networks, where its weights belong."""

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
        A name of `UPSAMPLERS`; or ``none``; or ``anyup`` for weights of AnyUp in the folder of that
        name in `weights.folder.weights_folder`; or the path of another folder that holds them.

    Raises
    ------
    UnknownNameError
        If it is none of them.
    WeightsError
        If the folder does not hold the weights of AnyUp.
    """
    if reference == NO_UPSAMPLER:
        return None
    if (folder := _anyup_folder(reference)) is not None:
        from napari_firstpass.upsampling.anyup import load_anyup

        return load_anyup(folder)
    if reference not in UPSAMPLERS.names:
        raise UnknownNameError(
            expected=f"a way to upsample out of {', '.join((NO_UPSAMPLER, *UPSAMPLERS.names))}, "
            f"{ANYUP}, or a folder with the weights of AnyUp such as ./anyup",
            found=repr(reference),
            remedy="choose one of them",
        )
    return UPSAMPLERS.load(reference)()


def upsampler_sha256(reference: str) -> str | None:
    """Return the hash of the file with the weights of an upsampler, None if it has none.

    Raises
    ------
    WeightsError
        If a folder holds no weights.
    """
    folder = _anyup_folder(reference)
    if folder is None:
        return None
    from napari_firstpass.upsampling.anyup import weights_file

    return run(sha256_steps(weights_file(folder)))


def _anyup_folder(reference: str) -> Path | None:
    """Return where the weights should be, None for what is no reference to AnyUp."""
    if reference == ANYUP:
        return weights_folder() / ANYUP
    return Path(reference).expanduser().absolute() if is_path(reference) else None
