"""Take the pictures of the documentation: a real viewer, a real image, a real run.

Needs a screen; without one: ``xvfb-run -a -s "-screen 0 1366x768x24" python docs/screenshots.py``.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ["NAPARI_CONFIG"] = ""  # the user's settings are neither used nor changed

from typing import TYPE_CHECKING

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QDialog

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

IMAGES = Path(__file__).parent / "images"
THEMES = ("dark", "light")
SIZE = (1366, 768)
PLUGIN = "napari-firstpass"
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
CLICKS = ((487, 371, LEFT), (560, 430, RIGHT))
"""Rows and columns of the town: a roof, and the lawn beside it."""

REGIONS, TARGET = ((487, 371), (560, 430)), (300, 300)
"""Regions that get another class, and a place that has it."""


def main() -> None:
    """Save pictures in each theme: of a run, its result, prompts, and the list of classes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("image", nargs="?", help="a GeoTIFF; the built-in town if none is given")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder for the pictures")
    parser.add_argument("--classes", type=int, default=8)
    parser.add_argument("--only-desk", action="store_true", help="only those of fixing and review")
    parser.add_argument("--only-classes", action="store_true", help="only those of the class list")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        viewer, panel = _open(options.image, theme, options.classes)
        if options.only_classes or options.only_desk:
            panel.form.run.click()
            _wait_for_run(panel)
        else:
            _take(viewer, panel, theme, options.out)
        if not options.only_classes:
            _fix(viewer, panel, theme, options.out)
        if not options.only_desk:
            _sort(viewer, panel, theme, options.out)
        viewer.close()


def _open(image: str | None, theme: str, classes: int) -> tuple[napari.Viewer, QWidget]:
    viewer = napari.Viewer(show=True)
    viewer.theme = theme
    viewer.window.resize(*SIZE)
    if image is None:
        viewer.open_sample(PLUGIN, "town")
    else:
        viewer.open(image, plugin=PLUGIN)
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    panel.form.classes.setValue(classes)
    _wait(500)
    return viewer, panel


def _take(viewer: napari.Viewer, panel: QWidget, theme: str, out: Path) -> None:
    panel.form.run.click()
    while panel.form.bar.value() < panel.form.bar.maximum() // 2 and panel.form.cancel.isEnabled():
        _wait(50)
    viewer.window.screenshot(str(out / f"running-{theme}.png"), canvas_only=False)
    _wait_for_run(panel)
    viewer.window.screenshot(str(out / f"result-{theme}.png"), canvas_only=False)
    _point(viewer, panel)
    viewer.window.screenshot(str(out / f"prompts-{theme}.png"), canvas_only=False)
    panel.form.prompts.pointing.click()
    panel.form.fixing.click()
    viewer.layers[-1].visible = True


def _wait_for_run(panel: QWidget) -> None:
    while panel.form.cancel.isEnabled():
        _wait(50)
    _wait(500)


def _sort(viewer: napari.Viewer, panel: QWidget, theme: str, out: Path) -> None:
    """Give clusters the classes of a list: one by dragging it, others as proposed by strokes."""
    box = panel.form.class_list
    panel.form.classing.click()
    box.lists.setCurrentText("potsdam")
    while "potsdam" not in viewer.layers[-1].name:
        _wait(100)
    _wait(1500)  # its pixels are counted
    labels, clusters = viewer.layers[-1], box.tree.listed[6:]
    strokes = np.zeros_like(labels.data)
    for number, cluster in enumerate(clusters[:3]):
        rows, cols = np.nonzero(labels.data == cluster)
        strokes[rows[::50], cols[::50]] = (4, 3, 1)[number]
    viewer.add_labels(strokes, name="strokes").visible = False
    viewer.layers.selection.active = labels
    _wait(1000)
    box.way.showPopup()
    box.way.hidePopup()
    box.way.setCurrentText("after “strokes”")
    box.propose.click()
    while not (windows := box.findChildren(QDialog)):
        _wait(100)
    _wait(1000)
    windows[0].grab().save(str(out / f"proposals-{theme}.png"))
    windows[0].accept_all.click()
    _wait(2500)
    box.tree.item(box.tree.listed[-1]).setSelected(True)
    _wait(1500)
    viewer.window.screenshot(str(out / f"classes-{theme}.png"), canvas_only=False)


def _fix(viewer: napari.Viewer, panel: QWidget, theme: str, out: Path) -> None:
    """Correct two regions, learn from that, and review others, as the tutorial does."""
    form, labels = panel.form, viewer.layers[-1]
    canvas = panel.window().findChild(QOpenGLWidget)

    def taken(step: str) -> None:
        _wait(2000)
        path = out / f"desk-{step}-{theme}.jpg"
        Image.fromarray(viewer.window.screenshot(canvas_only=False)[..., :3]).save(path, quality=85)

    taken("run")
    form.fixing.click()
    QTest.keyClick(canvas, "x")
    for place in REGIONS:
        _click(viewer, canvas, *place, LEFT)
        taken("fix")
        QTest.keyClick(canvas, str(labels.data[TARGET]))
        _wait(1000)
    QTest.keyClick(canvas, "x")
    form.fixing.click()
    form.learning.click()
    form.learn.learn.click()
    while not form.learn.accept.isEnabled():
        _wait(100)
    taken("learn")
    QTest.keyClick(canvas, "a")
    form.learning.click()
    form.reviewing.click()
    for key in "naaa":
        QTest.keyClick(canvas, key)
        _wait(2000)
    taken("review")
    form.review.doubt.click()
    viewer.reset_view()
    taken("doubt")
    form.reviewing.click()
    viewer.layers.selection.active = labels
    _export(viewer, panel, theme, out)


def _export(viewer: napari.Viewer, panel: QWidget, theme: str, out: Path) -> None:
    """Unfold what is exported, and wait until it is counted."""
    form = panel.form
    form.exporting.click()
    form.export.format.setCurrentText("chips")
    while "ignored" not in form.export.preview.toPlainText():
        _wait(100)
    _wait(500)
    picture = Image.fromarray(viewer.window.screenshot(canvas_only=False)[..., :3])
    picture.save(out / f"desk-export-{theme}.jpg", quality=85)
    form.exporting.click()


def _click(
    viewer: napari.Viewer, canvas: QWidget, row: int, col: int, button: Qt.MouseButton
) -> None:
    camera, middle = viewer.scene.camera, canvas.rect().center()
    down, right = row - camera.center[-2], col - camera.center[-1]
    there = QPoint(round(right * camera.zoom), round(down * camera.zoom))
    QTest.mouseClick(canvas, button, pos=middle + there)


def _point(viewer: napari.Viewer, panel: QWidget) -> None:
    """Click on the image as a user does, and wait for the outline."""
    viewer.layers[-1].visible = False
    panel.form.fixing.click()
    panel.form.prompts.pointing.click()
    _wait(500)
    canvas = panel.window().findChild(QOpenGLWidget)
    for click in CLICKS:
        _click(viewer, canvas, *click)
    while not panel.form.prompts.accept.isEnabled():
        _wait(50)
    _wait(1000)


def _wait(milliseconds: int) -> None:
    """Let the window live; a loop of our own would take the processor from the run."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


if __name__ == "__main__":
    main()
