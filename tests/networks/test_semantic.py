from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from features import RGB, rgb_raster
from models import (
    IMAGENET,
    LAND,
    SEMANTIC,
    SPELLING,
    build,
    build_semantic,
    save,
    save_semantic,
    text_model,
)
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import SegformerConfig, SegformerForImageClassification

from napari_firstpass.errors import ImageContentError, WeightsError
from napari_firstpass.grid import Grid
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.semantic import SemanticModel, load_semantic
from napari_firstpass.networks.viewing import ViewConfig
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run
from napari_firstpass.raster import Raster
from napari_firstpass.taxonomy import color_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.features import FeatureMap

BY_255 = BandStats((0.0,) * 3, (255.0,) * 3)
every_model = pytest.mark.parametrize("name", SEMANTIC)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SemanticModel]:
    top = tmp_path_factory.mktemp("models")
    return {name: load(save_semantic(name, top / name)) for name in SEMANTIC}


@pytest.fixture
def segformer(tmp_path: Path) -> Path:
    """A folder with a tiny SegFormer, which tests may damage."""
    return save_semantic("SegFormer", tmp_path / "segformer")


def load(folder: Path) -> SemanticModel:
    return load_semantic(VisionFolder(folder))


def noise(height: int, width: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (3, -(-height // 8), -(-width // 8)), dtype=np.uint8)
    return blocks.repeat(8, 1).repeat(8, 2)[:, :height, :width]


def scores_of(model: SemanticModel, image: NDArray[np.uint8], **options: object) -> FeatureMap:
    view = ViewConfig(**{"side": 512, "dtype": "float32", **options})
    return run(model.scores(rgb_raster(image), BY_255, view=view))


def asked(name: str, image: NDArray[np.uint8]) -> Tensor:
    """Return (K, h, w) as the model's own class says it of an image continued to its size."""
    height, width = (max(64, -(-side // 32) * 32) for side in image.shape[1:])
    ragged = [(0, 0), (0, height - image.shape[1]), (0, width - image.shape[2])]
    pixels = torch.from_numpy(np.pad(image, ragged, mode="edge")).float()[None] / 255
    mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in IMAGENET)
    options = {"task_inputs": TASK[None]} if name == "OneFormer" else {}
    with torch.no_grad():
        said = build_semantic(name)(pixel_values=(pixels - mean) / std, **options)
    if name == "SegFormer":
        found = said.logits[0].softmax(0)
    else:
        claims = said.class_queries_logits[0].softmax(1)
        total = torch.zeros(len(LAND), *said.masks_queries_logits.shape[2:])
        for claim, mask in zip(claims, said.masks_queries_logits[0], strict=True):
            for index in range(len(LAND)):
                total[index] += claim[index] * torch.sigmoid(mask)
        found = total / total.sum(0)
    return found[:, : -(-image.shape[1] // 4), : -(-image.shape[2] // 4)]


def _task() -> Tensor:
    spelt = [
        SPELLING[letter + ("</w>" if place == len(word) - 1 else "")]
        for word in ("the", "task", "is", "semantic")
        for place, letter in enumerate(word)
    ]
    whole = [SPELLING["<|startoftext|>"], *spelt, SPELLING["<|endoftext|>"]]
    return torch.tensor(whole + [0] * (77 - len(whole)))


TASK = _task()


@every_model
@pytest.mark.parametrize("size", [(96, 128), (75, 101), (1, 1), (30, 200)], ids=str)
def test_scores_are_what_the_model_says(
    models: dict[str, SemanticModel], name: str, size: tuple[int, int]
) -> None:
    image = noise(*size)
    found = scores_of(models[name], image)
    expected = asked(name, image)
    if min(size) > 8:
        assert float(expected.std(dim=(1, 2)).max()) > 0.01  # places do differ
    torch.testing.assert_close(found.vectors, expected, atol=1e-5, rtol=1e-4)


@every_model
@pytest.mark.parametrize("size", [(1, 1), (5, 40), (33, 100), (150, 67)], ids=str)
def test_probabilities_cover_the_image_and_sum_to_one(
    models: dict[str, SemanticModel], name: str, size: tuple[int, int]
) -> None:
    found = scores_of(models[name], noise(*size), side=80, overlap=32)
    assert (found.stride, found.grid) == (4, Grid(*size).coarsen(4))
    assert found.vectors.shape[0] == len(LAND)
    assert float(found.vectors.min()) >= 0
    torch.testing.assert_close(found.vectors.sum(0), torch.ones(found.grid.shape))
    assert not found.vectors.is_inference()


@every_model
def test_two_windows_are_blended_and_left_alone_elsewhere(
    models: dict[str, SemanticModel], name: str
) -> None:
    image, model = noise(64, 160), models[name]
    left, right = (scores_of(model, image[:, :, cut]).vectors for cut in (LEFT, RIGHT))
    found = scores_of(model, image, side=96, overlap=32).vectors
    torch.testing.assert_close(found[:, :, :16], left[:, :, :16], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[:, :, 24:], right[:, :, 8:], atol=1e-5, rtol=1e-4)
    share = (torch.arange(8) + 0.5) / 8
    mixed = left[:, :, 16:] * (1 - share) + right[:, :, :8] * share
    torch.testing.assert_close(found[:, :, 16:24], mixed, atol=1e-5, rtol=1e-4)


LEFT, RIGHT = slice(0, 96), slice(64, 160)


def convolves_eight_channels_wrongly() -> bool:
    """Tell of a fault in torch 2.13 with AMX: 8 or 16 channels, steps of 8; not of 32 or more."""
    rng = torch.Generator().manual_seed(0)
    shapes = ((1, 8, 16, 24), (8, 8, 8, 8))
    pixels, kernels = (torch.randn(shape, generator=rng).bfloat16() for shape in shapes)
    exact = functional.conv2d(pixels.float(), kernels.float(), stride=8)
    short = functional.conv2d(pixels, kernels, stride=8).float()
    return float((exact - short).abs().mean()) > 0.1 * float(exact.abs().mean())


@every_model
def test_short_numbers_harm_little_more_than_weights_rounded_to_them(
    models: dict[str, SemanticModel], name: str
) -> None:
    if name == "SegFormer" and convolves_eight_channels_wrongly():
        pytest.skip("torch convolves so few channels wrongly in short numbers on this CPU (AMX)")
    # Random weights magnify every error; masks decide by a threshold where the next layer looks.
    image, model = noise(64, 96), models[name]
    exact, short = (
        scores_of(model, image, dtype=dtype).vectors for dtype in ("float32", "bfloat16")
    )
    rounded = deepcopy(model.module)
    for weights in rounded.parameters():
        weights.copy_(weights.bfloat16())
    usual = scores_of(replace(model, module=rounded), image).vectors
    assert short.dtype == torch.float32
    assert 0 < float((exact - short).abs().mean()) < 3 * float((exact - usual).abs().mean())


@every_model
def test_classes_bear_the_names_of_the_model(models: dict[str, SemanticModel], name: str) -> None:
    classes = models[name].classes
    assert [entry.name for entry in classes.classes] == list(LAND)
    assert classes.ids == (1, 2, 3, 4, 5)
    assert [models[name].own_id(i) for i in classes.ids] == [0, 1, 2, 3, 4]
    assert [entry.color for entry in classes.classes] == [color_of(i) for i in classes.ids]


def test_names_given_twice_become_different(tmp_path: Path) -> None:
    given = ("lamp", "lamp", "lamp (2)", " ", "lamp")
    classes = load(save_semantic("SegFormer", tmp_path, given)).classes
    assert [entry.name for entry in classes.classes] == [
        "lamp", "lamp (3)", "lamp (2)", "class 4", "lamp (4)",
    ]  # fmt: skip


def test_each_of_many_classes_has_its_colour(tmp_path: Path) -> None:
    given = tuple(f"thing {i}" for i in range(150))
    model = load(save_semantic("Mask2Former", tmp_path, given))
    assert len({entry.color for entry in model.classes.classes}) == 150


def test_gaps_are_filled_with_what_is_beside(models: dict[str, SemanticModel]) -> None:
    image = noise(64, 96).astype(np.float32)
    valid = np.ones((64, 96), dtype=bool)
    valid[:, 40:56] = False
    image[:, ~valid] = np.nan
    full = np.where(np.arange(96) < 48, 39, 56)
    whole = np.where(valid, image, image[:, :, full])
    assert np.isfinite(whole).all()
    found, expected = (
        run(models["SegFormer"].scores(Raster.from_array(pixels, Grid(64, 96), roles=RGB), BY_255))
        for pixels in (image, whole)
    )
    torch.testing.assert_close(found.vectors, expected.vectors)
    assert found.valid[0].tolist() == [True] * 10 + [False] * 4 + [True] * 10


def test_without_statistics_the_image_is_measured(models: dict[str, SemanticModel]) -> None:
    raster = rgb_raster(noise(64, 96))
    model = models["SegFormer"]
    found = run(model.scores(raster)).vectors
    expected = run(model.scores(raster, BandStats.of([raster]))).vectors
    torch.testing.assert_close(found, expected)
    empty = rgb_raster(noise(64, 96), np.zeros((64, 96), dtype=bool))
    with pytest.raises(ImageContentError, match="valid pixels"):
        run(model.scores(empty))


def test_the_model_is_known_by_name_and_hash(segformer: Path) -> None:
    model = load(segformer)
    assert model.name == "segformer"
    assert model.sha256 == VisionFolder(segformer).sha256()
    assert not model.module.training


@every_model
def test_nothing_is_written_to_the_terminal(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = save_semantic(name, tmp_path)
    capfd.readouterr()
    load(folder)
    assert capfd.readouterr() == ("", "")


# What is refused


def change_config(folder: Path, **entries: object) -> None:
    file = folder / "config.json"
    changed = json.loads(file.read_text()) | entries
    file.write_text(json.dumps({key: value for key, value in changed.items() if value is not None}))


def test_models_of_other_kinds_are_refused(tmp_path: Path) -> None:
    save(text_model(), tmp_path / "bert")
    with pytest.raises(WeightsError, match=r"Mask2Former.*found model_type 'bert' \(BertModel\)"):
        load(tmp_path / "bert")
    save(build("DINO"), tmp_path / "dino")
    with pytest.raises(WeightsError, match=r"found model_type 'vit' \(ViTModel\)"):
        load(tmp_path / "dino")


def test_a_segformer_without_the_part_that_labels_is_refused(tmp_path: Path) -> None:
    config = SegformerConfig(hidden_sizes=[8, 8, 16, 16], depths=[1] * 4)
    config.num_attention_heads = [1, 1, 2, 2]
    save(SegformerForImageClassification(config), tmp_path)
    with pytest.raises(WeightsError, match="found SegformerForImageClassification in"):
        load(tmp_path)
    change_config(tmp_path, architectures=None, id2label={"0": "a", "1": "b"})
    with pytest.raises(WeightsError, match=r"missing or of another shape, such as decode_head"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("SegFormer", "classifier"),
        ("SegFormer", "batch_norm"),
        ("Mask2Former", "class_predictor"),
        ("Mask2Former", "mask_predictor"),
        ("OneFormer", "class_embed"),
        ("OneFormer", "task_encoder"),
    ],
)
def test_missing_weights_of_the_head_are_refused(tmp_path: Path, name: str, part: str) -> None:
    folder = save_semantic(name, tmp_path)
    file = folder / "model.safetensors"
    kept = {key: value for key, value in load_file(file).items() if part not in key.split(".")}
    assert len(kept) < len(load_file(file))
    save_file(kept, file, {"format": "pt"})
    with pytest.raises(WeightsError, match=rf"missing or of another shape, such as \S*{part}"):
        load(folder)


@every_model
@pytest.mark.parametrize("count", [3, 7])
def test_as_many_names_as_outputs_are_needed(tmp_path: Path, name: str, count: int) -> None:
    folder = save_semantic(name, tmp_path)
    change_config(folder, id2label={str(i): f"thing {i}" for i in range(count)})
    wanted = rf"a name for each of 5 outputs .*found {count} in id2label"
    with pytest.raises(WeightsError, match=wanted):
        load(folder)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (None, r"\(id2label\).*found none"),
        ({}, r"\(id2label\).*found none"),
        (["grass", "road"], r"\(id2label\).*found none"),
        ({"0": "grass", "2": "road"}, "classes 0 to 1 .*found 0, 2"),
        ({"one": "grass", "two": "road"}, "classes 0 to 1 .*found one, two"),
        ({"0": "grass"}, "at least two classes"),
    ],
    ids=str,
)
def test_names_that_name_nothing_are_refused(segformer: Path, names: object, found: str) -> None:
    change_config(segformer, id2label=names, label2id=None)
    with pytest.raises(WeightsError, match=found):
        load(segformer)


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ({"quantization_config": {"bits": 4}}, "quantised"),
        ({"hidden_sizes": "many"}, "a config of a segformer"),
        ({"num_channels": 4}, "another shape"),
    ],
    ids=str,
)
def test_a_config_that_makes_no_model_is_refused(
    segformer: Path, entries: dict[str, object], found: str
) -> None:
    change_config(segformer, **entries)
    with pytest.raises(WeightsError, match=found):
        load(segformer)


def test_weights_that_are_no_numbers_are_refused(segformer: Path) -> None:
    file = segformer / "model.safetensors"
    spoilt = {
        name: torch.full_like(w, torch.nan) if w.is_floating_point() else w
        for name, w in load_file(file).items()
    }
    save_file(spoilt, file, {"format": "pt"})
    with pytest.raises(WeightsError, match="not finite"):
        load(segformer)


def test_a_backbone_by_name_is_not_looked_for_on_the_network(tmp_path: Path) -> None:
    folder = save_semantic("Mask2Former", tmp_path)
    change_config(folder, backbone="microsoft/swin-tiny-patch4-window7-224", backbone_config=None)
    with pytest.raises(WeightsError, match="missing or of another shape"):
        load(folder)


def test_oneformer_needs_its_vocabulary(tmp_path: Path) -> None:
    folder = save_semantic("OneFormer", tmp_path)
    short = {word: number for word, number in SPELLING.items() if word != "k</w>"}
    (folder / "vocab.json").write_text(json.dumps(short))
    with pytest.raises(WeightsError, match=r"'the task is semantic' .*without these letters"):
        load(folder)
    (folder / "vocab.json").unlink()
    with pytest.raises(WeightsError, match=r"found neither vocab\.json .*get vocab\.json"):
        load(folder)


def test_oneformer_takes_a_tokenizer_in_one_file(tmp_path: Path) -> None:
    from transformers import CLIPTokenizer

    folder = save_semantic("OneFormer", tmp_path)
    CLIPTokenizer.from_pretrained(folder, local_files_only=True).save_pretrained(folder)
    (folder / "vocab.json").unlink()
    (folder / "merges.txt").unlink()
    tokens = load(folder).tokens
    assert tokens is not None
    assert torch.equal(tokens, TASK[None])


def test_a_oneformer_saved_amid_its_training_asks_for_no_truth(tmp_path: Path) -> None:
    folder = save_semantic("OneFormer", tmp_path)
    change_config(folder, is_training=True)
    image = noise(64, 96)
    found = scores_of(load(folder), image).vectors
    torch.testing.assert_close(found, asked("OneFormer", image), atol=1e-5, rtol=1e-4)


def test_a_place_that_no_mask_claims_belongs_to_all_alike() -> None:
    from napari_firstpass.networks.semantic import _of_masks

    classes = torch.zeros(1, 2, 4)
    masks = torch.full((1, 2, 1, 2), -torch.inf)
    masks[0, 0, 0, 0] = 0.0
    classes[0, 0, 1] = 9.0
    found = _of_masks(classes, masks)[0, :, 0]
    assert found[:, 1].tolist() == pytest.approx([1 / 3] * 3)
    assert found[:, 0].tolist() == pytest.approx(functional.softmax(torch.tensor([0, 9.0, 0]), 0))
