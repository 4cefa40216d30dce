"""Labels of a large scene: painted on at full resolution wherever one looks, in a real viewer."""

from __future__ import annotations

from time import thread_time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool

from napari_firstpass.grid import Grid, Window
from napari_firstpass.io.scene_labels import SceneLabels, scene_behind
from napari_firstpass.io.tile_store import TileStore
from napari_firstpass.provenance import Provenance
from napari_firstpass.taxonomy import numbered_taxonomy
from napari_firstpass.widgets.label_layers import labels_keywords, mask_from
from napari_firstpass.widgets.label_steps import LabelStep, change_pixels
from napari_firstpass.widgets.runs import LabelsNow
from napari_firstpass.widgets.scene import MaskInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels
    from napari.viewer import Viewer
    from npe2 import PluginManager
    from pytestqt.qtbot import QtBot

    from napari_firstpass.widgets.segment_panel import SegmentPanel

SIDE = 9000
LINE = 4321


@pytest.fixture
def viewer(
    plugins: PluginManager,  # noqa: ARG001 - must come first
    make_napari_viewer_proxy: Callable[..., Viewer],
    qtbot: QtBot,
) -> Viewer:
    """A viewer on the screen: only that knows what is seen."""
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1000, 700)
    qtbot.wait(50)
    return viewer


@pytest.fixture
def layer(viewer: Viewer, panel: SegmentPanel) -> Labels:
    """Labels of a scene with a line of one pixel, over its image."""
    whole = np.zeros((SIDE, SIDE), np.uint8)
    viewer.add_image([whole[::step, ::step] for step in (1, 2, 4, 8, 16)], multiscale=True)
    scene = SceneLabels(TileStore(None, whole.shape, whole.dtype))
    labels = np.ones((64, SIDE), np.uint8)
    labels[LINE % 64] = 2
    scene.store.write(Window(LINE // 64 * 64, 0, 64, SIDE), labels)
    scene.look_at_all()
    info = MaskInfo("scene", Grid(SIDE, SIDE), numbered_taxonomy(3), Provenance())
    return panel.following.add(scene, labels_keywords(info, "large"))


def look(
    viewer: Viewer, panel: SegmentPanel, row: int, col: int, qtbot: QtBot, zoom: float = 1
) -> None:
    """Look at a place, from close by until it can be painted on."""
    with qtbot.waitSignal(panel.following.shown, timeout=20_000):
        viewer.scene.camera.zoom = zoom
        viewer.scene.camera.center = (row, col)


def test_a_large_scene_is_painted_on_wherever_one_looks(
    viewer: Viewer, panel: SegmentPanel, layer: Labels, qtbot: QtBot
) -> None:
    scene = scene_behind(layer.data)
    assert scene is not None
    qtbot.wait(300)
    assert scene.part.stride == 4
    assert (np.asarray(layer.data)[LINE // 4] == 2).all()  # thin, and seen all the same
    np.testing.assert_allclose(layer.data_to_world((LINE // 4, 0)), (LINE // 4 * 4 + 1.5, 1.5))
    layer.mode = "paint"
    assert layer.mode == "pan_zoom"
    assert "Zoom in first" in panel.form.status.text()
    look(viewer, panel, LINE, 5000, qtbot)
    assert layer.mode == "paint"
    window = scene.part.window
    assert layer.data.shape == (4096, 4096)
    assert window.row < LINE - 300 < LINE + 300 < window.bottom
    before = np.asarray(scene).copy()
    layer.brush_size = 20
    layer.paint(layer.world_to_data((LINE, 5000)), 3)
    qtbot.wait(1)
    painted = np.asarray(scene).copy()
    changed = np.argwhere(painted != before)
    assert 250 < len(changed) < 420
    assert np.abs(changed - (LINE, 5000)).max() <= 11
    look(viewer, panel, 1000, 500, qtbot)
    assert scene.part.window.bottom < LINE
    layer.paint(layer.world_to_data((1000, 500)), 2)
    qtbot.wait(1)
    assert np.asarray(scene)[1000, 500] == 2
    scene.counts()
    with LabelStep(layer) as step:
        assert step.reassign({3: 1}) == len(changed)
    assert change_pixels(layer, Window(8990, 8990, 10, 10), np.full((10, 10), 3)) == 100
    for _ in range(3):
        layer.undo()
    np.testing.assert_array_equal(np.asarray(scene), painted)
    assert not (np.asarray(layer.data) == 2).any()
    layer.undo()  # what was painted where nobody looks now
    np.testing.assert_array_equal(np.asarray(scene), before)
    layer.redo()
    np.testing.assert_array_equal(np.asarray(scene), painted)
    now = LabelsNow.of(layer, None)
    found, _ = mask_from(
        now.labels, metadata=now.metadata, features=now.features, colormap=now.colormap
    )
    np.testing.assert_array_equal(found.labels, painted)
    viewer.layers.remove(layer)
    viewer.scene.camera.zoom = 0.05
    qtbot.wait(200)
    QThreadPool.globalInstance().waitForDone()


def test_classes_of_a_large_scene_are_merged_at_once_and_their_tiles_follow(
    viewer: Viewer, panel: SegmentPanel, layer: Labels, qtbot: QtBot
) -> None:
    scene = scene_behind(layer.data)
    assert scene is not None
    look(viewer, panel, LINE, 5000, qtbot)
    panel.form.classing.click()
    box = panel.form.class_list
    qtbot.waitUntil(lambda: box.tree.listed == (1, 2, 3), timeout=20_000)
    before = np.asarray(scene).copy()
    layer.selected_label, layer.brush_size = 3, 20
    layer.paint(layer.world_to_data((LINE + 40, 5000)), 3)
    qtbot.wait(1)
    painted = np.asarray(scene).copy()
    box.tree.choose(1)
    box.tree.item(2).setSelected(True)
    spent = thread_time()
    box.merge.click()
    assert thread_time() - spent < 0.3
    merged = np.where(painted == 2, 1, painted)
    np.testing.assert_array_equal(np.asarray(scene), merged)
    window = scene.part.window
    np.testing.assert_array_equal(np.asarray(layer.data), merged[window.slices])
    pixels = f"{int((before == 2).sum()):,}".replace(",", " ")
    assert f"is “cluster 1” now: {pixels} pixels. Ctrl+Z undoes it." in panel.form.status.text()
    scene.store.catch_up(100)
    layer.paint(layer.world_to_data((LINE - 80, 5000)), 3)
    qtbot.wait(1)
    layer.undo()
    np.testing.assert_array_equal(np.asarray(scene), merged)
    layer.undo()
    np.testing.assert_array_equal(np.asarray(scene), painted)
    layer.undo()
    np.testing.assert_array_equal(np.asarray(scene), before)
    layer.redo()
    layer.redo()
    np.testing.assert_array_equal(np.asarray(scene), merged)
    look(viewer, panel, LINE, 5000, qtbot, zoom=0.05)
    assert (np.asarray(layer.data)[LINE // 4] == 1).all()
    layer.undo()
    qtbot.waitUntil(lambda: not scene.is_stale, timeout=20_000)
    qtbot.waitUntil(lambda: bool((np.asarray(layer.data)[LINE // 4] == 2).all()), timeout=20_000)
