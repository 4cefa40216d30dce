"""From the town's plan to a photograph, one window at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_firstpass.scenes.canvas import Canvas, Extent
from napari_firstpass.scenes.crowns import paint_tree
from napari_firstpass.scenes.furnish import furnish
from napari_firstpass.scenes.ground import paint_ground
from napari_firstpass.scenes.light import photograph, shadow_margin, sky_margin
from napari_firstpass.scenes.paint import paint_car, paint_flat, paint_hedge, paint_post
from napari_firstpass.scenes.roofs import paint_building
from napari_firstpass.scenes.streets import Town
from napari_firstpass.scenes.textures import textures_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from napari_firstpass.grid import Window
    from napari_firstpass.scenes.streets import Block
    from napari_firstpass.scenes.textures import Textures
    from napari_firstpass.scenes.things import Furnishing

_THINGS_PER_STEP = 40
_OVERHANG = 12.0
_LAYERS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("flats", paint_flat), ("cars", paint_car), ("hedges", paint_hedge),
    ("buildings", paint_building), ("posts", paint_post), ("trees", paint_tree),
)  # fmt: skip


@dataclass(slots=True)
class Studio:
    """Draws and photographs windows of one town; remembers the blocks drawn last."""

    town: Town
    pixel_size: float
    textures: Textures
    furnished: dict[tuple[int, int], Furnishing] = field(default_factory=dict)
    _before: dict[tuple[int, int], Furnishing] = field(default_factory=dict)
    _row: int = 0

    @classmethod
    def of(cls, seed: int, pixel_size: float) -> Studio:
        """Prepare a town."""
        return cls(Town.of(seed), pixel_size, textures_at(pixel_size))

    def shoot(
        self, window: Window, bands: NDArray[np.uint8], labels: NDArray[np.uint8]
    ) -> Iterator[None]:
        """Fill ``bands`` (4, h, w) and ``labels`` (h, w) of a window, yielding often."""
        canvas = self._canvas(window)
        blocks = self._blocks(canvas.extent)
        yield from paint_ground(canvas, self.town, blocks)
        yield from self._furnish(blocks, window.row)
        yield from self._paint_things(canvas, blocks)
        margin = sky_margin(self.pixel_size)
        inner = slice(margin, margin + window.height), slice(margin, margin + window.width)
        labels[:] = canvas.labels[inner]
        yield from photograph(canvas, inner, (window.row, window.col), bands)

    def _canvas(self, window: Window) -> Canvas:
        """Return a canvas with room for what throws shadows into the window."""
        margin = sky_margin(self.pixel_size)
        down, right = shadow_margin(self.pixel_size)
        extent = Extent(
            window.row - margin,
            window.col - margin,
            window.height + margin + max(down, margin),
            window.width + margin + max(right, margin),
        )
        return Canvas(extent, self.pixel_size, self.town.seed, self.textures)

    def _blocks(self, extent: Extent) -> list[Block]:
        size = self.pixel_size
        top, left = extent.top * size, extent.left * size
        return self.town.blocks(
            top, left, top + extent.height * size, left + extent.width * size, _OVERHANG
        )

    def _furnish(self, blocks: list[Block], row: int) -> Iterator[None]:
        """Furnish new blocks; keep those of this and the last row of windows."""
        if row != self._row:
            self._before, self.furnished, self._row = self.furnished, {}, row
        for block in blocks:
            key = block.row, block.col
            if key not in self.furnished:
                known = self._before.get(key)
                self.furnished[key] = known or furnish(self.town, block)
                yield

    def _paint_things(self, canvas: Canvas, blocks: list[Block]) -> Iterator[None]:
        things = [self.furnished[block.row, block.col] for block in blocks]
        for layer, painter in _LAYERS:
            for index, thing in enumerate(t for f in things for t in getattr(f, layer)):
                painter(canvas, thing)
                if index % _THINGS_PER_STEP == 0:
                    yield
