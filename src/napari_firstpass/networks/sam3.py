"""SAM 3 of Hugging Face transformers, asked by words: an outline of each thing that is named.

Meta, "SAM 3: Segment Anything with Concepts" (arXiv 2511.16719). Of the model it is the detector:
it finds all things of a kind in one image. Nothing is fetched, and no code that comes with a model
is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from napari_firstpass.errors import PromptError, WeightsError
from napari_firstpass.networks.folder import CONFIG
from napari_firstpass.networks.loading import (
    clip_vocabulary,
    config_of,
    load_weights,
    require_vocabulary,
    require_whole,
)
from napari_firstpass.networks.viewing import scaled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor
    from transformers import CLIPTokenizer

    from napari_firstpass.networks.folder import PixelScaling, VisionFolder

_KIND, _OF_FILMS = "sam3", "sam3_video"
_UNUSED = {"geometry_encoder", "position_ids"}
"""Parts of names; weights with one of them change nothing for words."""


@dataclass(frozen=True, slots=True, eq=False)
class Things:
    """What was found of one kind.

    Attributes
    ----------
    masks : (N, h, w) float tensor
        How likely cells of the square picture belong to each thing; perhaps none.
    scores : (N,) float tensor
        How likely each is what was asked for, in [0, 1].
    """

    masks: Tensor
    scores: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Sam3Detector:
    """A loaded model.

    Attributes
    ----------
    module : Sam3Model
        The network, in evaluation mode.
    tokenizer : CLIPTokenizer
        Turns words into numbers.
    scaling : PixelScaling
        What it expects of colours.
    side : int
        Side of the square that pictures are resized to, in pixels.
    """

    module: Any  # its type is in a library that may be missing
    tokenizer: CLIPTokenizer
    scaling: PixelScaling
    side: int

    @torch.no_grad()
    def look(self, picture: Tensor, device: torch.device) -> Any:  # noqa: ANN401 - of transformers
        """Return what the model keeps of a picture (3, H, W) in [0, 1]."""
        self.module.to(device)
        square = functional.interpolate(
            picture[None].to(device), (self.side, self.side), mode="bilinear", antialias=True
        )
        return self.module.get_vision_features(scaled(square[0], self.scaling)[None])

    @torch.no_grad()
    def find(self, seen: Any, name: str) -> Things:  # noqa: ANN401 - what `look` returned
        """Return all things of a name.

        Raises
        ------
        PromptError
            If the name is too long to be read.
        """
        longest = int(self.module.config.text_config.max_position_embeddings)
        spelt = self.tokenizer(name, padding="max_length", max_length=longest)
        if len(spelt["input_ids"]) > longest:
            raise PromptError(
                expected=f"a name of at most {longest - 2} tokens",
                found=repr(name),
                remedy="shorten it: a token is a word or a part of one",
            )
        device = next(self.module.parameters()).device
        said = self.module(
            vision_embeds=seen,
            input_ids=torch.tensor([spelt["input_ids"]], device=device),
            attention_mask=torch.tensor([spelt["attention_mask"]], device=device),
        )
        scores = said.pred_logits[0].sigmoid() * said.presence_logits[0].sigmoid()
        return Things(said.pred_masks[0].sigmoid(), scores)


def load_sam3(folder: VisionFolder) -> Sam3Detector:
    """Load the detector of a SAM 3, with 32-bit weights.

    Parameters
    ----------
    folder : VisionFolder
        As transformers saves it, or as it is published for films.

    Raises
    ------
    WeightsError
        If transformers or a file is missing or damaged, or this is another kind of model.
    """
    config: Any = config_of(folder, {**_inner(folder, folder.config()), "model_type": _KIND})
    module, info = load_weights(folder, config, "Sam3Model")
    require_whole(f"all weights of the detector of a SAM 3 in {folder.path}", info, _UNUSED)
    tokenizer = clip_vocabulary(folder)
    require_vocabulary(folder, tokenizer, int(config.text_config.vocab_size))
    return Sam3Detector(module, tokenizer, folder.scaling(_KIND), int(config.image_size))


def _inner(folder: VisionFolder, written: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the config of the detector."""
    kind = written["model_type"]
    inner = written.get("detector_config") if kind == _OF_FILMS else written
    if kind not in (_KIND, _OF_FILMS) or not isinstance(inner, dict):
        raise WeightsError(
            expected="a SAM 3, which finds what words name",
            found=f"model_type {kind!r} in {folder.path / CONFIG}",
            remedy="give another folder; iseg reads words with sd-2-1-base",
        )
    return inner
