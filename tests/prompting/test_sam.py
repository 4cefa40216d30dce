"""Prompts answered by Segment Anything models: where, of which image, and at what cost."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from known_sam import SameColour
from models import build, save
from sam import SAM, save_sam

from napari_firstpass.backbones import backbone_factory
from napari_firstpass.errors import PromptError, UnknownNameError, WeightsError
from napari_firstpass.feature_cache import FeatureCache
from napari_firstpass.grid import Grid
from napari_firstpass.progress import run
from napari_firstpass.prompting import PROMPTERS
from napari_firstpass.prompting.sam import SamPrompter
from napari_firstpass.prompts import Answer, Box, Line, Point, Prompt
from napari_firstpass.protocols import KeepingPrompter
from napari_firstpass.raster import Raster
from napari_firstpass.sam_models.frame import Frame
from napari_firstpass.sam_models.prepared import SamImage, picture_sha256
from napari_firstpass.sam_models.source import SamSource
from napari_firstpass.weights.fetch import fetch_steps
from napari_firstpass.weights.folder import verify

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")
SHAPE = (48, 80)
THING = (slice(12, 36), slice(8, 28))
OTHER = (slice(12, 36), slice(50, 74))
both_ways = pytest.mark.parametrize("keeps_ratio", [True, False])


def scene() -> torch.Tensor:
    """A red and a blue thing on green ground."""
    picture = torch.zeros(3, *SHAPE)
    picture[1] = 1
    for number, where in ((0, THING), (2, OTHER)):
        picture[:, *where] = 0
        picture[(number, *where)] = 1
    return picture


def looked_at(keeps_ratio: bool = True, valid: torch.Tensor | None = None) -> SamImage:
    """The scene, looked at by the model that is known by heart."""
    model, picture = SameColour(keeps_ratio), scene()
    frame = Frame(*SHAPE, model.side, model.keeps_ratio)
    embedding = model.embed(frame.picture(picture, model.scaling))
    valid = torch.ones(SHAPE, dtype=torch.bool) if valid is None else valid
    return SamImage(model, embedding, frame, valid, CPU, picture_sha256(picture))


def answer(prompt: Prompt, image: SamImage | None = None) -> Answer:
    return run((image or looked_at()).answer(prompt))


def mask_of(*parts: tuple[slice, slice]) -> torch.Tensor:
    mask = torch.zeros(SHAPE, dtype=torch.bool)
    for part in parts:
        mask[part] = True
    return mask


def overlap(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one & other).sum() / (one | other).sum())


PROMPTS = [
    Prompt(points=(Point(24, 18),)),
    Prompt(lines=(Line(((15, 10), (33, 26))),)),
    Prompt(boxes=(Box(10, 6, 38, 30),)),
    Prompt(start=mask_of(THING)),
]


@both_ways
@pytest.mark.parametrize("prompt", PROMPTS, ids=["point", "line", "box", "start"])
def test_what_is_pointed_at_is_found_in_its_place(prompt: Prompt, keeps_ratio: bool) -> None:
    found = answer(prompt, looked_at(keeps_ratio))
    assert overlap(found.masks[0], mask_of(THING)) > 0.85


def test_three_candidates_come_with_the_best_first() -> None:
    found = answer(Prompt(points=(Point(24, 18),)))
    assert found.scores.tolist() == pytest.approx([0.9, 0.6, 0.3])
    assert found.masks[1].all()
    assert not found.masks[2].any()


def test_nothing_outside_a_box_belongs_to_the_answer() -> None:
    box = Box(14.5, 10, 30, 20.2)
    found = answer(Prompt(boxes=(box,)))
    inside = mask_of((slice(14, 30), slice(10, 20)))
    assert found.masks[1].equal(inside)  # the candidate that is everything
    assert not (found.masks[0] & ~inside).any()


def test_several_boxes_are_parts_of_one_thing() -> None:
    found = answer(Prompt(boxes=(Box(10, 6, 38, 30), Box(10, 48, 38, 76))))
    assert overlap(found.masks[0], mask_of(THING, OTHER)) > 0.85
    assert found.scores.tolist() == pytest.approx([0.9, 0.6, 0.3])


def test_pixels_without_data_belong_to_nothing() -> None:
    valid = torch.ones(SHAPE, dtype=torch.bool)
    valid[20:] = False
    found = answer(Prompt(points=(Point(14, 18),)), looked_at(valid=valid))
    assert found.masks[1].equal(valid)
    assert not found.masks[:, 20:].any()


def test_a_prompt_outside_is_refused() -> None:
    with pytest.raises(PromptError, match="of 48 × 80 pixels, found a point at row 48, column 1"):
        answer(Prompt(points=(Point(48, 1),)))


def test_another_image_is_not_taken_for_the_one_that_was_looked_at() -> None:
    image, edited = looked_at(), scene()
    image.require_same(scene())
    edited[0, 0, 0] += 0.001
    for other in (edited, scene()[:, :, :-1], scene().transpose(1, 2)):
        with pytest.raises(PromptError, match="edited since; let it look again"):
            image.require_same(other)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    top = tmp_path_factory.mktemp("models")
    return {name: save_sam(name, top / name) for name in SAM}


def prompter_for(folder: Path, cache: Path | None = None) -> SamPrompter:
    """Return the prompter with weights that nobody has read yet."""
    kept = None if cache is None else FeatureCache(cache)
    return SamPrompter(SamSource(folder), CPU, kept)


def raster() -> Raster:
    bands = (scene().numpy() * 255).astype(np.uint8)
    return Raster.from_array(bands, Grid(*SHAPE), roles=("red", "green", "blue"))


def prepared(prompter: SamPrompter, picture: torch.Tensor | None = None) -> SamImage:
    return run(prompter.prepare(raster(), scene() if picture is None else picture))


PROMPT = Prompt(points=(Point(24, 18), Point(3, 3, positive=False)), boxes=(Box(4, 4, 40, 40),))


@pytest.mark.parametrize("name", SAM)
def test_a_kept_embedding_gives_the_same_bytes(
    folders: dict[str, Path], name: str, tmp_path: Path
) -> None:
    without = prepared(prompter_for(folders[name]))
    first = prepared(prompter_for(folders[name], tmp_path))
    second = prepared(prompter_for(folders[name], tmp_path))
    assert FeatureCache(tmp_path).contents().entries == 1
    answers = [answer(PROMPT, image) for image in (without, first, second)]
    for image, found in zip((first, second), answers[1:], strict=True):
        pairs = zip(image.embedding, without.embedding, strict=True)
        assert all(one.equal(other) for one, other in pairs)
        assert found.masks.equal(answers[0].masks)
        assert found.scores.equal(answers[0].scores)


def seen_by(prompter: SamPrompter) -> list[int]:
    """Return a list that grows whenever the network looks at a picture."""
    looks: list[int] = []
    module = run(prompter.source.model()).module  # type: ignore[attr-defined]
    module.vision_encoder.register_forward_hook(lambda *_: looks.append(1))
    return looks


def test_an_image_is_looked_at_once(folders: dict[str, Path], tmp_path: Path) -> None:
    first, second = (prompter_for(folders["SAM"], tmp_path) for _ in range(2))
    counts = [seen_by(first), seen_by(second)]
    for prompter in (first, first, second):
        answer(PROMPT, prepared(prompter))
    assert [len(looks) for looks in counts] == [1, 0]
    prepared(second, scene() * 0.5)
    assert len(counts[1]) == 1


def test_the_embedding_of_another_image_is_not_used(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    prompter, other = prompter_for(folders["SAM"], tmp_path), scene().flip(2)
    right = prepared(prompter, other)
    (place,) = tmp_path.rglob("*.safetensors")
    prepared(prompter)
    (strange,) = set(tmp_path.rglob("*.safetensors")) - {place}
    shutil.copy(strange, place)
    again = prepared(prompter, other)
    assert again.embedding[0].equal(right.embedding[0])
    assert place.read_bytes() != strange.read_bytes()  # what did not belong there was replaced


def test_other_weights_look_for_themselves(folders: dict[str, Path], tmp_path: Path) -> None:
    one = prepared(prompter_for(folders["SAM 2"], tmp_path))
    other = prepared(prompter_for(folders["SAM 2 of films"], tmp_path))
    assert FeatureCache(tmp_path).contents().entries == 2
    assert not one.embedding[0].equal(other.embedding[0])


def made(model: str | None, preset: str = "fast") -> SamPrompter:
    """Return the prompter as the table of prompters makes it."""
    factory = PROMPTERS.load("sam")
    backbone = None  # type: ignore[var-annotated]
    return factory(preset=preset, model=model, backbone=backbone, seed=0, device=CPU)


def test_the_table_makes_it_for_a_folder(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTPASS_CACHE", str(tmp_path))
    prompter = made(str(folders["SAM 2"]))
    found = answer(PROMPT, prepared(prompter))
    assert found.masks.shape == (3, *SHAPE)
    assert FeatureCache(tmp_path).contents().entries == 1
    assert made(str(folders["SAM 2"])).source is prompter.source
    assert isinstance(prompter, KeepingPrompter)
    prepared(prompter.keeping(None), scene() * 0.5)
    assert FeatureCache(tmp_path).contents().entries == 1


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (None, "found none given; name some of sam-b,"),
        ("sam-b", r'run "firstpass models fetch sam-b" \(375 MB, licence: Apache-2\.0\)'),
        ("sam3", "they are gated: first accept the licence"),
        ("./nowhere", r"a folder with config\.json at .*nowhere, found no such folder"),
        ("nowhere.pth", r"a checkpoint at .*nowhere\.pth, found nothing there"),
    ],
)
def test_weights_that_are_not_there_are_told_how_to_get(
    model: str | None, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match=sentence):
        made(model)


def test_weights_that_were_fetched_are_found_by_their_name(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", str(tmp_path))
    run(fetch_steps("sam2-t", source=folders["SAM 2 of films"]))
    assert not run(verify("sam2-t"))
    by_name = answer(PROMPT, prepared(made("sam2-t").keeping(None)))
    by_folder = answer(PROMPT, prepared(prompter_for(folders["SAM 2 of films"])))
    assert by_name.masks.equal(by_folder.masks)


@pytest.mark.parametrize("name", ["dinov2-s", "sam9"])
def test_a_name_of_other_weights_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match=f"edgetam, .*sam-b, .*found '{name}'"):
        made(name)


def test_weights_for_prompts_are_no_backbone() -> None:
    with pytest.raises(UnknownNameError, match=r"a backbone out of .*found 'sam-b'"):
        backbone_factory("sam-b")


def test_a_preset_that_there_is_not_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="preset of sam out of fast"):
        made("sam-b", preset="slow")


def test_a_folder_with_another_model_is_refused_when_an_image_comes(tmp_path: Path) -> None:
    folder = save(build("DINOv2"), tmp_path / "dino")
    with pytest.raises(WeightsError, match="found model_type 'dinov2'"):
        prepared(prompter_for(folder))
