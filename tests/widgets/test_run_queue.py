"""Runs that wait for their turn, in a real viewer."""

from __future__ import annotations

import re
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import Qt, QThreadPool
from rasters import write_raster
from tiny_scenes import quarters

from napari_firstpass.io.scene_labels import scene_behind
from napari_firstpass.widgets import tile_keeping
from napari_firstpass.widgets.queue_box import QueueBox
from napari_firstpass.widgets.scene import mask_of

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

    from napari_firstpass.widgets.segment_panel import SegmentPanel

PLUGIN = "napari-firstpass"


def ask(panel: SegmentPanel, *numbers: int) -> None:
    """Ask for a run with each of these numbers of classes."""
    for number in numbers:
        panel.form.classes.setValue(number)
        panel.form.run.click()


def finish(qtbot: QtBot, panel: SegmentPanel) -> None:
    qtbot.waitUntil(lambda: not panel.form.cancel.isEnabled(), timeout=60_000)


def made(viewer: Viewer) -> list[str]:
    return [layer.name for layer in viewer.layers if isinstance(layer, Labels)]


def status(panel: SegmentPanel) -> str:
    return panel.form.status.text()


def test_runs_are_done_in_their_order_and_each_can_be_taken_out_or_cancelled(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    ask(panel, 5, 4, 3, 2)
    box = panel.findChild(QueueBox)
    assert box.lines == [f"{n}. Segmenting scene · primaps {5 - n}" for n in (1, 2, 3)]
    assert status(panel) == "Segmenting scene · primaps 2 begins after 3 other runs."
    assert panel.form.bar.format().startswith("Segmenting scene")
    qtbot.mouseClick(box.buttons[1], Qt.MouseButton.LeftButton)
    assert box.lines[1] == "2. Segmenting scene · primaps 2"
    panel.form.cancel.click()  # the first; the next begins at once
    assert box.lines == ["1. Segmenting scene · primaps 2"]
    assert status(panel) == "Cancelled; nothing was changed."
    finish(qtbot, panel)
    assert made(viewer) == ["scene · primaps 4", "scene · primaps 2"]
    assert (box.lines, box.isHidden()) == ([], True)


def test_what_a_waiting_run_needs_is_looked_at_when_its_turn_comes(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    names = ("gone", "changed", "renamed")
    gone, changed, renamed = (viewer.add_image(quarters()[0], name=name) for name in names)
    viewer.open(scene, plugin=PLUGIN)
    labels = viewer.add_labels(np.ones((128, 160), np.uint8), name="mine")
    ask(panel, 4)
    for layer in (gone, changed, renamed):
        panel.form.image.setCurrentText(layer.name)
        ask(panel, 2)
    panel.form.image.setCurrentText("scene")
    viewer.layers.selection.active = labels
    panel.form.refine.run.click()
    viewer.layers.remove(gone)
    changed.data = changed.data.copy()
    renamed.name = "other"
    labels.data = labels.data.copy()
    finish(qtbot, panel)
    assert made(viewer) == ["mine", "scene · primaps 4", "renamed · primaps 2"]
    said = status(panel)
    assert "“mine” as it was when the run was asked for, found other pixels in it" in said
    assert panel.queue.waiting == ()
    ask(panel, 4)
    panel.form.image.setCurrentText("changed")
    ask(panel, 2)
    viewer.layers.remove(changed)
    viewer.layers.remove("scene")  # what runs now: the next is begun, and is not there either
    assert "was cancelled, because “scene” was removed." in status(panel)
    assert "“changed” as it was when the run was asked for, found that it was removed" in status(
        panel
    )
    assert not panel.form.cancel.isEnabled()


def test_closing_the_window_forgets_what_waits(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    ask(panel, 4, 3)
    viewer.close()
    assert panel.queue.waiting == ()
    QThreadPool.globalInstance().waitForDone()
    qtbot.wait(10)
    assert made(viewer) == []


def large(side: int) -> np.ndarray:
    """An image of many tiles."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (3, side // 64, side // 64), dtype=np.uint8)
    return np.kron(coarse, np.ones((1, 64, 64), np.uint8))


@pytest.mark.parametrize("in_tiles", [False, True])
def test_cancelling_keeps_the_tiles_that_are_ready_and_the_window_does_not_wait(
    viewer: Viewer, panel: SegmentPanel, tmp_path: Path, qtbot: QtBot, in_tiles: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if in_tiles:  # as for an image that is too large for memory
        monkeypatch.setattr(tile_keeping, "HELD_PIXELS", 2**18)
    viewer.open(write_raster(tmp_path / "large.tif", large(2560)), plugin=PLUGIN)
    ask(panel, 3)
    (job,) = filter(None, [panel.queue.running])
    qtbot.waitUntil(
        lambda: bool(re.match("Window [3-9]", panel.form.standing.text())), timeout=120_000
    )
    began = perf_counter()
    panel.form.cancel.click()
    stopped = perf_counter() - began
    assert panel.queue.running is not job
    finish(qtbot, panel)
    assert stopped < 0.2
    (name,) = made(viewer)
    layer = viewer.layers[name]
    scene = scene_behind(layer.data)
    assert (scene is not None) == in_tiles
    labels = np.asarray(layer.data if scene is None else scene)
    ready = labels > 0
    assert "Cancelled: kept " in status(panel)
    assert f"{100 * ready.mean():.0f} % of what was asked for" in status(panel)
    assert 0.05 < ready.mean() < 0.95
    rows, cols = np.nonzero(ready)
    assert ready[: rows.max() // 2, : cols.max()].all()  # whole tiles, from the top
    info = mask_of(layer.metadata)
    assert info is not None
    assert info.provenance.config["cancelled"][0]["tiles"] >= 2
