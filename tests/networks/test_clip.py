"""CLIP as a judge of what pictures show, written and loaded as real ones are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
import transformers
from models import save, text_model
from safetensors.torch import load_file, save_file
from words import SIDE, build_clip, save_clip

from diffusion import WORDS
from napari_firstpass.errors import OptionError, PromptError, WeightsError
from napari_firstpass.networks.clip import ClipModel, TagConfig, load_clip, shown_steps
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.progress import run

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")
NAMES = ("roof", "road", "tree")
PICTURE = torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
ONLY = TagConfig(grids=(1,), others=(), sentence="{}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip") / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> ClipModel:
    return load_clip(VisionFolder(folder), CPU)


def test_scores_are_what_the_model_says_of_the_whole_picture(model: ClipModel) -> None:
    tokenizer = model.tokenizer(list(NAMES), padding=True, return_tensors="pt")
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (model.scaling.mean, model.scaling.std))
    with torch.no_grad():
        said = build_clip()(pixel_values=((PICTURE - mean) / std)[None], **tokenizer)
    expected = said.logits_per_image.softmax(1)[0]
    assert expected.max() - expected.min() > 0.01
    torch.testing.assert_close(run(model.scores(PICTURE, NAMES, ONLY)), expected)


def test_the_highest_of_the_squares_counts_and_others_take_their_share(model: ClipModel) -> None:
    halves = torch.cat([PICTURE, PICTURE.flip(0) ** 3], 2)
    whole = run(model.scores(halves, NAMES, ONLY))
    pieces = run(model.scores(halves, NAMES, TagConfig(grids=(1, 2), others=(), sentence="{}")))
    assert (pieces >= whole).all()
    assert (pieces > whole).any()
    shared = run(model.scores(halves, NAMES, TagConfig(grids=(1,), others=("sky",), sentence="{}")))
    assert (shared < whole).all()
    again = TagConfig(grids=(1,), others=("Tree", "roof"), sentence="{}")
    assert torch.equal(run(model.scores(halves, NAMES, again)), whole)  # names are no others


def test_names_are_shown_from_a_threshold_on(model: ClipModel) -> None:
    scores = run(model.scores(PICTURE, NAMES, ONLY))
    best, second, _ = scores.sort(descending=True)[0].tolist()
    between = TagConfig(grids=(1,), others=(), sentence="{}", threshold=(best + second) / 2)
    assert run(shown_steps(model, PICTURE, NAMES, between)) == (NAMES[int(scores.argmax())],)
    assert run(shown_steps(model, PICTURE, NAMES, TagConfig(threshold=1.0))) == ()
    all_of_them = TagConfig(grids=(1,), others=(), threshold=1e-6)
    assert run(shown_steps(model, PICTURE, NAMES, all_of_them)) == NAMES


def test_a_picture_smaller_than_its_squares_is_looked_at(model: ClipModel) -> None:
    scores = run(model.scores(PICTURE[:, :1, :2], NAMES))
    assert scores.shape == (3,)
    assert ((scores > 0) & (scores < 1)).all()


def test_a_name_that_is_too_long_is_refused(model: ClipModel) -> None:
    with pytest.raises(PromptError, match="names that 40 tokens can tell"):
        run(model.scores(PICTURE, ["x " * 40]))


@pytest.mark.parametrize("options", [{"threshold": 0.0}, {"grids": ()}, {"grids": (0,)}])
def test_settings_out_of_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="threshold in"):
        TagConfig(**options)


def test_what_is_no_clip_or_damaged_is_refused(folder: Path, tmp_path: Path) -> None:
    other = save(text_model(), tmp_path / "bert")
    with pytest.raises(WeightsError, match=r"a CLIP model, .* found model_type 'bert'"):
        load_clip(VisionFolder(other), CPU)
    damaged = save_clip(tmp_path / "damaged")
    path = damaged / "model.safetensors"
    weights = load_file(path)
    del weights["visual_projection.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"found 1 missing .* visual_projection.weight"):
        load_clip(VisionFolder(damaged), CPU)
    large = save_clip(tmp_path / "large")
    words = {word: number for number, word in enumerate([*WORDS, "one more"])}
    (large / "vocab.json").write_text(json.dumps(words))
    with pytest.raises(WeightsError, match=f"a vocabulary of at most {len(WORDS)} words"):
        load_clip(VisionFolder(large), CPU)
    assert isinstance(transformers.AutoConfig.from_pretrained(folder), transformers.CLIPConfig)
