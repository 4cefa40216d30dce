"""Tiny models that read, with random weights: CLIP and SAM 3, as transformers writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import transformers
from models import CLIP, HALF, build, lively, save
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from diffusion import WORDS, save_vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

SIDE = 32
TOKENS = 40
_TEXT = {
    "vocab_size": len(WORDS), "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "max_position_embeddings": TOKENS, "projection_dim": 16,
    "bos_token_id": len(WORDS) - 2, "eos_token_id": len(WORDS) - 1,
}  # fmt: skip
_PART = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
SAM3_SIDE = 56


def build_clip() -> PreTrainedModel:
    """Return a CLIP of pictures of 32 pixels, that is rarely sure."""
    vision = {**_PART, "num_hidden_layers": 2, "image_size": SIDE, "patch_size": 8}
    model = lively(
        transformers.CLIPModel(
            transformers.CLIPConfig(vision_config=vision, text_config=_TEXT, projection_dim=16)
        )
    )
    model.logit_scale.data.fill_(1.5)
    return model


def build_sam3() -> PreTrainedModel:
    """Return a SAM 3 of pictures of 56 pixels, with six things to find."""
    backbone = {
        **_PART, "num_hidden_layers": 2, "image_size": SAM3_SIDE, "patch_size": 14,
        "pretrain_image_size": 28, "window_size": 2, "global_attn_indexes": [1],
        "model_type": "sam3_vit_model",
    }  # fmt: skip
    config = transformers.Sam3Config(
        vision_config={
            "model_type": "sam3_vision_model", "backbone_config": backbone, "fpn_hidden_size": 16,
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        },
        text_config={"model_type": "clip_text_model", **_TEXT},
        geometry_encoder_config={**_PART, "num_layers": 1},
        detr_encoder_config={**_PART, "num_layers": 1},
        detr_decoder_config={**_PART, "num_layers": 1, "num_queries": 6},
        mask_decoder_config={"hidden_size": 16, "num_attention_heads": 2},
    )  # fmt: skip
    return lively(transformers.Sam3Model(config), seed=4)


def save_clip(folder: Path) -> Path:
    """Write the CLIP with its vocabulary."""
    return _with_words(save(build_clip(), folder), CLIP)


def save_sam3(folder: Path) -> Path:
    """Write the SAM 3 with its vocabulary."""
    return _with_words(save(build_sam3(), folder), HALF)


def _with_words(folder: Path, scaling: tuple[tuple[float, ...], tuple[float, ...]]) -> Path:
    save_vocabulary(folder)
    written = {"image_mean": scaling[0], "image_std": scaling[1]}
    (folder / "preprocessor_config.json").write_text(json.dumps(written))
    return folder


READERS = ("SigLIP", "SigLIP 2", "TIPSv2")
"""Families of `models.FAMILIES` that compare words with pictures, beside CLIP."""


def save_reader(name: str, folder: Path) -> Path:
    """Write a model of a family with a vocabulary of whole words."""
    save(build(name), folder)
    words = {word: number for number, word in enumerate(["<pad>", "<unk>", "</s>", *_PLAIN])}
    ends = {"unk_token": "<unk>", "pad_token": "<pad>", "eos_token": "</s>"}
    tokenizer = Tokenizer(WordLevel(words, unk_token=ends["unk_token"]))
    tokenizer.pre_tokenizer = Whitespace()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **ends)
    fast.save_pretrained(folder)
    return folder


_PLAIN = ("a", "aerial", "grass", "of", "photo", "road", "roof", "tree", "view", "water")
