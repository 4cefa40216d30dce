"""Models of transformers, through the loaders that real ones go through."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch
import transformers
from models import build, save
from safetensors.torch import load_file, save_file
from sam import SAM, save_sam
from torch.nn import functional

from napari_firstpass.errors import WeightsError
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.sam_models.hub_model import HubModel, load_hub_model
from napari_firstpass.sam_models.marks import Marks

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

every_family = pytest.mark.parametrize("name", SAM)
_CLASSES = {
    "SAM": transformers.SamModel,
    "SAM-HQ": transformers.SamHQModel,
    "SAM 2": transformers.Sam2Model,
    "SAM 2 of films": transformers.Sam2Model,
    "SAM 3 tracker": transformers.Sam3TrackerModel,
    "SAM 3 of films": transformers.Sam3TrackerModel,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with a tiny model of each family."""
    top = tmp_path_factory.mktemp("models")
    return {name: save_sam(name, top / name) for name in SAM}


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, HubModel]:
    """As we load them."""
    return {name: loaded(folder) for name, folder in folders.items()}


@pytest.fixture(scope="module")
def theirs(folders: dict[str, Path]) -> dict[str, PreTrainedModel]:
    """As their own classes load them."""
    level = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    found = {name: _CLASSES[name].from_pretrained(folders[name]).eval() for name in SAM}
    transformers.utils.logging.set_verbosity(level)
    return found


@pytest.fixture
def sam(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A folder with a SAM, which tests may damage."""
    return shutil.copytree(folders["SAM"], tmp_path / "sam")


def loaded(folder: Path) -> HubModel:
    return load_hub_model(VisionFolder(folder))


def picture_for(name: str) -> torch.Tensor:
    side = SAM[name].side
    return torch.randn(3, side, side, generator=torch.Generator().manual_seed(1))


POINTS = torch.tensor([[[20.0, 10.0], [40.0, 30.0]], [[5.0, 6.0], [8.0, 9.0]]])
LABELS = torch.tensor([[1, 0], [1, 1]])
BOXES = torch.tensor([[4.0, 5.0, 40.0, 44.0], [1.0, 2.0, 33.0, 20.0]])
QUESTIONS = {
    "points": Marks(POINTS, LABELS),
    "boxes": Marks(POINTS[:, :0], LABELS[:, :0], BOXES),
    "points in boxes": Marks(POINTS, LABELS, BOXES),
}


@every_family
@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_are_those_of_the_model_itself(
    models: dict[str, HubModel], theirs: dict[str, PreTrainedModel], name: str, question: str
) -> None:
    marks, model, picture = QUESTIONS[question], models[name], picture_for(name)
    logits, scores = model.candidates(model.embed(picture), marks)
    asked: dict[str, Any] = {"input_boxes": None if marks.boxes is None else marks.boxes[None]}
    if marks.has_places:
        asked |= {"input_points": marks.places[None], "input_labels": marks.labels[None]}
    with torch.no_grad():
        said = theirs[name](pixel_values=picture[None], **asked)
    torch.testing.assert_close(logits, said.pred_masks[0])
    torch.testing.assert_close(scores, said.iou_scores[0])
    assert logits.shape[:2] == scores.shape == (2, 3)


@every_family
def test_a_start_is_taken_as_the_model_takes_it(
    models: dict[str, HubModel], theirs: dict[str, PreTrainedModel], name: str
) -> None:
    model, picture = models[name], picture_for(name)
    start = torch.randn(model.start_side, model.start_side)
    nowhere = Marks(torch.zeros(1, 1, 2), torch.full((1, 1), -1), start=start)
    logits, _ = model.candidates(model.embed(picture), nowhere)
    with torch.no_grad():
        said = theirs[name](
            pixel_values=picture[None],
            input_points=torch.zeros(1, 1, 1, 2),
            input_labels=torch.full((1, 1, 1), -1),
            input_masks=start[None, None],
        )
    torch.testing.assert_close(logits, said.pred_masks[0])


@every_family
def test_a_family_is_known_with_its_picture_and_its_colours(
    models: dict[str, HubModel], name: str
) -> None:
    model, family = models[name], SAM[name]
    assert (model.side, model.keeps_ratio) == (family.side, family.keeps_ratio)
    assert (model.scaling.mean, model.scaling.std) == family.scaling
    assert model.start_side == 16  # four for each of four cells


def test_colours_are_scaled_as_the_folder_says(sam: Path) -> None:
    said = {"do_normalize": True, "image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 1]}
    (sam / "preprocessor_config.json").write_text(json.dumps(said))
    assert loaded(sam).scaling.mean == (0.1, 0.2, 0.3)


def test_weights_of_another_kind_are_refused(tmp_path: Path) -> None:
    folder = save(build("DINOv2"), tmp_path / "dino")
    with pytest.raises(WeightsError, match=r"a Segment Anything model.*found model_type 'dinov2'"):
        loaded(folder)


def test_a_sam_3_that_only_reads_words_is_refused(sam: Path) -> None:
    for kind in ("sam3", "sam3_video"):
        (sam / "config.json").write_text(json.dumps({"model_type": kind}))
        with pytest.raises(WeightsError, match=f"found model_type '{kind}'"):
            loaded(sam)


def test_a_config_without_sizes_is_refused(sam: Path) -> None:
    said = json.loads((sam / "config.json").read_text())
    said["prompt_encoder_config"]["image_size"] = [64, 64]
    said["vision_config"]["image_size"] = [64, 64]
    (sam / "config.json").write_text(json.dumps(said))
    with pytest.raises(WeightsError, match=r"config\.json"):
        loaded(sam)


def test_weights_that_were_cut_off_are_refused(sam: Path) -> None:
    file = sam / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"weights of a sam model in .*; get the files"):
        loaded(sam)


def test_weights_with_a_tensor_missing_are_refused(sam: Path) -> None:
    file = sam / "model.safetensors"
    tensors = load_file(file)
    del tensors["mask_decoder.iou_token.weight"]
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"found 1 missing .*mask_decoder\.iou_token\.weight"):
        loaded(sam)


def test_a_folder_without_weights_is_refused(sam: Path) -> None:
    (sam / "model.safetensors").unlink()
    with pytest.raises(
        WeightsError, match=r"weights \(model\.safetensors\) in .*only config\.json"
    ):
        loaded(sam)


def test_the_decoder_of_sam_hq_sees_what_its_blocks_say(models: dict[str, HubModel]) -> None:
    model = models["SAM-HQ"]
    last, early = model.embed(picture_for("SAM-HQ"))
    marks = Marks(POINTS, LABELS)
    with_it, _ = model.candidates((last, early), marks)
    without, _ = model.candidates((last, torch.zeros_like(early)), marks)
    assert functional.l1_loss(with_it, without) > 0.01
