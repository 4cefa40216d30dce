"""Classes that mean the same in many images: made and applied in the panel."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from features import agreement
from grounds import areas, campaign, picture, tile_files, write_tile
from models import build, save
from napari.layers import Image, Labels
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtWidgets import QFileDialog

from napari_firstpass.config import SegmentConfig
from napari_firstpass.fit_images import fit_files
from napari_firstpass.model_file import read_model, write_model
from napari_firstpass.widgets.classes_box import ASK
from napari_firstpass.widgets.scene import mask_of

if TYPE_CHECKING:
    from types import FrameType

    from napari.viewer import Viewer
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

    from napari_firstpass.provenance import Provenance
    from napari_firstpass.widgets.classes_box import ClassesBox
    from napari_firstpass.widgets.segment_panel import SegmentPanel
    from napari_firstpass.widgets.worker import Report

PLUGIN = "napari-firstpass"


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return tile_files(tmp_path_factory.mktemp("tiles"))


@pytest.fixture(scope="module")
def model(tiles: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as the command line writes it: 3 classes from two tiles."""
    config = SegmentConfig(method="kmeans", classes=3, seed=7)
    path = tmp_path_factory.mktemp("models") / "grounds.firstpass"
    return write_model(path, fit_files(tiles[:2], config))


def status(panel: SegmentPanel) -> str:
    return panel.form.status.text()


def wait(qtbot: QtBot, panel: SegmentPanel) -> None:
    qtbot.waitUntil(lambda: not panel.form.cancel.isEnabled(), timeout=60_000)


def run(qtbot: QtBot, panel: SegmentPanel) -> None:
    panel.form.run.click()
    assert panel.form.cancel.isEnabled()
    wait(qtbot, panel)


def settle(qtbot: QtBot) -> None:
    """Let threads end and everything they sent arrive."""
    QThreadPool.globalInstance().waitForDone()
    qtbot.wait(10)


def dialog_of(panel: SegmentPanel) -> QFileDialog:
    return panel.findChildren(QFileDialog)[-1]


def answer(panel: SegmentPanel, path: Path) -> None:
    """Choose a path in the dialog that is open."""
    dialog = dialog_of(panel)
    assert dialog.isVisible()
    dialog.fileSelected.emit(str(path))
    dialog.close()


def fit_layers(panel: SegmentPanel, out: Path) -> None:
    """Begin to fit on the open images, as a user does."""
    panel.form.fit.on_layers.click()
    answer(panel, out)


def fit_folder(panel: SegmentPanel, folder: Path, out: Path) -> None:
    """Begin to fit on a folder, as a user does."""
    panel.form.fit.on_folder.click()
    asked = dialog_of(panel)
    asked.fileSelected.emit(str(folder))
    asked.reject()
    answer(panel, out)


def pick(box: ClassesBox, text: str, qtbot: QtBot) -> None:
    """Open the list and take an item with the keyboard."""
    box.showPopup()
    view = box.view()
    view.setCurrentIndex(box.model().index(box.findText(text), 0))
    qtbot.keyClick(view, Qt.Key.Key_Return)


def open_model(panel: SegmentPanel, path: Path, qtbot: QtBot) -> None:
    """Choose a model file, as a user does, until it is read."""
    pick(panel.form.classes_from, ASK, qtbot)
    answer(panel, path)
    qtbot.waitUntil(lambda: not status(panel).startswith("Reading"), timeout=20_000)


def labels(viewer: Viewer) -> list[Labels]:
    return [layer for layer in viewer.layers if isinstance(layer, Labels)]


def record(layer: Labels) -> Provenance:
    info = mask_of(layer.metadata)
    assert info is not None
    return info.provenance


def settings(panel: SegmentPanel) -> tuple[str, int, int, str]:
    form = panel.form
    return (
        form.method.currentData(),
        form.classes.value(),
        form.options.seed.value,
        form.features.reference,
    )


