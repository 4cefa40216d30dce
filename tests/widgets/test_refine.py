"""Refining labels in the panel, in a real viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from borders import agreement, areas, beside, picture
from napari.layers import Shapes
from qtpy.QtCore import QThreadPool
from rasters import write_raster

from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.refiners import REFINERS
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import numbered_taxonomy
from napari_firstpass.widgets.label_layers import labels_tuple, mask_from

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Labels
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

    from napari_firstpass.widgets.segment_panel import SegmentPanel

PLUGIN = "napari-firstpass"
TRUTH = areas(96, 112)
OFF = beside(TRUTH, 2)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "scene.tif", picture(TRUTH), photometric="RGB")


@pytest.fixture
def labels(viewer: Viewer, panel: SegmentPanel, scene: Path) -> Labels:
    """Labels that miss the borders, selected, over their image."""
    viewer.open(scene, plugin=PLUGIN)
    panel.form.refine.method.setCurrentText("guided")
    return viewer.add_labels(OFF.copy(), name="mine")


def status(panel: SegmentPanel) -> str:
    return panel.form.status.text()


def is_ready(panel: SegmentPanel) -> bool:
    return not panel.form.cancel.isEnabled()


def refine(qtbot: QtBot, panel: SegmentPanel) -> None:
    panel.form.refine.run.click()
    assert not is_ready(panel)
    qtbot.waitUntil(lambda: is_ready(panel), timeout=60_000)


def settle(qtbot: QtBot) -> None:
    """Let threads end and everything they sent arrive."""
    QThreadPool.globalInstance().waitForDone()
    qtbot.wait(10)


def draw(viewer: Viewer, top: int, left: int, bottom: int, right: int) -> Shapes:
    corners = np.array([[top, left], [top, right], [bottom, right], [bottom, left]])
    layers = [layer for layer in viewer.layers if isinstance(layer, Shapes)]
    layer = layers[0] if layers else viewer.add_shapes(ndim=2)
    layer.add_rectangles(corners)
    return layer


def test_the_button_says_what_is_missing(viewer: Viewer, panel: SegmentPanel, scene: Path) -> None:
    box, run = panel.form.refine, panel.form.refine.run
    assert [box.method.itemData(i) for i in range(box.method.count())] == list(REFINERS.names)
    box.method.setCurrentText("regions")
    assert box.about.text().startswith("Gives specks")
    assert not run.isEnabled()
    viewer.open(scene, plugin=PLUGIN)
    assert not run.isEnabled()
    assert run.toolTip().startswith("There are no labels yet")
    viewer.add_labels(OFF.copy(), name="mine")
    assert run.isEnabled()
    assert "“mine”" in run.toolTip()


def test_the_selected_labels_get_the_borders_of_the_image_in_one_undo_step(
    panel: SegmentPanel, labels: Labels, qtbot: QtBot
) -> None:
    labels.paint((3, 3), 3)
    painted = labels.data.copy()
    refine(qtbot, panel)
    finer = labels.data.copy()
    assert agreement(finer, TRUTH) > max(0.97, agreement(painted, TRUTH))
    assert "pixels changed" in status(panel)
    labels.undo()
    np.testing.assert_array_equal(labels.data, painted)
    labels.redo()
    np.testing.assert_array_equal(labels.data, finer)
    labels.undo()
    labels.undo()
    np.testing.assert_array_equal(labels.data, OFF)


def test_only_a_drawn_rectangle_changes(
    viewer: Viewer, panel: SegmentPanel, labels: Labels, qtbot: QtBot
) -> None:
    draw(viewer, 20, 30, 70, 90)
    panel.form.refine.only.setChecked(True)
    refine(qtbot, panel)
    changed = np.argwhere(labels.data != OFF)
    assert len(changed) > 20
    assert changed.min(0).tolist() >= [20, 30]
    assert (changed.max(0) <= [70, 90]).all()
    assert agreement(labels.data[20:71, 30:91], TRUTH[20:71, 30:91]) > 0.97
    assert viewer.layers.selection.active == labels
    labels.undo()
    np.testing.assert_array_equal(labels.data, OFF)
    labels.translate = (10, 0)  # the same rectangle now lies ten rows further up in it
    refine(qtbot, panel)
    changed = np.argwhere(labels.data != OFF)
    assert changed.min(0).tolist() >= [10, 30]
    assert 50 < changed.max(0)[0] <= 60


def test_settings_are_those_of_the_method(panel: SegmentPanel) -> None:
    box = panel.form.refine
    box.method.setCurrentText("dynaguide")
    names = [box.preset.itemText(i) for i in range(box.preset.count())]
    assert names == list(REFINERS.presets("dynaguide"))
    assert (box.settings, box.preset.isEnabled()) == ("fast", True)
    box.preset.setCurrentText("photographs")
    box.method.setCurrentText("regions")
    assert (box.settings, box.preset.isEnabled()) == ("fast", False)


def test_the_history_tells_of_a_refinement_until_it_is_undone(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    with open_raster(scene) as source:
        sure = np.full(TRUTH.shape, 200, np.uint8)
        made = Segmentation(OFF.copy(), numbered_taxonomy(3), source.grid, sure)
    viewer.open(scene, plugin=PLUGIN)
    box = panel.form.refine
    box.method.setCurrentText("guided")
    box.preset.setCurrentText("wide")
    data, keywords, _ = labels_tuple(made, name="mine", scene="scene")
    layer = viewer.add_labels(data, **keywords)
    refine(qtbot, panel)

    def now() -> Segmentation:
        return mask_from(
            layer.data,
            metadata=layer.metadata,
            features=layer.features,
            colormap=layer.colormap,
        )[0]

    (step,) = now().provenance.config["refined"]
    assert (step["refiner"], step["preset"]) == ("guided", "wide")
    refined = now().confidence
    assert refined is not None
    assert (refined != sure).any()
    layer.undo()
    assert "refined" not in now().provenance.config
    np.testing.assert_array_equal(now().confidence, sure)


def test_regions_inside_classes_come_as_a_layer_of_their_own(
    viewer: Viewer, panel: SegmentPanel, tmp_path: Path, qtbot: QtBot
) -> None:
    image, patch = picture(TRUTH), np.zeros(TRUTH.shape, bool)
    patch[30:70, 20:60] = TRUTH[30:70, 20:60] == TRUTH[50, 40]
    image[:, patch] //= 3
    viewer.open(write_raster(tmp_path / "odd.tif", image, photometric="RGB"), plugin=PLUGIN)
    panel.form.refine.method.setCurrentText("guided")
    labels = viewer.add_labels(OFF.copy(), name="mine")
    refine(qtbot, panel)
    assert len(viewer.layers) == 2
    panel.form.refine.suggest.setChecked(True)
    refine(qtbot, panel)
    found = viewer.layers["mine · suggestions"]
    assert list(found.features["name"]) == ["unlabelled", f"class {TRUTH[50, 40]}, darker"]
    assert ((found.data == 1) & patch).sum() / ((found.data == 1) | patch).sum() > 0.8
    assert found.contour > 0
    assert set(np.unique(labels.data)) == {1, 2, 3}
    assert viewer.layers.selection.active == labels
    assert "Regions inside classes: 1" in status(panel)


def test_asking_for_a_rectangle_lets_the_user_draw_one(
    viewer: Viewer, panel: SegmentPanel, labels: Labels, qtbot: QtBot
) -> None:
    panel.form.refine.only.setChecked(True)
    (layer,) = (layer for layer in viewer.layers if isinstance(layer, Shapes))
    assert layer.mode == "add_rectangle"
    assert status(panel).startswith("Draw a rectangle")
    panel.form.refine.run.click()
    assert is_ready(panel)
    assert "a rectangle to work in, found none" in status(panel)
    draw(viewer, -50, -50, -20, -20)
    panel.form.refine.run.click()
    assert "found one beside it" in status(panel)
    draw(viewer, -50, -50, 300, 300)
    refine(qtbot, panel)
    assert agreement(labels.data, TRUTH) > 0.97


def test_cancelling_or_removing_the_labels_changes_nothing(
    viewer: Viewer, panel: SegmentPanel, labels: Labels, qtbot: QtBot
) -> None:
    panel.form.refine.method.setCurrentText("crf")
    panel.form.refine.run.click()
    panel.form.cancel.click()
    assert is_ready(panel)
    assert status(panel) == "Cancelled; nothing was changed."
    settle(qtbot)
    np.testing.assert_array_equal(labels.data, OFF)
    panel.form.refine.run.click()
    viewer.layers.remove(labels)
    assert is_ready(panel)
    assert (
        status(panel)
        == f"Refining {labels.name} was cancelled, because “{labels.name}” was removed."
    )
    settle(qtbot)
    assert not panel.form.refine.run.isEnabled()


def test_what_is_painted_meanwhile_stays(panel: SegmentPanel, labels: Labels, qtbot: QtBot) -> None:
    labels.brush_size = 30
    panel.form.refine.run.click()
    labels.paint((48, 56), 7)
    mine = labels.data == 7
    qtbot.waitUntil(lambda: is_ready(panel), timeout=60_000)
    assert bool((labels.data[mine] == 7).all())
    assert agreement(labels.data[~mine], TRUTH[~mine]) > 0.97
    assert "What you painted meanwhile stays." in status(panel)
    panel.form.refine.run.click()
    other = OFF.copy()  # of the same size: others all the same
    labels.data = other.copy()
    qtbot.waitUntil(lambda: is_ready(panel), timeout=60_000)
    assert "has other pixels by now; nothing was refined" in status(panel)
    np.testing.assert_array_equal(labels.data, other)


@pytest.mark.usefixtures("labels")
def test_what_cannot_be_refined_is_said(viewer: Viewer, panel: SegmentPanel, qtbot: QtBot) -> None:
    viewer.add_labels(np.ones((40, 40), np.uint8), name="small")
    refine(qtbot, panel)
    assert "labels on the grid of the image" in status(panel)
    viewer.add_labels([OFF, OFF[::2, ::2]], name="pyramid", multiscale=True)
    panel.form.refine.run.click()
    assert "a pyramid or a lazy array in" in status(panel)
    one = viewer.add_labels((TRUTH == 2).astype(int), name="one")
    refine(qtbot, panel)
    assert "at least two classes" in status(panel)
    np.testing.assert_array_equal(one.data, (TRUTH == 2).astype(int))
