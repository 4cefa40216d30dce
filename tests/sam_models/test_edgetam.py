"""EdgeTAM, whose encoder comes from a package of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
import transformers
from models import save
from official import TIMM, needs_timm
from sam import SIDE, edgetam

from napari_firstpass.errors import WeightsError
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.sam_models.hub_model import load_hub_model
from napari_firstpass.sam_models.marks import Marks

if TYPE_CHECKING:
    from pathlib import Path

POINTS = Marks(torch.tensor([[[20.0, 10.0], [40.0, 30.0]]]), torch.tensor([[1, 0]]))


@needs_timm
@pytest.mark.parametrize("kind", ["edgetam", "edgetam_video"])
def test_answers_are_those_of_the_model_itself(tmp_path: Path, kind: str) -> None:
    folder = save(edgetam(), tmp_path / "edgetam")
    theirs = transformers.EdgeTamModel.from_pretrained(folder).eval()
    said = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**said, "model_type": kind}))
    model = load_hub_model(VisionFolder(folder))
    picture = torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    logits, scores = model.candidates(model.embed(picture), POINTS)
    with torch.no_grad():
        asked = {"input_points": POINTS.places[None], "input_labels": POINTS.labels[None]}
        expected = theirs(pixel_values=picture[None], **asked)
    torch.testing.assert_close(logits, expected.pred_masks[0])
    torch.testing.assert_close(scores, expected.iou_scores[0])
    assert (model.side, model.keeps_ratio) == (SIDE, False)


@pytest.mark.skipif(not TIMM, reason="timm is here")
def test_without_its_package_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "edgetam_video"}')
    with pytest.raises(
        WeightsError, match=r"packages timm and torchvision.*pip install \"napari-firstpass\[sam\]"
    ):
        load_hub_model(VisionFolder(tmp_path))
