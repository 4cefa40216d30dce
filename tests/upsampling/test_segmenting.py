from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from features import agreement, rgb_raster
from models import WIDTH, build, save

from napari_firstpass.api import segment_source_steps
from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import OptionError, UnknownNameError
from napari_firstpass.feature_cache import FeatureCache
from napari_firstpass.pipeline import fit_sample_steps
from napari_firstpass.progress import Progress, run
from napari_firstpass.raster import ArraySource
from napari_firstpass.upsampling import NO_UPSAMPLER, UPSAMPLERS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_firstpass.raster import Raster

every_upsampler = pytest.mark.parametrize("upsample", UPSAMPLERS.built_in)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a tiny network whose cells are of 16 pixels."""
    return str(save(build("DINOv2"), tmp_path_factory.mktemp("models") / "tiny"))


def two_fields() -> tuple[Raster, NDArray[np.int64]]:
    """A green and a grey field that meet within a cell, and which is which."""
    truth = np.zeros((144, 208), np.int64)
    truth[:, 101:] = 1
    colours = np.array([[60, 120, 50], [170, 150, 140]])[truth]
    speckle = np.random.default_rng(0).normal(size=(3, *truth.shape)) * 4
    return rgb_raster((np.moveaxis(colours, -1, 0) + speckle).astype(np.uint8)), truth


@every_upsampler
def test_a_network_segments_with_finer_features(network: str, upsample: str) -> None:
    raster, truth = two_fields()
    config = SegmentConfig(method="kmeans", backbone=network, upsample=upsample, classes=2)
    found = run(segment_source_steps(ArraySource(raster), config, name="fields"))
    assert agreement(found.labels, truth) > 0.98
    assert found.provenance is not None
    assert found.provenance.config["upsample"] == upsample


@pytest.mark.parametrize(("upsample", "stride"), [(NO_UPSAMPLER, 16), ("guided", 4)])
def test_the_model_tells_how_much_memory_windows_need(
    network: str, upsample: str, stride: int
) -> None:
    raster, _ = two_fields()
    config = SegmentConfig(backbone=network, upsample=upsample, classes=2)
    model = run(fit_sample_steps([(raster, raster.grid.window)], config))
    assert model.features == WIDTH / stride**2


def test_another_upsampler_does_not_ask_the_network_again(network: str, tmp_path: Path) -> None:
    raster, _ = two_fields()
    cache = FeatureCache(tmp_path / "features")
    asked = {}
    for upsample in (NO_UPSAMPLER, *UPSAMPLERS.built_in):
        config = SegmentConfig(method="kmeans", backbone=network, upsample=upsample, classes=2)
        seen: list[Progress] = []
        steps = segment_source_steps(ArraySource(raster), config, name="fields", cache=cache)
        run(steps, seen.append)
        asked[upsample] = any(one.message.startswith("view") for one in seen)
    assert asked == {NO_UPSAMPLER: True, "bilinear": False, "guided": False}


def test_our_own_backbones_are_refused() -> None:
    raster, _ = two_fields()
    config = SegmentConfig(upsample="guided")
    with pytest.raises(OptionError, match="leave upsample at none, or choose a network"):
        run(segment_source_steps(ArraySource(raster), config, name="fields"))


def test_an_unknown_upsampler_is_refused(network: str) -> None:
    raster, _ = two_fields()
    config = SegmentConfig(backbone=network, upsample="sharper")
    with pytest.raises(UnknownNameError, match="way to upsample out of none, bilinear, guided"):
        run(segment_source_steps(ArraySource(raster), config, name="fields"))
