"""Image models of Hugging Face transformers, as functions from pixels to maps of features.

Every model is asked in the same way; what differs between families (the size of a patch, how many
tokens stand for no patch) is found by one trial when it is loaded. Nothing is fetched, and no code
that comes with a model is run.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import Module, functional

from napari_firstpass.errors import OptionError, WeightsError
from napari_firstpass.networks.folder import CONFIG
from napari_firstpass.networks.loading import (
    config_of,
    load_weights,
    refusing,
    require_whole,
    transformers_package,
)

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig

    from napari_firstpass.networks.folder import PixelScaling, VisionFolder

_TRIAL = (224, 448)
"""Rows and columns of a trial image: a multiple of all usual patches; not square on purpose."""

_STRIDES = (4, 8, 16)
_PATCHES = (4, 8, 14, 16, 32)
_MOST_EXTRA = 32
_UNUSED = {"pooler", "head", "mask_token"}
"""Parts of a model that change no patch; their weights may be missing."""


@dataclass(frozen=True, slots=True)
class VisionModel:
    """A loaded model.

    Attributes
    ----------
    module : torch.nn.Module
        The model; in evaluation mode.
    patch : int
        Pixels of its input for each vector, along each axis.
    extra : int or None
        Tokens before those of the patches (class, registers); None for a model that returns maps.
    scaling : PixelScaling
        What it expects of its input.
    """

    module: Module
    patch: int
    extra: int | None
    scaling: PixelScaling

    def maps(self, pixels: Tensor, layers: tuple[int, ...] = ()) -> Tensor:
        """Return features of images.

        Parameters
        ----------
        pixels : (N, 3, H, W) float tensor
            Scaled images; H and W are multiples of ``patch``.
        layers : tuple of int
            Blocks whose hidden states are put one behind the other, counted from 1, or from the
            end by −1, −2 …; the model's output where empty.

        Returns
        -------
        (N, D, H / patch, W / patch) float32 tensor
            Hidden states on finer grids are averaged, those on coarser ones repeated.
        """
        shape = (pixels.shape[2] // self.patch, pixels.shape[3] // self.patch)
        last, hidden = _call(self.module, pixels, self.patch, hidden=bool(layers))
        states = [hidden[i] for i in layers] if layers else [last]
        return torch.cat([self._map(state, shape) for state in states], 1).float()

    def _map(self, state: Tensor, shape: tuple[int, int]) -> Tensor:
        if state.ndim == 4:
            fits = tuple(state.shape[2:]) == shape
            return state if fits else functional.adaptive_avg_pool2d(state, shape)
        patches = state[:, self.extra or 0 :].transpose(1, 2)
        return patches.reshape(*patches.shape[:2], *shape)


def stride_of(patch: int) -> int:
    """Return the side of a cell in image pixels: as near to a network's patch as can be taken."""
    return min(_STRIDES, key=lambda stride: abs(log(stride / patch)))


def load_model(folder: VisionFolder, layers: tuple[int, ...] = ()) -> VisionModel:
    """Load the image part of the model in a folder, with 32-bit weights.

    Parameters
    ----------
    folder : VisionFolder
        Where it is.
    layers : tuple of int
        The blocks that will be asked for; see `VisionModel.maps`.

    Raises
    ------
    WeightsError
        If transformers is missing, a file is missing or damaged, or this is no image model.
    OptionError
        If the model has no such block.
    """
    config = _image_config(folder)
    module = _loaded(folder, config)
    patch, extra = _tried(module, config, folder)
    model = VisionModel(module, patch, extra, folder.scaling(folder.config()["model_type"]))
    _require_blocks(model, layers)
    return model


def _image_config(folder: VisionFolder) -> PreTrainedConfig:
    """Return the config of the part that sees, as an object of transformers."""
    written = folder.config()
    whole = config_of(folder, written)
    config: PreTrainedConfig | None = getattr(whole, "vision_config", None) or whole
    if config is None or not _sees_colours(config):
        unknown = f", unknown to transformers {transformers_package().__version__}"
        raise WeightsError(
            expected="a model of colour images, such as DINOv3, DINOv2, SigLIP, CLIP or TIPSv2",
            found=f"model_type {written['model_type']!r} in {folder.path / CONFIG}"
            + (unknown if whole is None else ""),
            remedy="give another folder, or update transformers if the model is new",
        )
    return config


