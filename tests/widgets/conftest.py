"""The panel in a real viewer."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from rasters import write_raster
from tiny_scenes import quarters

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer

    from napari_firstpass.widgets.segment_panel import SegmentPanel


@pytest.fixture(scope="session", autouse=True)
def loaded() -> None:
    """Load what the panel consists of, and let the garbage collector never look at it again.

    napari collects garbage whenever a layer goes and whenever a viewer does, 0.3 s each time.
    """
    import napari.window  # noqa: F401 - loaded for later

    from napari_firstpass.widgets.dock import load_steps

    for _ in load_steps():
        pass
    gc.collect()
    gc.freeze()


@pytest.fixture
def panel(viewer: Viewer) -> SegmentPanel:
    """The panel, opened as napari's menu opens it."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-firstpass", "Segment")
    panel = dock.panel
    panel.form.classes.setValue(4)
    return panel


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A georeferenced image of four quarters."""
    return write_raster(tmp_path / "scene.tif", quarters())
