"""Where tensors are computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_firstpass.errors import DeviceError

if TYPE_CHECKING:
    from napari_firstpass.config import Device


def torch_device(name: Device) -> torch.device:
    """Return the device for ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    DeviceError
        If ``cuda`` is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise DeviceError(
            expected="a CUDA device",
            found="none that torch can use",
            remedy="choose cpu or auto, or install a CUDA build of torch",
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")