def _sees_colours(config: PreTrainedConfig) -> bool:
    known = transformers_package().MODEL_MAPPING.get(type(config), None)
    model = known[0] if isinstance(known, tuple) else known
    takes = getattr(model, "main_input_name", None)
    return takes == "pixel_values" and getattr(config, "num_channels", 3) == 3


def _loaded(folder: VisionFolder, config: PreTrainedConfig) -> Module:
    module, info = load_weights(folder, config, "AutoModel")
    whole = f"all weights of a {config.model_type} model in {folder.path}"
    require_whole(whole, info, _UNUSED)
    return module


def _tried(
    module: Module, config: PreTrainedConfig, folder: VisionFolder
) -> tuple[int, int | None]:
    """Return pixels for each vector and the number of extra tokens, from a trial."""
    first = _said_patch(config)
    with refusing(folder, f"a {config.model_type} model that takes images of any size"):
        # First a small one. Swin (transformers 5.23) sets its windows to the smallest image that it
        # has seen, and its weights do not fit any more.
        _call(module, torch.zeros(1, 3, *_smallest(first)), first, hidden=False)
        state, _ = _call(module, torch.zeros(1, 3, *_TRIAL), first, hidden=False)
        if not state.isfinite().all():
            raise ValueError("an output that is not finite")
        for patch in (first, *_PATCHES):
            grid = tuple(side // patch for side in _TRIAL) if patch else (0, 0)
            extra = state.shape[1] - grid[0] * grid[1]
            if patch and state.ndim == 4 and tuple(state.shape[2:]) == grid:
                return patch, None
            if patch and state.ndim == 3 and 0 <= extra <= _MOST_EXTRA:
                return patch, extra
        raise ValueError(f"an output of shape {tuple(state.shape)} for an image of {_TRIAL}")


def _smallest(patch: int) -> tuple[int, int]:
    """Return rows and columns of a small image of whole patches, whichever are usual."""
    side = -(-max(_PATCHES) // (patch or 1)) * (patch or 1)
    return side, 2 * side


def _said_patch(config: PreTrainedConfig) -> int:
    """Return the side of a patch, 0 where the config does not say it."""
    said = getattr(config, "patch_size", None)
    said = said[0] if isinstance(said, list | tuple) and len(set(said)) == 1 else said
    return said if isinstance(said, int) else 0


def _call(
    module: Module, pixels: Tensor, patch: int, *, hidden: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a model; return its output and, if wanted, the states before and after every block."""
    takes = inspect.signature(module.forward).parameters
    options: dict[str, Any] = {"output_hidden_states": True} if hidden else {}
    if "interpolate_pos_encoding" in takes:
        options["interpolate_pos_encoding"] = True
    if "spatial_shapes" in takes:
        pixels, more = as_patches(pixels, patch)
        options.update(more)
    with torch.inference_mode():
        output = module(pixel_values=pixels, **options)
    return output.last_hidden_state, getattr(output, "hidden_states", None) or ()


def as_patches(pixels: Tensor, patch: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Cut images (N, 3, H, W) into patches (N, n, patch² · 3), as SigLIP 2 takes them."""
    count, channels, height, width = pixels.shape
    rows, cols = height // patch, width // patch
    blocks = pixels.reshape(count, channels, rows, patch, cols, patch)
    listed = blocks.permute(0, 2, 4, 3, 5, 1).reshape(count, rows * cols, -1)
    shapes = torch.tensor([[rows, cols]] * count, device=pixels.device)
    mask = torch.ones(listed.shape[:2], dtype=torch.int32, device=pixels.device)
    return listed, {"pixel_attention_mask": mask, "spatial_shapes": shapes}


def _require_blocks(model: VisionModel, layers: tuple[int, ...]) -> None:
    """Check that a model has blocks, by asking for all of them once."""
    if not layers:
        return
    last, hidden = _call(model.module, torch.zeros(1, 3, *_TRIAL), model.patch, hidden=True)
    blocks = max(len(hidden) - 1, 0)
    wrong = [i for i in layers if not 1 <= abs(i) <= blocks]
    fine = [i for i in layers if i not in wrong]
    uneven = [i for i in fine if hidden[i].ndim != 4 and hidden[i].shape[1] != last.shape[1]]
    if wrong or uneven:
        raise OptionError(
            expected=f"blocks from 1 to {blocks}, with as many tokens as the output",
            found=f"{', '.join(map(str, wrong or uneven))}",
            remedy="change layers, or leave it empty",
        )