def test_classes_of_two_layers_mean_the_same_on_a_third(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], tmp_path: Path, qtbot: QtBot
) -> None:
    viewer.open(tiles[:2], plugin=PLUGIN)
    fit_layers(panel, tmp_path / "grounds.firstpass")
    wait(qtbot, panel)
    assert "4 classes from 2 images in " in status(panel)
    assert "grounds.firstpass</a>" in status(panel)
    assert panel.form.classes_from.currentText() == "grounds"
    found: list[NDArray[np.integer]] = []
    for tile in tiles[:3]:
        viewer.open(tile, plugin=PLUGIN)  # an image that is opened is chosen
        run(qtbot, panel)
        found.append(labels(viewer)[-1].data)
    truth = campaign()[:3]
    # One name for each id, over all three tiles.
    assert agreement(np.concatenate(found), np.concatenate(truth)) > 0.9
    assert agreement(found[2], truth[2]) > 0.85
    assert labels(viewer)[-1].name == "tile_2 · grounds"


def test_the_file_is_the_one_that_the_command_line_writes(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], tmp_path: Path, qtbot: QtBot
) -> None:
    viewer.open(tiles[:2], plugin=PLUGIN)
    fit_layers(panel, tmp_path / "a.firstpass")
    wait(qtbot, panel)
    other = write_model(tmp_path / "b", fit_files(tiles[:2], SegmentConfig(classes=4)))
    assert (tmp_path / "a.firstpass").read_bytes() == other.read_bytes()


def test_labels_tell_which_model_they_are_of(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], model: Path, qtbot: QtBot
) -> None:
    viewer.open(tiles[2], plugin=PLUGIN)
    open_model(panel, model, qtbot)
    panel.form.options.min_region.value = 5
    run(qtbot, panel)
    (layer,) = labels(viewer)
    assert set(np.unique(layer.data)) <= {1, 2, 3}
    told = record(layer)
    assert (told.config["model"], told.config["method"]) == ("grounds.firstpass", "kmeans")
    assert told.config["model_sha256"] == read_model(model).sha256
    assert told.config["min_region"] == 5
    assert told.source == "tile_2.tif"
    assert told.source_sha256 is not None
    assert list(layer.features["name"])[1:] == ["cluster 1", "cluster 2", "cluster 3"]


def test_a_folder_is_fitted_without_our_own_label_maps(
    viewer: Viewer, panel: SegmentPanel, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "summer flight"
    folder.mkdir()
    files = tile_files(folder)
    viewer.open(files[0], plugin=PLUGIN)
    one_band = picture(campaign()[0], 0)[:1]
    for name in ("tile_0_labels.tif", "tile_0_labels_confidence.tif", ".tile_0.partial.tif"):
        write_tile(folder / name, one_band)
    (folder / "notes.txt").write_text("not an image")
    fit_folder(panel, folder, folder / "grounds.firstpass")
    wait(qtbot, panel)
    names = read_model(folder / "grounds.firstpass").provenance.config["fitted_on"]
    assert names == [f"tile_{i}.tif" for i in range(4)]
    run(qtbot, panel)
    assert agreement(labels(viewer)[0].data, campaign()[0]) > 0.85


def test_the_dialogs_propose_names_and_do_not_block(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], tmp_path: Path
) -> None:
    viewer.open(tiles[0], plugin=PLUGIN)
    panel.form.fit.on_layers.click()
    dialog = dialog_of(panel)
    assert dialog.acceptMode() == QFileDialog.AcceptMode.AcceptSave
    assert Path(dialog.selectedFiles()[0]) == tiles[0].with_name("classes.firstpass")
    dialog.reject()
    (tmp_path / "summer").mkdir()
    panel.form.fit.on_folder.click()
    dialog = dialog_of(panel)
    assert dialog.fileMode() == QFileDialog.FileMode.Directory
    dialog.fileSelected.emit(str(tmp_path / "summer"))
    dialog.reject()
    chosen = Path(dialog_of(panel).selectedFiles()[0])
    assert chosen == tmp_path / "summer" / "summer.firstpass"
    dialog_of(panel).reject()
    assert not panel.form.cancel.isEnabled()


def test_a_fit_that_is_cancelled_writes_nothing_and_chooses_nothing(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], tmp_path: Path, qtbot: QtBot
) -> None:
    viewer.open(tiles[:2], plugin=PLUGIN)
    seen: list[str] = []

    def cancel_in_the_middle(report: Report) -> None:
        seen.append(report.progress.message)
        if report.progress.done > report.progress.total // 2:
            panel.form.cancel.click()

    panel.queue._runner.reported.connect(cancel_in_the_middle)
    fit_layers(panel, tmp_path / "m.firstpass")
    wait(qtbot, panel)
    settle(qtbot)
    assert seen
    assert "writing the model" not in seen
    assert status(panel) == "Cancelled; nothing was changed."
    assert panel.form.classes_from.currentText() == "this image"
    assert not list(tmp_path.glob("*"))
    assert not list(tmp_path.glob(".*"))


