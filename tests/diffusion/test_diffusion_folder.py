from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from diffusion import MODEL_INDEX, save_diffusion
from napari_firstpass.diffusion.folder import DiffusionFolder
from napari_firstpass.errors import WeightsError
from napari_firstpass.progress import Progress, run

if TYPE_CHECKING:
    from pathlib import Path

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_diffusion(tmp_path_factory.mktemp("diffusion") / "whole")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(saved, tmp_path / "copy")


def refusal(folder: Path) -> str:
    with pytest.raises(WeightsError) as info:
        DiffusionFolder(folder).check()
    return str(info.value)


def change(path: Path, **entries: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_a_whole_model_is_accepted(folder: Path) -> None:
    DiffusionFolder(folder).check()


def test_no_folder_is_named(tmp_path: Path) -> None:
    assert "found nothing there; give the folder that holds model_index.json" in refusal(
        tmp_path / "none"
    )
    assert f"expected model_index.json in {tmp_path}, found none" in refusal(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "unet/config.json",
        UNET,
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "scheduler/scheduler_config.json",
    ],
)
def test_what_is_missing_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    said = refusal(folder)
    assert name in said
    assert "get the missing files" in said


def test_pickles_are_refused(folder: Path) -> None:
    (folder / UNET).rename(folder / "unet/diffusion_pytorch_model.bin")
    said = refusal(folder)
    assert f"expected {UNET} in " in said
    assert "found only diffusion_pytorch_model.bin, a pickle, which can run code" in said


def test_what_is_no_json_object_is_refused(folder: Path) -> None:
    path = folder / "model_index.json"
    path.write_text("{")
    assert "none that can be read" in refusal(folder)
    path.write_text("[]")
    assert "a list" in refusal(folder)


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        (
            {
                "_class_name": "StableDiffusionXLPipeline",
                "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
            },
            "StableDiffusionXLPipeline with text_encoder_2 (CLIPTextModelWithProjection)",
        ),
        ({"unet": ["my_unet", "MyUNet"]}, "with unet (MyUNet)"),
        ({"text_encoder": [None, None]}, "with text_encoder (none)"),
        ({"text_encoder": "odd"}, "with text_encoder (none)"),
    ],
)
def test_other_pipelines_are_refused(folder: Path, entries: dict[str, object], found: str) -> None:
    (folder / "model_index.json").write_text(json.dumps(MODEL_INDEX | entries))
    said = refusal(folder)
    assert "expected a Stable Diffusion 1 or 2" in said
    assert found in said
    assert "SDXL" in said


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ({"addition_embed_type": "text_time"}, "addition_embed_type"),
        ({"only_cross_attention": [True, False, False, False]}, "only_cross_attention"),
        ({"in_channels": 9}, "9 channels of input"),
        ({"cross_attention_dim": 1024}, "words of 1024 numbers"),
        ({"mid_block_type": "UNetMidBlock2DSimpleCrossAttn"}, "UNetMidBlock2DSimpleCrossAttn"),
        ({"mid_block_type": None}, "None"),
        ({"attention_type": "gated"}, "attention_type gated"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
    ],
)
def test_networks_that_expect_something_else_are_refused(
    folder: Path, entries: dict[str, object], found: str
) -> None:
    change(folder / "unet/config.json", **entries)
    assert f"found a U-Net with {found}; give another" in refusal(folder)


def test_the_plain_variant_goes_before_half_numbers(folder: Path) -> None:
    half = folder / UNET.replace(".safetensors", ".fp16.safetensors")
    shutil.copy(folder / UNET, half)
    assert DiffusionFolder(folder).variant("unet") is None
    (folder / UNET).unlink()
    assert DiffusionFolder(folder).variant("unet") == "fp16"
    DiffusionFolder(folder).check()


@pytest.mark.parametrize(
    "name",
    [UNET, "tokenizer/vocab.json", "tokenizer/merges.txt", "scheduler/scheduler_config.json",
     "vae/config.json", "text_encoder/model.safetensors"],
)  # fmt: skip
def test_the_hash_is_that_of_all_that_matters(folder: Path, name: str) -> None:
    before = run(DiffusionFolder(folder).sha256_steps())
    (folder / "README.md").write_text("# A model")
    (folder / "unet/diffusion_pytorch_model.fp16.safetensors").write_bytes(b"not used")
    assert run(DiffusionFolder(folder).sha256_steps()) == before
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content + b"\n")
    assert run(DiffusionFolder(folder).sha256_steps()) != before


def test_progress_of_the_hash_reaches_the_end(folder: Path) -> None:
    shown: list[Progress] = []
    run(DiffusionFolder(folder).sha256_steps(), shown.append)
    assert shown[-1].done == shown[-1].total > (folder / UNET).stat().st_size
