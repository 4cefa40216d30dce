"""The list of classes in the panel, with mouse and keys, in a real viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from borders import picture
from napari.layers import Labels
from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt
from qtpy.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QLineEdit, QMessageBox, QScrollArea
from rasters import write_raster
from words import save_clip

from napari_firstpass.align_images import align_array
from napari_firstpass.aligning import AlignConfig
from napari_firstpass.grid import Grid
from napari_firstpass.io.taxonomy_file import read_taxonomy
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy, numbered_taxonomy
from napari_firstpass.widgets.class_tree import AREA, NAME, SHARE
from napari_firstpass.widgets.image_layers import grid_of
from napari_firstpass.widgets.label_layers import labels_tuple, mask_from
from napari_firstpass.widgets.label_steps import LabelStep

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.viewer import Viewer
    from npe2 import PluginManager
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QWidget

    from napari_firstpass.widgets.class_tree import ClassTree
    from napari_firstpass.widgets.segment_panel import SegmentPanel
    from napari_firstpass.widgets.worker import Reply

PLUGIN = "napari-firstpass"
IDS = np.ones((96, 112), np.uint8)
IDS[24:54, 34:74], IDS[64:86, 12:44], IDS[60:80, 70:100] = 2, 3, 4
LEFT, CONTROL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
UNDO = (Qt.Key.Key_Z, CONTROL)


class Desk:
    """A viewer on the screen with an image, labels and the unfolded list, and a hand."""

    def __init__(self, viewer: Viewer, panel: SegmentPanel, qtbot: QtBot) -> None:
        self.viewer, self.panel, self.qtbot = viewer, panel, qtbot
        self.box = panel.form.class_list
        self.answered = 0
        counting = panel._classes._counting
        counting._waiting.setInterval(20)  # a stroke rests sooner than with a hand
        counting._runner.replied.connect(self._note)

    @property
    def tree(self) -> ClassTree:
        return self.box.tree

    @property
    def canvas(self) -> QWidget:
        return self.viewer.window._qt_viewer.canvas.native

    @property
    def status(self) -> str:
        return self.panel.form.status.text()

    @property
    def names(self) -> dict[int, str]:
        """What the rows say."""
        return {i: self.tree.item(i).text(NAME) for i in self.tree.listed}

    def settle(self) -> None:
        """Let pixels be counted, however long threads have to wait."""
        counting = self.panel._classes._counting
        self.qtbot.wait(20)
        self.qtbot.waitUntil(
            lambda: (
                not counting._waiting.isActive()
                and (counting._layer is None or self.answered == counting._run)
            ),
            timeout=20_000,
        )
        self.qtbot.wait(20)

    def _note(self, reply: Reply[Any]) -> None:
        self.answered = reply.generation

    def click(self, class_id: int, *modifiers: Qt.KeyboardModifier) -> None:
        where = self.tree.visualItemRect(self.tree.item(class_id)).center()
        where.setX(self.tree.visualItemRect(self.tree.item(class_id)).left() + 60)
        self.qtbot.mouseClick(self.tree.viewport(), LEFT, *modifiers, pos=where)

    def rename(self, class_id: int, name: str) -> None:
        self.click(class_id)
        self.qtbot.keyClick(self.tree, Qt.Key.Key_F2)
        self.type(name)

    def type(self, name: str) -> None:
        """Type a name where one is asked for."""
        editor = self.tree.findChildren(QLineEdit)[-1]
        editor.selectAll()
        self.qtbot.keyClicks(editor, name)
        with self.qtbot.waitSignal(self.tree.named):
            self.qtbot.keyClick(editor, Qt.Key.Key_Return)

    def tick(self, class_id: int) -> None:
        self.click(class_id)
        with self.qtbot.waitSignal(self.tree.shown):
            self.qtbot.keyClick(self.tree, Qt.Key.Key_Space)

    def drag(self, ids: list[int], target: int, part: float = 0.5) -> None:
        """Drag rows to a part of another row's height, by what Qt sends while that is done."""
        data = self.tree.mimeData([self.tree.item(i) for i in ids])
        row = self.tree.visualItemRect(self.tree.item(target))
        place = QPoint(row.center().x(), row.top() + round(part * (row.height() - 1)))
        with self.qtbot.waitSignal(self.tree.dropped):
            self.drop(data, place)

    def drop(self, data: QMimeData, place: QPoint) -> None:
        port, move = self.tree.viewport(), Qt.DropAction.MoveAction
        how = (move, data, LEFT, Qt.KeyboardModifier.NoModifier)
        enter = QDragEnterEvent(place, *how)
        QApplication.sendEvent(port, enter)
        QApplication.sendEvent(port, QDragMoveEvent(place, *how))
        QApplication.sendEvent(port, QDropEvent(QPointF(place), *how, QEvent.Type.Drop))
        self.qtbot.wait(10)

    def key(self, key: Qt.Key, *modifiers: Qt.KeyboardModifier) -> None:
        self.qtbot.keyClick(self.canvas, key, *modifiers)