def test_an_existing_model_is_replaced_whole_or_stays(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], model: Path, tmp_path: Path,
    qtbot: QtBot,
) -> None:  # fmt: skip
    out = tmp_path / "m.firstpass"
    out.write_bytes(model.read_bytes())
    viewer.open(tiles[:2], plugin=PLUGIN)
    fit_layers(panel, out)
    panel.form.cancel.click()
    settle(qtbot)
    assert out.read_bytes() == model.read_bytes()
    fit_layers(panel, out)
    wait(qtbot, panel)
    assert len(read_model(out).taxonomy) == 4


def test_a_file_of_another_ending_is_never_replaced(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], tmp_path: Path, qtbot: QtBot
) -> None:
    image = write_tile(tmp_path / "tile.tif", picture(campaign()[0], 0))
    before = image.read_bytes()
    viewer.open([image, tiles[1]], plugin=PLUGIN)
    fit_layers(panel, image)
    wait(qtbot, panel)
    assert image.read_bytes() == before
    assert len(read_model(tmp_path / "tile.tif.firstpass").taxonomy) == 4


def test_images_of_mixed_kinds_are_refused_and_the_first_that_differs_is_named(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], tmp_path: Path, qtbot: QtBot
) -> None:
    odd = write_tile(tmp_path / "odd.tif", picture(campaign()[1], 1).astype(np.uint16))
    viewer.open([tiles[0], odd, tiles[1]], plugin=PLUGIN)
    fit_layers(panel, tmp_path / "m.firstpass")
    wait(qtbot, panel)
    assert "Expected values of type uint8 in odd.tif, as in tile_0.tif, found uint16" in status(
        panel
    )
    assert not (tmp_path / "m.firstpass").exists()


def test_a_layer_that_is_no_image_of_ours_is_named(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], tmp_path: Path
) -> None:
    viewer.add_image(np.zeros((3, 8, 8)), name="stack")
    viewer.open(tiles[0], plugin=PLUGIN)
    fit_layers(panel, tmp_path / "m.firstpass")
    assert "found a stack of shape (3, 8, 8) in " in status(panel)
    assert not panel.form.cancel.isEnabled()


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_without_images_is_refused(
    panel: SegmentPanel, tmp_path: Path, qtbot: QtBot, is_there: bool
) -> None:
    folder = tmp_path / "empty"
    if is_there:
        folder.mkdir()
    fit_folder(panel, folder, tmp_path / "m.firstpass")
    wait(qtbot, panel)
    assert "Expected a folder with images (.tif, " in status(panel)
    assert list(tmp_path.glob("m*")) == []


def test_closing_a_layer_does_not_end_the_fit_on_it(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], tmp_path: Path, qtbot: QtBot
) -> None:
    (first,) = viewer.open(tiles[0], plugin=PLUGIN)
    pixels = np.moveaxis(picture(campaign()[1], 1), 0, -1)
    second = viewer.add_image(pixels, rgb=True, name="in memory")
    fit_layers(panel, tmp_path / "m.firstpass")
    viewer.layers.remove(second)
    assert status(panel) == "“in memory” was closed; the fit goes on, as it began."
    viewer.layers.remove(first)
    wait(qtbot, panel)
    assert "4 classes from 2 images in " in status(panel)
    names = read_model(tmp_path / "m.firstpass").provenance.config["fitted_on"]
    assert names == ["tile_0.tif", "in memory"]


def test_while_classes_are_fitted_runs_wait(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], tmp_path: Path, qtbot: QtBot
) -> None:
    viewer.open(tiles[:2], plugin=PLUGIN)
    fit_layers(panel, tmp_path / "m.firstpass")
    form = panel.form
    form.run.click()
    assert status(panel).endswith("begins once this run is done.")
    assert not any(isinstance(layer, Labels) for layer in viewer.layers)
    wait(qtbot, panel)
    assert (tmp_path / "m.firstpass").is_file()
    assert any(isinstance(layer, Labels) for layer in viewer.layers)
    assert "Choose “this image”" in form.fit.on_layers.toolTip()
    pick(form.classes_from, "this image", qtbot)
    assert form.fit.on_layers.isEnabled()
    assert form.fit.on_folder.isEnabled()


