"""The panel in a real viewer: choosing, running, cancelling, failing."""

from __future__ import annotations

import gc
import subprocess
import sys
from typing import TYPE_CHECKING
from weakref import ref

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import QThreadPool
from rasters import write_raster
from tiny_scenes import quarters, utm_grid

from napari_firstpass.widgets.scene import mask_of
from napari_firstpass.widgets.scene_layers import file_tuples

if TYPE_CHECKING:
    from pathlib import Path
    from weakref import ReferenceType

    from napari.viewer import Viewer
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

    from napari_firstpass.widgets.segment_panel import SegmentPanel

PLUGIN = "napari-firstpass"


def status(panel: SegmentPanel) -> str:
    return panel.form.status.text()


def is_ready(panel: SegmentPanel) -> bool:
    return not panel.form.cancel.isEnabled()


def run(qtbot: QtBot, panel: SegmentPanel) -> None:
    panel.form.run.click()
    assert not is_ready(panel)
    qtbot.waitUntil(lambda: is_ready(panel), timeout=60_000)


def settle(qtbot: QtBot) -> None:
    """Let threads end and everything they sent arrive."""
    QThreadPool.globalInstance().waitForDone()
    qtbot.wait(10)


def label_layers(viewer: Viewer) -> list[Labels]:
    return [layer for layer in viewer.layers if isinstance(layer, Labels)]


