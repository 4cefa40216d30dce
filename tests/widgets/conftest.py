"""The panel in a real viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rasters import write_raster
from tiny_scenes import quarters

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer

    from napari_firstpass.widgets.segment_panel import SegmentPanel


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
