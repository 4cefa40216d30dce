"""Models of words and pictures, written and loaded as real ones are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from models import FAMILIES, build, save, text_model
from torch.nn import functional
from words import READERS, SIDE, build_clip, save_clip, save_reader

from napari_firstpass.errors import PromptError, WeightsError
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.hub_text_model import HubTextModel, load_hub_text_model
from napari_firstpass.networks.viewing import scaled

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from transformers import PreTrainedModel

CPU = torch.device("cpu")
NAMES = ("roof", "a road", "Tree")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("text")
    known = {name: save_reader(name, home / name) for name in READERS}
    return {**known, "CLIP": save_clip(home / "CLIP")}


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, HubTextModel]:
    return {name: load_hub_text_model(VisionFolder(path), CPU) for name, path in folders.items()}


def built(name: str) -> PreTrainedModel:
    return build_clip() if name == "CLIP" else build(name)


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", [*READERS, "CLIP"])
def test_words_and_pictures_are_compared_as_the_model_itself_does(
    name: str, models: dict[str, HubTextModel]
) -> None:
    model, own = models[name], built(name)
    pictures = noise(2, 3, model.side, model.side)
    longest = own.config.text_config.max_position_embeddings
    told = [one if name == "CLIP" else one.lower() for one in NAMES]
    spelt = model.tokenizer(told, padding="max_length", max_length=longest, return_tensors="pt")
    inputs = {key: spelt[key] for key in ("input_ids", "attention_mask")}
    if name.startswith("SigLIP"):
        del inputs["attention_mask"]  # its makers train without
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (model.scaling.mean, model.scaling.std))
    pixels = (pictures - mean) / std
    with torch.no_grad():
        if name == "SigLIP 2":
            blocks = pixels.unfold(2, 16, 16).unfold(3, 16, 16).permute(0, 2, 3, 4, 5, 1)
            count = model.side // 16
            inputs["spatial_shapes"] = torch.tensor([[count, count]] * 2)
            inputs["pixel_attention_mask"] = torch.ones(2, count * count)
            pixels = blocks.reshape(2, count * count, -1)
        said = own(pixel_values=pixels, **inputs).logits_per_image
    seen, words = (functional.normalize(v, dim=1) for v in (model.see(pictures), model.read(NAMES)))
    found, said = (one - one.mean(1, keepdim=True) for one in (model.scale * seen @ words.T, said))
    torch.testing.assert_close(found, said)  # but for a number added to all, as SigLIP has one
    assert said.std(0).max() > 0.01 * said.abs().max()  # the pictures differ


def test_a_cell_of_clip_is_its_values_in_the_last_block(models: dict[str, HubTextModel]) -> None:
    model, own = models["CLIP"], build_clip()
    pixels = noise(2, 3, SIDE, SIDE)
    found = model.cells(pixels)
    vision = own.vision_model
    last = vision.encoder.layers[-1]
    with torch.no_grad():
        before = vision(pixel_values=pixels, output_hidden_states=True).hidden_states[-2]
        values = last.self_attn.v_proj(last.layer_norm1(before))
        alone = before + last.self_attn.out_proj(values)
        alone = alone + last.mlp(last.layer_norm2(alone))
        expected = own.visual_projection(vision.post_layernorm(alone))[:, 1:]
    assert found.shape == (2, 16, 4, 4)
    torch.testing.assert_close(found.flatten(2).transpose(1, 2), expected)


@pytest.mark.parametrize("name", READERS)
def test_cells_lie_where_the_pixels_are(name: str, models: dict[str, HubTextModel]) -> None:
    model, patch = models[name], models[name].patch
    pixels = scaled(noise(1, 3, 2 * patch, 3 * patch), model.scaling)
    found = model.cells(pixels)
    assert found.shape[2:] == (2, 3)
    states = FAMILIES[name].maps(built(name), pixels)
    if name == "TIPSv2":
        torch.testing.assert_close(found, states)
        return
    head = built(name).vision_model.head
    with torch.no_grad():
        one = head(states[:, :, 1, 2][:, None])
    torch.testing.assert_close(found[:, :, 1, 2], one)


def test_what_is_no_such_model_or_lacks_a_vocabulary_is_refused(tmp_path: Path) -> None:
    other = save(text_model(), tmp_path / "bert")
    with pytest.raises(WeightsError, match=r"words and pictures: CLIP.* found model_type 'bert'"):
        load_hub_text_model(VisionFolder(other), CPU)
    mute = save(build("SigLIP"), tmp_path / "mute")
    with pytest.raises(WeightsError, match=r"vocabulary of a siglip model \(tokenizer.json\)"):
        load_hub_text_model(VisionFolder(mute), CPU)
    large = save_reader("TIPSv2", tmp_path / "large")
    file = large / "tokenizer.json"
    told = json.loads(file.read_text())
    told["model"]["vocab"]["surplus"] = 99
    file.write_text(json.dumps(told))
    with pytest.raises(WeightsError, match="a vocabulary of at most 99 words"):
        load_hub_text_model(VisionFolder(large), CPU)


def test_a_sentence_that_is_too_long_is_refused(models: dict[str, HubTextModel]) -> None:
    with pytest.raises(PromptError, match="names that 64 tokens can tell"):
        models["SigLIP"].read(["tree " * 70])
