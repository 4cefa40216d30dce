"""A tiny Stable Diffusion model with random weights, in the folders that diffusers writes."""

from __future__ import annotations

import json
from contextlib import contextmanager
from string import ascii_lowercase
from typing import TYPE_CHECKING

import transformers
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from diffusers.utils import logging
from models import lively, save

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WIDTH = 16
TOKENS = 20

# As in generation 1: as many heads everywhere. As in generation 2: more heads where there are more
# channels, and linear layers around attention.
GENERATIONS = {
    "1": {"attention_head_dim": 2},
    "2": {"attention_head_dim": (1, 2, 4, 4), "use_linear_projection": True},
}
_MERGES = ("r o", "ro o")
_UNITS = [*ascii_lowercase, *(letter + "</w>" for letter in ascii_lowercase)]
WORDS = [*_UNITS, "ro", "roo", "<|startoftext|>", "<|endoftext|>"]
"""A vocabulary in which most letters are tokens of their own, and *roof* is roo + f."""


def build_unet(generation: str = "1", **more: object) -> UNet2DConditionModel:
    """Return a U-Net of the layout of both generations: four resolutions, sixteen layers."""
    options = {
        "sample_size": 8, "block_out_channels": (8, 16, 16, 16), "layers_per_block": 2,
        "norm_num_groups": 4, "cross_attention_dim": WIDTH,
    }  # fmt: skip
    unet = lively(UNet2DConditionModel(**{**options, **GENERATIONS[generation], **more}), seed=1)
    for name, weights in unet.named_parameters():
        if name.endswith(".to_q.weight"):
            weights.data *= 5  # or all places would get about the same attention
    return unet


def build_vae() -> AutoencoderKL:
    """Return an encoder of pictures, with eight pixels to a cell, and its decoder."""
    blocks = {
        f"{end}_block_types": (f"{name}Block2D",) * 4
        for end, name in (("down", "DownEncoder"), ("up", "UpDecoder"))
    }
    return lively(AutoencoderKL(block_out_channels=(8,) * 4, norm_num_groups=4, **blocks), seed=2)


def build_text_encoder(tokens: int = TOKENS) -> transformers.CLIPTextModel:
    config = transformers.CLIPTextConfig(
        vocab_size=len(WORDS), hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=tokens, eos_token_id=len(WORDS) - 1,
        bos_token_id=len(WORDS) - 2,
    )  # fmt: skip
    return lively(transformers.CLIPTextModel(config), seed=3)


def save_diffusion(
    folder: Path, generation: str = "1", tokens: int = TOKENS, **more: object
) -> Path:
    """Write a whole model: networks, vocabulary, schedule and the list of them."""
    with _no_words():
        build_unet(generation, **more).save_pretrained(folder / "unet")
        build_vae().save_pretrained(folder / "vae")
        _schedule(generation).save_pretrained(folder / "scheduler")
    save(build_text_encoder(tokens), folder / "text_encoder")
    save_vocabulary(folder / "tokenizer")
    (folder / "model_index.json").write_text(json.dumps(MODEL_INDEX))
    return folder


MODEL_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def _schedule(generation: str) -> PNDMScheduler:
    prediction = {"1": "epsilon", "2": "v_prediction"}[generation]
    return PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True,
        steps_offset=1, prediction_type=prediction,
    )  # fmt: skip


def save_vocabulary(folder: Path) -> None:
    """Write a vocabulary of letters, as CLIP reads."""
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(WORDS)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *_MERGES, ""]))
    marks = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"}
    marks |= {"pad_token": marks["eos_token"], "unk_token": marks["eos_token"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(marks))


@contextmanager
def _no_words() -> Iterator[None]:
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    yield
    logging.set_verbosity(level)