def test_a_run_labels_every_pixel_in_a_new_layer(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    run(qtbot, panel)
    (layer,) = label_layers(viewer)
    assert 1 < len(np.unique(layer.data)) <= 4
    assert set(np.unique(layer.data)) <= {1, 2, 3, 4}
    assert layer.name == "scene · primaps 4"
    assert " classes in " in status(panel)


def test_the_result_knows_its_place_and_history(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    run(qtbot, panel)
    info = mask_of(label_layers(viewer)[0].metadata)
    assert info is not None
    assert (info.grid, info.sources[0]) == (utm_grid(128, 160), scene)
    assert info.provenance.config["method"] == "primaps"
    assert info.provenance.source_sha256 is not None


def test_progress_grows_to_its_total(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    values: list[int] = []
    panel.form.bar.valueChanged.connect(values.append)
    viewer.open(scene, plugin=PLUGIN)
    run(qtbot, panel)
    *growing, last, after = values
    assert growing == sorted(growing)
    assert (last, after) == (panel.form.bar.maximum(), 0)


def test_the_panel_is_ready_right_after_cancel_and_no_layer_appears(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    panel.form.run.click()
    qtbot.waitUntil(lambda: panel.form.bar.value() > 0, timeout=60_000)
    panel.form.cancel.click()
    assert is_ready(panel)
    assert status(panel) == "Cancelled; nothing was changed."
    settle(qtbot)
    assert len(viewer.layers) == 1


def test_a_later_run_leaves_edited_labels_alone(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    run(qtbot, panel)
    (edited,) = label_layers(viewer)
    edited.paint((20, 20), 9)
    before = edited.data.copy()
    run(qtbot, panel)
    np.testing.assert_array_equal(edited.data, before)
    assert len(label_layers(viewer)) == 2


def test_painting_and_filling_can_be_undone(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    run(qtbot, panel)
    (layer,) = label_layers(viewer)
    before = layer.data.copy()
    layer.paint((20, 20), 9)
    layer.fill((96, 120), 7)
    assert (layer.data[20, 20], layer.data[96, 120]) == (9, 7)
    layer.undo()
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)


@pytest.mark.parametrize(
    ("bands", "found"),
    [
        (np.full((3, 64, 64), 7, dtype=np.uint8), "one"),
        (np.full((1, 64, 64), np.nan, dtype=np.float32), "valid"),
        (np.ones((3, 1, 1), dtype=np.uint8), ""),
    ],
)
def test_a_run_that_fails_says_why_and_changes_nothing(
    viewer: Viewer,
    panel: SegmentPanel,
    tmp_path: Path,
    qtbot: QtBot,
    bands: NDArray[np.generic],
    found: str,
) -> None:
    viewer.open(write_raster(tmp_path / "bad.tif", bands), plugin=PLUGIN)
    run(qtbot, panel)
    assert "Expected " in status(panel)
    assert found in status(panel)
    assert len(viewer.layers) == 1


def test_a_file_damaged_inside_is_noticed_by_the_run(
    viewer: Viewer, panel: SegmentPanel, tmp_path: Path, qtbot: QtBot
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, 2100, 64), dtype=np.uint8)
    options = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}
    path = write_raster(tmp_path / "scene.tif", noise, overviews=(2,), **options)
    content = bytearray(path.read_bytes())
    content[50_000:200_000] = bytes(150_000)  # pixels only; the overviews stand behind them
    path.write_bytes(content)
    data, keywords, _ = file_tuples(path, held_pixels=0)[0]
    viewer.add_image(data, **keywords)
    run(qtbot, panel)
    assert "damaged or cut short" in status(panel)
    assert len(viewer.layers) == 1


def test_an_array_without_a_file_can_be_segmented_and_that_is_said(
    viewer: Viewer, panel: SegmentPanel, qtbot: QtBot
) -> None:
    viewer.add_image(quarters().transpose(1, 2, 0), rgb=True, name="array")
    assert "no georeference: the mask will have none" in panel.form.facts.text()
    run(qtbot, panel)
    assert "The mask will have no georeference." in status(panel)
    assert label_layers(viewer)[0].name == "array · primaps 4"


def test_without_an_image_the_panel_says_what_to_do(panel: SegmentPanel) -> None:
    assert not panel.form.run.isEnabled()
    assert status(panel) == "Open an image to begin: drop a file on the window."
    assert panel.form.run.toolTip() == status(panel)


def test_a_stack_is_refused_when_it_is_chosen(viewer: Viewer, panel: SegmentPanel) -> None:
    viewer.add_image(np.zeros((3, 8, 8)), name="stack")
    assert not panel.form.run.isEnabled()
    assert "found a stack of shape (3, 8, 8)" in status(panel)
    assert "found a stack of shape (3, 8, 8)" in panel.form.run.toolTip()
    assert panel.form.facts.text() == ""


def test_an_image_that_is_opened_is_chosen(
    viewer: Viewer, panel: SegmentPanel, scene: Path
) -> None:
    viewer.add_image(quarters()[0], name="first")
    viewer.open(scene, plugin=PLUGIN)
    assert panel.form.image.currentText() == "scene"
    assert panel.form.facts.text() == "128 × 160 · 3 bands · 0.1 m · EPSG:32631"


def test_the_list_of_images_follows_the_viewer(viewer: Viewer, panel: SegmentPanel) -> None:
    first = viewer.add_image(quarters()[0], name="first")
    viewer.add_image(quarters()[1], name="second")
    viewer.add_labels(np.zeros((4, 4), dtype=np.uint8))
    first.name = "renamed"
    box = panel.form.image
    assert [box.itemText(i) for i in range(box.count())] == ["renamed", "second"]
    viewer.layers.remove("second")
    assert box.currentText() == "renamed"


def test_single_bands_of_a_scene_are_not_listed(
    viewer: Viewer, panel: SegmentPanel, tmp_path: Path
) -> None:
    bands = np.concatenate([quarters(), quarters()[:1]])
    names = ("red", "green", "blue", "nir")
    viewer.open(write_raster(tmp_path / "scene.tif", bands, names=names), plugin=PLUGIN)
    assert len(viewer.layers) == 2
    assert panel.form.image.count() == 1


def test_removing_the_image_cancels_its_run(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    (layer,) = viewer.open(scene, plugin=PLUGIN)
    panel.form.run.click()
    viewer.layers.remove(layer)
    assert is_ready(panel)
    settle(qtbot)
    assert len(viewer.layers) == 0


def test_closing_the_dock_ends_the_run(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    panel.form.run.click()
    viewer.window.remove_dock_widget(panel.parentWidget())
    settle(qtbot)
    assert len(viewer.layers) == 1
    viewer.add_image(quarters()[0])


@pytest.mark.parametrize("with_run", [False, True])
def test_a_closed_panel_is_forgotten(viewer: Viewer, qtbot: QtBot, with_run: bool) -> None:
    def opened_and_closed() -> ReferenceType[SegmentPanel]:
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
        panel = dock.panel
        if with_run:
            viewer.add_image(quarters()[0])
            run(qtbot, panel)
        viewer.window.remove_dock_widget(panel.parentWidget())
        return ref(panel)

    def is_gone() -> bool:
        gc.collect()
        return forgotten() is None

    forgotten = opened_and_closed()
    qtbot.waitUntil(is_gone)


def test_a_script_that_ends_during_a_run_ends_cleanly() -> None:
    code = (
        "import napari, numpy as np\n"
        "viewer = napari.Viewer(show=False)\n"
        "viewer.add_image(np.random.default_rng(0).random((600, 600)))\n"
        "_, dock = viewer.window.add_plugin_dock_widget('napari-firstpass', 'Segment')\n"
        "dock.panel.form.run.click()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


def test_closing_the_viewer_ends_the_run(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    panel.form.run.click()
    viewer.close()
    settle(qtbot)


def test_disabled_buttons_say_why(panel: SegmentPanel) -> None:
    assert panel.form.cancel.toolTip() == "Nothing is running."
    assert panel.form.save.toolTip() == "There are no labels yet: run, or select a labels layer."


def test_more_options_are_folded_away(viewer: Viewer, panel: SegmentPanel) -> None:
    del viewer
    seed = panel.form.options.seed.native
    assert not seed.isVisibleTo(panel)
    panel.form.more.click()
    assert seed.isVisibleTo(panel)


def test_the_options_reach_the_run(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    options = panel.form.options
    options.seed.value, options.min_region.value, options.refine.value = 5, 0, "superpixels"
    run(qtbot, panel)
    info = mask_of(label_layers(viewer)[0].metadata)
    assert info is not None
    told = info.provenance.config
    assert (told["seed"], told["min_region"]) == (5, 0)
    assert told["refine"]["refiner"] == "superpixels"


def test_what_only_networks_have_is_refused_in_a_sentence(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    panel.form.options.upsample.value = "guided"
    run(qtbot, panel)
    assert "leave upsample at none, or choose a network" in panel.form.status.text()
    panel.form.options.upsample.value = "none"
    panel.form.options.projection.value = scene
    run(qtbot, panel)
    assert scene.name in panel.form.status.text()
    assert not label_layers(viewer)


def test_each_method_is_explained(panel: SegmentPanel) -> None:
    panel.form.method.setCurrentIndex(panel.form.method.findData("kmeans"))
    assert panel.form.about.text() == "Groups pixels by colour and texture; the plain baseline."


def test_a_run_in_a_rectangle_labels_nothing_elsewhere(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    where = panel.form.where
    where.setCurrentText("this rectangle")
    assert "Draw a rectangle" in panel.form.status.text()
    panel.form.run.click()
    assert "a rectangle to work in, found none" in panel.form.status.text()
    shapes = viewer.layers["refine here"]
    shapes.add_rectangles(np.array([[8, 12], [8, 75], [71, 75], [71, 12]]))
    panel.form.run.click()
    qtbot.waitUntil(lambda: not panel.form.cancel.isEnabled(), timeout=60_000)
    layer = next(layer for layer in viewer.layers if isinstance(layer, Labels))
    assert layer.data.shape == viewer.layers[0].data.shape[:2]
    inside = np.zeros(layer.data.shape, bool)
    inside[8:72, 12:76] = True
    np.testing.assert_array_equal(layer.data > 0, inside)
    info = mask_of(layer.metadata)
    assert info is not None
    assert info.provenance.config["part"] == [8, 12, 64, 64]