@pytest.fixture
def desk(
    plugins: PluginManager,
    make_napari_viewer: Callable[..., Viewer],
    qtbot: QtBot,
    tmp_path: Path,
) -> Desk:
    del plugins
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(900, 700)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    panel = dock.panel
    scene = write_raster(tmp_path / "scene.tif", picture(IDS), photometric="RGB")
    viewer.open(scene, plugin=PLUGIN)
    panel.form.classing.click()
    qtbot.waitExposed(viewer.window._qt_window)
    return Desk(viewer, panel, qtbot)


@pytest.fixture
def labels(desk: Desk) -> Labels:
    """Four clusters that a method made, selected and counted."""
    made = Segmentation(
        IDS, numbered_taxonomy(4), grid_of(desk.viewer.layers[0]), np.full(IDS.shape, 90, np.uint8)
    )
    data, keywords, _ = labels_tuple(made, name="made", scene="scene")
    layer = desk.viewer.add_labels(data, **keywords)
    desk.settle()
    return layer


def saved(layer: Labels) -> Segmentation:
    """What a mask of the layer would hold."""
    return mask_from(
        layer.data, metadata=layer.metadata, features=layer.features, colormap=layer.colormap
    )[0]


def where(*ids: int) -> np.ndarray:
    return np.isin(IDS, ids)


@pytest.mark.usefixtures("labels")
def test_rows_tell_name_area_and_share(desk: Desk) -> None:
    assert desk.names == {i: f"cluster {i}" for i in (1, 2, 3, 4)}
    assert desk.box.about.text() == "Classes of “made”"
    second = desk.tree.item(2)
    pixel = abs(grid_of(desk.viewer.layers[0]).transform.determinant)
    assert second.text(AREA) == f"{1200 * pixel / 10_000:.2g} ha"
    assert second.text(SHARE) == f"{100 * 1200 / IDS.size:.0f} %"
    plain = desk.viewer.add_labels(np.full((10, 10), 5, np.uint8), name="plain")
    desk.settle()
    assert desk.names == {5: "class 5"}
    assert desk.tree.item(5).text(AREA) == "100 px"
    plain.paint((2, 2), 9)
    desk.settle()
    assert desk.names == {5: "class 5", 9: "class 9"}


def test_a_click_and_the_keys_one_to_nine_choose_what_the_brush_paints(
    desk: Desk, labels: Labels
) -> None:
    desk.click(3)
    assert labels.selected_label == 3
    desk.key(Qt.Key.Key_4)
    assert labels.selected_label == 4
    assert desk.tree.chosen == (4,)
    assert desk.status == "The brush paints “cluster 4”."
    desk.qtbot.keyClick(desk.tree, Qt.Key.Key_2)
    assert labels.selected_label == 2
    desk.key(Qt.Key.Key_9)
    assert labels.selected_label == 9
    assert desk.tree.chosen == ()
    assert "class 9, a new one" in desk.status
    labels.selected_label = 1
    assert desk.tree.chosen == (1,)
    desk.panel.form.classing.click()
    desk.key(Qt.Key.Key_2)  # napari's own again: the brush
    assert (labels.selected_label, labels.mode) == (1, "paint")


def test_a_name_is_typed_and_shown_everywhere(desk: Desk, labels: Labels) -> None:
    desk.rename(2, "roof")
    assert desk.names[2] == "roof"
    assert "name: roof" in labels.get_status((30, 40), world=False)["value"]
    assert saved(labels).taxonomy[2].name == "roof"
    desk.rename(3, "  ")
    assert "a class name" in desk.status
    assert desk.names[3] == "cluster 3"
    np.testing.assert_array_equal(labels.data, IDS)


def test_the_name_of_another_class_merges_the_two(desk: Desk, labels: Labels) -> None:
    desk.rename(2, "roof")
    desk.rename(4, "Roof ")
    np.testing.assert_array_equal(labels.data, np.where(where(4), 2, IDS))
    assert desk.names == {1: "cluster 1", 2: "roof", 3: "cluster 3"}


