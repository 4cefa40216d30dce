"""Pointing at things in the panel, with mouse and keys, in a real viewer."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from borders import picture
from hands import Hand, opened
from napari.layers import Labels
from qtpy.QtCore import Qt
from rasters import write_raster
from sam import save_sam

from diffusion import save_diffusion
from napari_firstpass.progress import run
from napari_firstpass.sam_models.source import SamSource
from napari_firstpass.widgets.label_layers import mask_from
from napari_firstpass.widgets.preferences import Keys, keys_of
from napari_firstpass.widgets.prompt_layers import POINTS, PREVIEW, is_helper
from napari_firstpass.widgets.scene import mask_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.viewer import Viewer
    from npe2 import PluginManager
    from pytestqt.qtbot import QtBot

    from napari_firstpass.widgets.segment_panel import SegmentPanel

PLUGIN = "napari-firstpass"
IDS = np.ones((96, 112), np.uint8)
IDS[24:54, 34:74], IDS[64:86, 12:44], IDS[60:80, 70:100] = 2, 3, 2
UNDO = (Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
RIGHT, SHIFT = Qt.MouseButton.RightButton, Qt.KeyboardModifier.ShiftModifier


class Desk(Hand):
    """A hand that points at things."""

    def __init__(self, viewer: Viewer, panel: SegmentPanel, qtbot: QtBot) -> None:
        super().__init__(viewer, panel, qtbot)
        self.box = panel.form.prompts

    @property
    def shown(self) -> bool:
        """Whether an outline is offered."""
        return self.box.accept.isEnabled()

    def outline(self) -> np.ndarray:
        """The pixels of the image that the preview covers."""
        return self.covered(PREVIEW, IDS.shape)

    def begin(self) -> None:
        self.panel.form.fixing.click()
        self.box.pointing.click()
        self.qtbot.wait(10)

    def wait_for_outline(self) -> None:
        self.qtbot.waitUntil(lambda: self.shown and not self.panel._pointing._busy, timeout=20_000)


@pytest.fixture
def desk(
    plugins: PluginManager,
    make_napari_viewer: Callable[..., Viewer],
    qtbot: QtBot,
    tmp_path: Path,
) -> Desk:
    del plugins
    scene = write_raster(tmp_path / "scene.tif", picture(IDS), photometric="RGB")
    return Desk(*opened(make_napari_viewer, qtbot, scene), qtbot)


@pytest.fixture
def labels(desk: Desk) -> Labels:
    """Labels of one class, selected."""
    layer = desk.viewer.add_labels(np.ones(IDS.shape, np.uint8), name="mine")
    layer.selected_label = 5
    return layer


def inside(class_id: int) -> tuple[float, float]:
    """A place well inside the first thing, or in the background."""
    return {1: (10.5, 10.5), 2: (38.5, 52.5), 3: (74.5, 26.5)}[class_id]


def covers(outline: np.ndarray, class_id: int) -> bool:
    row, col = inside(class_id)
    return bool(outline[int(row), int(col)])


def test_a_click_shows_an_outline_that_a_key_writes_in_one_undo_step(
    desk: Desk, labels: Labels
) -> None:
    desk.begin()
    desk.click(*inside(3), button=RIGHT)
    desk.qtbot.wait(10)
    assert "found only what does not belong to it" in desk.status
    assert not desk.shown
    desk.click(*inside(2))
    desk.wait_for_outline()
    desk.click(*inside(1), modifier=SHIFT)
    desk.wait_for_outline()
    marks = desk.panel._pointing._layers.marks
    assert [mark.positive for mark in marks] == [False, True, False]
    np.testing.assert_allclose((marks[1].row, marks[1].col), inside(2), atol=0.6)
    outline = desk.outline()
    assert [covers(outline, i) for i in (1, 2, 3)] == [False, True, False]
    desk.key(*UNDO)
    assert len(desk.panel._pointing._layers.marks) == 2
    desk.wait_for_outline()
    desk.key(Qt.Key.Key_7)
    outline, before = desk.outline(), labels.data.copy()
    assert "“mine” as class 7" in desk.status
    desk.key(Qt.Key.Key_A)
    np.testing.assert_array_equal(labels.data, np.where(outline, 7, before))
    assert not desk.shown
    assert not desk.outline().any()
    desk.key(*UNDO)
    np.testing.assert_array_equal(labels.data, before)
    labels.redo()
    np.testing.assert_array_equal(labels.data, np.where(outline, 7, before))


def test_where_an_outline_is_written_is_chosen(desk: Desk, labels: Labels) -> None:
    labels.data[:38] = 0
    labels.data[:, :50] = 3
    before = labels.data.copy()
    desk.begin()
    for index in (1, 2):
        desk.box.where.setCurrentIndex(index)
        desk.click(*inside(2))
        desk.wait_for_outline()
        outline = desk.outline()
        ids, counts = np.unique(before[outline], return_counts=True)
        free = before == (0 if index == 1 else ids[counts.argmax()])
        desk.box.accept.click()
        np.testing.assert_array_equal(labels.data, np.where(outline & free, 5, before))
        desk.key(*UNDO)
        np.testing.assert_array_equal(labels.data, before)


def test_boxes_and_strokes_are_drawn_and_escape_discards_them(desk: Desk, labels: Labels) -> None:
    layers = list(desk.viewer.layers)
    desk.begin()
    centre = np.array(desk.viewer.scene.camera.center[-2:])
    desk.key(Qt.Key.Key_B)
    assert desk.box.tool == "box"
    desk.drag((60.0, 80.0), (40.0, 50.0), (18.0, 28.0))
    desk.wait_for_outline()
    (box,) = desk.panel._pointing._layers.marks
    np.testing.assert_allclose((box.top, box.left), (18, 28), atol=0.6)
    np.testing.assert_allclose((box.bottom, box.right), (60, 80), atol=0.6)
    rows, cols = np.nonzero(desk.outline())
    assert len(rows)
    assert rows.min() >= box.top - 1
    assert rows.max() <= box.bottom
    assert cols.min() >= box.left - 1
    assert cols.max() <= box.right
    desk.key(Qt.Key.Key_Escape)
    assert not desk.panel._pointing._layers.marks
    assert not desk.outline().any()
    assert desk.status.startswith("Discarded; nothing was changed.")
    desk.key(Qt.Key.Key_L)
    row, col = inside(2)
    desk.drag((row - 4, col - 4), (row, col), (row + 4, col + 4))
    desk.wait_for_outline()
    (line,) = desk.panel._pointing._layers.marks
    assert len(line.places) >= 2
    np.testing.assert_allclose(line.places[-1], (row + 4, col + 4), atol=0.6)
    assert covers(desk.outline(), 2)
    np.testing.assert_allclose(desk.viewer.scene.camera.center[-2:], centre)
    desk.key(Qt.Key.Key_Escape)
    desk.key(Qt.Key.Key_Escape)
    assert not desk.box.pointing.isChecked()
    assert list(desk.viewer.layers) == layers
    np.testing.assert_array_equal(labels.data, 1)


def test_an_answer_that_comes_too_late_is_dropped(desk: Desk, labels: Labels) -> None:
    desk.begin()
    desk.click(*inside(1))
    desk.key(Qt.Key.Key_Escape)
    desk.settle()
    assert not desk.shown
    for class_id in (1, 2, 3):
        desk.click(*inside(class_id))
    desk.wait_for_outline()
    desk.settle()
    outline = desk.outline()
    assert all(covers(outline, i) for i in (1, 2, 3))
    desk.click(*inside(1))
    desk.image.data = np.zeros((*IDS.shape, 3), np.uint8)
    desk.settle()
    assert not desk.shown
    assert "The image was changed meanwhile" in desk.status
    desk.key(Qt.Key.Key_A)
    np.testing.assert_array_equal(labels.data, 1)
    desk.viewer.layers.remove(desk.image)
    desk.settle()
    assert not any(map(is_helper, desk.viewer.layers))
    assert not desk.box.pointing.isChecked()
    assert not desk.box.pointing.isEnabled()
    assert desk.box.pointing.toolTip().startswith("Open an image")


def test_a_held_key_shows_other_outlines_and_labels_are_made_where_there_are_none(
    desk: Desk,
) -> None:
    desk.begin()
    desk.click(-3.0, 20.0)
    assert "outside the image" in desk.status
    assert not desk.panel._pointing._layers.marks
    desk.click(*inside(1))  # where the background ends is anybody's guess
    desk.wait_for_outline()
    assert "into new labels as class 1" in desk.status
    masks = desk.panel._pointing._preview.found.masks
    count = len(masks)
    assert count > 1
    np.testing.assert_array_equal(desk.outline(), masks[0])
    desk.qtbot.keyPress(desk.canvas, Qt.Key.Key_C)
    assert f"Outline 2 of {count}" in desk.status
    np.testing.assert_array_equal(desk.outline(), masks[1])
    desk.qtbot.waitUntil(lambda: f"Outline {2 % count + 1} of {count}" in desk.status, timeout=5000)
    desk.qtbot.keyRelease(desk.canvas, Qt.Key.Key_C)
    last = desk.outline()
    desk.key(Qt.Key.Key_Return)
    (made,) = (x for x in desk.viewer.layers if isinstance(x, Labels) and not is_helper(x))
    np.testing.assert_array_equal(made.data, last)
    info = mask_of(made.metadata)
    assert info is not None
    assert info.grid.crs == "EPSG:32631"
    assert desk.viewer.layers.selection.active == desk.viewer.layers[POINTS]
    assert desk.panel.form.save.toolTip().startswith("Writes “scene · labels”")
    small = desk.viewer.add_labels(np.ones((40, 40), np.uint8), name="small")
    desk.viewer.layers.selection.active = desk.viewer.layers[POINTS]
    desk.click(*inside(2))
    desk.wait_for_outline()
    desk.key(Qt.Key.Key_A)
    assert "found others in" in desk.status
    assert desk.shown
    np.testing.assert_array_equal(small.data, 1)
    assert not desk.box.words.isEnabled()
    assert "need a model" in desk.box.words.toolTip()


def recorded(layer: Labels) -> list[dict[str, Any]]:
    """What a saved file would tell of prompts."""
    told, _ = mask_from(
        layer.data, metadata=layer.metadata, features=layer.features, colormap=layer.colormap
    )
    steps: list[dict[str, Any]] = told.provenance.config.get("prompted", [])
    return steps


def test_labels_record_what_was_pointed_at_unless_it_is_undone(desk: Desk, labels: Labels) -> None:
    desk.begin()
    desk.click(*inside(2))
    desk.wait_for_outline()
    desk.click(*inside(1), button=RIGHT)
    desk.wait_for_outline()
    desk.key(Qt.Key.Key_A)
    (step,) = recorded(labels)
    assert (step["prompter"], step["preset"], step["image"]) == ("iseg", "fast", "scene.tif")
    (thing,) = step["things"]
    assert (thing["class"], thing["outline"], thing["words"]) == (5, 1, [])
    assert [point["positive"] for point in thing["points"]] == [True, False]
    place = thing["points"][0]["row"], thing["points"][0]["col"]
    np.testing.assert_allclose(place, inside(2), atol=0.6)
    json.dumps(step)
    desk.click(*inside(3))
    desk.wait_for_outline()
    desk.key(Qt.Key.Key_A)
    assert len(recorded(labels)) == 2
    desk.key(*UNDO)
    assert recorded(labels) == [step]
    desk.key(*UNDO)
    assert recorded(labels) == []
    labels.redo()
    assert recorded(labels) == [step]


def test_segment_anything_from_a_folder_answers_and_reads_no_words(
    desk: Desk, labels: Labels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTPASS_CACHE", str(tmp_path / "cache"))
    said: list[str] = []
    desk.panel._pointing.said.connect(lambda message: said.append(message.text))
    desk.begin()
    desk.box.method.setCurrentIndex(desk.box.method.findData("sam"))
    assert "sam finds what is pointed at, and reads no words" in desk.box.words.toolTip()
    desk.click(*inside(2))
    desk.qtbot.waitUntil(lambda: not desk.panel._pointing._busy, timeout=20_000)
    assert "weights of a Segment Anything model, found none given" in desk.status
    model = save_sam("SAM", tmp_path / "tiny")
    desk.box.model.take_file(model / "config.json")  # the mark is answered anew
    desk.qtbot.waitUntil(lambda: desk.panel._pointing._preview is not None, timeout=60_000)
    assert not desk.box.words.isEnabled()
    assert any("Looking at scene" in text for text in said)
    masks = desk.panel._pointing._preview.found.masks
    largest = int(masks.sum((1, 2)).argmax())
    for _ in range(largest):
        desk.key(Qt.Key.Key_C)
    np.testing.assert_array_equal(desk.outline(), masks[largest])
    desk.box.accept.click()
    np.testing.assert_array_equal(labels.data, np.where(masks[largest], 5, 1))
    (step,) = recorded(labels)
    assert (step["prompter"], step["model"]) == ("sam", "tiny")
    assert step["weights_sha256"] == run(SamSource(model).sha256())
    assert step["things"][0]["outline"] == largest + 1


def test_words_are_asked_for_with_enter_which_accepts_nothing(
    desk: Desk, labels: Labels, tmp_path: Path
) -> None:
    model = save_diffusion(tmp_path / "model", tokens=120)
    desk.begin()
    desk.box.model.take_file(model / "model_index.json")
    assert desk.box.model.reference == str(model)
    desk.box.words.setText("roof, house")
    desk.qtbot.keyClick(desk.box.words, Qt.Key.Key_Return)
    desk.qtbot.waitUntil(lambda: desk.panel._pointing._preview is not None, timeout=60_000)
    desk.qtbot.keyClick(desk.box.words, Qt.Key.Key_Return)
    np.testing.assert_array_equal(labels.data, 1)
    desk.qtbot.waitUntil(lambda: not desk.panel._pointing._busy, timeout=60_000)
    desk.key(Qt.Key.Key_Escape)
    assert desk.box.named == ()


def test_keys_of_the_preferences_are_used_if_they_are_letters_of_their_own() -> None:
    usual = asdict(Keys())
    assert keys_of(usual) == Keys()
    assert keys_of({**usual, "run": "ctrl+e"}) == Keys(run="Ctrl+E")
    assert keys_of({**usual, "run": "r"}) == keys_of({**usual, "run": "no key"}) == Keys()
    assert keys_of({**usual, "accept": " w "}).accept == "W"
    for wrong in ("C", "", "Esc", "5"):
        assert keys_of({**usual, "accept": wrong}) == Keys()
