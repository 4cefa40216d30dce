"""What was pointed at and not accepted yet, in GeoJSON that others can read."""

from __future__ import annotations

import json

import pytest

from napari_firstpass.errors import ImageReadError
from napari_firstpass.prompts import Box, Line, Point
from napari_firstpass.widgets.prompt_marks import Marks

DRAWN = (Point(2.5, 7.0), Point(0.0, 1.0, False), Line(((3.0, 4.0),)), Box(1.0, 2.0, 5.5, 8.0))


def test_columns_are_x_and_rows_are_y() -> None:
    told = json.loads(Marks(DRAWN, "roof, house", 3, 9, "roof").to_bytes())
    assert (told["words"], told["layer"], told["class"], told["name"]) == (
        "roof, house", 3, 9, "roof"
    )  # fmt: skip
    places = [feature["geometry"] for feature in told["features"]]
    assert places == [
        {"type": "Point", "coordinates": [7.0, 2.5]},
        {"type": "Point", "coordinates": [1.0, 0.0]},
        {"type": "LineString", "coordinates": [[4.0, 3.0], [4.0, 3.0]]},
        {"type": "Polygon", "coordinates": [[[2, 1], [8, 1], [8, 5.5], [2, 5.5], [2, 1]]]},
    ]
    belong = [feature["properties"].get("positive") for feature in told["features"]]
    assert belong == [True, False, True, None]


@pytest.mark.parametrize("marks", [Marks(DRAWN, "", None), Marks((), "a road", 2, 4, "street")])
def test_marks_come_back(marks: Marks) -> None:
    assert Marks.from_bytes(marks.to_bytes()) == marks


@pytest.mark.parametrize("cut", [0, 30, 200])
def test_what_is_damaged_is_refused(cut: int) -> None:
    with pytest.raises(ImageReadError, match="damaged"):
        Marks.from_bytes(Marks(DRAWN).to_bytes()[:cut])
    with pytest.raises(ImageReadError, match="damaged"):
        Marks.from_bytes(b'{"type": "FeatureCollection", "features": []}')
