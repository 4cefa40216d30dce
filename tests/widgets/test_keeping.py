"""Work is kept: while it is done, after a crash, and for who comes back to an image."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hands import Hand, opened
from napari.settings import get_plugin_settings
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog
from rasters import write_raster
from tiny_scenes import quarters

from napari_firstpass.grid import Window
from napari_firstpass.io.project_folder import MARKS, RECORD, peek, read_project_steps
from napari_firstpass.io.project_lock import ProjectLock, holder_of, was_left
from napari_firstpass.progress import run
from napari_firstpass.prompts import Box, Line, Point
from napari_firstpass.reviewed import Reviewed
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy
from napari_firstpass.widgets.image_layers import grid_of
from napari_firstpass.widgets.label_layers import labels_tuple, mask_from
from napari_firstpass.widgets.label_steps import change_pixels
from napari_firstpass.widgets.project_runs import Offer, reopen_steps
from napari_firstpass.widgets.prompt_marks import Marks
from napari_firstpass.widgets.scene import KEY
from napari_firstpass.widgets.worker import await_finished

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels
    from napari.viewer import Viewer
    from npe2 import PluginManager
    from pytestqt.qtbot import QtBot

    from napari_firstpass.widgets.segment_panel import SegmentPanel

PLUGIN = "napari-firstpass"
TOWN = Taxonomy((LabelClass(1, "roof", "#FF0000"), LabelClass(4, "street", "#00FF00")))

pytestmark = pytest.mark.usefixtures("state")

WORKER = """
import sys
import numpy as np, napari
from qtpy.QtCore import QTimer
viewer = napari.Viewer()
_, dock = viewer.window.add_plugin_dock_widget("napari-firstpass", "Segment")
panel = dock.panel
viewer.open(sys.argv[1], plugin="napari-firstpass")
layer = viewer.add_labels(np.zeros(viewer.layers[0].data.shape[:2], np.uint8), name="mine")
from napari_firstpass.prompts import Box, Line, Point
viewer.layers.selection.active = layer
layer.selected_label = 6
panel.form.fixing.click()
panel.form.prompts.pointing.click()
line = Line(((60, 2), (62.5, 9)), False)
panel._pointing._layers.put([Point(50.5, 10.5), line, Box(40, 0, 80, 30)])
panel._pointing._layers.changed.emit()
painted = 0
def stroke():
    global painted
    painted = min(painted + 1, 80)
    layer.paint((5, painted), 3)
    print(painted, flush=True)
