from __future__ import annotations

import numpy as np
import pytest
import torch
from features import landscape, rgb_raster

from napari_firstpass.backbones.texture import TextureBackbone
from napari_firstpass.descriptors import REACH
from napari_firstpass.grid import Grid
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run
from napari_firstpass.raster import Raster


def texture(raster: Raster) -> torch.Tensor:
    backbone = TextureBackbone(BandStats.of([raster]), raster.roles, torch.device("cpu"))
    return run(backbone.extract(raster)).vectors


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turning_the_image_turns_the_features(turns: int) -> None:
    image = landscape(128, 160)
    turned = texture(rgb_raster(np.rot90(image, turns, axes=(1, 2)).copy()))
    expected = torch.rot90(texture(rgb_raster(image)), turns, dims=(1, 2))
    torch.testing.assert_close(turned, expected, atol=1e-3, rtol=1e-3)


def test_mirroring_the_image_mirrors_the_features() -> None:
    image = landscape(64, 96)
    mirrored = texture(rgb_raster(image[:, :, ::-1].copy()))
    torch.testing.assert_close(mirrored, texture(rgb_raster(image)).flip(2), atol=1e-3, rtol=1e-3)


def test_vegetation_stands_out_by_near_infrared() -> None:
    bands = np.full((4, 32, 32), 80, np.uint8)
    bands[3, :, 16:] = 200
    bands[0, 0, 0] = 81
    raster = Raster.from_array(bands, Grid(32, 32), roles=("red", "green", "blue", "nir"))
    colours = texture(raster)
    expected = (200 - 80) / (200 + 80)
    assert float(colours[4, 4, 6]) == pytest.approx(expected, abs=1e-4)
    assert float(colours[4, 4, 1]) == pytest.approx(0, abs=1e-4)


def test_rough_and_smooth_areas_of_one_colour_differ() -> None:
    rng = np.random.default_rng(0)
    image = np.full((3, 64, 64), 120.0)
    image[:, :, 32:] += rng.normal(size=(64, 32)) * 20
    vectors = texture(rgb_raster(image.astype(np.uint8)))
    smooth, rough = vectors[:, 8, 3], vectors[:, 8, 12]
    assert float((rough[6:10] - smooth[6:10]).min()) > 1


def test_a_border_between_smooth_areas_is_not_rough() -> None:
    image = np.full((3, 128, 128), 60, np.uint8)
    image[:, :, 64:] = 180
    textures = texture(rgb_raster(image))[6:]
    assert float((textures - textures[:, :1, :1]).abs().max()) < 1e-4


def test_no_pixel_beyond_the_stated_reach_changes_a_feature() -> None:
    image = landscape(128, 128)
    other = image.copy()
    other[:, 64, 64] ^= 255
    stats = BandStats.of([rgb_raster(image)])
    backbone = TextureBackbone(stats, rgb_raster(image).roles, torch.device("cpu"))
    one, two = (run(backbone.extract(rgb_raster(i))).vectors for i in (image, other))
    rows, cols = torch.nonzero((one != two).any(0), as_tuple=True)
    distances = torch.stack([64 - 4 * rows - 3, 4 * rows - 64, 64 - 4 * cols - 3, 4 * cols - 64])
    assert 16 < int(distances.max()) <= REACH