def test_merging_is_one_step_that_ctrl_z_takes_back_with_the_names(
    desk: Desk, labels: Labels
) -> None:
    labels.data_setitem((np.array([0]), np.array([0])), 3)  # a stroke before
    desk.click(3)
    desk.click(4, CONTROL)
    desk.click(2, CONTROL)
    desk.qtbot.keyClick(desk.tree, Qt.Key.Key_M)
    merged = np.where(where(3, 4), 2, IDS)
    merged[0, 0] = 2
    np.testing.assert_array_equal(labels.data, merged)
    assert desk.names == {1: "cluster 1", 2: "cluster 2"}
    assert "“cluster 3” and “cluster 4” are “cluster 2” now: 1 305 pixels" in desk.status
    labels.data_setitem((np.array([1]), np.array([1])), 2)  # and one after
    desk.key(*UNDO)
    np.testing.assert_array_equal(labels.data, merged)
    desk.key(*UNDO)
    desk.settle()
    assert desk.names == {i: f"cluster {i}" for i in (1, 2, 3, 4)}
    assert labels.data[0, 0] == 3
    np.testing.assert_array_equal(labels.data[1:], IDS[1:])
    assert QApplication.keyboardModifiers() == CONTROL  # for Qt's own rows it would toggle
    labels.selected_label = 4
    assert desk.tree.chosen == (4,)
    labels.redo()
    np.testing.assert_array_equal(labels.data, merged)
    desk.settle()
    assert desk.tree.listed == (1, 2)
    desk.box.undo.click()
    desk.box.undo.click()
    np.testing.assert_array_equal(labels.data, IDS)


def test_one_history_holds_strokes_names_colours_and_the_tree(desk: Desk, labels: Labels) -> None:
    def state() -> tuple[Taxonomy, list[int], list[list[int]]]:
        desk.settle()
        return saved(labels).taxonomy, list(desk.tree.listed), labels.data.tolist()

    def add() -> None:
        desk.box.add.click()
        desk.settle()
        desk.qtbot.keyClick(desk.tree.findChildren(QLineEdit)[-1], Qt.Key.Key_Escape)

    edits: list[Callable[[], object]] = [
        lambda: desk.rename(2, "roof"),
        lambda: labels.paint((1, 1), 4),
        lambda: desk.box.colored.emit(2, "#0000FF"),
        add,
        lambda: labels.paint((20, 20), 5),
        lambda: desk.rename(1, "ground"),
        lambda: desk.drag([2], 1),  # a class becomes part of another
        lambda: desk.drag([3, 4], 2),  # clusters become a class
        lambda: desk.panel._classes.delete([5]),
        lambda: desk.rename(2, "tiles"),
    ]
    states = [state()]
    for edit in edits:
        edit()
        states.append(state())
        assert states[-1] != states[-2]
    for before in states[-2::-1]:
        desk.key(*UNDO)
        assert state() == before
    for after in states[1:]:
        labels.redo()
        assert state() == after
    desk.key(*UNDO)
    desk.box.colored.emit(1, "#123456")  # a new way: what was undone is gone
    labels.redo()
    assert saved(labels).taxonomy[1].color == "#123456"
    assert saved(labels).taxonomy[2].name == "roof"


def test_undo_after_another_layer_was_selected_belongs_to_its_own_layer(
    desk: Desk, labels: Labels
) -> None:
    desk.drag([3], 1)
    merged = labels.data.copy()
    other = desk.viewer.add_labels(IDS.copy(), name="other")
    desk.settle()
    desk.click(4)
    desk.click(2, CONTROL)
    desk.box.merge.click()
    np.testing.assert_array_equal(other.data, np.where(where(4), 2, IDS))
    desk.key(*UNDO)
    np.testing.assert_array_equal(other.data, IDS)
    np.testing.assert_array_equal(labels.data, merged)
    desk.viewer.layers.selection.active = labels
    desk.key(*UNDO)
    np.testing.assert_array_equal(labels.data, IDS)
    desk.settle()
    assert desk.names[3] == "cluster 3"


