"""On a large scene: clusters are named at once, and corrections learned from wherever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from borders import picture
from hands import Hand, opened
from mistaken import THREES, first_pass, truth
from napari.settings import get_plugin_settings
from rasters import write_raster

from napari_firstpass.grid import Window
from napari_firstpass.io import project_folder
from napari_firstpass.io.project_folder import read_project_steps
from napari_firstpass.io.scene_labels import SceneLabels
from napari_firstpass.io.tile_store import TileStore
from napari_firstpass.progress import run
from napari_firstpass.provenance import Provenance
from napari_firstpass.taxonomy import LabelClass, Taxonomy, numbered_taxonomy
from napari_firstpass.widgets import proposal_runs, scene_following
from napari_firstpass.widgets.image_layers import grid_of
from napari_firstpass.widgets.label_layers import labels_keywords
from napari_firstpass.widgets.label_steps import change_pixels
from napari_firstpass.widgets.learning import PROPOSAL
from napari_firstpass.widgets.project_records import labels_again
from napari_firstpass.widgets.scene import MadeTiles, MaskInfo, mask_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.viewer import Viewer
    from npe2 import PluginManager
    from pytestqt.qtbot import QtBot

TIMES = 4
TRUTH, MADE = (np.tile(ids, (TIMES, TIMES)) for ids in (truth(), first_pass()))
GROUND, ROOF, WATER = 4, 5, 6
MEANT = np.array([0, GROUND, ROOF, WATER], np.uint8)
"""What squares and their field should be called."""


@pytest.mark.slow
def test_a_scene_is_named_at_once_and_learned_from_wherever_it_was_corrected(
    plugins: PluginManager,
    make_napari_viewer: Callable[..., Viewer],
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del plugins
    monkeypatch.setenv("FIRSTPASS_STATE", str(tmp_path / "state"))
    for module, name, value in (
        (scene_following, "EDIT_SIDE", 512),
        (scene_following, "MOST_SEEN", 450),
        (project_folder, "_HELD_PIXELS", 2**20),
        (proposal_runs, "_SAMPLE_SIDE", 256),
    ):
        monkeypatch.setattr(module, name, value)
    path = write_raster(tmp_path / "scene.tif", picture(TRUTH), photometric="RGB")
    hand = Hand(*opened(make_napari_viewer, qtbot, path), qtbot)
    get_plugin_settings("napari-firstpass").saving.seconds = 1
    form, viewer = hand.panel.form, hand.viewer
    scene = SceneLabels(TileStore(None, MADE.shape, MADE.dtype))
    scene.fill(MADE)
    names = ((GROUND, "ground"), (ROOF, "roof"), (WATER, "water"))
    classes = (LabelClass(i, name, f"#{i}0{i}0{i}0") for i, name in names)
    taxonomy = Taxonomy((*numbered_taxonomy(2).classes, *classes))
    tiles = MadeTiles(scene.store.copy())
    info = MaskInfo("scene", grid_of(hand.image), taxonomy, Provenance(), (path,), tiles=tiles)
    layer = hand.panel.following.add(scene, labels_keywords(info, "large"))

    # Both clusters are named after strokes, all at once.
    form.classing.click()
    strokes = np.where(np.indices(MADE.shape).sum(0) % 97 < 3, MEANT[MADE], 0).astype(np.uint8)
    viewer.add_labels(strokes, name="strokes").visible = False
    viewer.layers.selection.active = layer
    way, proposing = form.class_list.way, hand.panel._proposing
    way.showPopup()
    way.hidePopup()
    way.setCurrentText("after “strokes”")
    form.class_list.propose.click()
    qtbot.waitUntil(lambda: proposing.window is not None, timeout=30_000)
    proposing.window.accept_all.click()
    named = MEANT[MADE]
    qtbot.waitUntil(lambda: np.array_equal(np.asarray(scene), named), timeout=20_000)
    layer.undo()
    np.testing.assert_array_equal(np.asarray(scene), MADE)
    layer.redo()
    np.testing.assert_array_equal(np.asarray(scene), named)

    # Six squares in one corner are corrected; what is proposed lies in the opposite one.
    form.learning.click()
    form.learn.learn.click()
    qtbot.waitUntil(lambda: "zoom in" in hand.status, timeout=20_000)
    for row, col in THREES[:6]:
        change_pixels(layer, Window(row, col, 32, 32), np.full((32, 32), WATER, np.uint8))
    corrected = np.asarray(scene)
    with qtbot.waitSignal(hand.panel.following.shown, timeout=20_000):
        viewer.scene.camera.zoom = 2.0
        viewer.scene.camera.center = (MADE.shape[0] - 150, MADE.shape[1] - 150)
    part = scene.part.window
    assert (corrected == named)[part.slices].all()
    form.learn.learn.click()
    qtbot.waitUntil(form.learn.accept.isEnabled, timeout=60_000)
    assert "roof → water: " in form.learn.told.text()
    assert "6 of 6 corrected regions were found again" in form.learn.told.text()
    covered = hand.covered(PROPOSAL, MADE.shape)
    assert covered.any()
    outside = np.ones(MADE.shape, bool)
    outside[part.slices] = False
    assert not covered[outside].any()
    assert (TRUTH[covered] == 3).mean() > 0.99
    np.testing.assert_array_equal(np.asarray(scene), corrected)
    form.learn.accept.click()
    np.testing.assert_array_equal(np.asarray(scene), np.where(covered, WATER, corrected))
    taken = mask_of(layer.metadata).tiles.taken
    np.testing.assert_array_equal(np.asarray(taken), covered)
    told = mask_of(layer.metadata).provenance.config["learned"][0]
    assert (told["corrected"], told["changed"]) == (6 * 32 * 32, np.count_nonzero(covered))

    # What was accepted is no correction, not even after the project was opened again.
    keeping = hand.panel.keeping
    qtbot.waitUntil(lambda: not (keeping._changed or keeping._saving), timeout=20_000)
    (kept,) = (
        one for one in run(read_project_steps(path.with_suffix(".firstpass"))).layers
        if one.about["name"] == "large"
    )  # fmt: skip
    assert mask_of(labels_again(kept, ())[1]["metadata"]).tiles.taken == taken
    form.learn.learn.click()
    qtbot.waitUntil(lambda: "Learning" not in hand.status, timeout=60_000)
    form.learn.discard.click()
    layer.undo()
    np.testing.assert_array_equal(np.asarray(scene), corrected)
    assert mask_of(layer.metadata).tiles.taken is None
