from __future__ import annotations

import pytest

from napari_firstpass.errors import WeightsError
from napari_firstpass.weights.selection import wanted

PARTS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
INDEX = "model.safetensors.index.json"


def taken(*names: str) -> set[str]:
    return set(wanted(dict.fromkeys(names, 100), "here"))


def test_one_set_of_weights_is_taken_the_safest() -> None:
    others = ["pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "model.fp16.safetensors"]
    assert taken("config.json", "model.safetensors", *others) == {
        "config.json",
        "model.safetensors",
    }


def test_weights_in_parts_come_with_their_index() -> None:
    assert taken("config.json", *PARTS, INDEX) == {"config.json", *PARTS, INDEX}


def test_what_turns_words_into_numbers_is_taken() -> None:
    words = {"tokenizer.json", "vocab.json", "merges.txt", "spiece.model", "LICENSE.md"}
    everything = {"config.json", "model.safetensors", *words}
    assert taken(*everything, "notes.txt", "README.md") == everything


@pytest.mark.parametrize(
    "name",
    [
        "modeling_dino.py",
        "../evil.json",
        "/etc/evil.json",
        "inner/config.json",
        ".hidden.json",
        "a\\b.json",
        "con fig.json",
        "adapter_config.json",
        "firstpass.json",
        "pytorch_model.bin.index.json",
    ],
)
def test_what_could_do_harm_is_never_taken(name: str) -> None:
    assert name not in taken("config.json", "model.safetensors", name)


def test_a_huge_text_is_no_part_of_a_model() -> None:
    sizes = {"config.json": 1, "model.safetensors": 10**9, "predictions.json": 10**9}
    assert "predictions.json" not in wanted(sizes, "here")


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["model.safetensors"],
        ["config.json"],
        ["config.json", "weights.safetensors"],
        ["config.json", PARTS[0], INDEX],
        ["config.json", *PARTS],
        ["inner/config.json", "inner/model.safetensors"],
    ],
)
def test_half_a_model_is_refused(names: list[str]) -> None:
    with pytest.raises(WeightsError, match=r"expected config.json and model.safetensors.* in here"):
        taken(*names)


PARTS_OF_A_MODEL = {
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
}
# As in published repositories.
NOT_NEEDED = {
    "README.md",
    "v1-5-pruned-emaonly.ckpt",
    "v1-5-pruned.safetensors",
    "v1-inference.yaml",
    "feature_extractor/preprocessor_config.json",
    "safety_checker/config.json",
    "safety_checker/model.safetensors",
    "text_encoder/model.fp16.safetensors",
    "text_encoder/pytorch_model.bin",
    "unet/diffusion_flax_model.msgpack",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "unet/model.onnx",
    "unet/adapter_config.json",
    "unet/unet.py",
    "unet/inner/config.json",
    "vae_1/config.json",
    "vae/../../evil.json",
}


def test_of_a_model_in_parts_those_that_look_are_taken() -> None:
    assert taken(*PARTS_OF_A_MODEL, *NOT_NEEDED) == PARTS_OF_A_MODEL
    assert taken(*PARTS_OF_A_MODEL, "LICENSE.md") == {*PARTS_OF_A_MODEL, "LICENSE.md"}


def test_half_numbers_are_taken_where_there_are_no_others() -> None:
    others = PARTS_OF_A_MODEL - {"unet/diffusion_pytorch_model.safetensors"}
    half = "unet/diffusion_pytorch_model.fp16.safetensors"
    assert taken(*others, half) == {*others, half}


def test_a_part_in_pieces_comes_with_its_index() -> None:
    stem = "unet/diffusion_pytorch_model"
    pieces = {f"{stem}-0000{i}-of-00002.safetensors" for i in (1, 2)}
    pieces.add(f"{stem}.safetensors.index.json")
    others = PARTS_OF_A_MODEL - {f"{stem}.safetensors"}
    assert taken(*others, *pieces) == others | pieces


@pytest.mark.parametrize(
    "name", sorted(n for n in PARTS_OF_A_MODEL if "config.json" in n or "safetensors" in n)
)
def test_a_model_that_lacks_a_part_is_refused(name: str) -> None:
    part, _, file = name.partition("/")
    with pytest.raises(WeightsError, match=rf"{file}.* in the folder {part} of here, found"):
        taken(*(PARTS_OF_A_MODEL - {name}), "unet/diffusion_pytorch_model.bin")
