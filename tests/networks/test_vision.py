from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from models import FAMILIES, build, lively, save, text_model
from safetensors.torch import load_file, save_file
from transformers import SwinConfig, SwinModel

from napari_firstpass.errors import WeightsError
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.vision import VisionModel, load_model


def load(folder: Path) -> VisionModel:
    return load_model(VisionFolder(folder))


def change_config(folder: Path, **entries: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


@pytest.fixture
def dino(tmp_path: Path) -> Path:
    """A folder with a tiny DINO, which tests may damage."""
    return save(build("DINO"), tmp_path / "dino")


@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_is_written_to_the_terminal(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = save(build(name), tmp_path / "model")
    capfd.readouterr()
    load(folder)
    assert capfd.readouterr() == ("", "")


def test_what_transformers_say_afterwards_is_not_changed(dino: Path) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load(dino)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_a_model_is_ready_to_be_asked(dino: Path) -> None:
    module = load(dino).module
    assert not module.training
    assert {w.dtype for w in module.parameters()} == {torch.float32}
    assert not any(w.requires_grad for w in module.parameters())


def test_the_part_that_sees_is_loaded_alone(tmp_path: Path) -> None:
    whole = build("SigLIP")
    module = load(save(whole, tmp_path / "siglip")).module
    count = sum(w.numel() for w in module.parameters())
    assert count == sum(w.numel() for w in whole.vision_model.parameters())


@pytest.mark.parametrize("name", ["SigLIP", "CLIP", "TIPSv2", "SigLIP 2"])
def test_a_vision_model_may_stand_alone(tmp_path: Path, name: str) -> None:
    whole = build(name)
    pixels = torch.rand(1, 3, 2 * FAMILIES[name].patch, 3 * FAMILIES[name].patch)
    alone = load(save(whole.vision_model, tmp_path / "alone")).maps(pixels)
    together = load(save(whole, tmp_path / "together")).maps(pixels)
    torch.testing.assert_close(alone, together)


def test_weights_in_several_files_are_loaded(tmp_path: Path, dino: Path) -> None:
    folder, pixels = tmp_path / "shards", torch.rand(1, 3, 16, 24)
    build("DINO").save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    torch.testing.assert_close(load(folder).maps(pixels), load(dino).maps(pixels))


def test_half_precision_weights_are_computed_with_in_full(tmp_path: Path) -> None:
    folder = save(build("DINO").half(), tmp_path / "half")
    assert load(folder).maps(torch.rand(1, 3, 16, 16)).dtype == torch.float32


def drop(folder: Path, *parts: str) -> None:
    """Remove weights whose names have one of some parts."""
    file = folder / "model.safetensors"
    kept = {k: v for k, v in load_file(file).items() if set(parts).isdisjoint(k.split("."))}
    save_file(kept, file, {"format": "pt"})


def test_a_missing_pooler_does_no_harm(dino: Path) -> None:
    pixels = torch.rand(1, 3, 16, 16)
    expected = load(dino).maps(pixels)
    drop(dino, "pooler")
    torch.testing.assert_close(load(dino).maps(pixels), expected)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("layernorm", "layernorm"),
        ("query", "q_proj"),  # its name in files is older
        ("position_embeddings", "position_embeddings"),
    ],
)
def test_missing_weights_are_refused_by_name(dino: Path, part: str, name: str) -> None:
    drop(dino, part)
    with pytest.raises(WeightsError, match=rf"missing or of another shape, such as \S*{name}"):
        load(dino)


@pytest.mark.parametrize(
    "entries", [{"num_hidden_layers": 3}, {"hidden_size": 64}, {"patch_size": 4}], ids=str
)
def test_weights_of_another_config_are_refused(dino: Path, entries: dict[str, int]) -> None:
    change_config(dino, **entries)
    with pytest.raises(WeightsError, match="missing or of another shape"):
        load(dino)


@pytest.mark.parametrize("window", [4, 7, 12])
def test_a_model_that_small_images_change_is_refused(tmp_path: Path, window: int) -> None:
    config = SwinConfig(embed_dim=8, depths=[2] * 4, num_heads=[1] * 4, window_size=window)
    folder = save(lively(SwinModel(config)), tmp_path / "swin")
    with pytest.raises(WeightsError, match="expected a swin model that takes images of any size"):
        load(folder)


def test_weights_that_are_no_numbers_are_refused(dino: Path) -> None:
    file = dino / "model.safetensors"
    spoilt = {name: torch.full_like(w, torch.nan) for name, w in load_file(file).items()}
    save_file(spoilt, file, {"format": "pt"})
    with pytest.raises(WeightsError, match="not finite"):
        load(dino)


@pytest.mark.parametrize("share", [0, 0.0001, 0.5, 0.99])
def test_weights_cut_off_are_refused(dino: Path, share: float) -> None:
    file = dino / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(WeightsError, match=r"expected weights of a vit model in .*SafetensorError"):
        load(dino)


def test_missing_weights_are_one_sentence(dino: Path) -> None:
    (dino / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"model\.safetensors.*found only config\.json"):
        load(dino)


def test_a_text_model_is_refused(tmp_path: Path) -> None:
    folder = save(text_model(), tmp_path / "bert")
    with pytest.raises(WeightsError, match=r"a model of colour images.*'bert'"):
        load(folder)


def test_a_type_that_nobody_knows_is_refused(dino: Path) -> None:
    change_config(dino, model_type="clairvoyant", auto_map={"AutoModel": "evil.Model"})
    (dino / "evil.py").write_text(f"open({str(dino / 'ran')!r}, 'w')")
    with pytest.raises(WeightsError, match=r"'clairvoyant'.*unknown to transformers"):
        load(dino)
    assert not (dino / "ran").exists()


@pytest.mark.parametrize(
    "entries",
    [{"hidden_size": "many"}, {"hidden_size": 33}, {"hidden_act": "wink"}, {"num_channels": 4}],
    ids=str,
)
def test_a_config_that_makes_no_model_is_refused(dino: Path, entries: dict[str, object]) -> None:
    change_config(dino, **entries)
    with pytest.raises(WeightsError):
        load(dino)


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_a_config_cannot_ask_for_code_from_elsewhere(dino: Path, key: str) -> None:
    expected = load(dino).module.config._attn_implementation
    change_config(dino, **{key: "someone/kernel"})
    assert load(dino).module.config._attn_implementation == expected


class Payload:
    """A pickle that creates a file when it is loaded as pickles usually are."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def with_pickle(folder: Path, content: object) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(content, folder / "pytorch_model.bin")


def test_a_pickle_of_tensors_is_loaded(dino: Path) -> None:
    pixels = torch.rand(1, 3, 16, 16)
    expected = load(dino).maps(pixels)
    with_pickle(dino, build("DINO").state_dict())
    torch.testing.assert_close(load(dino).maps(pixels), expected)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(dino: Path, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    with_pickle(dino, build("DINO").state_dict() | {"extra": Payload(trace)})
    with pytest.raises(WeightsError, match="UnpicklingError"):
        load(dino)
    assert not trace.exists()
    runs, arguments = Payload(trace).__reduce__()
    runs(*arguments)
    assert trace.exists()  # it would have left a trace


def test_without_transformers_the_remedy_is_to_install_them(
    dino: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What Python itself does where a package must not be found.
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(WeightsError, match=r'pip install "napari-firstpass\[models\]"'):
        load(dino)
