"""Tiny image models with random weights, and how each is asked by its own class."""

from __future__ import annotations

import json
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


_SWIN = transformers.SwinConfig(
    embed_dim=8, depths=[1] * 4, num_heads=[1] * 4, window_size=7,
    out_features=["stage1", "stage2", "stage3", "stage4"],
)  # fmt: skip
_TASK = torch.arange(77)[None] % 20
_QUERIES = {
    "backbone_config": _SWIN, "hidden_dim": WIDTH, "encoder_feedforward_dim": 32,
    "dim_feedforward": 32, "encoder_layers": 1, "decoder_layers": 2, "num_attention_heads": 2,
    "num_queries": 6,
}  # fmt: skip


_HEADS = (
    "mask_embedder.2.0", "mask_embed.layers.2.0",
    "classifier", "class_predictor", "decoder.class_embed",
)  # fmt: skip
"""What queries, or places, differ in; the masks come before the classes."""


def _segformer(names: dict[int, str]) -> PreTrainedModel:
    config = transformers.SegformerConfig(
        hidden_sizes=[8, 8, 16, 16], depths=[1] * 4, num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16, id2label=names,
    )  # fmt: skip
    return transformers.SegformerForSemanticSegmentation(config)


def _mask2former(names: dict[int, str]) -> PreTrainedModel:
    config = transformers.Mask2FormerConfig(
        **_QUERIES, feature_size=WIDTH, mask_feature_size=WIDTH, id2label=names
    )
    return transformers.Mask2FormerForUniversalSegmentation(config)


def _oneformer(names: dict[int, str]) -> PreTrainedModel:
    config = transformers.OneFormerConfig(
        **_QUERIES, mask_dim=WIDTH, conv_dim=WIDTH, use_auxiliary_loss=False, query_dec_layers=1,
        text_encoder_width=16, text_encoder_num_layers=1, text_encoder_vocab_size=99,
        id2label=names,
    )  # fmt: skip
    return transformers.OneFormerForUniversalSegmentation(config)


SEMANTIC = {"SegFormer": _segformer, "Mask2Former": _mask2former, "OneFormer": _oneformer}
LAND = ("grass", "road", "roof", "tree", "water")


def build_semantic(name: str, classes: tuple[str, ...] = LAND) -> PreTrainedModel:
    """Return a model that names what pixels show, and says other things of other places."""
    model = lively(SEMANTIC[name](dict(enumerate(classes))))
    layers = dict(model.named_modules())
    for end in _HEADS:
        for head in (layer for part, layer in layers.items() if part.endswith(end)):
            _spread(model, head, {"task_inputs": _TASK} if name == "OneFormer" else {})
    return model


def _spread(model: PreTrainedModel, head: torch.nn.Module, options: dict[str, Tensor]) -> None:
    """Centre the output of a layer, and make it spread: random weights say the same everywhere."""
    seen: list[Tensor] = []
    handle = head.register_forward_hook(lambda _, __, output: seen.append(output))
    noise = torch.randn(1, 3, 12, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        model(pixel_values=noise.repeat_interleave(8, 2).repeat_interleave(8, 3), **options)
        handle.remove()
        said = seen[-1].movedim(1, -1) if seen[-1].ndim == 4 else seen[-1]
        flat = said.flatten(0, -2)
        head.bias.sub_(flat.mean(0))
        for weights in (head.weight, head.bias):
            weights.mul_(2 / flat.std(0).mean())


def save_semantic(name: str, folder: Path, classes: tuple[str, ...] = LAND) -> Path:
    """Write such a model, with a vocabulary that has a word for each letter where it needs one."""
    save(build_semantic(name, classes), folder)
    if name == "OneFormer":
        (folder / "vocab.json").write_text(json.dumps(SPELLING))
        (folder / "merges.txt").write_text("#version: 0.2\n")
    return folder


_LETTERS = sorted("acehikmnst")
SPELLING = {
    word: number
    for number, word in enumerate(
        [*_LETTERS, *(letter + "</w>" for letter in _LETTERS), "<|startoftext|>", "<|endoftext|>"]
    )
}
"""A vocabulary; a letter at the end of a word counts as another one."""


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