def test_what_the_method_was_sure_of_stays_so_when_clusters_get_classes(
    desk: Desk, labels: Labels
) -> None:
    desk.drag([3], 2)
    labels.data_setitem((np.array([0]), np.array([0])), 2)
    found = saved(labels)
    assert found.confidence is not None
    assert (found.confidence[0, 0], found.confidence[70, 20]) == (255, 90)
    assert np.count_nonzero(found.confidence == 255) == 1
    assert found.taxonomy.ids == (1, 2, 4)
    (step,) = found.provenance.config["reassigned"]
    assert step == {"classes": ["cluster 3"], "became": "cluster 2", "step": 1}
    for _ in range(2):
        desk.key(*UNDO)
    found = saved(labels)
    assert found.confidence is not None
    assert (found.confidence == 90).all()
    assert "reassigned" not in found.provenance.config
    assert set(found.taxonomy.classes) == set(numbered_taxonomy(4).classes)


def test_rows_are_dragged_onto_classes_and_between_them(desk: Desk, labels: Labels) -> None:
    desk.rename(1, "ground")
    desk.rename(2, "roof")
    desk.drag([3, 4], 2)  # clusters become the class
    np.testing.assert_array_equal(labels.data, np.where(where(3, 4), 2, IDS))
    before = labels.data.copy()
    desk.drag([2], 1)  # a class becomes part of the other
    assert saved(labels).taxonomy[2].parent == 1
    assert desk.tree.item(2).parent() is desk.tree.item(1)
    desk.drag([1], 2)
    assert "do not form a circle" in desk.status
    desk.drag([2], 1, part=0.0)  # and is taken out again, above it
    assert desk.tree.listed == (2, 1)
    assert saved(labels).taxonomy[2].parent is None
    foreign = QMimeData()
    foreign.setText("[1]")
    desk.drop(foreign, QPoint(50, 10))
    assert desk.tree.listed == (2, 1)
    np.testing.assert_array_equal(labels.data, before)


def test_classes_are_hidden_and_seen_alone(desk: Desk, labels: Labels) -> None:
    def seen() -> list[int]:
        return [i for i in (1, 2, 3, 4) if labels.colormap.map(np.array([i]))[0, 3] > 0]

    desk.tick(2)
    assert seen() == [1, 3, 4]
    desk.rename(3, "road")
    assert seen() == [1, 3, 4]
    assert saved(labels).taxonomy[2].color == numbered_taxonomy(4)[2].color
    desk.tick(2)
    assert seen() == [1, 2, 3, 4]
    desk.click(2)
    desk.click(4, CONTROL)
    desk.box.only.click()
    assert seen() == [2, 4]
    assert desk.tree.item(1).checkState(NAME) == Qt.CheckState.Unchecked
    desk.box.only.click()
    assert seen() == [1, 2, 3, 4]


def test_classes_are_added_coloured_and_deleted_after_a_question(
    desk: Desk, labels: Labels
) -> None:
    desk.box.add.click()
    desk.settle()  # what is counted meanwhile does not end the typing
    desk.type("pond")
    assert desk.names[5] == "pond"
    assert labels.selected_label == 5
    desk.box.colored.emit(5, "#0000FF")
    assert saved(labels).taxonomy[5].color == "#0000FF"
    desk.click(5)
    desk.qtbot.keyClick(desk.tree, Qt.Key.Key_Delete)  # it has no pixels: nothing is asked
    assert 5 not in desk.tree.listed
    for answer, left in (("Cancel", (1, 2, 3, 4)), ("Delete", (1, 3, 4))):
        desk.click(2)
        desk.qtbot.keyClick(desk.tree, Qt.Key.Key_Delete)
        (asking,) = desk.box.findChildren(QMessageBox)
        assert asking.text() == "Delete “cluster 2”? 1 200 pixels become unlabelled."
        (button,) = (b for b in asking.buttons() if b.text().replace("&", "") == answer)
        desk.qtbot.mouseClick(button, LEFT)
        desk.qtbot.wait(20)
        assert desk.tree.listed == left
    np.testing.assert_array_equal(labels.data, np.where(where(2), 0, IDS))
    desk.key(*UNDO)
    desk.settle()
    assert desk.names[2] == "cluster 2"
    desk.box.add.click()
    assert desk.tree.listed[-1] == 6  # 5 may come back from the history


