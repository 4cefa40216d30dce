from __future__ import annotations

import numpy as np
import pytest
import torch
from features import landscape, rgb_raster
from skimage.color import rgb2lab

from napari_firstpass.backbones.texture import (
    REACH,
    TextureBackbone,
    gaussian,
    oklab,
    opened,
    pattern_codes,
)
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


def test_known_colours_have_their_published_oklab_values() -> None:
    # Ottosson's article gives white, red and blue.
    rgb = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).T
    expected = torch.tensor([[1.0, 0.0, 0.0], [0.628, 0.225, 0.126], [0.452, -0.032, -0.312]]).T
    torch.testing.assert_close(oklab(rgb), expected, atol=1e-3, rtol=0)


def test_lightness_orders_colours_like_cielab() -> None:
    colours = np.random.default_rng(0).random((200, 3))
    ours = oklab(torch.from_numpy(colours.T).float())[0].numpy()
    assert np.corrcoef(ours, rgb2lab(colours[:, None])[:, 0, 0])[0, 1] > 0.98


@pytest.mark.parametrize(
    ("neighbourhood", "code"),
    [
        (["000", "000", "000"], 0),
        (["001", "001", "001"], 3),
        (["111", "100", "100"], 5),
        (["010", "000", "000"], 1),
        (["101", "000", "000"], 9),
        (["101", "000", "101"], 9),
        (["111", "101", "111"], 8),
    ],
    ids=["flat", "edge", "corner", "tip", "two tips", "cross", "pit"],
)
def test_patterns_have_the_codes_of_ojala(neighbourhood: list[str], code: int) -> None:
    image = torch.tensor([[float(pixel) for pixel in row] for row in neighbourhood])
    assert int(pattern_codes(image)[1, 1]) == code


def test_a_flat_area_has_no_brighter_neighbours() -> None:
    assert (pattern_codes(torch.full((9, 9), 0.5)) == 0).all()


def test_blurring_keeps_the_mean_of_a_constant_and_the_centre_of_a_point() -> None:
    assert gaussian(torch.full((1, 9, 9), 3.0), 1.5).allclose(torch.full((1, 9, 9), 3.0))
    point = torch.zeros(1, 15, 15)
    point[0, 7, 7] = 1
    blurred = gaussian(point, 1.5)
    assert int(blurred.argmax()) == 7 * 15 + 7
    assert float(blurred.sum()) == pytest.approx(1)


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


def test_opening_removes_thin_strips_and_keeps_areas() -> None:
    maps = torch.zeros(1, 40, 40)
    maps[0, 5:9], maps[0, 20:32, 10:30] = 1, 1
    kept = opened(maps, 7)
    assert int(kept[0, :15].sum()) == 0
    assert torch.equal(kept[0, 15:], maps[0, 15:])


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
