"""Tiny image models with random weights, and how each is asked by its own class."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import transformers
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil
from transformers.utils import logging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor
    from transformers import PreTrainedModel
    from transformers.utils import ModelOutput

WIDTH = 32
_SMALL = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2}
_WITH_MLP = {**_SMALL, "intermediate_size": 64}
_TEXT = {**_WITH_MLP, "vocab_size": 99, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
_STAGES = {"hidden_sizes": [8, 16, 16, WIDTH], "depths": [1, 1, 1, 1]}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
NONE = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of model, and what is known about it from its papers.

    ``build`` makes it; ``see`` runs the part of it that sees on scaled pixels, with options;
    ``patch`` is in its own pixels, ``stride`` in those of an image; ``extra`` counts class and
    register tokens; ``scaling`` is the mean and spread it was trained with.
    """

    build: Callable[[], PreTrainedModel]
    see: Callable[..., ModelOutput]
    patch: int
    stride: int
    extra: int
    scaling: tuple[tuple[float, ...], tuple[float, ...]]

    def maps(self, model: PreTrainedModel, pixels: Tensor) -> Tensor:
        """Return (N, D, h, w): the output for pixels (N, 3, H, W)."""
        with torch.no_grad():
            return self.arranged(self.see(model, pixels).last_hidden_state, pixels)

    def states(self, model: PreTrainedModel, pixels: Tensor) -> list[Tensor]:
        """Return (N, D, h, w) for the embeddings and every block."""
        with torch.no_grad():
            states = self.see(model, pixels, output_hidden_states=True).hidden_states
        return [self.arranged(state, pixels) for state in states]

    def arranged(self, state: Tensor, pixels: Tensor) -> Tensor:
        if state.ndim == 4:
            return state
        rows = [token.T for token in state[:, self.extra :]]
        height = pixels.shape[2] // self.patch
        return torch.stack([row.reshape(len(row), height, -1) for row in rows])


def _plain(model: PreTrainedModel, pixels: Tensor, **options: bool) -> ModelOutput:
    return model(pixel_values=pixels, **options)


def _stretched(model: PreTrainedModel, pixels: Tensor, **options: bool) -> ModelOutput:
    return model(pixel_values=pixels, interpolate_pos_encoding=True, **options)


def _tower(model: PreTrainedModel, pixels: Tensor, **options: bool) -> ModelOutput:
    return _stretched(model.vision_model, pixels, **options)


def _plain_tower(model: PreTrainedModel, pixels: Tensor, **options: bool) -> ModelOutput:
    return _plain(model.vision_model, pixels, **options)


def _cut_tower(model: PreTrainedModel, pixels: Tensor, **options: bool) -> ModelOutput:
    count = pixels.shape[2] * pixels.shape[3] // 16**2
    cut = Siglip2ImageProcessorPil(
        patch_size=16, max_num_patches=count, do_resize=False, do_rescale=False, do_normalize=False
    )
    images = [image.numpy() for image in pixels]
    inputs = cut(images, return_tensors="pt", input_data_format="channels_first")
    return model.vision_model(**inputs, **options)


def _vit() -> PreTrainedModel:
    config = transformers.ViTConfig(**_WITH_MLP, image_size=64, patch_size=8)
    return transformers.ViTModel(config)


def _dinov2() -> PreTrainedModel:
    config = transformers.Dinov2Config(**_SMALL, image_size=56, patch_size=14)
    return transformers.Dinov2Model(config)


def _dinov2_with_registers() -> PreTrainedModel:
    config = transformers.Dinov2WithRegistersConfig(
        **_SMALL, image_size=56, patch_size=14, num_register_tokens=4
    )
    return transformers.Dinov2WithRegistersModel(config)


def _dinov3() -> PreTrainedModel:
    config = transformers.DINOv3ViTConfig(
        **_WITH_MLP, image_size=64, patch_size=16, num_register_tokens=4
    )
    return transformers.DINOv3ViTModel(config)


def _dinov3_convnext() -> PreTrainedModel:
    return transformers.DINOv3ConvNextModel(transformers.DINOv3ConvNextConfig(**_STAGES))


def _convnext() -> PreTrainedModel:
    return transformers.ConvNextModel(transformers.ConvNextConfig(**_STAGES))


def _tipsv2() -> PreTrainedModel:
    vision = {**_SMALL, "image_size": 56, "patch_size": 14, "num_register_tokens": 1}
    config = transformers.Tipsv2Config(vision_config=vision, text_config=_TEXT)
    return transformers.Tipsv2Model(config)


def _siglip() -> PreTrainedModel:
    vision = {**_WITH_MLP, "image_size": 64, "patch_size": 16}
    config = transformers.SiglipConfig(vision_config=vision, text_config=_TEXT)
    return transformers.SiglipModel(config)


def _siglip2() -> PreTrainedModel:
    vision = {**_WITH_MLP, "num_patches": 16, "patch_size": 16}
    config = transformers.Siglip2Config(vision_config=vision, text_config=_TEXT)
    return transformers.Siglip2Model(config)


def _clip() -> PreTrainedModel:
    vision = {**_WITH_MLP, "image_size": 64, "patch_size": 32}
    config = transformers.CLIPConfig(vision_config=vision, text_config=_TEXT)
    return transformers.CLIPModel(config)


FAMILIES = {
    "DINO": Family(_vit, _stretched, 8, 8, 1, IMAGENET),
    "DINOv2": Family(_dinov2, _plain, 14, 16, 1, IMAGENET),
    "DINOv2 with registers": Family(_dinov2_with_registers, _plain, 14, 16, 5, IMAGENET),
    "DINOv3 ViT": Family(_dinov3, _plain, 16, 16, 5, IMAGENET),
    "DINOv3 ConvNeXt": Family(_dinov3_convnext, _plain, 32, 16, 1, IMAGENET),
    "ConvNeXt": Family(_convnext, _plain, 32, 16, 0, IMAGENET),
    "TIPSv2": Family(_tipsv2, _plain_tower, 14, 16, 2, NONE),
    "SigLIP": Family(_siglip, _tower, 16, 16, 0, HALF),
    "SigLIP 2": Family(_siglip2, _cut_tower, 16, 16, 0, HALF),
    "CLIP": Family(_clip, _tower, 32, 16, 1, CLIP),
}


def build(name: str, seed: int = 0) -> PreTrainedModel:
    """Return a model of a family, with weights large enough that every token differs."""
    return lively(FAMILIES[name].build(), seed)


def lively(model: PreTrainedModel, seed: int = 0) -> PreTrainedModel:
    """Give a model random weights of a size at which inputs make a difference."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in model.parameters():
            noise = torch.randn(weights.shape, generator=rng)
            fans = weights[0].numel() if weights.ndim > 1 else 4
            weights.copy_(noise / max(fans, 1) ** 0.5)
    return model.eval()


def text_model() -> PreTrainedModel:
    """Return a model that reads and does not see."""
    return transformers.BertModel(transformers.BertConfig(**_TEXT))


def save(model: PreTrainedModel, folder: Path) -> Path:
    """Write a model as its makers publish it."""
    with _no_bars():
        model.save_pretrained(folder)
    return folder


@contextmanager
def _no_bars() -> Iterator[None]:
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    yield
    if shown:
        logging.enable_progress_bar()