def test_the_list_follows_layers_that_are_renamed_switched_and_removed(
    desk: Desk, labels: Labels
) -> None:
    labels.name = "town"
    desk.qtbot.wait(10)
    assert desk.box.about.text() == "Classes of “town”"
    other = desk.viewer.add_labels(np.full((8, 8), 7, np.uint8), name="other")
    desk.settle()
    assert desk.tree.listed == (7,)
    desk.click(7)
    assert labels.selected_label == 1
    desk.viewer.layers.remove(other)
    desk.viewer.layers.selection.active = labels
    desk.settle()
    assert desk.tree.listed == (1, 2, 3, 4)
    desk.viewer.layers.remove(labels)
    desk.settle()
    assert desk.box.about.text().startswith("There are no labels yet")
    assert desk.tree.listed == ()
    assert not desk.box.add.isEnabled()
    assert desk.box.add.toolTip().startswith("There are no labels yet")
    pyramid = [IDS, IDS[::2, ::2]]
    desk.viewer.add_labels(pyramid, name="pyramid", multiscale=True)
    desk.settle()
    assert not desk.box.merge.isEnabled()
    assert "a pyramid or a lazy array" in desk.box.merge.toolTip()


def test_names_and_colours_that_napari_changed_are_listed(desk: Desk, labels: Labels) -> None:
    labels.features = {"index": [1, 2], "name": ["field", "house"]}
    desk.qtbot.wait(10)
    assert desk.names == {1: "field", 2: "house", 3: "cluster 3", 4: "cluster 4"}
    desk.drag([3], 2)
    assert [e.name for e in saved(labels).taxonomy.classes] == ["field", "house", "cluster 4"]
    labels.features = {"index": [1, 2], "name": ["house", "house"]}
    desk.qtbot.wait(10)
    assert "house more than once" in desk.status


def test_labels_drawn_by_hand_keep_their_names_and_the_place_of_the_image(desk: Desk) -> None:
    drawn = desk.viewer.add_labels(IDS.astype(np.int32), name="drawn")
    desk.settle()
    desk.rename(2, "roof")
    desk.drag([3], 2)  # class 3 is no cluster: it only moves
    np.testing.assert_array_equal(drawn.data, IDS)
    desk.rename(3, "roof")
    np.testing.assert_array_equal(drawn.data, np.where(where(3), 2, IDS))
    found = saved(drawn)
    assert found.taxonomy[2].name == "roof"
    assert found.grid == grid_of(desk.viewer.layers[0])


def test_a_list_is_loaded_into_a_copy_if_ids_clash_and_saved(
    desk: Desk, labels: Labels, tmp_path: Path
) -> None:
    lists = desk.box.lists
    lists.setCurrentText("potsdam")
    desk.qtbot.waitUntil(lambda: len(desk.viewer.layers) == 3, timeout=20_000)
    desk.settle()
    copy = desk.viewer.layers[-1]
    assert (copy.name, labels.visible) == ("made · potsdam", False)
    potsdam = read_taxonomy("potsdam")
    assert desk.tree.listed == (*potsdam.ids, 7, 8, 9, 10)
    np.testing.assert_array_equal(copy.data, IDS + 6)
    np.testing.assert_array_equal(labels.data, IDS)
    desk.drag([8], 2)
    desk.drag([9, 10], 4)
    found = saved(copy)
    np.testing.assert_array_equal(found.labels, np.array([0, 7, 2, 4, 4])[IDS])
    assert found.confidence is not None
    assert (found.confidence == 90).all()
    assert found.grid == grid_of(desk.viewer.layers[0])
    out = tmp_path / "mine.yaml"
    lists.saved_as.emit(out)
    desk.qtbot.waitUntil(lambda: "Saved the list" in desk.status, timeout=20_000)
    assert read_taxonomy(out) == found.taxonomy
    lists.wanted.emit(str(out))  # the same ids and names: nothing has to move
    desk.qtbot.waitUntil(lambda: "classes of mine now" in desk.status, timeout=20_000)
    assert len(desk.viewer.layers) == 3
    out.write_text("classes: [", encoding="utf-8")
    lists.wanted.emit(str(out))
    desk.qtbot.waitUntil(lambda: "mine.yaml" in desk.status, timeout=20_000)
    assert desk.tree.listed == (*potsdam.ids, 7)


