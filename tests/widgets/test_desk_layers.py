"""Layers that change while something runs, and settings that count, in a real viewer."""

from __future__ import annotations

import json
from time import thread_time
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from borders import picture
from napari.layers import Labels
from napari.settings import get_plugin_settings
from qtpy.QtCore import QThreadPool
from rasters import UTM31, write_raster

from napari_firstpass.grid import Grid
from napari_firstpass.prompts import Point
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy, numbered_taxonomy
from napari_firstpass.widgets.label_layers import labels_tuple

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

    from napari_firstpass.widgets.segment_panel import SegmentPanel

PLUGIN = "napari-firstpass"
IDS = np.ones((96, 112), np.uint8)
IDS[24:54, 34:74], IDS[60:80, 70:100] = 2, 3


def finish(qtbot: QtBot, panel: SegmentPanel) -> None:
    qtbot.waitUntil(lambda: not panel.form.cancel.isEnabled(), timeout=60_000)


def test_layers_that_change_during_runs_lose_no_work(
    viewer: Viewer, panel: SegmentPanel, tmp_path: Path, qtbot: QtBot
) -> None:
    form = panel.form
    scene = write_raster(tmp_path / "scene.tif", picture(IDS), photometric="RGB")
    other = write_raster(tmp_path / "other.tif", picture(IDS[:64, :80]), photometric="RGB")
    (image,) = viewer.open(scene, plugin=PLUGIN)
    mine = viewer.add_labels(np.zeros(IDS.shape, np.uint8), name="mine")
    mine.data_setitem(np.nonzero(IDS == 2), 7)
    painted = mine.data.copy()
    form.run.click()
    viewer.open(other, plugin=PLUGIN)  # chosen by itself
    image.name = "renamed"
    viewer.layers.move(0, len(viewer.layers))
    viewer.theme = "light"
    form.run.click()
    finish(qtbot, panel)
    made = {la.name: la.data.shape for la in viewer.layers if isinstance(la, Labels)}
    others = {"scene · primaps 4": IDS.shape, "other · primaps 4": (64, 80)}
    assert made == others | {"mine": IDS.shape}
    np.testing.assert_array_equal(mine.data, painted)
    result = viewer.layers["scene · primaps 4"]
    viewer.layers.selection.active = result  # while the other image is chosen
    form.learn.learn.click()
    assert "labels that cover “other”" in form.status.text().replace("&nbsp;", " ")
    assert "Details" in form.status.text()
    viewer.layers.remove(image)
    finish(qtbot, panel)
    panel._saver.write(result, None, (), tmp_path / "kept.tif")
    qtbot.waitUntil(lambda: "Saved" in form.status.text(), timeout=20_000)
    with rasterio.open(tmp_path / "kept.tif") as kept:
        assert (kept.shape, kept.crs.to_string()) == (IDS.shape, UTM31)
        np.testing.assert_array_equal(kept.read(1), result.data)


def test_what_learns_waits_goes_with_its_labels_and_ends_with_the_window(
    viewer: Viewer, panel: SegmentPanel, tmp_path: Path, qtbot: QtBot
) -> None:
    form = panel.form
    viewer.open(write_raster(tmp_path / "scene.tif", picture(IDS)), plugin=PLUGIN)
    data, keywords, _ = labels_tuple(
        Segmentation(IDS.copy(), numbered_taxonomy(4), Grid(*IDS.shape)), name="made", scene="scene"
    )
    first, second = (viewer.add_labels(data.copy(), **keywords | {"name": n}) for n in "ab")
    form.run.click()
    for labels in (first, second):
        viewer.layers.selection.active = labels
        form.learn.learn.click()
    assert [job.name for job in panel.queue.waiting] == ["Learning from a", "Learning from b"]
    panel.queue.cancel()
    viewer.layers.remove(first)
    panel.queue.cancel()
    qtbot.waitUntil(lambda: "Learning from b" in form.bar.format() or panel.queue.running is None)
    viewer.close()
    QThreadPool.globalInstance().waitForDone()
    qtbot.wait(10)
    assert panel.queue.running is None


def test_cancel_frees_the_window_at_once_whatever_runs(
    viewer: Viewer, panel: SegmentPanel, tmp_path: Path, qtbot: QtBot
) -> None:
    form, large = panel.form, np.kron(IDS, np.ones((8, 8), np.uint8))
    viewer.open(write_raster(tmp_path / "scene.tif", picture(large)), plugin=PLUGIN)
    classes = Taxonomy((*numbered_taxonomy(3).classes, LabelClass(9, "roof", "#AA0000")))
    result = Segmentation(large.copy(), classes, Grid(*large.shape))
    data, keywords, _ = labels_tuple(result, name="made", scene="scene")
    labels = viewer.add_labels(data, **keywords)
    labels.data_setitem((np.arange(99), np.arange(99)), 3)
    for fold in (form.classing, form.reviewing):
        fold.setChecked(True)
    before, layers = labels.data.copy(), list(viewer.layers)
    out = tmp_path / "exported"

    def refine(method: str) -> None:
        form.refine.method.setCurrentText(method)
        form.refine.run.click()

    def point() -> None:
        form.prompts.pointing.click()
        panel._pointing._layers._add(Point(300.0, 300.0))

    begin = {
        "refine": lambda: refine("crf"),
        "train": lambda: refine("dynaguide"),
        "align": form.class_list.propose.click,
        "learn": form.learn.learn.click,
        "list": form.review.next.click,
        "export": lambda: panel._exporting.write(out),
        "suggest": form.suggest.click,
        "fit": lambda: panel._on_fit(None, out),
        "prompt": point,
    }
    stopped = {}
    for name, start in begin.items():
        viewer.layers.selection.active = labels
        start()
        assert form.cancel.isEnabled(), name
        qtbot.wait(20)
        if not form.cancel.isEnabled():
            continue  # done before the press
        began = thread_time()  # on the clock, other programs count too
        form.cancel.click()
        stopped[name] = thread_time() - began
        assert not form.cancel.isEnabled(), name
        assert "nothing was changed" in form.status.text(), name
    QThreadPool.globalInstance().waitForDone()
    qtbot.wait(10)
    assert len(stopped) >= len(begin) - 2, stopped
    assert max(stopped.values()) < 0.2, stopped
    panel._pointing.end()
    np.testing.assert_array_equal(labels.data, before)
    assert list(viewer.layers) == layers
    assert list(tmp_path.glob("exported*")) == []


def test_saving_follows_the_preferences(
    viewer: Viewer,
    panel: SegmentPanel,
    tmp_path: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FIRSTPASS_STATE", str(tmp_path / "state"))
    saving = get_plugin_settings(PLUGIN).saving
    saving.autosave, saving.seconds, saving.tile = False, 1, 256
    viewer.open(write_raster(tmp_path / "scene.tif", picture(IDS)), plugin=PLUGIN)
    mine = viewer.add_labels(np.zeros(IDS.shape, np.uint8), name="mine")
    mine.data_setitem(np.nonzero(IDS == 2), 7)
    qtbot.wait(1500)
    assert not (tmp_path / "scene.firstpass").exists()
    saving.autosave = True
    with qtbot.waitSignal(panel.keeping.saved, timeout=20_000):
        mine.data_setitem(np.nonzero(IDS == 3), 8)
    (array,) = (tmp_path / "scene.firstpass").glob("layers/*/.zarray")
    assert json.loads(array.read_text())["chunks"] == [256, 256]
