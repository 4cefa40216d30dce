"""What was pointed at and not accepted yet, as GeoJSON in a project folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_firstpass.errors import FirstPassError, ImageReadError
from napari_firstpass.io.json_file import json_bytes
from napari_firstpass.prompts import Box, Line, Point

if TYPE_CHECKING:
    from collections.abc import Mapping

Mark: TypeAlias = Point | Line | Box


@dataclass(frozen=True, slots=True)
class Marks:
    """What was said of one thing.

    Attributes
    ----------
    drawn : tuple of Point, Line or Box
        In the order in which they were made.
    words : str
        What it is called, as it was typed; empty for nothing.
    layer : int or None
        Number of the labels that it is to be written into; None if there were none.
    class_id : int
        The class that it is to become.
    class_name : str
        What that is called.
    """

    drawn: tuple[Mark, ...]
    words: str = ""
    layer: int | None = None
    class_id: int = 1
    class_name: str = ""

    def to_bytes(self) -> bytes:
        """Return them as GeoJSON: x is a column of the image and y a row, from its top-left corner.

        GeoJSON knows no strokes of one place, so there, it is told twice.
        """
        about = {"words": self.words, "layer": self.layer}
        about |= {"class": self.class_id, "name": self.class_name}
        features = [
            {"type": "Feature", "properties": _properties(mark), "geometry": _geometry(mark)}
            for mark in self.drawn
        ]
        return json_bytes({"type": "FeatureCollection", **about, "features": features}, None)

    @classmethod
    def from_bytes(cls, content: bytes) -> Marks:
        """Read what `to_bytes` wrote.

        Raises
        ------
        ImageReadError
            If it is something else, or damaged.
        """
        try:
            told = json.loads(content)
            drawn = tuple(_mark(feature) for feature in told["features"])
            layer = None if told["layer"] is None else int(told["layer"])
            texts = str(told["words"]), str(told["name"])
            return cls(drawn, texts[0], layer, int(told["class"]), texts[1])
        except (ValueError, KeyError, TypeError, FirstPassError) as error:
            raise ImageReadError(
                expected="marks as GeoJSON",
                found=f"something else, or a damaged file ({error})",
                remedy="remove it, and point again",
            ) from error


def _properties(mark: Mark) -> dict[str, Any]:
    if isinstance(mark, Box):
        return {"mark": "box"}
    return {"mark": type(mark).__name__.lower(), "positive": mark.positive}


def _geometry(mark: Mark) -> dict[str, Any]:
    if isinstance(mark, Point):
        return {"type": "Point", "coordinates": [mark.col, mark.row]}
    if isinstance(mark, Line):
        places = mark.places if len(mark.places) > 1 else mark.places * 2
        return {"type": "LineString", "coordinates": [[col, row] for row, col in places]}
    x, y = (mark.left, mark.right), (mark.top, mark.bottom)
    around = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
    return {"type": "Polygon", "coordinates": [[[x[i], y[j]] for i, j in around]]}


def _mark(feature: Mapping[str, Any]) -> Mark:
    about, places = feature["properties"], feature["geometry"]["coordinates"]
    if about["mark"] == "point":
        return Point(float(places[1]), float(places[0]), bool(about["positive"]))
    if about["mark"] == "line":
        corners = dict.fromkeys((float(row), float(col)) for col, row in places)
        return Line(tuple(corners), bool(about["positive"]))
    (left, top), (right, bottom) = places[0][0], places[0][2]
    return Box(float(top), float(left), float(bottom), float(right))
