"""CLIP, SigLIP, SigLIP 2 and TIPSv2 in folders of transformers: words and pictures as vectors.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision"
(arXiv 2103.00020); Tschannen et al., "SigLIP 2" (arXiv 2502.14786). Nothing is fetched, and no code
that comes with a model is run.

What a cell shows is asked as Zhou, Loy and Dai do, "Extract Free Dense Labels from CLIP"
(arXiv 2112.01071): the last time that cells of the picture look at each other, each looks at itself
alone. The cells of TIPSv2 were trained to be compared with words, and are taken as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Any

import torch

from napari_firstpass.errors import PromptError, WeightsError
from napari_firstpass.networks.folder import CONFIG
from napari_firstpass.networks.loading import (
    clip_vocabulary,
    config_of,
    load_weights,
    quiet,
    refusing,
    require_vocabulary,
    require_whole,
    transformers_package,
)
from napari_firstpass.networks.viewing import scaled
from napari_firstpass.networks.vision import as_patches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor
    from torch.nn import Module
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

    from napari_firstpass.networks.folder import PixelScaling, VisionFolder

_UNUSED = {"position_ids", "temperature", "logit_bias"}
"""Of TIPSv2, the published files lack the temperature; its config has it."""


@dataclass(frozen=True, slots=True)
class TextFamily:
    """One kind of model.

    Attributes
    ----------
    maker : str
        Its class in transformers.
    masked : bool
        Whether it is told which tokens are padding.
    lower : bool
        Whether it was trained on small letters only.
    places : callable
        Returns (N, T, D) vectors of tokens for scaled pictures, those of the cells last.
    in_patches : bool
        Whether it takes pictures cut into patches.
    """

    maker: str
    masked: bool
    lower: bool
    places: Callable[[HubTextModel, dict[str, Any]], Tensor]
    in_patches: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class HubTextModel:
    """A loaded model; a `TextModel`.

    Attributes
    ----------
    module : PreTrainedModel
        The network, in evaluation mode.
    tokenizer : PreTrainedTokenizer
        Turns words into numbers.
    scaling : PixelScaling
        What it expects of its input.
    device : torch.device
        Where to compute.
    family : TextFamily
        What kind it is.
    """

    module: Any  # its type is in a library that may be missing
    tokenizer: Any
    scaling: PixelScaling
    device: torch.device
    family: TextFamily

    @property
    def network(self) -> Module:
        """The network."""
        found: Module = self.module
        return found

    @property
    def side(self) -> int:
        """Side of the pictures that it was trained on, in pixels."""
        config = self.module.config.vision_config
        if self.family.in_patches:
            return isqrt(int(config.num_patches)) * self.patch
        return int(config.image_size)

    @property
    def patch(self) -> int:
        """Pixels of its picture for each cell, along each axis."""
        return int(self.module.config.vision_config.patch_size)

    @property
    def scale(self) -> float:
        """What likenesses are multiplied by, as it was trained."""
        if hasattr(self.module, "temperature"):
            return 1 / float(self.module.temperature)
        return float(self.module.logit_scale.exp())

    @torch.no_grad()
    def read(self, sentences: Sequence[str]) -> Tensor:
        """Return (K, D): a vector for each sentence; see `TextModel`."""
        longest = int(self.module.config.text_config.max_position_embeddings)
        told = [one.lower() for one in sentences] if self.family.lower else list(sentences)
        spelt = self.tokenizer(told)["input_ids"]
        wordy = [one for one, n in zip(sentences, spelt, strict=True) if len(n) > longest]
        if wordy:
            raise PromptError(
                expected=f"names that {longest} tokens can tell", found=repr(wordy[0]),
                remedy="shorten it",
            )  # fmt: skip
        # What is told to be padding changes nothing but the time it takes.
        masked = self.family.masked
        padding = {"padding": True} if masked else {"padding": "max_length", "max_length": longest}
        spelt = self.tokenizer(told, **padding)
        self.module.to(self.device)
        keys = ("input_ids", "attention_mask") if masked else ("input_ids",)
        inputs = {key: torch.tensor(spelt[key], device=self.device) for key in keys}
        found: Tensor = self.module.get_text_features(**inputs).pooler_output
        return found

    @torch.no_grad()
    def see(self, pictures: Tensor) -> Tensor:
        """Return (N, D): a vector for each picture; see `TextModel`."""
        self.module.to(self.device)
        pixels = scaled(pictures.to(self.device), self.scaling)
        found: Tensor = self.module.get_image_features(**self._inputs(pixels)).pooler_output
        return found

    @torch.no_grad()
    def cells(self, pixels: Tensor) -> Tensor:
        """Return (N, D, h, w): what each cell shows; see `TextModel`."""
        rows, cols = (length // self.patch for length in pixels.shape[2:])
        inputs = self._inputs(pixels)
        if not self.family.in_patches and self.module.config.model_type != "tipsv2":
            inputs["interpolate_pos_encoding"] = True
        found = self.family.places(self, inputs)[:, -rows * cols :]
        return found.float().transpose(1, 2).reshape(len(pixels), -1, rows, cols)

    def _inputs(self, pixels: Tensor) -> dict[str, Any]:
        if not self.family.in_patches:
            return {"pixel_values": pixels}
        patches, more = as_patches(pixels, self.patch)
        return {"pixel_values": patches, **more}


def _clip_places(model: HubTextModel, inputs: dict[str, Any]) -> Tensor:
    vision = model.module.vision_model
    before = vision(**inputs, output_hidden_states=True).hidden_states[-2]
    alone = vision.encoder.layers[-1](before.flatten(0, 1)[:, None], attention_mask=None)
    found: Tensor = model.module.visual_projection(vision.post_layernorm(alone.view_as(before)))
    return found


def _siglip_places(model: HubTextModel, inputs: dict[str, Any]) -> Tensor:
    vision = model.module.vision_model
    states = vision(**inputs).last_hidden_state
    found: Tensor = vision.head(states.flatten(0, 1)[:, None])
    return found.view(*states.shape[:2], -1)


def _tipsv2_places(model: HubTextModel, inputs: dict[str, Any]) -> Tensor:
    found: Tensor = model.module.vision_model(**inputs).last_hidden_state
    return found


FAMILIES = {
    "clip": TextFamily("CLIPModel", masked=True, lower=False, places=_clip_places),
    "siglip": TextFamily("SiglipModel", masked=False, lower=True, places=_siglip_places),
    "siglip2": TextFamily(
        "Siglip2Model", masked=False, lower=True, places=_siglip_places, in_patches=True
    ),
    "tipsv2": TextFamily("Tipsv2Model", masked=True, lower=True, places=_tipsv2_places),
}
"""By the type in their configs. The fixed-size models of SigLIP 2 are written as ``siglip``."""


def load_hub_text_model(folder: VisionFolder, device: torch.device) -> HubTextModel:
    """Load a model that knows pictures and words, with 32-bit weights.

    Raises
    ------
    WeightsError
        If transformers or a file is missing or damaged, or this is another kind of model.
    """
    written = folder.config()
    kind = written["model_type"]
    config = config_of(folder, written) if kind in FAMILIES else None
    if config is None:
        raise WeightsError(
            expected="a model that knows words and pictures: CLIP, SigLIP, SigLIP 2 or TIPSv2",
            found=f"model_type {kind!r} in {folder.path / CONFIG}",
            remedy='choose another folder, or clip-b16 (see "firstpass models list")',
        )
    family = FAMILIES[kind]
    module, info = load_weights(folder, config, family.maker)
    require_whole(f"all weights of a {kind} model in {folder.path}", info, _UNUSED)
    tokenizer = clip_vocabulary(folder) if kind == "clip" else _vocabulary(folder, config)
    require_vocabulary(folder, tokenizer, int(config.text_config.vocab_size))
    model = HubTextModel(module, tokenizer, folder.scaling(kind), device, family)
    _require_one_space(folder, model)
    return model


def _vocabulary(folder: VisionFolder, config: PreTrainedConfig) -> PreTrainedTokenizerBase:
    expected = f"the vocabulary of a {config.model_type} model (tokenizer.json) in {folder.path}"
    with refusing(folder, expected), quiet():
        # That of transformers for the type; the folder's config may name another.
        found: PreTrainedTokenizerBase = transformers_package().AutoTokenizer.from_pretrained(
            folder.path, config=config, local_files_only=True, trust_remote_code=False
        )
        if getattr(found, "pad_token_id", None) is None:
            raise ValueError("no token for padding")
        return found


def _require_one_space(folder: VisionFolder, model: HubTextModel) -> None:
    """Make sure by a trial that a model says something of a word, a picture and its cells."""
    kind = model.module.config.model_type
    with refusing(folder, f"a {kind} model that compares words with pictures"), torch.no_grad():
        word = model.read(["a"])
        seen = model.see(torch.zeros(1, 3, model.side, model.side))
        cells = model.cells(torch.zeros(1, 3, 2 * model.patch, 3 * model.patch))
        widths = {word.shape[1], seen.shape[1], cells.shape[1]}
        if len(widths) > 1 or not all(part.isfinite().all() for part in (word, seen, cells)):
            raise ValueError(f"vectors of {', '.join(map(str, sorted(widths)))} numbers")