def test_the_buttons_say_how_many_images_are_open(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path]
) -> None:
    several = panel.form.fit
    assert not several.on_layers.isEnabled()
    assert several.on_layers.toolTip() == "No image is open."
    assert several.on_folder.isEnabled()
    viewer.open(tiles[:3], plugin=PLUGIN)
    viewer.add_labels(np.zeros((4, 4), dtype=np.uint8))
    assert several.on_layers.text() == "Fit on the 3 open images…"
    assert several.on_layers.isEnabled()
    viewer.layers.remove("tile_1")
    assert several.on_layers.text() == "Fit on the 2 open images…"


def test_what_a_model_decides_is_shown_and_given_back(
    panel: SegmentPanel, model: Path, qtbot: QtBot
) -> None:
    form = panel.form
    form.options.seed.value = 3
    form.features.setCurrentIndex(form.features.findText("texture"))
    before = settings(panel)
    open_model(panel, model, qtbot)
    assert form.classes_from.currentText() == "grounds"
    assert form.about.text() == "3 classes from 2 images; they mean the same in every image."
    assert settings(panel) == ("kmeans", 3, 7, "embedded")
    for widget in (form.method, form.classes, form.options.seed.native, form.features):
        assert not widget.isEnabled()
        assert "The model has decided this." in widget.toolTip()
    assert form.options.min_region.enabled
    pick(form.classes_from, "this image", qtbot)
    assert settings(panel) == before
    for widget in (form.method, form.classes, form.options.seed.native, form.features):
        assert widget.isEnabled()
        assert "The model has decided this." not in widget.toolTip()
    assert "Finds coherent regions" in form.about.text()
    pick(form.classes_from, "grounds", qtbot)
    assert settings(panel) == ("kmeans", 3, 7, "embedded")


def test_numbers_beyond_those_of_the_panel_are_shown_and_taken_back(
    panel: SegmentPanel, tiles: list[Path], tmp_path: Path, qtbot: QtBot
) -> None:
    config = SegmentConfig(method="kmeans", classes=300, seed=20_261_121)
    path = write_model(tmp_path / "fine.firstpass", fit_files(tiles[:2], config))
    open_model(panel, path, qtbot)
    assert settings(panel) == ("kmeans", 300, 20_261_121, "embedded")
    pick(panel.form.classes_from, "this image", qtbot)
    assert settings(panel) == ("primaps", 4, 0, "embedded")
    assert panel.form.classes.maximum() == 255


@pytest.mark.parametrize("kind", ["image", "damaged", "missing", "folder"])
def test_a_wrong_file_is_refused_in_a_sentence_and_the_choice_stays(
    panel: SegmentPanel, tiles: list[Path], model: Path, tmp_path: Path, qtbot: QtBot, kind: str
) -> None:
    open_model(panel, model, qtbot)
    wrong = tmp_path / "wrong.firstpass"
    if kind == "image":
        wrong.write_bytes(tiles[0].read_bytes())
    elif kind == "damaged":
        wrong.write_bytes(model.read_bytes()[:-9])
    elif kind == "folder":
        wrong.mkdir()
    open_model(panel, wrong, qtbot)
    assert "⚠ Expected a " in status(panel)
    assert "wrong.firstpass" in status(panel)
    assert panel.form.classes_from.currentText() == "grounds"
    assert settings(panel) == ("kmeans", 3, 7, "embedded")
    pick(panel.form.classes_from, "this image", qtbot)
    assert "⚠" not in status(panel)


def test_a_model_that_is_gone_fails_the_run_with_its_sentence(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], model: Path, tmp_path: Path,
    qtbot: QtBot,
) -> None:  # fmt: skip
    copy = tmp_path / "copy.firstpass"
    copy.write_bytes(model.read_bytes())
    viewer.open(tiles[0], plugin=PLUGIN)
    open_model(panel, copy, qtbot)
    copy.unlink()
    run(qtbot, panel)
    assert "found nothing there" in status(panel)
    assert labels(viewer) == []


