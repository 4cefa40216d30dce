"""What holds for every registered backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from features import landscape, rgb_raster

from napari_firstpass.backbones import BACKBONES, keeps_features
from napari_firstpass.grid import Grid, Window
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run
from napari_firstpass.raster import Raster

if TYPE_CHECKING:
    from napari_firstpass.bands import Role
    from napari_firstpass.features import FeatureMap

REACH = 64
"""No pixel further away than the default overlap may change a feature."""

every_backbone = pytest.mark.parametrize("name", BACKBONES.names)


def features_of(raster: Raster, name: str, stats: BandStats | None = None) -> FeatureMap:
    backbone = BACKBONES.load(name)(
        stats or BandStats.of([raster]), raster.roles, torch.device("cpu")
    )
    return run(backbone.extract(raster))


@every_backbone
@pytest.mark.parametrize(
    "roles",
    [
        (None,),
        (None, None),
        ("red", "green", "blue"),
        ("red", "green", "blue", "nir"),
        ("nir", "red", "green"),
        (None,) * 12,
    ],
    ids=len,
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_any_bands_of_any_type_give_finite_features(
    name: str, roles: tuple[Role | None, ...], dtype: str
) -> None:
    rng = np.random.default_rng(0)
    bands = (rng.random((len(roles), 37, 50)) * 200).astype(dtype)
    features = features_of(Raster.from_array(bands, Grid(37, 50), roles=roles), name)
    assert features.vectors.isfinite().all()
    assert features.vectors.dtype == torch.float32
    assert features.grid == Grid(37, 50).coarsen(features.stride)


@every_backbone
def test_a_window_with_context_has_the_features_of_the_whole(name: str) -> None:
    whole = rgb_raster(landscape(320, 352))
    stats = BandStats.of([whole])
    expected = features_of(whole, name, stats)
    part = whole.crop(Window(64, 80, 240, 256))
    stride, margin = expected.stride, REACH // expected.stride
    inner = features_of(part, name, stats).vectors[:, margin:-margin, margin:-margin]
    row, col = 64 // stride + margin, 80 // stride + margin
    outer = expected.vectors[:, row : row + inner.shape[1], col : col + inner.shape[2]]
    torch.testing.assert_close(inner, outer, atol=1e-4, rtol=1e-4)


@every_backbone
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 3), (5, 4)])
def test_tiny_images_have_features(name: str, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    raster = rgb_raster(rng.integers(0, 255, (3, *size), dtype=np.uint8))
    stats = BandStats((0.0,) * 3, (255.0,) * 3)
    assert features_of(raster, name, stats).vectors.isfinite().all()


@every_backbone
def test_a_constant_band_does_no_harm(name: str) -> None:
    image = landscape(64, 64)
    image[1] = 7
    assert features_of(rgb_raster(image), name).vectors.isfinite().all()


@every_backbone
def test_cells_without_data_are_marked(name: str) -> None:
    image = landscape(64, 64)
    valid = np.ones((64, 64), dtype=bool)
    valid[:, :32] = False
    features = features_of(rgb_raster(image, valid), name)
    half = 32 // features.stride
    assert not features.valid[:, :half].any()
    assert features.valid[:, half:].all()


@every_backbone
def test_the_same_image_gives_the_same_features(name: str) -> None:
    raster = rgb_raster(landscape(96, 96))
    assert torch.equal(features_of(raster, name).vectors, features_of(raster, name).vectors)


@every_backbone
def test_features_are_kept_of_those_that_can_be_told_apart(name: str) -> None:
    assert keeps_features(name) == (BACKBONES.load(name).identity() is not None)
