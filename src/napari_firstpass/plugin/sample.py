"""What napari calls for File ▸ Open Sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.scenes import make_scene
from napari_firstpass.widgets.label_layers import labels_tuple
from napari_firstpass.widgets.scene import SceneInfo
from napari_firstpass.widgets.scene_layers import raster_tuples

if TYPE_CHECKING:
    from napari_firstpass.widgets.scene import LayerTuple

_SIDE = 1024
_PIXEL_SIZE = 0.1


def town() -> list[LayerTuple]:
    """Return a made-up town in four bands, and, hidden, what it really consists of."""
    scene = make_scene(_SIDE, _SIDE, seed=0, pixel_size=_PIXEL_SIZE)
    raster = scene.raster
    info = SceneInfo(
        name="town",
        grid=raster.grid,
        bands=raster.names,
        roles=raster.roles,
        pixel_size=f"{_PIXEL_SIZE:g} m",
        nodata="",
        origin=raster,
    )
    truth = labels_tuple(scene.truth, name="town · truth", scene="town")
    truth[1]["visible"] = False
    return [*raster_tuples(raster, info), truth]
