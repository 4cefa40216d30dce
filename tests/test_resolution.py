"""One size of pixels on the ground: which, and what it cannot be."""

from __future__ import annotations

from contextlib import nullcontext
from math import cos, radians
from typing import TYPE_CHECKING

import numpy as np
import pytest
from affine import Affine
from rasters import UTM31

from napari_firstpass.errors import ImageryError, OptionError
from napari_firstpass.grid import Grid
from napari_firstpass.io.ground import pixel_sides
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.resolution import (
    at_metres,
    common_imagery_steps,
    labelling_metres,
    opened_at,
)

if TYPE_CHECKING:
    from napari_firstpass.imagery import Imagery, Metres


def source_of(
    metres: float | tuple[float, float],
    height: int = 120,
    width: int = 200,
    crs: str | None = UTM31,
) -> ArraySource:
    """An image at 60° north where ``crs`` is in degrees; sides of pixels: down, across."""
    down, across = metres if isinstance(metres, tuple) else (metres, metres)
    place = Affine(across, 0.0, 5.0, 0.0, -down, 60.0)
    return ArraySource(
        Raster.from_array(np.zeros((3, height, width), np.uint8), Grid(height, width, place, crs))
    )


def common(metres: Metres, *sources: ArraySource) -> Imagery:
    named = [(f"{i}.tif", lambda s=s: nullcontext(s)) for i, s in enumerate(sources)]
    return run(common_imagery_steps(named, metres))


def test_images_are_read_at_the_size_that_was_asked_for() -> None:
    source = source_of(0.05)
    found = at_metres(source, 0.2, "a.tif")
    assert found.grid.shape == (30, 50)
    assert pixel_sides(found.grid) == pytest.approx((0.2, 0.2))
    with opened_at(lambda: nullcontext(source), 0.1, "a.tif")() as opened:
        assert opened.grid.shape == (60, 100)


@pytest.mark.parametrize("metres", [0.05, 0.0545, 0.046])
def test_images_of_about_that_size_are_read_as_they_are(metres: float) -> None:
    source = source_of(0.05)
    assert at_metres(source, metres, "a.tif") is source


def test_pixels_in_degrees_become_square_on_the_ground() -> None:
    source = source_of((1e-5, 1e-5), 400, 600, "EPSG:4326")
    down, across = pixel_sides(source.grid) or (0.0, 0.0)
    assert down == pytest.approx(1.1132)
    assert across == pytest.approx(1.1132 * cos(radians(60)), rel=1e-3)
    found = at_metres(source, 4 * 1.1132, "a.tif")
    assert found.grid.shape == (100, 75)
    assert pixel_sides(found.grid) == pytest.approx((4.4528, 4.4528), rel=1e-3)


def test_the_coarsest_of_a_set_decides_unless_a_size_is_given() -> None:
    images = source_of(0.05), source_of(0.2), source_of(0.12)
    assert common("auto", *images).metres == pytest.approx(0.2)
    assert common(0.1, *images).metres == 0.1
    assert common(None, images[0], source_of(0.052)).metres == pytest.approx(0.05)


def test_without_being_asked_other_sizes_are_refused_and_the_way_out_is_named() -> None:
    with pytest.raises(ImageryError, match=r"in 1.tif, as in 0.tif, .*--resample.*metres="):
        common(None, source_of(0.05), source_of(0.2))


def test_other_bands_are_refused_all_the_same() -> None:
    grey = ArraySource(
        Raster.from_array(
            np.zeros((1, 90, 90), np.uint8),
            source_of(0.2).grid.crop(source_of(0.2, 90, 90).grid.window),
        )
    )
    with pytest.raises(ImageryError, match=r"3 bands .* in 1.tif"):
        common("auto", source_of(0.05), grey)


def test_images_of_unknown_size_cannot_be_resampled() -> None:
    with pytest.raises(ImageryError, match=r"a known pixel size on the ground, to resample 1.tif"):
        common("auto", source_of(0.05), source_of(0.05, crs=None))
    with pytest.raises(ImageryError, match="to resample the image"):
        at_metres(source_of(0.05, crs=None), 0.2, "the image")


@pytest.mark.parametrize("metres", [0.012, 1.61])
def test_sizes_far_away_are_refused_with_those_that_are_not(metres: float) -> None:
    with pytest.raises(ImageryError, match=r"of 0.0125 to 1.6 m for a.tif, whose own is 0.05 m"):
        at_metres(source_of(0.05, 600, 600), metres, "a.tif")
    assert at_metres(source_of(0.05, 600, 600), 1.59, "a.tif").grid.shape == (19, 19)


def test_images_that_would_be_next_to_nothing_are_refused() -> None:
    with pytest.raises(ImageryError, match=r"at least 8 x 8 pixels of 0.8 m in a.tif, found 8 x 7"):
        at_metres(source_of(0.05, 128, 112), 0.8, "a.tif")


@pytest.mark.parametrize("metres", [0, -0.1, float("nan"), float("inf"), "coarse", True])
def test_what_is_no_size_is_refused(metres: Metres) -> None:
    with pytest.raises(OptionError, match="a pixel size in metres"):
        labelling_metres(metres)
    with pytest.raises(OptionError, match="a pixel size in metres"):
        common(metres, source_of(0.05))


def test_a_model_says_the_size_if_nobody_else_does() -> None:
    assert labelling_metres(None, 0.2) is None
    assert labelling_metres("auto", 0.2) == 0.2
    assert labelling_metres(0.3, 0.2) == 0.3
    with pytest.raises(OptionError, match=r"say it, such as --resample 0.2"):
        labelling_metres("auto")
