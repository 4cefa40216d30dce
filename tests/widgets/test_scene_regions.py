"""Labels of a large scene, of which a part is in memory: regions, review, refining."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from borders import picture
from hands import Hand, opened
from napari.settings import get_plugin_settings
from pandas import DataFrame
from qtpy.QtCore import Qt
from rasters import write_raster

from napari_firstpass.aligning import AlignConfig
from napari_firstpass.grid import Grid, Window
from napari_firstpass.io import project_folder
from napari_firstpass.io.project_folder import read_project_steps
from napari_firstpass.io.scene_labels import SceneLabels, scene_behind
from napari_firstpass.io.taxonomy_file import read_taxonomy
from napari_firstpass.io.tile_store import TileStore
from napari_firstpass.progress import run
from napari_firstpass.provenance import Provenance
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.taxonomy import LabelClass, Taxonomy, numbered_taxonomy
from napari_firstpass.widgets import proposal_runs, region_runs, scene_following
from napari_firstpass.widgets.doubt_layer import DOUBT
from napari_firstpass.widgets.image_layers import Subject, grid_of
from napari_firstpass.widgets.label_layers import colormap_of, labels_keywords, names_table
from napari_firstpass.widgets.label_steps import change_pixels
from napari_firstpass.widgets.project_records import labels_again
from napari_firstpass.widgets.proposal_runs import propose_classes, sample_steps
from napari_firstpass.widgets.region_layers import SELECTION
from napari_firstpass.widgets.runs import LabelsNow
from napari_firstpass.widgets.scene import KEY, MadeTiles, MaskInfo, mask_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Labels
    from napari.viewer import Viewer
    from npe2 import PluginManager
    from pytestqt.qtbot import QtBot

SIDE = 2400
IDS = np.ones((SIDE, SIDE), np.uint8)
IDS[1690:1720, 1900:1940], IDS[1740:1760, 1930:1960] = 2, 2
IDS[200:230, 300:340], IDS[260:280, 300:330] = 3, 2
IDS[900:1200], IDS[1200:1500] = 2, 4
CONFIDENCE = np.full(IDS.shape, 255, np.uint8)
CONFIDENCE[1690:1720, 1900:1940], CONFIDENCE[260:280, 300:330] = 100, 200
LATER = (1705.5, 1920.5), (1750.5, 1945.5)
UNDO = (Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)


class Desk(Hand):
    """A hand over labels of a large scene."""

    layer: Labels
    project: Path

    @property
    def scene(self) -> SceneLabels:
        found = scene_behind(self.layer.data)
        assert found is not None
        return found

    @property
    def now(self) -> np.ndarray:
        return np.asarray(self.scene)

    def look(self, row: float, col: float, zoom: float = 1.0) -> None:
        """Look at a place until it is shown pixel by pixel."""
        with self.qtbot.waitSignal(self.panel.following.shown, timeout=20_000):
            self.viewer.scene.camera.zoom = zoom
            self.viewer.scene.camera.center = (row, col)
        self.qtbot.wait(20)

    def kept(self) -> None:
        """Wait until all work is saved."""
        keeping = self.panel.keeping
        self.qtbot.waitUntil(lambda: not (keeping._changed or keeping._saving), timeout=20_000)

    def settled(self) -> None:
        """Wait until nothing is computed for regions any more."""
        tool = self.panel._regions
        self.settle()
        self.qtbot.waitUntil(lambda: not tool._busy, timeout=20_000)
        self.qtbot.wait(5)


@pytest.fixture
def desk(
    plugins: PluginManager,
    make_napari_viewer: Callable[..., Viewer],
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    """A scene of 2400 × 2400 pixels, which counts as a large one here."""
    del plugins
    monkeypatch.setenv("FIRSTPASS_STATE", str(tmp_path / "state"))
    for module, name, value in (
        (scene_following, "EDIT_SIDE", 1024),
        (scene_following, "MOST_SEEN", 900),
        (region_runs, "SQUARE", 512),
        (project_folder, "_HELD_PIXELS", 2**20),
    ):
        monkeypatch.setattr(module, name, value)
    path = write_raster(tmp_path / "scene.tif", picture(IDS), photometric="RGB")
    desk = Desk(*opened(make_napari_viewer, qtbot, path), qtbot)
    desk.project = path.with_suffix(".firstpass")
    get_plugin_settings("napari-firstpass").saving.seconds = 1
    scene = SceneLabels(TileStore(None, IDS.shape, IDS.dtype))
    scene.fill(IDS)
    sure = TileStore(None, IDS.shape, CONFIDENCE.dtype)
    sure.write(scene.whole, CONFIDENCE)
    files = {"sources": (path,), "tiles": MadeTiles(scene.store.copy(), sure)}
    info = MaskInfo("scene", grid_of(desk.image), numbered_taxonomy(5), Provenance(), **files)
    desk.layer = desk.panel.following.add(scene, labels_keywords(info, "large"))
    desk.viewer.layers.selection.active = desk.layer
    return desk


def test_regions_of_a_large_scene_are_changed_where_one_looks(desk: Desk) -> None:
    desk.panel.form.fixing.click()
    desk.qtbot.wait(200)
    desk.key(Qt.Key.Key_X)
    desk.click(1200, 1200)
    assert "Zoom in first" in desk.status
    desk.look(1720, 1920)
    desk.click(*LATER[0])
    desk.key(Qt.Key.Key_5)
    desk.settled()
    first = IDS.copy()
    first[1690:1720, 1900:1940] = 5
    np.testing.assert_array_equal(desk.now, first)
    np.testing.assert_array_equal(desk.covered(SELECTION, IDS.shape), first == 5)
    desk.look(220, 320)  # what is selected stays so, and shows where it lies
    np.testing.assert_array_equal(desk.covered(SELECTION, IDS.shape), first == 5)
    desk.panel.form.regions.choose_mode("lasso")
    desk.drag((190, 290), (190, 350), (290, 350), (290, 290), (190, 290), pause_ms=30)
    desk.settled()
    desk.key(Qt.Key.Key_M)
    desk.settled()
    second = first.copy()
    second[190:290, 290:350] = 1
    np.testing.assert_array_equal(desk.now, second)
    desk.panel.form.regions.choose_mode("brush")
    desk.layer.selected_label = 3
    desk.drag((205, 305), (225, 335))
    desk.settled()
    painted = desk.now == 3
    assert 600 < painted.sum() < 2000
    assert (IDS[painted] == 3).mean() > 0.6
    desk.panel.form.regions.choose_mode("click")
    desk.click(420, 500)  # the ground, which goes on and on
    desk.settled()
    ground = desk.covered(SELECTION, IDS.shape)
    np.testing.assert_array_equal(ground[:512, :512], desk.now[:512, :512] == 1)
    assert ground.sum() == ground[:512, :512].sum()
    desk.kept()
    (kept,) = run(read_project_steps(desk.project)).layers
    np.testing.assert_array_equal(kept.labels[:SIDE], desk.now)
    np.testing.assert_array_equal(kept.arrays["made-confidence"][:SIDE], CONFIDENCE)
    for expected in (second, first, IDS):
        desk.key(*UNDO)
        np.testing.assert_array_equal(desk.now, expected)


def test_a_list_of_classes_is_loaded_into_a_copy_of_a_large_scene(desk: Desk) -> None:
    lists, potsdam = desk.panel.form.class_list.lists, read_taxonomy("potsdam")
    desk.panel.form.classing.click()
    layer = desk.layer
    lists.wanted.emit("potsdam")
    desk.qtbot.waitUntil(lambda: "has the classes of potsdam" in desk.status, timeout=20_000)
    desk.layer = desk.viewer.layers["large · potsdam"]
    desk.settle()
    assert desk.panel.form.class_list.tree.listed == (*potsdam.ids, 7, 8, 9, 10, 11)
    np.testing.assert_array_equal(desk.now, IDS + 6)
    assert not layer.visible
    desk.panel._classes.merge([8], 2)
    expected = np.where(IDS == 2, 2, IDS + 6)
    np.testing.assert_array_equal(desk.now, expected)
    desk.kept()
    layers = {kept.about["name"]: kept for kept in run(read_project_steps(desk.project)).layers}
    copy, before = layers["large · potsdam"], layers["large"]
    np.testing.assert_array_equal(copy.labels[:SIDE], expected)
    np.testing.assert_array_equal(before.labels[:SIDE], IDS)
    for kept in (copy, before):  # each has tiles of its own
        np.testing.assert_array_equal(kept.arrays["made-labels"][:SIDE], IDS)
        np.testing.assert_array_equal(kept.arrays["made-confidence"][:SIDE], CONFIDENCE)
    _, keywords, _ = labels_again(copy, ())
    (made,) = keywords["metadata"][KEY].part(Window(0, 0, SIDE, SIDE)).made
    np.testing.assert_array_equal(made.labels_now, expected)


def test_a_large_scene_is_reviewed_and_refined(desk: Desk) -> None:
    box, reviewing = desk.panel.form.review, desk.panel._reviewing
    desk.panel.form.reviewing.click()
    box.doubt.click()
    assert "Zoom in to see doubt" in desk.status

    def chosen() -> tuple[int, int]:
        desk.settled()
        desk.qtbot.waitUntil(lambda: not reviewing._flying, timeout=20_000)
        desk.settled()
        window = desk.panel._regions.selection.region.window
        return window.row, window.col

    desk.look(1700, 1900)
    desk.key(Qt.Key.Key_N)  # flies to what is nearby before the others are found
    desk.qtbot.waitUntil(lambda: desk.panel._regions.selection is not None, timeout=20_000)
    assert chosen() == (1690, 1900)  # 1200 pixels × 0.61
    desk.qtbot.waitUntil(lambda: "more regions wait" in desk.status, timeout=20_000)
    assert not desk.panel.form.cancel.isEnabled()  # all of them are listed
    desk.qtbot.waitUntil(lambda: DOUBT in desk.viewer.layers, timeout=20_000)
    doubt = desk.viewer.layers[DOUBT]
    row, col = doubt.world_to_data((1690, 1900))
    assert desk.scene.part.stride == 1
    assert doubt.data[int(row), int(col)] == 100
    desk.key(Qt.Key.Key_A)
    assert chosen() == (260, 300)
    seen = mask_of(desk.layer.metadata).reviewed
    np.testing.assert_array_equal(np.asarray(seen), CONFIDENCE == 100)
    desk.key(Qt.Key.Key_5)
    chosen()
    assert (desk.now[260:280, 300:330] == 5).all()
    desk.qtbot.waitUntil(lambda: "67 % of it as pre-labelled" in box.told.text(), timeout=20_000)
    desk.kept()
    (kept,) = run(read_project_steps(desk.project)).layers
    again = mask_of(labels_again(kept, ())[1]["metadata"])
    assert again.reviewed == mask_of(desk.layer.metadata).reviewed
    np.testing.assert_array_equal(again.tiles[260:280, 300:330], 2)
    desk.panel._regions.end()

    desk.look(1700, 1900)
    part = np.s_[1670:1740, 1880:1960]
    expected = desk.now[part].copy()
    assert change_pixels(desk.layer, Window(1688, 1902, 30, 40), np.full((30, 40), 2)) == 136
    desk.panel.form.refine.method.setCurrentText("guided")
    desk.panel.form.refine.run.click()
    desk.qtbot.waitUntil(lambda: not desk.panel.form.cancel.isEnabled(), timeout=60_000)
    assert "pixels changed" in desk.status
    assert np.count_nonzero(desk.now[part] != expected) < 0.7 * 136
    assert desk.panel.form.status.text().count("Ctrl+Z") == 1
    told = mask_of(desk.layer.metadata).provenance.config["refined"][0]
    seen = desk.panel.following.seen_of(desk.layer)
    assert told["area"] == (seen.row, seen.col, seen.height, seen.width)
    desk.layer.undo()
    assert np.count_nonzero(desk.now[part] != expected) == 136
    assert "refined" not in mask_of(desk.layer.metadata).provenance.config


def test_classes_are_proposed_from_windows_that_show_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proposal_runs, "_SAMPLE_SIDE", 128)
    monkeypatch.setattr(proposal_runs, "_SAMPLES", 4)
    scene, strokes = SceneLabels(TileStore(None, IDS.shape, IDS.dtype)), np.zeros_like(IDS)
    scene.fill(IDS)
    strokes[210:214, 310:330], strokes[2000:2004, 100:120] = 5, 6
    windows = run(sample_steps(scene, strokes))
    assert len(windows) < 12
    shown = np.zeros(IDS.shape, bool)
    for window in windows:
        shown[window.slices] = True
    for class_id, labels in ((3, IDS), (5, strokes), (6, strokes)):
        assert shown[labels == class_id].mean() > 0.9
    named = (LabelClass(5, "roof", "#AA0000"), LabelClass(6, "ground", "#00AA00"))
    classes = (*numbered_taxonomy(4).classes, *named)
    info = MaskInfo("scene", Grid(*IDS.shape), Taxonomy(classes), Provenance())
    table, colors = DataFrame(names_table(classes)), colormap_of(classes)
    now = LabelsNow(scene, {KEY: info}, table, colors)
    reference = LabelsNow(strokes, {}, table, colors)
    raster = Raster.from_array(picture(IDS), info.grid, roles=("red", "green", "blue"))
    subject = Subject("scene", ArraySource(raster))
    proposed = run(propose_classes(subject, now, AlignConfig(way="reference"), reference))
    told = {one.decision.source: one for one in proposed.proposals}
    assert {i: told[i].decision.target for i in (1, 3)} == {1: 6, 3: 5}
    assert told[3].crops[0].shape == (64, 64, 3)


@pytest.mark.slow
def test_tools_for_regions_change_a_large_scene_where_they_should_and_nowhere_else(
    desk: Desk,
) -> None:
    form, box = desk.panel.form, desk.panel.form.regions
    part = np.s_[1680:1730, 1890:1950]

    def begin(row: int, col: int, wrong: int, height: int = 1, width: int = 1) -> np.ndarray:
        """Put something wrong into the labels, and select the region."""
        ids = np.full((height, width), wrong)
        assert change_pixels(desk.layer, Window(row, col, height, width), ids)
        desk.click(1705.5, 1905.5)
        desk.settled()
        return desk.now.copy()

    def press(name: str) -> np.ndarray:
        box.edits[name].click()
        desk.settled()
        after = desk.now
        outside = after != IDS
        outside[part] = False
        assert not outside.any()
        return after[part].copy()

    form.fixing.click()
    desk.look(1720, 1920, zoom=4)
    desk.key(Qt.Key.Key_X)
    for name, place, wrong in (("fill", (1700, 1925), 5), ("specks", (1702, 1925), 5)):
        before = begin(*place, wrong)
        np.testing.assert_array_equal(press(name), IDS[part])
        desk.key(*UNDO)
        np.testing.assert_array_equal(desk.now, before)
        desk.key(*UNDO)
        np.testing.assert_array_equal(desk.now, IDS)
    begin(1684, 1920, 2, height=6)  # a tooth
    smooth = press("smooth")
    assert (smooth[4:8, 30] == 1).all()
    assert (smooth[14:36, 10:50] == 2).all()
    assert np.count_nonzero(smooth != IDS[part]) < 40  # its corners
    desk.key(*UNDO)
    desk.key(*UNDO)
    begin(1690, 1940, 2, height=30, width=3)  # painted too wide
    assert np.count_nonzero(press("snap") != IDS[part]) <= 15  # of 90 before
    desk.key(*UNDO)
    desk.key(*UNDO)
    np.testing.assert_array_equal(desk.now, IDS)
    desk.click(1705.5, 1905.5)
    desk.settled()
    box.choose_mode("split")
    desk.drag((1687, 1912), (1705, 1912), (1723, 1912))
    desk.settled()
    desk.key(Qt.Key.Key_4)
    desk.settled()
    apart = desk.now
    assert (apart[1690:1720, 1900:1911] == 4).all()
    assert (apart[1690:1720, 1914:1940] == 2).all()
    desk.key(*UNDO)
    desk.key(Qt.Key.Key_X)
    form.fixing.click()
    assert change_pixels(desk.layer, Window(1688, 1902, 30, 40), np.full((30, 40), 2)) == 136
    off = desk.now.copy()
    form.refine.method.setCurrentText("guided")
    form.refine.only.setChecked(True)
    corners = [[1680, 1890], [1680, 1960], [1705, 1960], [1705, 1890]]
    desk.viewer.layers["refine here"].add_rectangles(np.array(corners))
    form.refine.run.click()
    desk.qtbot.waitUntil(lambda: not form.cancel.isEnabled(), timeout=60_000)
    changed = np.argwhere(desk.now != off)
    assert len(changed) > 30
    assert (changed >= [1680, 1890]).all()
    assert (changed <= [1705, 1960]).all()
    assert (desk.now[1680:1700, 1895:1945] != IDS[1680:1700, 1895:1945]).sum() < 40
    desk.layer.undo()
    np.testing.assert_array_equal(desk.now, off)
