"""Textures, canvas, roofs and light, each with an answer known beforehand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_firstpass.scenes.canvas import Canvas, Extent, box_distance
from napari_firstpass.scenes.classes import BUILDING, CAR, PAVED, TREE
from napari_firstpass.scenes.crowns import paint_tree
from napari_firstpass.scenes.light import plane_light, shadow_margin, shadows, sky_view
from napari_firstpass.scenes.paint import paint_car
from napari_firstpass.scenes.roofs import paint_building
from napari_firstpass.scenes.textures import smooth_noise, textures_at
from napari_firstpass.scenes.things import Building, Car, Pose, Tree, Wing

GREY = (0.4, 0.4, 0.4, 0.4)
ELEVATION = math.radians(50)


@pytest.fixture
def canvas() -> Canvas:
    """A bare square of 20 m."""
    canvas = Canvas(Extent(0, 0, 200, 200), 0.1, 0, textures_at(0.1))
    canvas.colour[:] = 0.5
    return canvas


@pytest.mark.parametrize("name", ["grass", "leaves", "gravel", "pebbles", "stains", "fine"])
def test_textures_have_mean_0_and_deviation_1(name: str) -> None:
    values = textures_at(0.1).tori[name].values
    assert values.mean() == pytest.approx(0, abs=0.1)
    assert values.std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", ["grass", "gravel", "stains", "medium"])
def test_textures_repeat_without_a_seam(name: str) -> None:
    values = textures_at(0.1).tori[name].values
    inside = np.abs(np.diff(values, axis=0)).mean()
    assert np.abs(values[0] - values[-1]).mean() < 1.3 * inside


def test_a_crop_of_a_texture_wraps_around_its_edges() -> None:
    torus = textures_at(0.1).tori["grass"]
    size = len(torus.values)
    wrapped = torus.crop(size - 2, -3, 4, 5)
    np.testing.assert_array_equal(wrapped, np.roll(torus.values, (2, 3), axis=(0, 1))[:4, :5])


def test_noise_is_the_same_wherever_a_window_begins() -> None:
    x, y = np.arange(60, dtype=np.float32), np.arange(40, dtype=np.float32)
    whole = smooth_noise(0, 1, x, y, 7.0)
    part = smooth_noise(0, 1, x[20:], y[10:], 7.0)
    np.testing.assert_allclose(whole[10:, 20:], part, atol=1e-5)


def test_box_distance_is_negative_inside_and_metric_outside(canvas: Canvas) -> None:
    spot = canvas.spot(Pose(10.05, 10.05), 8)
    assert spot is not None
    distance = box_distance(spot, 3, 2)
    middle = np.argwhere((np.abs(spot.a) < 0.01) & (np.abs(spot.b) < 0.01))[0]
    row, col = middle
    assert distance[row, col] == pytest.approx(-2, abs=1e-4)
    assert distance[row, col + 50] == pytest.approx(2, abs=1e-4)
    assert distance[row + 50, col] == pytest.approx(3, abs=1e-4)


def test_a_half_covered_pixel_mixes_colours_and_keeps_its_class(canvas: Canvas) -> None:
    spot = canvas.spot(Pose(10, 10), 1)
    assert spot is not None
    canvas.lay(spot, np.full(spot.a.shape, 0.4, np.float32), 1.0, (1, 1, 1, 1), label=CAR)
    assert canvas.colour[:, 100, 100] == pytest.approx(0.7)
    assert canvas.labels[100, 100] == PAVED


def test_a_thing_off_the_canvas_changes_nothing(canvas: Canvas) -> None:
    paint_car(canvas, Car(Pose(50, 50), GREY))
    assert (canvas.labels == PAVED).all()


def test_a_car_covers_its_area(canvas: Canvas) -> None:
    paint_car(canvas, Car(Pose(10, 10, 0.3), GREY, half_length=2.2, half_width=0.9))
    area = (canvas.labels == CAR).sum() * 0.01
    assert area == pytest.approx(4.4 * 1.8 - (4 - math.pi) * 0.55**2, rel=0.02)


def test_a_gabled_roof_rises_from_the_eaves_to_the_ridge(canvas: Canvas) -> None:
    wing = Wing(0, 0, half_length=5, half_width=4, pitch=0.5, eaves=3)
    paint_building(canvas, Building(Pose(10.05, 10.05), (wing,), GREY, "tile"))
    assert (canvas.labels == BUILDING).sum() * 0.01 == pytest.approx(80, rel=0.03)
    assert canvas.height[100, 100] == pytest.approx(5, abs=0.05)
    assert canvas.height[120, 100] == pytest.approx(4, abs=0.05)


def test_the_slope_towards_the_sun_is_brighter(canvas: Canvas) -> None:
    wing = Wing(0, 0, half_length=5, half_width=4, pitch=0.7, eaves=3)
    paint_building(canvas, Building(Pose(10, 10), (wing,), GREY, "tile"))
    assert canvas.shade[120, 100] > 1.1 > 0.6 > canvas.shade[80, 100]


def test_a_hipped_roof_has_four_planes(canvas: Canvas) -> None:
    wing = Wing(0, 0, half_length=6, half_width=4, pitch=0.6, hipped=True)
    paint_building(canvas, Building(Pose(10, 10), (wing,), GREY, "tile"))
    planes = {
        round(float(canvas.shade[r, c]), 3)
        for r, c in ((100, 50), (100, 150), (75, 100), (125, 100))
    }
    assert len(planes) == 4


def test_a_tree_grows_over_a_low_roof_but_not_over_a_high_one() -> None:
    for eaves, expected in ((1.0, TREE), (9.0, BUILDING)):
        canvas = Canvas(Extent(0, 0, 200, 200), 0.1, 0, textures_at(0.1))
        wing = Wing(0, 0, 4, 4, pitch=0, eaves=eaves)
        paint_building(canvas, Building(Pose(10, 10), (wing,), GREY, "flat"))
        paint_tree(canvas, Tree(Pose(10, 10), 3.0, 6.0, GREY, salt=1))
        assert canvas.labels[100, 100] == expected


def test_level_ground_takes_all_the_light_and_a_steep_back_slope_none() -> None:
    slopes = np.array([0, 3], np.float32)
    # The sun stands in the south-east: ground that rises that way turns its back.
    light = plane_light(np.float32(0.6) * slopes, np.float32(0.8) * slopes)
    assert light == pytest.approx([1, 0])


def test_a_mast_throws_a_shadow_as_long_as_its_height_over_the_tangent() -> None:
    height = np.zeros((200, 200), np.float32)
    height[150, 150] = 6.0
    rows, cols = np.nonzero(shadows(height, 0.1) > 0.5)
    length = math.hypot(150 - rows.min(), 150 - cols.min()) * 0.1
    assert length == pytest.approx(6 / math.tan(ELEVATION), abs=0.4)
    assert rows.max() < 150
    assert cols.max() < 150


def test_a_slab_shades_every_pixel_within_reach_and_not_its_own_roof() -> None:
    height = np.zeros((120, 120), np.float32)
    height[60:] = 3.0
    dark = shadows(height, 0.1) > 0.5
    # The way to the sun is 1.25 pixels long for each row.
    reach = round(3 / math.tan(ELEVATION) / 0.125)
    assert dark[60 - reach + 4 : 60, :60].all()
    assert not dark[: 60 - reach - 3].any()
    assert not dark[60:].any()


def test_shadows_reach_no_farther_than_the_margin() -> None:
    down, right = shadow_margin(0.1)
    assert math.hypot(down, right) * 0.1 >= 17 / math.tan(ELEVATION)


def test_ground_beside_a_wall_sees_less_sky() -> None:
    height = np.zeros((100, 100), np.float32)
    height[:, 50:] = 8.0
    sky = sky_view(height, 0.1)
    assert sky[50, 10] == 1
    assert 0.7 <= sky[50, 48] < 0.9
    assert sky[50, 90] == 1
