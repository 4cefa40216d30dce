"""How networks look at images: a picture of three bands, through windows that overlap.

What a network says of the same place from two windows is blended; as many windows are computed at
once as memory allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from napari_firstpass import descriptors
from napari_firstpass.bands import picture_bands
from napari_firstpass.config import WINDOW_STEP, check_choice, check_number
from napari_firstpass.errors import ComputeError
from napari_firstpass.networks.sliding import View, views
from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor
    from torch.nn import Module

    from napari_firstpass.bands import Role
    from napari_firstpass.networks.folder import PixelScaling
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.raster import Raster

_BATCH_ON_GPU = 8
_CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewConfig:
    """How to look through a network.

    Attributes
    ----------
    side : int
        Side of a window in image pixels, a multiple of 16 from 64 to 4096.
    overlap : int
        What windows share at least, a multiple of 16 up to half of ``side``.
    flip : bool
        Whether to average with what the network says of the mirrored picture; twice the time.
    dtype : str
        ``bfloat16`` computes with short numbers; ``auto`` does where the hardware has units for
        them; ``float32`` never.
    batch : int
        Windows at once, 0 to 256; 0 for 1 on a CPU and 8 on a GPU. Fewer where memory is short.
    """

    side: int = 384
    overlap: int = 64
    flip: bool = False
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    batch: int = 0

    def __post_init__(self) -> None:
        check_number("side", self.side, 64, 4096, step=WINDOW_STEP)
        check_number("overlap", self.overlap, 0, self.side // 2, step=WINDOW_STEP)
        check_number("batch", self.batch, 0, 256)
        check_choice("dtype", self.dtype, ("auto", "float32", "bfloat16"))

    def is_short(self, device: torch.device) -> bool:
        """Tell whether a device computes with short numbers."""
        if self.dtype == "auto":
            return computes_short_numbers_fast(device)
        return self.dtype == "bfloat16"


@dataclass(frozen=True, slots=True)
class Viewer:
    """A network, and how to look through it.

    Attributes
    ----------
    module : torch.nn.Module
        The network; it is moved to ``device`` when it is asked.
    ask : callable
        Asks it: from scaled pixels (N, 3, H, W) to maps (N, D, h, w) of cells.
    stride : int
        Image pixels of a cell, along each axis.
    patch : int
        Pixels of the picture for each cell; other than ``stride`` where the picture is resized.
    device : torch.device
        Where to compute.
    config : ViewConfig
        Windows and numbers.
    """

    module: Module
    ask: Callable[[Tensor], Tensor]
    stride: int
    patch: int
    device: torch.device
    config: ViewConfig

    def look(self, picture: Tensor) -> Steps[Tensor]:
        """Return (D, h, w): what the network says of all windows of a picture, blended.

        Parameters
        ----------
        picture : (3, h · patch, w · patch) float tensor
            Scaled as the network expects.

        Raises
        ------
        ComputeError
            If there is not enough memory for a single window.
        """
        height, width = (side // self.patch for side in picture.shape[1:])
        side, overlap = self.config.side // self.stride, self.config.overlap // self.stride
        cuts = views(height, width, side=side, overlap=overlap)
        batch = self.config.batch or (_BATCH_ON_GPU if self.device.type == "cuda" else 1)
        blended, done, notice = torch.empty(0), 0, ""
        while done < len(cuts):
            part = cuts[done : done + batch]
            yield Progress(done, len(cuts), f"view {done + 1} of {len(cuts)}{notice}")
            maps = self._maps_if_they_fit(picture, part)
            if maps is None:
                batch = self._fewer_than(len(part))
                notice = f", {batch} at once: memory is short"
                continue
            if not done:
                blended = maps.new_zeros(maps.shape[1], height, width)
            for view, found in zip(part, maps, strict=True):
                rows, cols = view.window.slices
                blended[:, rows, cols] += found * view.weights.to(found)
            done += len(part)
        return blended

    def _fewer_than(self, batch: int) -> int:
        if batch > 1:
            return batch // 2
        raise ComputeError(
            expected=f"enough memory for one window of {self.config.side} pixels",
            found=f"too little on {self.device}",
            remedy="choose a smaller side, fewer layers, a smaller model or another device",
        )

    def _maps_if_they_fit(self, picture: Tensor, part: tuple[View, ...]) -> Tensor | None:
        """Return (N, D, h, w) features of windows, None where memory is too short."""
        try:
            return self._maps(picture, part)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Out of the handler, whose traceback held what had been computed.
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    def _maps(self, picture: Tensor, part: tuple[View, ...]) -> Tensor:
        patch = self.patch
        windows = [view.window for view in part]
        pixels = torch.stack(
            [
                picture[:, w.row * patch : w.bottom * patch, w.col * patch : w.right * patch]
                for w in windows
            ]
        )
        # Another user of the same network may have taken it to another device.
        self.module.to(self.device)
        found = self._seen(pixels)
        if self.config.flip:
            found = (found + self._seen(pixels.flip(3)).flip(3)) / 2
        return found

    def _seen(self, pixels: Tensor) -> Tensor:
        short = self.config.is_short(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=short):
            return self.ask(pixels)


def picture_of(
    raster: Raster,
    stats: BandStats,
    roles: tuple[Role | None, ...],
    device: torch.device,
    stride: int,
) -> Tensor:
    """Return three bands of an image (see `picture_bands`) on whole cells.

    Parameters
    ----------
    raster : Raster
        The image, without gaps (`normalize.filled`).
    stats : BandStats
        The stretch of its bands.
    roles : tuple of C str or None
        What they show.
    device : torch.device
        Where to put the picture.
    stride : int
        Side of a cell in pixels.

    Returns
    -------
    (3, H, W) float32 tensor
        In [0, 1]; H and W are multiples of ``stride``, continued beyond the last row and column.
    """
    seen = picture_bands(roles)
    stretched = torch.from_numpy(stats.select(seen).stretch(raster.bands[seen]))
    return descriptors.whole_cells(stretched.to(device), stride)


def resized(picture: Tensor, stride: int, patch: int) -> Tensor:
    """Return a picture (3, H, W) of cells of ``stride`` pixels with cells of ``patch`` pixels."""
    if stride == patch:
        return picture
    size = [side // stride * patch for side in picture.shape[1:]]
    options = {"mode": "bilinear", "antialias": True}
    return functional.interpolate(picture[None], size, **options)[0]  # type: ignore[arg-type]


def scaled(picture: Tensor, scaling: PixelScaling) -> Tensor:
    """Return a picture (3, H, W) of values in [0, 1] as a network expects it."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (scaling.mean, scaling.std))
    return (picture - mean.to(picture)) / std.to(picture)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory was too short, on a GPU or a CPU."""
    # The last two are what oneDNN says where it gets no memory.
    texts = (
        "not enough memory",
        "can't allocate memory",
        "bad_alloc",
        "could not create a primitive",
        "could not create a memory",
    )
    kinds = (torch.cuda.OutOfMemoryError, MemoryError)
    return isinstance(error, kinds) or any(text in str(error) for text in texts)


@cache
def computes_short_numbers_fast(device: torch.device) -> bool:
    """Tell whether a device has units for bfloat16: every GPU we know, and CPUs with AMX."""
    if device.type == "cpu":
        # torch tells only AVX through its public functions (2.13).
        return _CPU_INFO.is_file() and "amx_bf16" in _CPU_INFO.read_text(encoding="utf-8")
    return device.type == "cuda"
