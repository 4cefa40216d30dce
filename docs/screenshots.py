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
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtTest import QTest

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

IMAGES = Path(__file__).parent / "images"
THEMES = ("dark", "light")
SIZE = (1366, 768)
PLUGIN = "napari-firstpass"
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
CLICKS = ((487, 371, LEFT), (560, 430, RIGHT))
"""Rows and columns of the town: a roof, and the lawn beside it."""


def main() -> None:
    """Save pictures in each theme: while an image is segmented, of the result, and of prompts."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("image", nargs="?", help="a GeoTIFF; the built-in town if none is given")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder for the pictures")
    parser.add_argument("--classes", type=int, default=8)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        _take(options.image, theme, options.classes, options.out)


def _take(image: str | None, theme: str, classes: int, out: Path) -> None:
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
    panel.form.run.click()
    while panel.form.bar.value() < panel.form.bar.maximum() // 2 and panel.form.cancel.isEnabled():
        _wait(50)
    viewer.window.screenshot(str(out / f"running-{theme}.png"), canvas_only=False)
    while panel.form.cancel.isEnabled():
        _wait(50)
    _wait(500)
    viewer.window.screenshot(str(out / f"result-{theme}.png"), canvas_only=False)
    _point(viewer, panel)
    viewer.window.screenshot(str(out / f"prompts-{theme}.png"), canvas_only=False)
    viewer.close()


def _point(viewer: napari.Viewer, panel: QWidget) -> None:
    """Click on the image as a user does, and wait for the outline."""
    viewer.layers[-1].visible = False
    panel.form.fixing.click()
    panel.form.prompts.pointing.click()
    _wait(500)
    canvas = panel.window().findChild(QOpenGLWidget)
    camera, middle = viewer.scene.camera, canvas.rect().center()
    for row, col, button in CLICKS:
        down, right = row - camera.center[-2], col - camera.center[-1]
        there = QPoint(round(right * camera.zoom), round(down * camera.zoom))
        QTest.mouseClick(canvas, button, pos=middle + there)
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
