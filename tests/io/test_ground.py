from __future__ import annotations

import pytest
from affine import Affine

from napari_firstpass.grid import Grid
from napari_firstpass.io.ground import metres_per_pixel

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
