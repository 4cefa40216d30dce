from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from features import landscape, rgb_raster

from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.sampling import sample_steps, set_sample_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_firstpass.raster import RasterSource


class Shelf:
    """Images that count how many of them are open."""

    def __init__(self, rasters: list[Raster]) -> None:
        self.rasters = rasters
        self.open = self.most = 0
        self.opened: list[int] = []

    def opener(self, index: int):  # noqa: ANN201
        @contextmanager
        def opened() -> Iterator[RasterSource]:
            self.open += 1
            self.most = max(self.most, self.open)
            self.opened.append(index)
            yield ArraySource(self.rasters[index])
            self.open -= 1

        return opened

    def openers(self):  # noqa: ANN201
        return [self.opener(index) for index in range(len(self.rasters))]


def plain(count: int, side: int = 32) -> list[Raster]:
    return [rgb_raster(np.full((3, side, side), i % 250, np.uint8)) for i in range(count)]


def test_every_image_of_a_set_is_looked_at_and_no_two_are_open_at_once() -> None:
    shelf = Shelf(plain(5))
    sample = run(set_sample_steps(shelf.openers(), seed=0))
    assert [int(raster.bands[0, 0, 0]) for raster, _ in sample] == [0, 1, 2, 3, 4]
    assert shelf.most == 1
    assert shelf.open == 0


def test_of_very_many_images_some_are_drawn_by_the_seed() -> None:
    first, again, other = (Shelf(plain(400)) for _ in range(3))
    sample = run(set_sample_steps(first.openers(), seed=0))
    run(set_sample_steps(again.openers(), seed=0))
    run(set_sample_steps(other.openers(), seed=1))
    assert len(sample) == 256
    assert first.opened == again.opened != other.opened
    assert min(first.opened[1:]) < 20
    assert max(first.opened) > 380


def test_images_without_data_add_nothing() -> None:
    empty = rgb_raster(np.zeros((3, 32, 32), np.uint8), np.zeros((32, 32), dtype=bool))
    shelf = Shelf([empty, *plain(2), empty])
    assert len(run(set_sample_steps(shelf.openers(), seed=0))) == 2


def test_a_set_of_one_large_image_is_looked_at_as_that_image() -> None:
    raster = rgb_raster(landscape(700, 900))
    alone = run(sample_steps(ArraySource(raster), seed=3))
    of_set = run(set_sample_steps(Shelf([raster]).openers(), seed=3))
    assert [inner for _, inner in alone] == [inner for _, inner in of_set]
    assert all(
        np.array_equal(a.bands, b.bands) for (a, _), (b, _) in zip(alone, of_set, strict=True)
    )
