"""Models of open_clip, written as the package does it, with tiny networks of random weights."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from official import OPEN_CLIP, needs_open_clip
from safetensors.torch import save_file

from napari_firstpass.align_images import align_array
from napari_firstpass.aligning import AlignConfig
from napari_firstpass.errors import FirstPassError, OptionError, PromptError, WeightsError
from napari_firstpass.grid import Grid
from napari_firstpass.networks.open_clip_folder import OpenClipFolder
from napari_firstpass.networks.text_source import load_text_model, text_folder
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy

CPU = torch.device("cpu")
SIDE = 32
TEXT = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
LOOKS = {
    "ViT": {"image_size": SIDE, "patch_size": 8, "width": 16, "layers": 1, "head_width": 8},
    # As the published ConvNeXt has it, but small: a network of timm.
    "ConvNeXt": {
        "timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "mlp", "image_size": SIDE,
    },
}  # fmt: skip
GREY = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3]}


def save_open_clip(folder: Path, name: str = "ViT") -> Path:
    """Write a model, as ``open_clip.push_to_hf_hub`` lays it out."""
    import open_clip

    torch.manual_seed(0)
    said = {"embed_dim": 16, "vision_cfg": LOOKS[name], "text_cfg": TEXT}
    model = open_clip.CLIP(**json.loads(json.dumps(said)))
    folder.mkdir(parents=True)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    written = {"model_cfg": said, "preprocess_cfg": GREY}
    (folder / "open_clip_config.json").write_text(json.dumps(written))
    return folder


@needs_open_clip
@pytest.mark.parametrize("name", LOOKS)
def test_words_and_pictures_are_what_the_package_makes_of_them(tmp_path: Path, name: str) -> None:
    import open_clip
    from PIL import Image

    folder = save_open_clip(tmp_path / "model", name)
    model = load_text_model(text_folder(str(folder)), CPU)
    theirs, _, prepare = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    theirs.eval()
    picture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    seen = torch.from_numpy(picture).movedim(2, 0)[None] / 255
    told = ["a photo of a Roof", "water"]
    with torch.no_grad():
        expected = theirs.encode_image(prepare(Image.fromarray(picture))[None])
        torch.testing.assert_close(model.see(seen), expected)
        torch.testing.assert_close(
            model.read(told), theirs.encode_text(open_clip.tokenize(told, context_length=12))
        )
    assert model.scale == pytest.approx(1 / 0.07)
    assert (model.side, model.patch) == (SIDE, None)
    with pytest.raises(PromptError, match="names that 12 tokens can tell, found 'roof roof"):
        model.read(["tree", " ".join(["roof"] * 11)])
    assert len(model.read([" ".join(["roof"] * 10)])) == 1  # with its two ends, 12


@needs_open_clip
def test_damaged_weights_and_those_that_run_code_are_refused(tmp_path: Path) -> None:
    folder = save_open_clip(tmp_path / "model")
    found = text_folder(str(folder))
    assert len(found.sha256()) == 64
    safe, old = folder / "open_clip_model.safetensors", folder / "open_clip_pytorch_model.bin"
    safe.write_bytes(safe.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"a model of open_clip in .*model, found Safetensor"):
        load_text_model(found, CPU)
    safe.unlink()
    ran = tmp_path / "ran"
    old.write_bytes(pickle.dumps(_Touching(ran), protocol=2))
    with pytest.raises(WeightsError, match="UnpicklingError"):
        load_text_model(found, CPU)
    assert not ran.exists()
    old.unlink()
    with pytest.raises(WeightsError, match=r"weights \(open_clip_model.safetensors\) in .* none"):
        found.sha256()


class _Touching:
    """What makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@needs_open_clip
def test_labels_are_aligned_by_such_a_model(tmp_path: Path) -> None:
    folder = save_open_clip(tmp_path / "model")
    source = Taxonomy((LabelClass(1, "cluster 1", "#000000"),))
    target = Taxonomy((LabelClass(5, "roof", "#FF0000"), LabelClass(6, "tree", "#00FF00")))
    labels = Segmentation(np.ones((64, 64), np.uint8), source, Grid(64, 64))
    image = np.random.default_rng(0).integers(0, 255, (3, 64, 64), np.uint8)
    config = AlignConfig(way="dynalign", preset="quick", model=str(folder))
    found = align_array(labels, target, config, bands=image)
    assert {entry.reason for entry in found.decisions} <= {"clip", "unknown"}
    assert all(len(entry.scores) == 2 for entry in found.decisions)
    told = found.segmentation.provenance.config["aligned"][-1]
    assert (told["model"], len(told["weights_sha256"])) == ("model", 64)
    with pytest.raises(OptionError, match='choose the preset "crops"'):
        align_array(labels, target, AlignConfig(way="text", model=str(folder)), bands=image)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "a model_cfg with embed_dim, vision_cfg, text_cfg in .*json, found none"),
        ({"model_cfg": {"embed_dim": 1}}, "found embed_dim"),
        (
            {"model_cfg": {"embed_dim": 1, "vision_cfg": {}, "text_cfg": {"hf_model_name": "x/y"}}},
            "that reads words by itself, found one that takes 'x/y'",
        ),
    ],
)
def test_configs_that_say_too_little_or_would_fetch_are_refused(
    tmp_path: Path, said: dict[str, object], expected: str
) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps(said))
    with pytest.raises(FirstPassError, match=expected):
        OpenClipFolder(tmp_path).config()


@pytest.mark.skipif(not OPEN_CLIP, reason="open_clip is here")
def test_without_its_package_it_says_what_to_install(tmp_path: Path) -> None:
    said = {"model_cfg": {"embed_dim": 16, "vision_cfg": LOOKS["ViT"], "text_cfg": TEXT}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(said))
    with pytest.raises(WeightsError, match=r'pip install "napari-firstpass\[open-clip\]"'):
        load_text_model(text_folder(str(tmp_path)), CPU)
