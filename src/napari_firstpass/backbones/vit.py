"""The backbone over any image model in a folder: DINO, SigLIP, CLIP, TIPS and their like.

A network looks at a picture of three bands through windows that overlap; what it says of the same
place from two windows is blended. A cell is 8 or 16 pixels, whatever the network's patch: for
patches of 14 or 32 pixels the picture is resized so that a patch covers 16.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.metadata import version
from math import log
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from napari_firstpass import descriptors
from napari_firstpass.bands import picture_bands
from napari_firstpass.cached_backbone import identity_of
from napari_firstpass.config import WINDOW_STEP
from napari_firstpass.errors import ComputeError, OptionError
from napari_firstpass.features import FeatureMap
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.sliding import View, views
from napari_firstpass.vision_folder import VisionFolder
from napari_firstpass.vision_model import VisionModel, load_model

if TYPE_CHECKING:
    from torch import Tensor

    from napari_firstpass.bands import Role
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.raster import Raster

_STRIDES = (4, 8, 16)
_BATCH_ON_GPU = 8
_CPU_INFO = Path("/proc/cpuinfo")
_LOADING = Lock()
"""transformers changes what a whole process shares while it loads. A run that was cancelled may
still be loading when the next begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViTConfig:
    """How to look through a network.

    Attributes
    ----------
    layers : tuple of int
        Blocks whose hidden states become the features, one behind the other: 1 is the first, −1 the
        last. Empty for the output of the model, in most families the last block after its norm.
    side : int
        Side of a window in image pixels, a multiple of 16 from 64 to 4096. 384 is what the
        pipeline fits on: networks say other things of the same place in a larger window.
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

    layers: tuple[int, ...] = ()
    side: int = 384
    overlap: int = 64
    flip: bool = False
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    batch: int = 0

    def __post_init__(self) -> None:
        _check("side", self.side, 64, 4096, step=WINDOW_STEP)
        _check("overlap", self.overlap, 0, self.side // 2, step=WINDOW_STEP)
        _check("batch", self.batch, 0, 256)
        if self.dtype not in ("auto", "float32", "bfloat16"):
            raise OptionError(
                expected="a dtype out of auto, float32, bfloat16",
                found=repr(self.dtype),
                remedy="choose one of them",
            )


def _check(name: str, value: int, low: int, high: int, step: int = 1) -> None:
    if type(value) is int and low <= value <= high and value % step == 0:
        return
    steps = ", a whole number" if step == 1 else f", a multiple of {step}"
    raise OptionError(
        expected=f"{name} in [{low}, {high}]{steps}",
        found=repr(value),
        remedy=f"change {name}",
    )


DEFAULT_VIEW = ViTConfig()


@dataclass(frozen=True)
class ViTFactory:
    """Makes backbones over the model in a folder; it is loaded once, when first needed.

    Attributes
    ----------
    folder : Path
        Holds ``config.json``, ``model.safetensors`` and perhaps ``preprocessor_config.json``.
    config : ViTConfig
        How to look through it.
    """

    folder: Path
    config: ViTConfig = DEFAULT_VIEW

    def __call__(
        self, stats: BandStats, roles: tuple[Role | None, ...], device: torch.device
    ) -> ViTBackbone:
        """Return a backbone for bands with these value ranges and roles.

        Raises
        ------
        WeightsError
            If the folder holds no image model that can be loaded.
        OptionError
            If the model has no such blocks as the config names.
        """
        return ViTBackbone(stats, roles, device, self._model, self.config)

    def weights_sha256(self) -> str:
        """Return a hash over the config, the scaling of pixels and the weights.

        Raises
        ------
        WeightsError
            If one of these files is missing or cannot be read.
        """
        return self._sha256

    def identity(self) -> str:
        """Return a text that stands for the model and all its settings.

        Raises
        ------
        WeightsError
            See `weights_sha256`.
        """
        settings = asdict(self.config)
        del settings["batch"]  # a matter of speed
        settings["short"] = computes_short_numbers_fast(torch.device("cpu"))
        settings["transformers"] = version("transformers")
        return identity_of("vit", self._sha256, settings)

    @cached_property
    def _model(self) -> VisionModel:
        with _LOADING:
            return load_model(VisionFolder(self.folder), self.config.layers)

    @cached_property
    def _sha256(self) -> str:
        return VisionFolder(self.folder).sha256()


@dataclass(frozen=True, slots=True)
class ViTBackbone:
    """Features from a network, of any image.

    Attributes
    ----------
    stats : BandStats
        The stretch of the bands.
    roles : tuple of C str or None
        What the bands show. Of more than three bands, the network sees three (`picture_bands`).
    device : torch.device
        Where to compute.
    model : VisionModel
        The network.
    config : ViTConfig
        How to look through it.
    """

    stats: BandStats
    roles: tuple[Role | None, ...]
    device: torch.device
    model: VisionModel
    config: ViTConfig = DEFAULT_VIEW

    @property
    def stride(self) -> int:
        """Image pixels of a cell: as near to the network's patch as the pipeline can take."""
        return min(_STRIDES, key=lambda stride: abs(log(stride / self.model.patch)))

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        """Return the network's features for each 8 x 8 or 16 x 16 pixels; see `Backbone`.

        Raises
        ------
        ComputeError
            If there is not enough memory for a single window.
        """
        yield Progress(0, 1, "reading colours")
        stride = self.stride
        grid = raster.grid.coarsen(stride)
        picture = self._picture(raster)
        cuts = views(
            *grid.shape, side=self.config.side // stride, overlap=self.config.overlap // stride
        )
        vectors = yield from self._blended(picture, cuts, grid.shape)
        valid = descriptors.any_valid(raster, self.device, stride)
        return FeatureMap(vectors, valid, grid, stride)

    def _picture(self, raster: Raster) -> Tensor:
        """Return (3, h · patch, w · patch): the picture as the network expects it."""
        seen = picture_bands(self.roles)
        stretched = torch.from_numpy(self.stats.select(seen).stretch(raster.bands[seen]))
        whole = descriptors.whole_cells(stretched.to(self.device), self.stride)
        if self.stride != self.model.patch:
            size = [side // self.stride * self.model.patch for side in whole.shape[1:]]
            options = {"mode": "bilinear", "antialias": True}
            whole = functional.interpolate(whole[None], size, **options)[0]  # type: ignore[arg-type]
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in self._scaling)
        return (whole - mean.to(whole)) / std.to(whole)

    @property
    def _scaling(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.model.scaling.mean, self.model.scaling.std

    def _blended(
        self, picture: Tensor, cuts: tuple[View, ...], shape: tuple[int, int]
    ) -> Steps[Tensor]:
        """Return (D, h, w): what the network says of all windows, blended."""
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
                blended = maps.new_zeros(maps.shape[1], *shape)
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
        patch = self.model.patch
        windows = [view.window for view in part]
        pixels = torch.stack(
            [
                picture[:, w.row * patch : w.bottom * patch, w.col * patch : w.right * patch]
                for w in windows
            ]
        )
        # Another backbone of the same factory may have taken the model to another device.
        self.model.module.to(self.device)
        found = self._seen(pixels)
        if self.config.flip:
            found = (found + self._seen(pixels.flip(3)).flip(3)) / 2
        return found

    def _seen(self, pixels: Tensor) -> Tensor:
        short = self.config.dtype == "bfloat16"
        if self.config.dtype == "auto":
            short = computes_short_numbers_fast(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=short):
            return self.model.maps(pixels, self.config.layers)


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
