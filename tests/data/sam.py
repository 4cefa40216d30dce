"""Tiny Segment Anything models with random weights, of each family, in both packages' formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import transformers
from models import HALF, IMAGENET, lively, save
from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transformers import PreTrainedModel

SIDE = 64
"""Side of the picture of most of them."""

_PROMPTS = {"hidden_size": 16, "image_size": SIDE, "patch_size": 16, "mask_input_channels": 4}
_DECODER = {
    "hidden_size": 16, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16,
}  # fmt: skip
_VIT = {
    "hidden_size": 32, "output_channels": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": SIDE, "patch_size": 16, "window_size": 2, "global_attn_indexes": [1],
    "num_pos_feats": 8, "mlp_dim": 64,
}  # fmt: skip
_HIERA = {
    "hidden_size": 16, "image_size": [SIDE, SIDE], "num_query_pool_stages": 3,
    "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [16, 32, 64, 128],
    "num_attention_heads_per_stage": [1, 1, 1, 1], "window_size_per_stage": [4, 4, 4, 2],
    "global_attention_blocks": [3], "window_positional_embedding_background_size": [2, 2],
}  # fmt: skip
_SIZES = [[16, 16], [8, 8], [4, 4]]
_SAM2_VISION = {
    "backbone_config": {"model_type": "sam2_hiera_det_model", **_HIERA},
    "backbone_channel_list": [128, 64, 32, 16],
    "backbone_feature_sizes": _SIZES,
    "fpn_hidden_size": 16,
}
_SAM3_SIDE, _SAM3_PATCH = 56, 14
_SAM3_VISION = {
    "backbone_config": {
        "model_type": "sam3_vit_model", "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": _SAM3_SIDE,
        "patch_size": _SAM3_PATCH, "window_size": 2, "global_attn_indexes": [1],
        "pretrain_image_size": 28,
    },
    "backbone_feature_sizes": _SIZES,
    "fpn_hidden_size": 16,
}  # fmt: skip
_SAM3_PROMPTS = {**_PROMPTS, "image_size": _SAM3_SIDE, "patch_size": _SAM3_PATCH}


@dataclass(frozen=True, slots=True)
class SamFamily:
    """One kind of model, and what its makers say of it."""

    build: Callable[[], PreTrainedModel]
    side: int
    keeps_ratio: bool
    scaling: tuple[tuple[float, ...], tuple[float, ...]]


def _sam() -> PreTrainedModel:
    return transformers.SamModel(
        transformers.SamConfig(
            vision_config=_VIT, prompt_encoder_config=_PROMPTS, mask_decoder_config=_DECODER
        )
    )


def _sam_hq() -> PreTrainedModel:
    return transformers.SamHQModel(
        transformers.SamHQConfig(
            vision_config=_VIT,
            prompt_encoder_config=_PROMPTS,
            mask_decoder_config={**_DECODER, "vit_dim": 32},
        )
    )


def _sam2() -> PreTrainedModel:
    return transformers.Sam2Model(
        transformers.Sam2Config(
            vision_config={"model_type": "sam2_vision_model", **_SAM2_VISION},
            prompt_encoder_config=_PROMPTS,
            mask_decoder_config=_DECODER,
        )
    )


def _sam2_video() -> PreTrainedModel:
    return transformers.Sam2VideoModel(
        transformers.Sam2VideoConfig(
            vision_config={"model_type": "sam2_vision_model", **_SAM2_VISION},
            prompt_encoder_config=_PROMPTS,
            mask_decoder_config=_DECODER,
            **_MEMORY,
        )
    )


_MEMORY = {
    "image_size": SIDE, "memory_attention_hidden_size": 16, "memory_attention_num_layers": 1,
    "memory_attention_feed_forward_hidden_size": 16, "memory_attention_rope_feat_sizes": [4, 4],
    "memory_encoder_hidden_size": 16, "memory_encoder_output_channels": 8,
    "mask_downsampler_embed_dim": 16, "memory_fuser_embed_dim": 16,
    "memory_fuser_intermediate_dim": 16, "memory_fuser_num_layers": 1,
}  # fmt: skip


def _sam3_tracker() -> PreTrainedModel:
    return transformers.Sam3TrackerModel(
        transformers.Sam3TrackerConfig(
            vision_config={"model_type": "sam3_vision_model", **_SAM3_VISION},
            prompt_encoder_config=_SAM3_PROMPTS,
            mask_decoder_config=_DECODER,
        )
    )


def _sam3_video() -> PreTrainedModel:
    """SAM 3 as it is published: what reads words, and what follows things through films."""
    vision = {"model_type": "sam3_vision_model", **_SAM3_VISION}
    small = {"hidden_size": 16, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    text = {
        "model_type": "clip_text_model", "hidden_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 99, "projection_dim": 16,
        "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 1,
    }  # fmt: skip
    decoder = {**small, "num_queries": 4}
    masks = {"hidden_size": 16, "num_attention_heads": 2}
    detector = {
        "vision_config": vision, "text_config": text, "geometry_encoder_config": small,
        "detr_encoder_config": small, "detr_decoder_config": decoder, "mask_decoder_config": masks,
    }  # fmt: skip
    tracker = {
        "vision_config": vision, "prompt_encoder_config": _SAM3_PROMPTS,
        "mask_decoder_config": _DECODER, **_MEMORY, "image_size": _SAM3_SIDE,
    }  # fmt: skip
    return transformers.Sam3VideoModel(
        transformers.Sam3VideoConfig(detector_config=detector, tracker_config=tracker)
    )


SAM = {
    "SAM": SamFamily(_sam, SIDE, True, IMAGENET),
    "SAM-HQ": SamFamily(_sam_hq, SIDE, True, IMAGENET),
    "SAM 2": SamFamily(_sam2, SIDE, False, IMAGENET),
    "SAM 2 of films": SamFamily(_sam2_video, SIDE, False, IMAGENET),
    "SAM 3 tracker": SamFamily(_sam3_tracker, _SAM3_SIDE, False, HALF),
    "SAM 3 of films": SamFamily(_sam3_video, _SAM3_SIDE, False, HALF),
}


def save_sam(name: str, folder: Path) -> Path:
    """Write a model of a family as it is published."""
    save(lively(SAM[name].build()), folder)
    if name == "SAM 3 of films":
        # transformers 5.23 saves some names with a part twice that it reads once, as published.
        file, twice = folder / "model.safetensors", "tracker_model.tracker_model."
        tensors = {key.replace(twice, "tracker_model."): t for key, t in load_file(file).items()}
        save_file(tensors, file, metadata={"format": "pt"})
    return folder


def edgetam() -> PreTrainedModel:
    """EdgeTAM, whose encoder is one of the package timm; the smallest that it has, 5 M weights."""
    encoder = {
        "model_type": "timm_wrapper", "architecture": "repvit_m1", "num_classes": 2,
        "model_args": {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    }  # fmt: skip
    vision = {
        "model_type": "edgetam_vision_model", "backbone_config": encoder,
        "backbone_channel_list": [384, 192, 96, 48], "backbone_feature_sizes": _SIZES,
        "fpn_hidden_size": 16,
    }  # fmt: skip
    config = transformers.EdgeTamConfig(
        vision_config=vision, prompt_encoder_config=_PROMPTS, mask_decoder_config=_DECODER
    )
    return lively(transformers.EdgeTamModel(config))
