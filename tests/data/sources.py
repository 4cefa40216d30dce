"""Raster sources that watch how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from napari_firstpass.bands import Role
    from napari_firstpass.grid import Grid, Window
    from napari_firstpass.raster import Raster


@dataclass
class WatchedSource:
    """A raster in memory that remembers which windows were read."""

    raster: Raster
    windows: list[Window] = field(default_factory=list)

    @property
    def grid(self) -> Grid:
        return self.raster.grid

    @property
    def names(self) -> tuple[str, ...]:
        return self.raster.names

    @property
    def roles(self) -> tuple[Role | None, ...]:
        return self.raster.roles

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.raster.bands.dtype

    def read(self, window: Window) -> Raster:
        self.windows.append(window)
        return self.raster.crop(window)
