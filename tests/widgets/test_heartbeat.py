"""What a user does most lets the window go on: whatever takes long is done in threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hands import Hand, opened
from qtpy.QtCore import Qt, QTimer

from napari_firstpass.grid import Grid, Window
from napari_firstpass.io.raster_file import write_raster
from napari_firstpass.io.scene_labels import SceneLabels
from napari_firstpass.io.tile_store import TileStore
from napari_firstpass.label_regions import list_regions_steps
from napari_firstpass.progress import run
from napari_firstpass.provenance import Provenance
from napari_firstpass.scenes import make_scene
from napari_firstpass.taxonomy import numbered_taxonomy
from napari_firstpass.widgets.label_layers import labels_keywords
from napari_firstpass.widgets.scene import MaskInfo
from rulers.heartbeat import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.viewer import Viewer
    from npe2 import PluginManager
    from pytestqt.qtbot import QtBot

SIDE, LARGE = 512, 4500
MOST_MS = 200
"""Of the processor's time, so that other programs count little; the goal for users is 100 ms."""


def scene_labels() -> SceneLabels:
    """Labels of a scene of ragged stripes."""
    scene = SceneLabels(TileStore(None, (LARGE, LARGE), np.dtype(np.uint8)))
    stripes = (np.arange(LARGE)[None] // 40 + np.arange(512)[:, None] // 9) % 5 + 1
    for row in range(0, LARGE, 512):
        height = min(512, LARGE - row)
        scene.store.write(Window(row, 0, height, LARGE), stripes[:height].astype(np.uint8))
    scene.look_at_all()
    return scene


@pytest.fixture
def hand(
    plugins: PluginManager,
    make_napari_viewer: Callable[..., Viewer],
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Hand:
    """A hand over a panel; the image beside it is closed again, so that a test may open it."""
    del plugins
    monkeypatch.setenv("FIRSTPASS_STATE", str(tmp_path / "state"))
    path = write_raster(tmp_path / "town.tif", make_scene(SIDE, SIDE, seed=0).raster)
    hand = Hand(*opened(make_napari_viewer, qtbot, path), qtbot)
    hand.settle()  # what a run needs is imported
    hand.viewer.layers.clear()
    return hand


def test_nobody_computes_in_the_thread_of_the_window(hand: Hand, tmp_path: Path) -> None:
    viewer, form, wait = hand.viewer, hand.panel.form, hand.qtbot.waitUntil
    path = tmp_path / "town.tif"
    scene, beat = scene_labels(), Heartbeat()
    info = MaskInfo("scene", Grid(LARGE, LARGE), numbered_taxonomy(5), Provenance())
    with beat.beating():
        with beat.phase("open"):
            QTimer.singleShot(0, lambda: viewer.open(path, plugin="napari-firstpass"))
            wait(lambda: len(viewer.layers) > 1, timeout=20_000)
            hand.qtbot.wait(200)
        with beat.phase("run"):
            form.run.click()
            wait(lambda: not form.cancel.isEnabled(), timeout=60_000)
        with beat.phase("prompt"):
            form.fixing.click()
            form.prompts.pointing.click()
            hand.click(SIDE / 2, SIDE / 2)
            wait(form.prompts.accept.isEnabled, timeout=60_000)
            hand.key(Qt.Key.Key_A)
            hand.qtbot.wait(100)
            form.prompts.pointing.click()
        layer = hand.panel.following.add(scene, labels_keywords(info, "large"))
        viewer.layers.selection.active = layer
        form.classing.click()
        tree = form.class_list.tree
        wait(lambda: tree.listed == (1, 2, 3, 4, 5), timeout=60_000)
        with beat.phase("merge"):
            tree.choose(1)
            tree.item(2).setSelected(True)
            form.class_list.merge.click()
            hand.qtbot.wait(100)
        assert int(scene.store.read(Window(0, 40, 1, 1))[0, 0]) == 1
        with beat.phase("undo"):
            layer.undo()
            hand.qtbot.wait(100)
        assert int(scene.store.read(Window(0, 40, 1, 1))[0, 0]) == 2
        with beat.phase("what is not allowed"):
            run(list_regions_steps(scene))
    longest = {phase.name: phase.most("own_computed") for phase in beat.phases}
    spent = {name: 0 if gap is None else gap.own_computed for name, gap in longest.items()}
    assert spent.pop("what is not allowed") > MOST_MS
    assert not {name: round(ms) for name, ms in spent.items() if ms > MOST_MS}
