"""Choosing a backbone in the panel, and the folders in napari's Preferences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from models import build, save, text_model
from napari.layers import Labels
from napari.settings import get_plugin_settings
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_firstpass.backbones import backbone_factory
from napari_firstpass.errors import WeightsError
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.progress import run as drive
from napari_firstpass.weights.fetch import fetch_steps
from napari_firstpass.weights.folder import find, remove
from napari_firstpass.widgets.features_box import ASK
from napari_firstpass.widgets.scene import mask_of

if TYPE_CHECKING:
    from types import FrameType

    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

    from napari_firstpass.provenance import Provenance
    from napari_firstpass.widgets.features_box import FeaturesBox
    from napari_firstpass.widgets.segment_panel import SegmentPanel
    from napari_firstpass.widgets.worker import Report

PLUGIN = "napari-firstpass"

# Must come before the viewer: settings of one test are none of the next.
pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty folders for weights and features, where the user says nothing."""
    for name in ("FIRSTPASS_WEIGHTS", "FIRSTPASS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return save(build("DINOv2"), tmp_path / "my model")


def install(name: str, source: Path, home: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRSTPASS_WEIGHTS", str(home))
        drive(fetch_steps(name, source=source))


def listed(box: FeaturesBox) -> list[str]:
    """Open the list as a user does, and read it."""
    box.showPopup()
    texts = [box.itemText(index) for index in range(box.count())]
    box.hidePopup()
    return texts


def choose(box: FeaturesBox, text: str, qtbot: QtBot) -> None:
    """Open the list and take an item with the keyboard."""
    box.showPopup()
    view = box.view()
    assert view is not None
    view.setCurrentIndex(box.model().index(box.findText(text), 0))
    qtbot.keyClick(view, Qt.Key.Key_Return)


def run(qtbot: QtBot, panel: SegmentPanel) -> None:
    panel.form.run.click()
    qtbot.waitUntil(lambda: not panel.form.cancel.isEnabled(), timeout=60_000)


def provenance(viewer: Viewer) -> Provenance:
    (layer,) = [layer for layer in viewer.layers if isinstance(layer, Labels)]
    info = mask_of(layer.metadata)
    assert info is not None
    return info.provenance


def entries(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.safetensors"))


def test_our_own_backbones_are_listed_and_explained(panel: SegmentPanel) -> None:
    box = panel.form.features
    assert listed(box) == ["embedded", "texture", ASK]
    assert box.reference == "embedded"
    assert len(box.toolTip()) > 20
    box.setCurrentIndex(box.findText("texture"))
    assert "the plain baseline, nothing learned." in panel.form.features_about.text()
    assert all(box.itemData(i, Qt.ItemDataRole.ToolTipRole) for i in range(box.count()))


def test_without_the_extra_for_networks_the_panel_opens_lists_and_segments(scene: Path) -> None:
    code = f"""
import sys
for name in ("transformers", "huggingface_hub", "safetensors"):
    sys.modules[name] = None  # as if it were not installed
import time, napari
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer(show=False)
viewer.open({str(scene)!r}, plugin={PLUGIN!r})
_, dock = viewer.window.add_plugin_dock_widget({PLUGIN!r}, "Segment")
panel = dock.panel
panel.form.features.showPopup()
panel.form.features.hidePopup()
panel.form.run.click()
while panel.form.cancel.isEnabled():
    QApplication.processEvents()
    time.sleep(0.05)
print([layer.name for layer in viewer.layers], panel.form.status.text())
viewer.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert "'scene · primaps 8'" in done.stdout
    assert " classes in " in done.stdout


def test_the_choice_reaches_the_run(
    viewer: Viewer, panel: SegmentPanel, scene: Path, home: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    choose(panel.form.features, "texture", qtbot)
    run(qtbot, panel)
    assert provenance(viewer).config["backbone"] == "texture"
    assert not entries(home)


def test_a_network_in_a_folder_labels_the_image_and_the_labels_say_which_but_not_where(
    viewer: Viewer, panel: SegmentPanel, scene: Path, network: Path, home: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    panel.form.features.take_folder(network)
    assert panel.form.features.currentText() == "my model"
    run(qtbot, panel)
    found = provenance(viewer)
    assert found.config["backbone"] == "my model"
    assert found.weights_sha256 == VisionFolder(network).sha256()
    assert str(home) not in found.to_json()
    (layer,) = [layer for layer in viewer.layers if isinstance(layer, Labels)]
    assert set(np.unique(layer.data)) <= {1, 2, 3, 4}
    assert entries(home / "caches" / "napari-firstpass" / "features")


def test_another_method_computes_no_features_again(
    viewer: Viewer, panel: SegmentPanel, scene: Path, network: Path, home: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    panel.form.features.take_folder(network)
    run(qtbot, panel)
    before = entries(home / "caches")
    panel.form.method.setCurrentIndex(panel.form.method.findData("kmeans"))
    run(qtbot, panel)
    assert entries(home / "caches") == before
    assert len(viewer.layers) == 3


def test_the_dialog_gives_the_folder_and_cancelling_it_keeps_the_choice(
    panel: SegmentPanel, network: Path, qtbot: QtBot
) -> None:
    box = panel.form.features
    choose(box, "texture", qtbot)
    choose(box, ASK, qtbot)
    assert (box.reference, box.currentText()) == ("texture", "texture")
    (dialog,) = box.findChildren(QFileDialog)
    assert dialog.fileMode() == QFileDialog.FileMode.Directory
    dialog.reject()
    assert box.reference == "texture"
    choose(box, ASK, qtbot)
    dialog = box.findChildren(QFileDialog)[-1]
    dialog.fileSelected.emit(str(network))
    dialog.reject()
    assert box.reference == str(network)


def test_a_folder_without_a_network_is_refused_in_a_sentence_and_the_choice_stays(
    panel: SegmentPanel, network: Path, tmp_path: Path
) -> None:
    box = panel.form.features
    box.take_folder(network)
    (tmp_path / "photos").mkdir()
    box.take_folder(tmp_path / "photos")
    text = panel.form.status.text()
    assert "Expected a folder with config.json at" in text
    assert "photos, found a folder without it" in text
    assert (box.reference, box.currentText()) == (str(network), "my model")
    assert listed(box) == ["embedded", "texture", "my model", ASK]


def test_a_refusal_is_taken_back_when_another_folder_is_chosen(
    panel: SegmentPanel, network: Path, tmp_path: Path
) -> None:
    before = panel.form.status.text()
    panel.form.features.take_folder(tmp_path / "nowhere")
    assert "no such folder" in panel.form.status.text()
    panel.form.features.take_folder(network)
    assert panel.form.status.text() == before


@pytest.mark.parametrize("name", ["~nobody-of-this-name/model", "x" * 300])
def test_a_folder_that_cannot_be_looked_at_is_refused_as_well(
    panel: SegmentPanel, name: str
) -> None:
    with pytest.raises(WeightsError) as caught:
        find(f"{name}/")
    assert name in str(caught.value)
    panel.form.features.take_folder(Path(name))
    assert "Expected a folder with config.json at" in panel.form.status.text()
    assert panel.form.features.reference == "embedded"


def test_a_long_name_is_shortened_and_its_path_is_a_tooltip_away(
    panel: SegmentPanel, tmp_path: Path
) -> None:
    folder = tmp_path / ("long " * 12 + "name")
    panel.form.features.take_folder(save(build("DINOv2"), folder))
    box = panel.form.features
    assert box.currentText() == "long long long long long long long long…"
    box.resize(120, box.height())
    assert box.shown_text.endswith("…")
    assert len(box.shown_text) < len(box.currentText())
    box.resize(1000, box.height())
    assert box.shown_text == box.currentText()
    tip = panel.form.features.currentData(Qt.ItemDataRole.ToolTipRole)
    assert (tip, panel.form.features.reference) == (str(folder), str(folder))


def test_a_network_that_cannot_see_fails_the_run_with_its_sentence(
    viewer: Viewer, panel: SegmentPanel, scene: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    panel.form.features.take_folder(save(text_model(), tmp_path / "bert"))
    run(qtbot, panel)
    assert "Expected a model of colour images" in panel.form.status.text()
    assert len(viewer.layers) == 1


def test_an_installed_network_is_listed_when_the_list_is_opened_and_runs(
    viewer: Viewer,
    panel: SegmentPanel,
    scene: Path,
    network: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", str(home / "weights"))
    box = panel.form.features
    assert "dinov2-s" not in listed(box)
    install("dinov2-s", network, home / "weights")
    install("segformer-b0-ade", network, home / "weights")  # for another task
    assert listed(box) == ["embedded", "texture", "dinov2-s", ASK]
    viewer.open(scene, plugin=PLUGIN)
    choose(box, "dinov2-s", qtbot)
    assert box.reference == "dinov2-s"
    assert "DINOv2" in panel.form.features_about.text()
    run(qtbot, panel)
    found = provenance(viewer)
    assert found.config["backbone"] == "dinov2-s"
    assert found.weights_sha256 == backbone_factory("dinov2-s").weights_sha256()


def test_folders_set_in_the_preferences_are_used(
    viewer: Viewer, panel: SegmentPanel, scene: Path, network: Path, home: Path, qtbot: QtBot
) -> None:
    install("dinov2-s", network, home / "team")
    folders = get_plugin_settings(PLUGIN).folders
    folders.weights, folders.cache = str(home / "team"), str(home / "fast disk")
    viewer.open(scene, plugin=PLUGIN)
    choose(panel.form.features, "dinov2-s", qtbot)
    run(qtbot, panel)
    assert provenance(viewer).config["backbone"] == "dinov2-s"
    assert entries(home / "fast disk")
    assert not (home / "caches" / "napari-firstpass").exists()
    folders.cache, folders.room = str(home / "no room"), 0
    run(qtbot, panel)
    assert " classes in " in panel.form.status.text()
    assert not entries(home / "no room")


@pytest.mark.parametrize("weights", ["gone", "~nobody-of-this-name", "x" * 300])
def test_a_wrong_folder_for_weights_is_said_and_the_choice_stays(
    viewer: Viewer,
    panel: SegmentPanel,
    scene: Path,
    network: Path,
    home: Path,
    qtbot: QtBot,
    weights: str,
) -> None:
    install("dinov2-s", network, home / "team")
    folders = get_plugin_settings(PLUGIN).folders
    folders.weights = str(home / "team")
    box = panel.form.features
    choose(box, "dinov2-s", qtbot)
    folders.weights = weights
    assert listed(box) == ["embedded", "texture", "dinov2-s", ASK]
    assert weights in panel.form.status.text()
    assert "⚠ Expected " in panel.form.status.text()
    assert box.reference == str(home / "team" / "dinov2-s")
    viewer.open(scene, plugin=PLUGIN)
    run(qtbot, panel)
    assert provenance(viewer).config["backbone"] == "dinov2-s"


def test_a_chosen_network_that_is_gone_stays_chosen_and_the_run_says_so(
    viewer: Viewer,
    panel: SegmentPanel,
    scene: Path,
    network: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", str(home / "weights"))
    install("dinov2-s", network, home / "weights")
    choose(panel.form.features, "dinov2-s", qtbot)
    remove("dinov2-s")
    assert listed(panel.form.features) == ["embedded", "texture", "dinov2-s", ASK]
    viewer.open(scene, plugin=PLUGIN)
    run(qtbot, panel)
    assert "Expected the weights dinov2-s in" in panel.form.status.text()
    choose(panel.form.features, "texture", qtbot)
    assert listed(panel.form.features) == ["embedded", "texture", ASK]


def test_a_folder_for_features_must_be_a_full_path_where_features_are_kept(
    viewer: Viewer, panel: SegmentPanel, scene: Path, network: Path, qtbot: QtBot
) -> None:
    get_plugin_settings(PLUGIN).folders.cache = "features"
    viewer.open(scene, plugin=PLUGIN)
    panel.form.features.take_folder(network)
    run(qtbot, panel)
    assert "Expected a full path" in panel.form.status.text()
    assert not Path("features").exists()
    choose(panel.form.features, "texture", qtbot)
    run(qtbot, panel)
    assert " classes in " in panel.form.status.text()


def test_environment_variables_win_over_the_preferences(
    viewer: Viewer,
    panel: SegmentPanel,
    scene: Path,
    network: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    install("dinov2-s", network, home / "set in napari")
    install("dinov2-b", network, home / "weights")
    folders = get_plugin_settings(PLUGIN).folders
    folders.weights, folders.cache = str(home / "set in napari"), str(home / "set in napari")
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", str(home / "weights"))
    monkeypatch.setenv("FIRSTPASS_CACHE", str(home / "cache"))
    viewer.open(scene, plugin=PLUGIN)
    assert listed(panel.form.features) == ["embedded", "texture", "dinov2-b", ASK]
    choose(panel.form.features, "dinov2-b", qtbot)
    run(qtbot, panel)
    assert entries(home / "cache")


def test_a_device_that_is_not_there_is_said(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    get_plugin_settings(PLUGIN).computing.device = "cuda"
    viewer.open(scene, plugin=PLUGIN)
    run(qtbot, panel)
    assert "Expected a CUDA device" in panel.form.status.text()


def test_a_cache_that_cannot_be_written_is_said_and_stops_nothing(
    viewer: Viewer, panel: SegmentPanel, scene: Path, network: Path, home: Path, qtbot: QtBot
) -> None:
    (home / "file").write_text("a file where the folder should be")
    get_plugin_settings(PLUGIN).folders.cache = str(home / "file")
    viewer.open(scene, plugin=PLUGIN)
    panel.form.features.take_folder(network)
    run(qtbot, panel)
    text = panel.form.status.text()
    assert " classes in " in text
    assert text.count("expected to keep features in") == 1
    assert provenance(viewer).config["backbone"] == "my model"


def test_the_network_is_never_read_in_the_thread_of_the_window(
    viewer: Viewer, panel: SegmentPanel, scene: Path, network: Path, qtbot: QtBot
) -> None:
    called: set[str] = set()

    def note(frame: FrameType, *_: object) -> None:
        called.add(frame.f_code.co_name)

    viewer.open(scene, plugin=PLUGIN)
    sys.setprofile(note)  # of this thread only
    try:
        panel.form.features.take_folder(network)
        listed(panel.form.features)
        run(qtbot, panel)
    finally:
        sys.setprofile(None)
    assert provenance(viewer).weights_sha256 == VisionFolder(network).sha256()
    assert "take_folder" in called
    assert called.isdisjoint({"backbone_factory", "load_model", "weights_sha256", "sha256_steps"})


def test_a_run_on_a_network_can_be_cancelled_while_it_loads_and_started_again(
    viewer: Viewer, panel: SegmentPanel, scene: Path, network: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    panel.form.features.take_folder(network)

    def cancel_while_loading(report: Report) -> None:
        if report.progress.message == "loading the weights":
            panel.form.cancel.click()

    panel.queue._runner.reported.connect(cancel_while_loading)
    panel.form.run.click()
    qtbot.waitUntil(lambda: not panel.form.cancel.isEnabled(), timeout=60_000)
    panel.queue._runner.reported.disconnect(cancel_while_loading)
    assert panel.form.status.text() == "Cancelled; nothing was changed."
    run(qtbot, panel)
    assert " classes in " in panel.form.status.text()
    assert provenance(viewer).config["backbone"] == "my model"


def test_the_wheel_leaves_the_choice_alone(panel: SegmentPanel) -> None:
    box = panel.form.features
    down, none = QPoint(0, -120), Qt.MouseButton.NoButton
    event = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), down, down, none, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(box, event)
    assert box.reference == "embedded"


@pytest.mark.usefixtures("viewer")
def test_napari_shows_our_preferences_and_keeps_them(home: Path) -> None:
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    dialog = PreferencesDialog()
    names = [dialog._list.item(row).text() for row in range(dialog._list.count())]
    dialog.close()
    assert "firstpass" in names
    settings = get_plugin_settings(PLUGIN)
    settings.folders.weights = str(home / "team")
    assert str(home / "team") in settings.config_path.read_text()
