"""Regions of whole images by a tiny Stable Diffusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from features import landscape, rgb_raster

from diffusion import save_diffusion
from napari_firstpass.attention_labels import (
    AttentionLabels,
    attention_folder,
    attention_labels_steps,
)
from napari_firstpass.attention_regions import RegionConfig
from napari_firstpass.config import SegmentConfig
from napari_firstpass.diffusion.folder import DiffusionFolder
from napari_firstpass.kl_merging import MergeConfig
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource
from napari_firstpass.segmentation import ArraySink

if TYPE_CHECKING:
    from pathlib import Path

SMALL = RegionConfig(merging=MergeConfig(threshold=0.002), side=64, overlap=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_diffusion(tmp_path_factory.mktemp("diffusion") / "model")


def labels_of(
    folder: Path, min_region: int = 0, valid: np.ndarray | None = None
) -> AttentionLabels:
    raster = rgb_raster(landscape(64, 112), valid)
    config = SegmentConfig(
        method="diffseg", backbone=str(folder), min_region=min_region, device="cpu"
    )
    steps = attention_labels_steps(ArraySource(raster), DiffusionFolder(folder), config, SMALL)
    return run(steps)


def test_regions_are_classes_the_largest_first(folder: Path) -> None:
    found = labels_of(folder)
    sizes = np.bincount(found.labels.ravel())
    assert sizes[0] == 0
    assert sorted(sizes[1:], reverse=True) == sizes[1:].tolist()
    assert found.taxonomy.ids == (*range(1, len(sizes)),)
    assert len(sizes) > 2
    assert found.labels.dtype == found.confidence.dtype == np.uint8
    again = labels_of(folder)
    assert np.array_equal(again.labels, found.labels)
    assert np.array_equal(again.confidence, found.confidence)


def test_small_regions_are_merged_and_do_not_count(folder: Path) -> None:
    every, large = labels_of(folder), labels_of(folder, min_region=200)
    assert len(large.taxonomy) <= len(every.taxonomy)
    assert (np.bincount(large.labels.ravel())[1:] >= 200).all()


def test_pixels_without_data_belong_to_nothing(folder: Path) -> None:
    valid = np.ones((64, 112), dtype=bool)
    valid[:, :70] = False
    found = labels_of(folder, valid=valid)
    assert not found.labels[~valid].any()
    assert not found.confidence[~valid].any()
    assert (found.labels[valid] > 0).all()


def test_windows_are_handed_on_whole(folder: Path) -> None:
    found = labels_of(folder)
    sink = ArraySink.of(found.grid, found.taxonomy)
    run(found.write_steps(sink, 64))
    assert np.array_equal(sink.labels, found.labels)
    assert np.array_equal(sink.confidence, found.confidence)


def test_only_diffseg_on_a_maker_of_images_asks_for_attention(folder: Path) -> None:
    def asked(**options: str) -> DiffusionFolder | None:
        config = SegmentConfig(**{"method": "diffseg", "backbone": str(folder), **options})
        return attention_folder(config, auto_classes=True)

    assert asked() == DiffusionFolder(folder)
    assert asked(backbone="embedded") is None
    assert asked(backbone="dino-s8") is None
    assert asked(backbone=str(folder / "unet")) is None  # it has a config.json of its own
    assert asked(method="kmeans") is None
