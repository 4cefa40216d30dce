"""The prompter sam3: loaded as real models are, and on things that are known by heart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from features import landscape, rgb_raster
from models import save, text_model
from torch.nn import functional
from words import SAM3_SIDE, TOKENS, build_sam3, save_sam3

from napari_firstpass.backbones.texture import TextureBackbone
from napari_firstpass.errors import OptionError, PromptError, UnknownNameError, WeightsError
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.sam3 import Things, load_sam3
from napari_firstpass.progress import run
from napari_firstpass.prompting import PROMPTERS
from napari_firstpass.prompting.sam3 import Sam3Config, Sam3Image, Sam3Prompter
from napari_firstpass.prompts import Box, Point, Prompt
from napari_firstpass.protocols import RecordedPrompter, WordImage

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")
SHAPE = (40, 60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sam3(tmp_path_factory.mktemp("sam3") / "model")


def prompter(folder: Path | str, preset: str = "fast") -> Sam3Prompter:
    made = PROMPTERS.load("sam3")(
        preset=preset, model=str(folder), backbone=TextureBackbone, seed=0, device=CPU
    )
    assert isinstance(made, Sam3Prompter)
    return made


class KnownThings:
    """Two roofs, of which the left one is likelier, and a road under the right one."""

    def find(self, _seen: object, name: str) -> Things:
        masks = torch.zeros(3, 8, 12)
        masks[0, 1:4, 1:4] = 0.9
        masks[1, 1:4, 8:11] = 0.9
        masks[2, 2:7, :] = 0.8
        if name == "roof":
            return Things(masks[:2], torch.tensor([0.9, 0.6]))
        if name == "road":
            return Things(masks[2:], torch.tensor([0.7]))
        return Things(masks, torch.tensor([0.1, 0.2, 0.1]))


def known(valid: torch.Tensor | None = None) -> Sam3Image:
    everywhere = torch.ones(SHAPE, dtype=torch.bool)
    return Sam3Image(KnownThings(), None, everywhere if valid is None else valid, Sam3Config())


LEFT, RIGHT, ROAD = (12.0, 12.0), (12.0, 47.0), (30.0, 30.0)


def under(mask: torch.Tensor) -> tuple[bool, bool, bool]:
    return tuple(bool(mask[int(row), int(col)]) for row, col in (LEFT, RIGHT, ROAD))


def test_all_things_of_a_name_are_one_mask() -> None:
    answer = run(known().answer(Prompt(words=("roof",))))
    assert answer.masks.shape == (1, *SHAPE)
    assert under(answer.masks[0]) == (True, True, False)
    assert answer.scores.tolist() == pytest.approx([0.9])
    both = run(known().answer(Prompt(words=("roof", "road"))))
    assert under(both.masks[0]) == (True, True, True)


def test_marks_choose_among_things_and_boxes_limit_them() -> None:
    def found(**marks: object) -> tuple[bool, bool, bool]:
        return under(run(known().answer(Prompt(words=("roof",), **marks))).masks[0])

    assert found(points=(Point(*RIGHT),)) == (False, True, False)
    assert found(points=(Point(*LEFT, positive=False),)) == (False, True, False)
    assert found(boxes=(Box(0, 0, 40, 30),)) == (True, False, False)
    with pytest.raises(PromptError, match="roof in the image, found nothing of that name"):
        found(points=(Point(*ROAD),))


def test_each_pixel_has_the_name_of_the_likeliest_thing_there() -> None:
    found = run(known().classes(("road", "roof"), None))
    at = [found.labels[int(row), int(col)].item() for row, col in (LEFT, RIGHT, ROAD)]
    assert at == [2, 1, 1]  # over the right roof, the road is likelier
    assert found.labels[0, 30] == 0
    assert found.confidence[12, 12] == pytest.approx(0.2)  # the road is there, too
    assert found.confidence[30, 30] == pytest.approx(0.7)
    strict = run(known().classes(("road", "roof"), 0.75))
    assert set(strict.labels.unique().tolist()) == {0, 2}
    assert not run(known().classes(("boat",), None)).labels.any()
    valid = torch.ones(SHAPE, dtype=torch.bool)
    valid[:, 30:] = False
    assert not run(known(valid).classes(("road",), None)).labels[:, 30:].any()


def test_what_it_cannot_answer_is_refused() -> None:
    with pytest.raises(PromptError, match=r"words for sam3, .* found no words"):
        run(known().answer(Prompt(points=(Point(1, 1),))))
    with pytest.raises(PromptError, match="a mask to start from"):
        run(known().answer(Prompt(words=("roof",), start=torch.ones(SHAPE, dtype=torch.bool))))
    with pytest.raises(PromptError, match="each once, found none"):
        run(known().classes((), None))
    with pytest.raises(OptionError, match="a background threshold"):
        run(known().classes(("roof",), -1.0))
    with pytest.raises(PromptError, match="marks in the image"):
        run(known().answer(Prompt(words=("roof",), points=(Point(99, 1),))))


def test_the_model_is_asked_as_transformers_would_ask_it(folder: Path) -> None:
    detector = load_sam3(VisionFolder(folder))
    picture = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(0))
    found = detector.find(detector.look(picture, CPU), "roof")
    square = functional.interpolate(
        picture[None], (SAM3_SIDE, SAM3_SIDE), mode="bilinear", antialias=True
    )
    text = detector.tokenizer("roof", padding="max_length", max_length=TOKENS, return_tensors="pt")
    with torch.no_grad():
        said = build_sam3()(pixel_values=(square - 0.5) / 0.5, **text)
    torch.testing.assert_close(found.masks, said.pred_masks[0].sigmoid())
    likely = said.pred_logits.sigmoid() * said.presence_logits.sigmoid()
    torch.testing.assert_close(found.scores, likely[0])
    with pytest.raises(PromptError, match="a name of at most 38 tokens"):
        detector.find(None, "x" * 39 + " " + "y z " * 30)


def test_an_image_is_prepared_and_the_same_is_answered_twice(folder: Path) -> None:
    made = prompter(folder, preset="more")
    raster = rgb_raster(landscape(*SHAPE))
    picture = torch.from_numpy(landscape(*SHAPE).astype(np.float32) / 255)
    one, two = (run(made.prepare(raster, picture)) for _ in range(2))
    assert one.detector is two.detector  # loaded once
    first, second = (run(image.classes(("roof", "car"), 0.01)) for image in (one, two))
    assert torch.equal(first.labels, second.labels)
    assert first.labels.any()
    assert isinstance(one, WordImage)
    assert isinstance(made, RecordedPrompter)
    assert run(made.record())["score"] == 0.3


def test_a_folder_as_published_for_films_holds_the_detector(folder: Path, tmp_path: Path) -> None:
    films = save_sam3(tmp_path / "films")
    config = json.loads((films / "config.json").read_text())
    whole = {"model_type": "sam3_video", "detector_config": config, "tracker_config": {}}
    (films / "config.json").write_text(json.dumps(whole))
    plain, other = (load_sam3(VisionFolder(place)) for place in (folder, films))
    for name, weights in plain.module.named_parameters():
        assert torch.equal(weights, other.module.get_parameter(name))


def test_missing_and_other_weights_are_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="a folder with SAM 3, which sam3 needs, found none"):
        PROMPTERS.load("sam3")(
            preset="fast", model=None, backbone=TextureBackbone, seed=0, device=CPU
        )
    with pytest.raises(UnknownNameError, match="a preset of sam3 out of fast, more"):
        prompter(tmp_path, preset="magic")
    other = save(text_model(), tmp_path / "bert")
    with pytest.raises(WeightsError, match=r"a SAM 3, .* found model_type 'bert'"):
        load_sam3(VisionFolder(other))