def test_classes_are_proposed_with_crops_and_each_acceptance_is_one_step(
    desk: Desk, labels: Labels
) -> None:
    propose, way = desk.box.propose, desk.box.way
    propose.click()
    assert desk.status.startswith("There is no class to propose yet")
    desk.rename(1, "ground")
    desk.box.add.click()
    desk.type("roof")
    strokes = np.zeros(IDS.shape, np.uint8)
    strokes[30:34, 40:60] = strokes[70, 75:95] = 5
    desk.viewer.add_labels(strokes, name="strokes").visible = False
    desk.viewer.layers.selection.active = labels
    way.showPopup()
    way.hidePopup()
    way.setCurrentText("after “strokes”")
    propose.click()
    proposing = desk.panel._proposing
    desk.qtbot.waitUntil(lambda: proposing.window is not None, timeout=90_000)
    assert desk.status == "2 of 3 clusters have a proposed class; accept them."
    window = proposing.window
    assert window.sources == (2, 3, 4)
    assert [window.row(i).target for i in (2, 3, 4)] == [5, 0, 5]
    assert not window.row(3).accept.isEnabled()
    assert window.row(2).widgets[0].pixmap().width() == 64
    (area,) = window.findChildren(QScrollArea)
    assert not area.horizontalScrollBar().isVisible()
    window.row(2).accept.click()
    np.testing.assert_array_equal(labels.data, np.where(where(2), 5, IDS))
    assert window.sources == (3, 4)
    window.row(3).choice.setCurrentText("ground")
    window.accept_all.click()
    desk.qtbot.waitUntil(lambda: proposing.window is None, timeout=10_000)
    np.testing.assert_array_equal(labels.data, np.array([0, 1, 5, 1, 5])[IDS])
    assert desk.status.startswith("“cluster 3” and “cluster 4” became the chosen classes: ")
    steps = saved(labels).provenance.config["reassigned"]
    assert [step["became"] for step in steps] == ["roof", "ground", "roof"]
    labels.undo()
    np.testing.assert_array_equal(labels.data, np.where(where(2), 5, IDS))
    labels.undo()
    np.testing.assert_array_equal(labels.data, IDS)
    np.testing.assert_array_equal(desk.viewer.layers["strokes"].data, strokes)


def test_words_propose_what_the_same_weights_say_in_python(
    desk: Desk, labels: Labels, tmp_path: Path
) -> None:
    folder = save_clip(tmp_path / "clip")
    desk.rename(1, "ground")
    desk.box.add.click()
    desk.type("roof")
    desk.settle()
    desk.box.way.take_model(tmp_path / "nothing")
    desk.box.propose.click()
    desk.qtbot.waitUntil(lambda: "nothing" in desk.status, timeout=60_000)
    assert desk.panel._proposing.window is None
    desk.box.way.take_model(folder)
    desk.box.propose.click()
    proposing = desk.panel._proposing
    desk.qtbot.waitUntil(lambda: proposing.window is not None, timeout=90_000)
    classes = saved(labels).taxonomy.classes
    named = Taxonomy(tuple(entry for entry in classes if not entry.name.startswith("cluster")))
    clusters = Taxonomy(tuple(entry for entry in classes if entry not in named.classes))
    config = AlignConfig(way="text", level="classes", model=str(folder))
    alone = Segmentation(np.where(where(1), 0, IDS).astype(np.uint8), clusters, Grid(*IDS.shape))
    told = align_array(alone, named, config, bands=picture(IDS)).decisions
    assert {entry.source: entry.target for entry in told} == {
        source: proposing.window.row(source).target for source in proposing.window.sources
    }
    np.testing.assert_array_equal(labels.data, IDS)


def test_trap_napari_announces_the_list_that_it_keeps_and_takes_any_index() -> None:
    # `LabelStep` rests on it: a step of one entry is replaced by smaller ones.
    layer = Labels(IDS.copy())
    kept: list[object] = []
    layer.events.paint.connect(lambda event: kept.append(event.value))
    with LabelStep(layer) as step:
        assert step.reassign({2: 1, 3: 4}) == 1200 + 704
    ((first, second),) = kept
    assert (first[1:], second[1:]) == ((2, 1), (3, 4))
    with LabelStep(layer) as step:
        assert step.reassign({2: 1}) == 0
    after = layer.data.copy()
    layer.undo()
    np.testing.assert_array_equal(layer.data, IDS)
    layer.redo()
    np.testing.assert_array_equal(layer.data, after)
    layer.undo()
    layer.undo()
    np.testing.assert_array_equal(layer.data, IDS)


def test_ids_that_the_pixels_cannot_hold_are_refused(desk: Desk) -> None:
    many = Taxonomy(tuple(LabelClass(i, f"kind {i}", "#112233") for i in range(1, 256)))
    made = Segmentation(IDS, many, grid_of(desk.viewer.layers[0]))
    data, keywords, _ = labels_tuple(made, name="many", scene="scene")
    desk.viewer.add_labels(data, **keywords)
    desk.settle()
    desk.box.add.click()
    assert "class ids up to 255" in desk.status
    assert "Convert data type" in desk.status
