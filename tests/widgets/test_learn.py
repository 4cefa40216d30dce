"""Learning from corrections in the panel, in a real viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from borders import picture
from hands import Hand, opened
from mistaken import THREES, corrected, first_pass, square, truth
from qtpy.QtCore import Qt
from rasters import write_raster

from napari_firstpass.corrections import Taught
from napari_firstpass.grid import Grid
from napari_firstpass.lessons import Lesson
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy, color_of
from napari_firstpass.widgets.label_layers import labels_tuple, mask_from
from napari_firstpass.widgets.learn_box import told_of
from napari_firstpass.widgets.learning import PROPOSAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Labels
    from napari.viewer import Viewer
    from npe2 import PluginManager
    from pytestqt.qtbot import QtBot


def mask_now(layer: Labels) -> Segmentation:
    looks = {"features": layer.features, "colormap": layer.colormap}
    return mask_from(layer.data, metadata=layer.metadata, **looks)[0]


def test_a_proposal_is_shown_first_and_written_as_one_step(
    plugins: PluginManager,
    make_napari_viewer: Callable[..., Viewer],
    qtbot: QtBot,
    tmp_path: Path,
) -> None:
    del plugins
    scene = write_raster(tmp_path / "scene.tif", picture(truth()), photometric="RGB")
    hand = Hand(*opened(make_napari_viewer, qtbot, scene), qtbot)
    box, viewer = hand.panel.form.learn, hand.viewer
    hand.panel.form.learning.click()
    assert not box.learn.isEnabled()
    made = first_pass()
    classes = Taxonomy(tuple(LabelClass(i, f"class {i}", color_of(i)) for i in (1, 2, 3)))
    result = Segmentation(made, classes, Grid(*made.shape))
    data, keywords, _ = labels_tuple(result, name="made", scene="scene")
    labels = viewer.add_labels(data, **keywords)
    box.learn.click()
    qtbot.waitUntil(lambda: "correct a few regions first" in hand.status, timeout=30_000)
    labels.data_setitem(np.nonzero(corrected(2) == 3), 3)
    box.learn.click()
    qtbot.waitUntil(lambda: "written why" in hand.status, timeout=60_000)
    told = "class 2 → class 3: nothing yet; correct 3 more, 5 regions are needed."
    assert box.told.text() == told
    labels.data_setitem(np.nonzero(corrected(6) == 3), 3)
    before = labels.data.copy()
    box.learn.click()
    qtbot.waitUntil(box.accept.isEnabled, timeout=60_000)
    shown = viewer.layers[PROPOSAL].data
    assert np.mean([(shown[square(place)] == 3).mean() for place in THREES[6:]]) > 0.8
    assert box.told.text().startswith("class 2 → class 3: 10 places, ")
    assert "6 of 6 corrected regions were found again when left out" in box.told.text()
    np.testing.assert_array_equal(labels.data, before)
    hand.key(Qt.Key.Key_Escape)
    assert PROPOSAL not in viewer.layers
    np.testing.assert_array_equal(labels.data, before)
    box.learn.click()
    qtbot.waitUntil(box.accept.isEnabled, timeout=60_000)
    row, col = (int(i[0]) for i in np.nonzero(shown))
    labels.data_setitem((np.array([row]), np.array([col])), 1)  # painted while looking at it
    viewer.layers.selection.active = viewer.layers[PROPOSAL]
    hand.key(Qt.Key.Key_A)
    expected = np.where(shown, shown, before)
    expected[row, col] = 1
    np.testing.assert_array_equal(labels.data, expected)
    told = mask_now(labels).provenance
    assert told.edited == pytest.approx((6 * 32 * 32 + 1) / made.size)  # by a person
    assert told.config["learned"][0]["corrected"] == 6 * 32 * 32
    labels.undo()
    before[row, col] = 1
    np.testing.assert_array_equal(labels.data, before)
    assert "learned" not in mask_now(labels).provenance.config
    box.learn.click()
    viewer.layers.remove(labels)  # while it is being learned
    hand.settle()
    assert not box.accept.isEnabled()
    assert PROPOSAL not in viewer.layers


def test_kinds_are_told_briefly_what_is_proposed_first() -> None:
    few = [Taught(Lesson(1, after, 3)) for after in (2, 4)]
    alike = Taught(Lesson(1, 3, 6, verdict="alike"))
    small, alone = (Taught(Lesson(3, 1, 6, verdict=why)) for why in ("small", "alone"))
    assert told_of([small, alone], "abcde".__getitem__, 1000) == [
        "d → b: nothing; the regions that you corrected are too small.",
        "d → b: nothing; all that is here was corrected or reviewed.",
    ]
    learned = Taught(Lesson(2, 3, 8, 5, "learned"), pixels=20, places=1)
    assert told_of([*few, alike, learned], "abcde".__getitem__, 1000) == [
        "c → d: 1 place, 2.0 %; 5 of 8 corrected regions were found again when left out.",
        "b → d: nothing; what you corrected looks too much like what is left.",
        "2 other kinds: nothing; fewer than 5 regions of each were corrected.",
    ]
