from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from torch.nn import functional

from napari_firstpass.descriptors import gaussian, oklab, opened, pattern_codes


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


def test_opening_removes_thin_strips_and_keeps_areas() -> None:
    maps = torch.zeros(1, 40, 40)
    maps[0, 5:9], maps[0, 20:32, 10:30] = 1, 1
    kept = opened(maps, 7)
    assert int(kept[0, :15].sum()) == 0
    assert torch.equal(kept[0, 15:], maps[0, 15:])


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (13, 8)])
@pytest.mark.parametrize("side", [1, 3, 5, 7])
def test_opening_is_the_largest_of_the_least_of_every_square(
    size: tuple[int, int], side: int
) -> None:
    maps = torch.rand((2, *size), generator=torch.Generator().manual_seed(0))
    least = -functional.max_pool2d(-maps[None], side, stride=1, padding=side // 2)
    expected = functional.max_pool2d(least, side, stride=1, padding=side // 2)[0]
    assert torch.equal(opened(maps, side), expected)
