"""The backbone over any image model in a folder: DINO, SigLIP, CLIP, TIPS and their like.

A network looks at a picture of three bands through windows that overlap; what it says of the same
place from two windows is blended. A cell is 8 or 16 pixels, whatever the network's patch: for
patches of 14 or 32 pixels the picture is resized so that a patch covers 16.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property, partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import torch

from napari_firstpass import descriptors
from napari_firstpass.cached_backbone import identity_of
from napari_firstpass.config import RUNTIMES, check_choice
from napari_firstpass.errors import DeviceError
from napari_firstpass.features import FeatureMap
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.openvino_network import OpenVINONetwork, openvino_version
from napari_firstpass.networks.viewing import (
    ViewConfig,
    Viewer,
    computes_short_numbers_fast,
    picture_of,
    resized,
    scaled,
)
from napari_firstpass.networks.vision import VisionModel, load_model, stride_of
from napari_firstpass.progress import Progress, Span, Steps, relay

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from napari_firstpass.bands import Role
    from napari_firstpass.config import Runtime
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.raster import Raster

_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class ViTConfig(ViewConfig):
    """How to look through a network; windows and numbers as `ViewConfig` has them.

    The default ``side`` of 384 is what the pipeline fits on: networks say other things of the same
    place in a larger window.

    Attributes
    ----------
    layers : tuple of int
        Blocks whose hidden states become the features, one behind the other: 1 is the first, −1 the
        last. Empty for the output of the model, in most families the last block after its norm.
    runtime : str
        What computes whole windows: ``torch``, or ``openvino`` on a CPU (see `openvino_network`).
        With it, ``bfloat16`` pays only where the CPU has units for it: elsewhere, it took 40 times
        as long.
    """

    layers: tuple[int, ...] = ()
    runtime: Runtime = "torch"

    def __post_init__(self) -> None:
        # By its name: slots make a new class, which a bare `super()` does not know.
        ViewConfig.__post_init__(self)
        check_choice("runtime", self.runtime, RUNTIMES)


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
            If the model has no such blocks as the config names, or OpenVINO is wanted and missing.
        DeviceError
            If OpenVINO is to compute on anything but a CPU.
        """
        if self.config.runtime == "torch":
            return ViTBackbone(stats, roles, device, self._model, self.config)
        if device.type != "cpu":
            raise DeviceError(
                expected="the device cpu for the runtime openvino",
                found=str(device),
                remedy="change one of them",
            )
        return ViTBackbone(stats, roles, device, self._model, self.config, self._on_openvino)

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
        OptionError
            If OpenVINO is wanted and missing.
        """
        settings = asdict(self.config)
        del settings["batch"]  # a matter of speed
        settings["short"] = computes_short_numbers_fast(_CPU)
        settings["transformers"] = version("transformers")
        if self.config.runtime == "openvino":
            settings["openvino"] = openvino_version()
        return identity_of("vit", self._sha256, settings)

    @cached_property
    def _model(self) -> VisionModel:
        return load_model(VisionFolder(self.folder), self.config.layers)

    @cached_property
    def _on_openvino(self) -> OpenVINONetwork:
        openvino_version()  # what is missing is said before anything is computed
        model, config = self._model, self.config
        side = config.side // stride_of(model.patch) * model.patch
        return OpenVINONetwork(model, config.layers, side, config.is_short(_CPU))

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
    on_openvino : OpenVINONetwork or None
        What computes whole windows instead of torch.
    """

    stats: BandStats
    roles: tuple[Role | None, ...]
    device: torch.device
    model: VisionModel
    config: ViTConfig = DEFAULT_VIEW
    on_openvino: OpenVINONetwork | None = None

    @property
    def stride(self) -> int:
        """Image pixels of a cell: as near to the network's patch as the pipeline can take."""
        return stride_of(self.model.patch)

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        """Return the network's features for each 8 x 8 or 16 x 16 pixels; see `Backbone`.

        Raises
        ------
        ComputeError
            If there is not enough memory for a single window, or OpenVINO cannot run the network.
        """
        yield Progress(0, 1, "reading colours")
        stride, picture = self.stride, self._picture(raster)
        ask: Callable[[Tensor], Tensor] = partial(self.model.maps, layers=self.config.layers)
        if self.on_openvino is not None:
            ask = yield from relay(self.on_openvino.asker(picture), Span(0, 0, 1))
        vectors = yield from self._viewer(ask).look(picture)
        valid = descriptors.any_valid(raster, self.device, stride)
        return FeatureMap(vectors, valid, raster.grid.coarsen(stride), stride)

    def _viewer(self, ask: Callable[[Tensor], Tensor]) -> Viewer:
        patch = self.model.patch
        return Viewer(self.model.module, ask, self.stride, patch, self.device, self.config)

    def _picture(self, raster: Raster) -> Tensor:
        """Return (3, h · patch, w · patch): the picture as the network expects it."""
        whole = picture_of(raster, self.stats, self.roles, self.device, self.stride)
        return scaled(resized(whole, self.stride, self.model.patch), self.model.scaling)
