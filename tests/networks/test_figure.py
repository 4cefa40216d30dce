from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from features import landscape, rgb_raster
from models import build, save

from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import UnknownNameError, WeightsError
from napari_firstpass.networks.figure import FigureModel, figure_of, load_figure_steps
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.normalize import BandStats
from napari_firstpass.own_classes import load_model_steps
from napari_firstpass.progress import run
from napari_firstpass.semantic_labels import label_steps

if TYPE_CHECKING:
    from pathlib import Path

BY_255 = BandStats((0.0,) * 3, (255.0,) * 3)


def load(name: str, folder: Path) -> FigureModel:
    save(build(name), folder)
    return run(load_figure_steps(VisionFolder(folder)))


@pytest.fixture(scope="module")
def dino(tmp_path_factory: pytest.TempPathFactory) -> FigureModel:
    return load("DINO", tmp_path_factory.mktemp("models") / "tiny-dino")


@pytest.mark.parametrize("name", ["DINO", "DINOv2", "DINOv2 with registers", "DINOv3 ViT", "CLIP"])
def test_attention_is_that_of_the_class_token_in_the_last_layer(name: str, tmp_path: Path) -> None:
    model = load(name, tmp_path / "m")
    patch, extra = model.vision.patch, model.vision.extra
    pixels = torch.rand(2, 3, 3 * patch, 5 * patch)
    options = {"output_attentions": True}
    if "ViTModel" in type(model.vision.module).__name__ or name == "CLIP":
        options |= {"interpolate_pos_encoding": True} if name != "DINOv3 ViT" else {}
    with torch.inference_mode():
        expected = model.vision.module(pixel_values=pixels, **options).attentions[-1]
    expected = expected[:, :, 0, extra:].mean(1).reshape(2, 3, 5)
    torch.testing.assert_close(model.attention(pixels), expected)


def test_a_network_without_a_class_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="a transformer with a class token, such as DINO"):
        load("SigLIP", tmp_path / "siglip")
    with pytest.raises(WeightsError, match=r"found a network without a class token in .*conv"):
        load("ConvNeXt", tmp_path / "conv")


def square(side: int = 20) -> np.ndarray:
    """Return attention: a bright square with a hole of one cell, and a speck."""
    found = np.full((side, side + 4), 0.1, np.float32)
    found[5:13, 6:15] = 0.9
    found[8, 9] = 0.2
    found[17, 20] = 0.9
    return found


def test_the_figure_is_what_is_attended_to_without_specks_and_holes() -> None:
    figure = figure_of(square()) > 0.5
    assert figure[8, 9]
    assert not figure[17, 20]
    # The blur may move a border by a cell.
    assert figure[6:12, 7:14].all()
    assert not figure[:4].any()
    assert not figure[14:].any()


def test_a_figure_at_the_edge_of_the_picture_reaches_it() -> None:
    found = np.zeros((12, 12), np.float32)
    found[:5] = 1.0
    assert (figure_of(found)[0] > 0.5).all()


def test_even_attention_says_nothing() -> None:
    np.testing.assert_array_equal(figure_of(np.full((4, 5), 0.3, np.float32)), 0.5)


def test_the_farther_from_the_threshold_the_surer() -> None:
    ramp = np.repeat(np.linspace(0, 1, 30, dtype=np.float32)[None], 8, 0)
    row = figure_of(ramp)[4]
    assert (np.diff(row[2:-2]) >= 0).all()
    assert row[0] < 0.1
    assert row[-1] > 0.9


def test_scores_are_probabilities_on_the_grid_of_cells(dino: FigureModel) -> None:
    raster = rgb_raster(np.random.default_rng(0).integers(0, 256, (3, 70, 101), np.uint8))
    found = run(dino.scores(raster, BY_255))
    assert found.stride == dino.vision.patch == 8
    assert found.vectors.shape == (2, 9, 13)
    torch.testing.assert_close(found.vectors.sum(0), torch.ones(9, 13))


def test_figure_and_ground_guide_a_refinement(dino: FigureModel) -> None:
    raster = rgb_raster(landscape(96, 128))
    plain, refined = (
        run(label_steps(raster, dino, SegmentConfig(refine=how))) for how in ("none", "dynaguide")
    )
    assert [entry.name for entry in plain.taxonomy.classes] == ["ground", "figure"]
    assert set(np.unique(plain.labels)) == {1, 2}
    assert refined.taxonomy == plain.taxonomy
    assert (refined.labels != plain.labels).any()
    assert refined.provenance.config["model"] == "attention:tiny-dino"


def test_a_folder_is_found_behind_the_word(tmp_path: Path) -> None:
    folder = save(build("DINO"), tmp_path / "vits8")
    model = run(load_model_steps(f"attention:{folder}", SegmentConfig()))
    assert isinstance(model, FigureModel)
    assert model.name == "attention:vits8"


def test_names_that_are_no_backbones_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"a backbone with weights out of .*dino-s8"):
        run(load_model_steps("attention:segformer-b0-ade", SegmentConfig()))