def test_an_image_unlike_those_of_the_model_is_refused(
    viewer: Viewer, panel: SegmentPanel, model: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    pixels = picture(areas((0, 1), 5), 5)
    viewer.open(write_tile(tmp_path / "odd.tif", pixels.astype(np.uint16)), plugin=PLUGIN)
    open_model(panel, model, qtbot)
    run(qtbot, panel)
    assert "values of type uint8 in the image, as in grounds.firstpass" in status(panel)
    assert labels(viewer) == []


def test_a_model_on_a_network_of_the_user_s_needs_its_folder(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, qtbot: QtBot,
) -> None:  # fmt: skip
    monkeypatch.setenv("FIRSTPASS_CACHE", str(tmp_path / "cache"))
    network = save(build("DINOv2"), tmp_path / "my net")
    config = SegmentConfig(method="kmeans", classes=3, backbone=str(network))
    path = write_model(tmp_path / "m.firstpass", fit_files(tiles[:1], config))
    viewer.open(tiles[1], plugin=PLUGIN)
    open_model(panel, path, qtbot)
    assert panel.form.features.isEnabled()
    assert "“my net”" in panel.form.features.toolTip()
    run(qtbot, panel)
    assert "Expected the network “my net”, which m.firstpass was fitted on" in status(panel)
    panel.form.features.take_folder(network)
    run(qtbot, panel)
    (layer,) = labels(viewer)
    assert record(layer).config["backbone"] == "my net"
    assert str(tmp_path) not in record(layer).to_json()
    pick(panel.form.classes_from, "this image", qtbot)
    assert panel.form.features.reference == "embedded"


def test_a_fit_on_a_network_in_a_folder_can_be_applied_at_once(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, qtbot: QtBot,
) -> None:  # fmt: skip
    monkeypatch.setenv("FIRSTPASS_CACHE", str(tmp_path / "cache"))
    viewer.open(tiles[1], plugin=PLUGIN)
    panel.form.features.take_folder(save(build("DINOv2"), tmp_path / "my net"))
    fit_layers(panel, tmp_path / "m.firstpass")
    wait(qtbot, panel)
    run(qtbot, panel)
    assert record(labels(viewer)[0]).config["model"] == "m.firstpass"
    assert list((tmp_path / "cache").rglob("*.safetensors"))


def test_the_thread_of_the_window_neither_fits_nor_reads_models(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], model: Path, tmp_path: Path,
    qtbot: QtBot,
) -> None:  # fmt: skip
    called: set[str] = set()

    def note(frame: FrameType, *_: object) -> None:
        called.add(frame.f_code.co_name)

    viewer.open(tiles[:2], plugin=PLUGIN)
    sys.setprofile(note)  # of this thread only
    try:
        fit_layers(panel, tmp_path / "m.firstpass")
        wait(qtbot, panel)
        open_model(panel, model, qtbot)
        run(qtbot, panel)
    finally:
        sys.setprofile(None)
    assert record(labels(viewer)[0]).config["model"] == "grounds.firstpass"
    assert "show_model" in called
    heavy = {"read_model", "write_model", "fit_set_steps", "load_model_steps", "open_raster"}
    assert called.isdisjoint(heavy | {"images_in", "backbone_factory", "sha256_steps"})


def test_removing_the_image_cancels_the_run_of_a_model(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], model: Path, qtbot: QtBot
) -> None:
    (layer,) = viewer.open(tiles[0], plugin=PLUGIN)
    assert isinstance(layer, Image)
    open_model(panel, model, qtbot)
    panel.form.run.click()
    viewer.layers.remove(layer)
    assert not panel.form.cancel.isEnabled()
    settle(qtbot)
    assert len(viewer.layers) == 0


def test_closing_the_dock_ends_the_fit_and_writes_nothing(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path], tmp_path: Path, qtbot: QtBot
) -> None:
    viewer.open(tiles[:2], plugin=PLUGIN)
    fit_layers(panel, tmp_path / "m.firstpass")
    viewer.window.remove_dock_widget(panel.parentWidget())
    settle(qtbot)
    assert not (tmp_path / "m.firstpass").exists()
    viewer.open(tiles[2], plugin=PLUGIN)


def test_unfolding_does_not_widen_the_panel(
    viewer: Viewer, panel: SegmentPanel, tiles: list[Path]
) -> None:
    viewer.open(tiles, plugin=PLUGIN)
    panel.form.more.click()
    before = panel.minimumSizeHint().width()
    panel.form.several.click()
    assert panel.form.fit.on_layers.isVisibleTo(panel)
    assert panel.minimumSizeHint().width() == before
