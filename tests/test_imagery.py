from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_firstpass.bands import RGB
from napari_firstpass.errors import ImageryError
from napari_firstpass.grid import Grid
from napari_firstpass.imagery import Imagery
from napari_firstpass.raster import ArraySource, Raster

COLOUR = Imagery(RGB, "uint8", 0.1)


def test_it_is_what_a_source_says() -> None:
    raster = Raster.from_array(np.zeros((3, 8, 8), np.uint16), Grid(8, 8), roles=RGB)
    assert Imagery.of(ArraySource(raster), 0.5) == Imagery(RGB, "uint16", 0.5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"roles": (*RGB, "nir")}, r"3 bands \(red, green, blue\) in b.tif.*nir\); say what"),
        ({"roles": ("red", "green", None)}, r"found 3 bands \(red, green, unnamed\)"),
        ({"roles": ("red",)}, r"found 1 band \(red\)"),
        ({"dtype": "uint16"}, "values of type uint8 in b.tif, as in a.tif, found uint16; convert"),
        ({"metres": 0.2}, "pixels of 0.1 m in b.tif, as in a.tif, found 0.2 m; resample"),
        ({"metres": 0.05}, "found 0.05 m"),
    ],
)
def test_other_kinds_are_refused_with_a_reason(change: dict[str, object], said: str) -> None:
    with pytest.raises(ImageryError, match=said):
        COLOUR.require(replace(COLOUR, **change), name="b.tif", like="a.tif")


@pytest.mark.parametrize("metres", [0.1, 0.095, 0.108, None])
def test_nearly_the_same_size_or_none_that_is_known_will_do(metres: float | None) -> None:
    COLOUR.require(replace(COLOUR, metres=metres), name="b", like="a")
    replace(COLOUR, metres=metres).require(COLOUR, name="b", like="a")


def test_it_survives_json() -> None:
    kind = Imagery(("red", None), "float32", None)
    assert Imagery.from_dict(json.loads(json.dumps(kind.to_dict()))) == kind


@pytest.mark.parametrize("data", [{"roles": []}, {"roles": ["ultraviolet"]}, {"metres": -1.0}])
def test_nonsense_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ImageryError):
        Imagery.from_dict({**COLOUR.to_dict(), **data})
