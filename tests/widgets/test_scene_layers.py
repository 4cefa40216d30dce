"""What is said about a file."""

from __future__ import annotations

import pytest

from napari_firstpass.widgets.scene_layers import pixel_text


@pytest.mark.parametrize(
    ("size", "unit", "text"),
    [
        ((0.15, 0.15), "metre", "0.15 m"),
        ((0.1, 0.0997), "metre", "0.1 m"),
        ((10.0, 20.0), "metre", "10 × 20 m"),
        ((0.00025, 0.00025), "degree", "0.00025°"),
        ((1.0, 1.0), "US survey foot", "1 US survey foot"),
        ((1.0, 1.0), "unknown", ""),
    ],
)
def test_pixel_sizes_are_said_as_people_say_them(
    size: tuple[float, float], unit: str, text: str
) -> None:
    assert pixel_text(size, unit) == text
