from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from features import landscape, rgb_raster
from models import SEMANTIC, save_semantic
from sources import WatchedSource

from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import ImageContentError
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.semantic import SemanticModel, load_semantic
from napari_firstpass.networks.viewing import ViewConfig
from napari_firstpass.progress import Progress, run
from napari_firstpass.semantic_labels import label_steps

if TYPE_CHECKING:
    from napari_firstpass.raster import Raster
    from napari_firstpass.segmentation import Segmentation

SMALL = SegmentConfig(window=64, overlap=32, device="cpu", min_region=0)
VIEW = ViewConfig(side=128, overlap=32, dtype="float32")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SemanticModel]:
    top = tmp_path_factory.mktemp("models")
    return {name: load_semantic(VisionFolder(save_semantic(name, top / name))) for name in SEMANTIC}


def labelled(raster: Raster, model: SemanticModel, config: SegmentConfig = SMALL) -> Segmentation:
    return run(label_steps(raster, model, config, VIEW))


@pytest.mark.parametrize("name", SEMANTIC)
def test_every_pixel_with_data_gets_a_class_of_the_model(
    models: dict[str, SemanticModel], name: str
) -> None:
    valid = np.ones((97, 131), dtype=bool)
    valid[:40, :50] = False
    found = labelled(rgb_raster(landscape(97, 131), valid), models[name])
    assert found.labels.dtype == np.uint8
    assert found.taxonomy is models[name].classes
    assert ((found.labels == 0) == ~valid).all()
    assert found.confidence is not None
    assert not found.confidence[~valid].any()
    assert found.confidence[valid].any()


def test_labels_are_the_likeliest_classes(models: dict[str, SemanticModel]) -> None:
    raster, model = rgb_raster(landscape(96, 128)), models["SegFormer"]
    found = labelled(raster, model, SegmentConfig(window=128, device="cpu", min_region=0))
    scores = run(model.scores(raster, view=VIEW)).vectors
    best, second = scores.topk(2, dim=0).values
    sure = (best - second) > 0.5  # a lead that the guided filter does not undo beside an edge
    winners = np.kron((scores.argmax(0) + 1).numpy(), np.ones((4, 4), dtype=np.int64))
    where = np.kron(sure.numpy(), np.ones((4, 4), dtype=bool))
    assert where.mean() > 0.05
    assert (found.labels == winners)[where].mean() > 0.95


def test_classes_of_a_model_guide_a_refinement(models: dict[str, SemanticModel]) -> None:
    raster = rgb_raster(landscape(128, 160))
    plain = labelled(raster, models["SegFormer"])
    guided = labelled(raster, models["SegFormer"], replace(SMALL, refine="dynaguide"))
    assert guided.taxonomy == plain.taxonomy
    assert set(np.unique(guided.labels)) <= set(np.unique(plain.labels))
    assert guided.provenance.config["refine"]["refiner"] == "dynaguide"
    assert (guided.labels != plain.labels).any()


def test_the_record_names_model_and_options_without_folders(
    models: dict[str, SemanticModel],
) -> None:
    model = models["Mask2Former"]
    steps = label_steps(
        rgb_raster(landscape(64, 64)), model, SMALL, VIEW, name="scene.tif", digest="0" * 64
    )
    record = run(steps).provenance
    assert record.weights_sha256 == model.sha256
    assert (record.source, record.source_sha256) == ("scene.tif", "0" * 64)
    assert record.config["model"] == "Mask2Former"
    assert record.config["window"] == 64
    assert record.config["view"]["side"] == 128
    assert "/" not in record.to_json()


def test_a_source_is_read_window_by_window(models: dict[str, SemanticModel]) -> None:
    raster = rgb_raster(landscape(192, 256))
    source = WatchedSource(raster)
    seen: list[Progress] = []
    found = run(label_steps(source, models["SegFormer"], SMALL, VIEW), seen.append)
    computed = source.windows[-12:]
    assert {(w.height, w.width) for w in computed} <= {(96, 96), (96, 128), (128, 96), (128, 128)}
    assert (found.labels > 0).all()
    shares = [progress.done / progress.total for progress in seen]
    assert shares == sorted(shares)
    assert seen[-1].done == seen[-1].total


def test_the_same_call_gives_the_same_bytes(models: dict[str, SemanticModel]) -> None:
    raster = rgb_raster(landscape(96, 128))
    one, two = (labelled(raster, models["OneFormer"]) for _ in range(2))
    assert np.array_equal(one.labels, two.labels)
    assert np.array_equal(one.confidence, two.confidence)


def test_an_image_without_data_is_refused(models: dict[str, SemanticModel]) -> None:
    empty = rgb_raster(landscape(64, 64), np.zeros((64, 64), dtype=bool))
    with pytest.raises(ImageContentError, match="valid pixels"):
        labelled(empty, models["SegFormer"])


def test_nothing_leaks_when_the_work_is_dropped(models: dict[str, SemanticModel]) -> None:
    steps = label_steps(rgb_raster(landscape(128, 128)), models["SegFormer"], SMALL, VIEW)
    for _ in range(6):
        next(steps)
    assert not torch.is_inference_mode_enabled()
    steps.close()