from napari.settings import get_plugin_settings
get_plugin_settings("napari-firstpass").saving.seconds = 1
timer = QTimer()
timer.timeout.connect(stroke)
timer.start(150)
napari.run()
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of its own for the notes of which projects are open."""
    monkeypatch.setenv("FIRSTPASS_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def mine(viewer: Viewer, panel: SegmentPanel, scene: Path) -> Labels:
    """Labels with named classes over their image; what changes is saved at once."""
    get_plugin_settings(PLUGIN).saving.seconds = 1
    assert panel.work.isHidden()
    viewer.open(scene, plugin=PLUGIN)
    grid = grid_of(viewer.layers[0])
    made = Segmentation(np.ones(grid.shape, np.uint8), TOWN, grid, np.full(grid.shape, 9, np.uint8))
    data, keywords, _ = labels_tuple(made, name="mine", scene="scene", sources=(scene,))
    return viewer.add_labels(data, **keywords)


def saved(qtbot: QtBot, panel: SegmentPanel) -> Path:
    """Wait until work is saved; return where."""
    with qtbot.waitSignal(panel.keeping.saved, timeout=20_000) as signal:
        pass
    folder: Path = signal.args[0]
    return folder


def mask_of(layer: Labels) -> Segmentation:
    looks = {"features": layer.features, "colormap": layer.colormap}
    return mask_from(layer.data, metadata=layer.metadata, **looks)[0]


def close(viewer: Viewer, panel: SegmentPanel) -> None:
    viewer.window.remove_dock_widget(panel.parentWidget())
    await_finished()


def reopened(viewer: Viewer) -> SegmentPanel:
    viewer.layers.clear()
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    return dock.panel


def test_work_is_saved_beside_the_image_and_comes_back_with_all_that_belongs_to_it(
    viewer: Viewer, panel: SegmentPanel, mine: Labels, scene: Path, qtbot: QtBot
) -> None:
    assert not list(scene.parent.glob("*.firstpass"))
    change_pixels(mine, Window(2, 3, 5, 6), np.full((5, 6), 4))
    reviewed = Reviewed.none(mine.data.shape).marked(Window(0, 0, 2, 2), np.ones((2, 2), bool))
    mine.metadata[KEY] = replace(mine.metadata[KEY], reviewed=reviewed)
    mine.selected_label = 4
    folder = saved(qtbot, panel)
    assert folder == scene.with_suffix(".firstpass")
    qtbot.waitUntil(lambda: bool(peek(folder).get("sha256")), timeout=20_000)
    mine.paint((20, 20), 4)
    close(viewer, panel)  # what is not saved yet is saved now
    before, mask = mine.data.copy(), mask_of(mine)
    assert holder_of(folder) is None
    assert not was_left(folder)
    panel = reopened(viewer)
    viewer.open(scene, plugin=PLUGIN)
    qtbot.waitUntil(lambda: not panel.work.isHidden(), timeout=20_000)
    assert "Work on “scene.tif”" in panel.work.text.text()
    panel.work.open.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=20_000)
    again = viewer.layers["mine"]
    assert "1 labels layer is back" in panel.form.status.text()
    np.testing.assert_array_equal(again.data, before)
    found = mask_of(again)
    assert (found.taxonomy, found.grid) == (mask.taxonomy, mask.grid)
    assert found.provenance == mask.provenance
    np.testing.assert_array_equal(found.confidence, mask.confidence)
    assert again.metadata[KEY].reviewed == reviewed
    again.paint((30, 30), 4)
    assert saved(qtbot, panel) == folder  # it goes on there
    assert list(scene.parent.glob("*.firstpass")) == [folder]
    close(viewer, panel)


def test_other_work_is_never_written_over_and_two_windows_are_told_apart(
    viewer: Viewer, panel: SegmentPanel, mine: Labels, scene: Path, qtbot: QtBot
) -> None:
    mine.paint((20, 20), 4)
    first = saved(qtbot, panel)
    with pytest.raises(OSError, match="open in another window"):
        ProjectLock.take(first)
    panel.keeping.reopen(Offer(first, scene, 0.0, was_left=False))
    assert "found it open in another window" in panel.form.status.text()
    close(viewer, panel)
    panel, there = reopened(viewer), ProjectLock.take(first)
    viewer.open(scene, plugin=PLUGIN)
    told = "Somebody works on “scene.tif” in another window, too"
    qtbot.waitUntil(lambda: told in panel.form.status.text(), timeout=20_000)
    assert panel.work.isHidden()
    there.release()
    viewer.layers.clear()
    viewer.open(scene, plugin=PLUGIN)
    qtbot.waitUntil(lambda: not panel.work.isHidden(), timeout=20_000)
    panel.work.leave.click()
    other = viewer.add_labels(np.zeros(grid_of(viewer.layers[0]).shape, int), name="by hand")
    other.paint((3, 3), 7)
    second = saved(qtbot, panel)
    assert second.name == "scene-2.firstpass"
    assert run(read_project_steps(first)).layers[0].about["name"] == "mine"
    (layer,) = run(read_project_steps(second)).layers
    np.testing.assert_array_equal(layer.labels, other.data)
    close(viewer, panel)


def test_an_image_that_moved_is_asked_for_and_checked(
    viewer: Viewer, panel: SegmentPanel, mine: Labels, scene: Path, qtbot: QtBot
) -> None:
    mine.paint((20, 20), 4)
    folder = saved(qtbot, panel)
    qtbot.waitUntil(lambda: bool(peek(folder).get("sha256")), timeout=20_000)
    before = mine.data.copy()
    close(viewer, panel)
    (scene.parent / "moved").mkdir()
    moved = shutil.copy(scene, scene.parent / "moved" / "other.tif")
    scene.unlink()
    panel = reopened(viewer)
    offer = Offer(folder, scene, 0.0, was_left=False)

    def dialog() -> QFileDialog:
        qtbot.waitUntil(lambda: bool(panel.findChildren(QFileDialog)), timeout=20_000)
        return panel.findChildren(QFileDialog)[-1]

    panel.work.wanted.emit(offer)
    wrong = write_raster(scene.parent / "wrong.tif", quarters()[:, :40])
    asked = dialog()
    assert "choose where it is now" in panel.form.status.text().lower()
    asked.fileSelected.emit(str(wrong))
    asked.close()
    qtbot.waitUntil(lambda: "another one at" in panel.form.status.text(), timeout=20_000)
    assert not viewer.layers
    panel.keeping.reopen(offer, moved)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=20_000)
    np.testing.assert_array_equal(viewer.layers["mine"].data, before)
    assert "is back" in panel.form.status.text()
    close(viewer, panel)
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    record["image"] |= {"sha256": None, "mtime_ns": 0}  # as when napari ends before it is hashed
    (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")
    (other := scene.parent / "other.tif").write_bytes(Path(moved).read_bytes() + b"\0")
    for image, said in ((Path(moved), "Look whether it is the same"), (other, "other content")):
        (trouble,) = run(reopen_steps(folder, image, is_open=True)).troubles
        assert said in trouble


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on files")
def test_a_disk_without_room_is_said_at_once_and_editing_goes_on(
    viewer: Viewer, panel: SegmentPanel, mine: Labels, qtbot: QtBot
) -> None:
    import resource

    mine.paint((20, 20), 4)
    folder = saved(qtbot, panel)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        mine.paint((40, 40), 4)
        qtbot.waitUntil(lambda: "is not saved" in panel.form.status.text(), timeout=20_000)
        mine.paint((30, 40), 4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    saved(qtbot, panel)
    assert "saved again" in panel.form.status.text()
    np.testing.assert_array_equal(run(read_project_steps(folder)).layers[0].labels, mine.data)
    close(viewer, panel)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_after_a_kill_at_most_the_last_seconds_are_missing(
    plugins: PluginManager,
    make_napari_viewer: Callable[..., Viewer],
    scene: Path,
    state: Path,
    qtbot: QtBot,
) -> None:
    del plugins
    folder, painted = scene.with_suffix(".firstpass"), list[float]()
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(scene)],
        stdout=subprocess.PIPE,
        env={**os.environ, "NAPARI_CONFIG": "", "FIRSTPASS_STATE": str(state)},
    ) as worker:
        assert worker.stdout is not None
        for _ in worker.stdout:
            painted.append(time.monotonic())
            if (folder / "project.json").exists() and painted[-1] - painted[0] > 4.5:
                break
        worker.kill()
    killed = time.monotonic()
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    panel = dock.panel
    qtbot.waitUntil(lambda: not panel.work.isHidden(), timeout=20_000)
    assert "napari ended without closing it" in panel.work.text.text()
    panel.work.open.click()
    qtbot.waitUntil(lambda: "mine" in viewer.layers, timeout=20_000)
    there = np.flatnonzero((viewer.layers["mine"].data == 3).any(0))
    kept = int(there.max()) - 10 // 2  # a round brush of ten pixels, one column further each time
    safe = len([when for when in painted if killed - when > 2.5])  # it is saved after one second
    assert kept >= safe > 10
    hand, labels = Hand(viewer, panel, qtbot), viewer.layers["mine"]
    qtbot.waitUntil(panel.form.prompts.accept.isEnabled, timeout=20_000)
    assert panel.form.fixing.isChecked()
    drawn = (Point(50.5, 10.5), Line(((60.0, 2.0), (62.5, 9.0)), False), Box(40.0, 0.0, 80.0, 30.0))
    assert panel._pointing._layers.marks == drawn
    hand.click(45.5, 12.5)
    saved(qtbot, panel)
    marks = Marks.from_bytes((folder / MARKS).read_bytes())
    assert (marks.drawn[:3], marks.class_id, marks.layer) == (drawn, 6, 1)
    assert (marks.drawn[3].row, marks.drawn[3].col) == pytest.approx((45.5, 12.5), abs=0.6)
    qtbot.waitUntil(lambda: not panel._pointing._busy, timeout=20_000)
    before = labels.data.copy()
    hand.key(Qt.Key.Key_A)
    assert (labels.data[labels.data != before] == 6).all()
    saved(qtbot, panel)
    assert not (folder / MARKS).exists()
    np.testing.assert_array_equal(run(read_project_steps(folder)).layers[0].labels, labels.data)
    close(viewer, panel)


@pytest.mark.slow
def test_marks_alone_make_a_project_that_goes_with_them(
    plugins: PluginManager,
    make_napari_viewer: Callable[..., Viewer],
    scene: Path,
    qtbot: QtBot,
) -> None:
    del plugins
    viewer, panel = opened(make_napari_viewer, qtbot, scene)
    get_plugin_settings(PLUGIN).saving.seconds = 1
    panel.form.fixing.click()
    panel.form.prompts.pointing.click()
    Hand(viewer, panel, qtbot).click(20.5, 30.5)
    folder = saved(qtbot, panel)
    viewer.layers.remove("scene")  # by mistake
    assert not panel.form.prompts.pointing.isChecked()
    close(viewer, panel)
    panel = reopened(viewer)
    viewer.open(scene, plugin=PLUGIN)
    qtbot.waitUntil(lambda: not panel.work.isHidden(), timeout=20_000)
    panel.work.open.click()
    qtbot.waitUntil(panel.form.prompts.pointing.isChecked, timeout=20_000)
    (mark,) = panel._pointing._layers.marks
    assert (mark.row, mark.col) == pytest.approx((20.5, 30.5), abs=0.6)
    Hand(viewer, panel, qtbot).key(Qt.Key.Key_Escape)
    saved(qtbot, panel)
    close(viewer, panel)
    assert not folder.exists()


def test_work_on_an_image_from_no_file_is_kept_with_the_image_and_found_by_its_pixels(
    viewer: Viewer, panel: SegmentPanel, state: Path, qtbot: QtBot
) -> None:
    get_plugin_settings(PLUGIN).saving.seconds = 1
    old = state / "unfiled" / f"old-{'0' * 16}.firstpass"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    pixels = np.moveaxis(quarters(), 0, -1)[..., :3].copy()
    viewer.add_image(pixels, name="shot: 1/2", rgb=True)
    assert "no file: kept 30 days" in panel.form.facts.text()
    viewer.add_labels(np.ones(pixels.shape[:2], np.uint8), name="truth", visible=False)
    labels = viewer.add_labels(np.zeros(pixels.shape[:2], np.uint8), name="mine")
    labels.paint((20, 20), 3)
    folder = saved(qtbot, panel)
    assert folder.parent == old.parent
    close(viewer, panel)
    panel = reopened(viewer)  # which removes what is too old
    viewer.add_image(pixels.copy(), name="another name", rgb=True)
    qtbot.waitUntil(lambda: not panel.work.isHidden(), timeout=20_000)
    assert not old.exists()
    panel.work.open.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=20_000)
    np.testing.assert_array_equal(viewer.layers["mine"].data, labels.data)
    viewer.layers["mine"].paint((40, 40), 2)
    assert saved(qtbot, panel) == folder
    before = viewer.layers["mine"].data.copy()
    close(viewer, panel)
    panel = reopened(viewer)
    panel.keeping.reopen(Offer(folder, next(folder.glob("*.tif")), 0.0, was_left=True))
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=20_000)
    np.testing.assert_array_equal(viewer.layers[0].data, pixels)
    np.testing.assert_array_equal(viewer.layers["mine"].data, before)
    viewer.layers["mine"].paint((60, 60), 1)
    assert saved(qtbot, panel) == folder
    assert list(folder.parent.iterdir()) == [folder]
    close(viewer, panel)


@pytest.mark.slow
def test_labels_that_were_removed_by_mistake_come_back_until_they_are_removed_again(
    viewer: Viewer, panel: SegmentPanel, mine: Labels, scene: Path, qtbot: QtBot
) -> None:
    other = viewer.add_labels(np.zeros(mine.data.shape, np.uint8), name="other")
    mine.paint((20, 20), 4)
    viewer.layers.remove(mine)  # not saved yet
    other.paint((30, 30), 2)
    folder = saved(qtbot, panel)
    for expected in (["mine", "other"], ["other"]):
        viewer.layers["other"].paint((40, 40), 2)
        saved(qtbot, panel)
        kept = {x.about["name"]: x.labels for x in run(read_project_steps(folder)).layers}
        assert sorted(kept) == expected
        viewer.layers["other"].paint((50, 50), 3)  # not saved yet either
        before = viewer.layers["other"].data.copy()
        viewer.layers.clear()  # all is closed: it is saved at once
        await_finished()
        assert holder_of(folder) is None
        viewer.open(scene, plugin=PLUGIN)
        qtbot.waitUntil(lambda: not panel.work.isHidden(), timeout=20_000)
        panel.work.open.click()
        qtbot.waitUntil(lambda: "other" in viewer.layers, timeout=20_000)
        np.testing.assert_array_equal(viewer.layers["other"].data, before)
        assert viewer.layers["other"].visible
        assert ("mine" in viewer.layers) == ("mine" in expected)
        if "mine" in viewer.layers:
            assert "What you had removed is hidden" in panel.form.status.text()
            np.testing.assert_array_equal(viewer.layers["mine"].data, mine.data)
            assert not viewer.layers["mine"].visible
            viewer.layers.remove("mine")
    close(viewer, panel)


def test_closing_the_image_or_the_window_loses_no_stroke(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    get_plugin_settings(PLUGIN).saving.seconds = 1
    viewer.open(scene, plugin=PLUGIN)
    by_hand = viewer.add_labels(np.zeros(grid_of(viewer.layers[0]).shape, np.uint8), name="mine")
    by_hand.paint((20, 20), 4)
    viewer.layers.remove("scene")
    folder = saved(qtbot, panel)
    assert folder == scene.with_suffix(".firstpass")
    (layer,) = run(read_project_steps(folder)).layers
    assert layer.about["grid"]["crs"] == "EPSG:32631"
    by_hand.paint((60, 60), 3)
    expected = by_hand.data.copy()
    panel.keeping.let_go()  # what Qt asks for when the last window is closed
    await_finished()
    np.testing.assert_array_equal(run(read_project_steps(folder)).layers[0].labels, expected)
    assert holder_of(folder) is None
    assert not was_left(folder)
    close(viewer, panel)


@pytest.mark.slow
def test_a_stroke_just_before_the_window_is_closed_is_there(scene: Path, state: Path) -> None:
    begun, closing = "timer.start(150)", "QTimer.singleShot(5000, viewer.window._qt_window.close)"
    ended = subprocess.run(
        [sys.executable, "-c", WORKER.replace(begun, f"{begun}\n{closing}"), str(scene)],
        stdout=subprocess.PIPE,
        env={**os.environ, "NAPARI_CONFIG": "", "FIRSTPASS_STATE": str(state)},
        check=True,
        timeout=120,
        text=True,
    )
    painted = int(ended.stdout.split()[-1])
    folder = scene.with_suffix(".firstpass")
    labels = np.asarray(run(read_project_steps(folder)).layers[0].labels)
    # A round brush of ten pixels reaches four columns to the right.
    reached = int(np.flatnonzero((labels == 3).any(0)).max()) - 4
    assert reached >= painted > 2
    assert not was_left(folder)
    assert (folder / MARKS).exists()  # which were not accepted
