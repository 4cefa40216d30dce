from __future__ import annotations

import pytest
from affine import Affine

from napari_firstpass.grid import Grid
from napari_firstpass.io.ground import metres_per_pixel, pixel_area, pixel_sides

TENTH = Affine(0.1, 0.0, 500_000.0, 0.0, -0.1, 5_000_000.0)


@pytest.mark.parametrize(
    ("crs", "transform", "metres"),
    [
        ("EPSG:32631", TENTH, 0.1),
        ("EPSG:32631", TENTH @ Affine.rotation(30.0), 0.1),
        ("EPSG:2263", Affine(1.0, 0.0, 0.0, 0.0, -1.0, 0.0), 0.3048),  # feet
        ("EPSG:4326", Affine(1e-5, 0.0, 7.0, 0.0, -1e-5, 51.0), 1.1132),
    ],
)
def test_pixels_are_measured_in_metres(crs: str, transform: Affine, metres: float) -> None:
    assert metres_per_pixel(Grid(4, 4, transform, crs)) == pytest.approx(metres, rel=1e-4)


def test_without_a_known_system_nothing_is_known() -> None:
    assert metres_per_pixel(Grid(4, 4, TENTH)) is None
    assert metres_per_pixel(Grid(4, 4, TENTH, "no such system")) is None


def test_degrees_along_a_parallel_are_shorter_the_further_north() -> None:
    place = Affine(2e-5, 0.0, 7.0, 0.0, -1e-5, 60.0)
    assert pixel_sides(Grid(4, 4, place, "EPSG:4326")) == pytest.approx((1.1132, 1.1132), rel=1e-4)
    assert pixel_sides(Grid(4, 4, TENTH @ Affine.scale(2, 3), "EPSG:32631")) == pytest.approx(
        (0.3, 0.2)
    )
    assert pixel_sides(Grid(4, 4, TENTH)) is None


def test_areas_are_known_only_of_projected_pixels() -> None:
    turned = TENTH @ Affine.rotation(30.0) @ Affine.scale(2, 3)
    assert pixel_area(Grid(4, 4, turned, "EPSG:32631")) == pytest.approx(0.06)
    feet = Affine(1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    assert pixel_area(Grid(4, 4, feet, "EPSG:2263")) == pytest.approx(0.3048**2, rel=1e-4)
    for crs in (None, "EPSG:4326", "no such system"):
        assert pixel_area(Grid(4, 4, TENTH, crs)) is None
