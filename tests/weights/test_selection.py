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
