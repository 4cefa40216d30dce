"""How bands become something to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tiny_scenes import utm_grid

from napari_firstpass.raster import Raster
from napari_firstpass.widgets.looks import Look, look_at, scene_bands

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.bands import Role


def raster(bands: NDArray[np.generic], valid: NDArray[np.bool_] | None = None) -> Raster:
    return Raster.from_array(bands, utm_grid(*bands.shape[1:]), valid=valid)


@pytest.mark.parametrize(
    ("roles", "bands"),
    [
        (("red", "green", "blue", "nir"), (0, 1, 2)),
        (("blue", "green", "red"), (2, 1, 0)),
        (("nir", "red", "green"), (0, 1, 2)),
        ((None,) * 5, (0, 1, 2)),
        ((None, None), (0,)),
        (("nir",), (0,)),
    ],
)
def test_true_colour_then_the_first_three_bands_then_grey(
    roles: tuple[Role | None, ...], bands: tuple[int, ...]
) -> None:
    assert scene_bands(roles) == bands


def test_bytes_are_shown_as_they_are() -> None:
    bands = np.random.default_rng(0).integers(50, 99, (3, 8, 9), dtype=np.uint8)
    shown = look_at(raster(bands), (0, 1, 2)).paint(raster(bands))
    np.testing.assert_array_equal(shown, bands.transpose(1, 2, 0))


def test_pixels_without_data_do_not_count_for_the_stretch() -> None:
    bands = np.full((3, 10, 10), 60_000, dtype=np.uint16)
    bands[:, 5:] = np.arange(1000, 1050).reshape(5, 10)
    valid = np.zeros((10, 10), dtype=bool)
    valid[5:] = True
    look = look_at(raster(bands, valid), (0, 1, 2))
    assert (look.low, look.high) == pytest.approx((1000.49, 1048.51), abs=0.5)


def test_an_image_without_data_can_be_shown() -> None:
    empty = raster(np.zeros((3, 4, 4), dtype=np.uint16), np.zeros((4, 4), dtype=bool))
    shown = look_at(empty, (0, 1, 2)).paint(empty)
    assert shown.shape == (4, 4, 4)
    assert not shown.any()


def test_a_constant_image_can_be_shown() -> None:
    assert look_at(raster(np.full((1, 4, 4), 7.0)), (0,)) == Look((0,), 7.0, 8.0)


def test_a_grey_band_is_black_where_it_has_no_data() -> None:
    valid = np.array([[True, False]])
    band = raster(np.array([[[-3.0, 0.0]]]), valid)
    assert Look((0,), -5.0, 5.0).paint(band).tolist() == [[-3.0, -5.0]]
