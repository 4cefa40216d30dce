"""Which image hints belong to."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import pytest
from affine import Affine

from napari_firstpass.errors import GridMismatchError, OptionError
from napari_firstpass.grid import Grid
from napari_firstpass.hint_pairing import paired_hints_steps
from napari_firstpass.hints import ArrayHints, HintSet, NamedHints
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.taxonomy import numbered_taxonomy

if TYPE_CHECKING:
    from napari_firstpass.sampling import OpenSource

HERE = Grid(20, 30, Affine.translation(500, 900), "EPSG:32631")
THERE = Grid(20, 30, Affine.translation(530, 900), "EPSG:32631")
NOWHERE = Grid(20, 30)


def image(grid: Grid) -> OpenSource:
    raster = Raster.from_array(np.zeros((1, *grid.shape), np.uint8), grid)
    return lambda: nullcontext(ArraySource(raster))


def hints(name: str, grid: Grid) -> NamedHints:
    source = ArrayHints(np.ones(grid.shape, np.uint8), numbered_taxonomy(1), grid)
    return NamedHints(name, lambda: nullcontext(source))


def pair(images: dict[str, Grid], *found: NamedHints) -> HintSet | None:
    opens = [image(grid) for grid in images.values()]
    return run(paired_hints_steps(list(images), opens, found, 2))


def images_of(together: HintSet | None) -> list[int]:
    assert together is not None
    return list(together.opens)


def test_a_name_decides_among_images_of_one_size_without_a_place() -> None:
    images = {"1.png": NOWHERE, "2.png": NOWHERE, "2.5 m": NOWHERE}
    for name, index in (("2.tif", 1), ("1_labels.tif", 0), ("2_hints.png", 1), ("2.5 m", 2)):
        assert images_of(pair(images, hints(name, NOWHERE))) == [index]
    with pytest.raises(
        OptionError, match=r"one image that 3\.tif belongs to, found 1\.png, 2\.png"
    ):
        pair(images, hints("3.tif", NOWHERE))


def test_a_place_decides_where_no_name_or_several_do() -> None:
    assert images_of(pair({"a.tif": HERE, "b.tif": THERE}, hints("anna.tif", THERE))) == [1]
    assert images_of(pair({"a.tif": HERE, "a.png": THERE}, hints("a.tif", THERE))) == [1]


def test_a_name_does_not_outweigh_another_place() -> None:
    with pytest.raises(GridMismatchError, match=r"a_hints\.tif on the grid of a\.tif"):
        pair({"a.tif": HERE, "b.tif": THERE}, hints("a_hints.tif", THERE))


def test_hints_without_an_image_and_two_on_one_are_refused() -> None:
    with pytest.raises(GridMismatchError, match="found none of that name or place"):
        pair({"a.tif": HERE}, hints("b.tif", THERE))
    with pytest.raises(OptionError, match=r"found a\.tif and a_labels\.tif"):
        pair({"a.tif": HERE}, hints("a.tif", HERE), hints("a_labels.tif", HERE))


def test_no_hints_are_no_set() -> None:
    assert pair({"a.tif": HERE}) is None
