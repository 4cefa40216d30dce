"""Take the pictures of the documentation: a real viewer, a real image, a real run.

Needs a screen; without one: ``xvfb-run -a -s "-screen 0 1366x768x24" python docs/screenshots.py``.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from types import MappingProxyType

# The user's settings and notes are neither used nor changed.
os.environ |= {"NAPARI_CONFIG": "", "FIRSTPASS_STATE": mkdtemp()}

from typing import TYPE_CHECKING

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QEvent, QEventLoop, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtWidgets import QWidget

IMAGES = Path(__file__).parent / "images"
THEMES = ("dark", "light")
SIZE = (1366, 768)
PLUGIN = "napari-firstpass"
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
CLICKS = ((487, 371, LEFT), (560, 430, RIGHT))
"""Rows and columns of the town: a roof, and the lawn beside it."""

OWN_LIST = """id,name,color
1,grass,#B7C95A
2,tree,#2E7D32
3,shadow,#3F3D56
4,rock,#E8C9A0
"""
STROKES = {
    1: ((333, 133), (373, 220), (40, 100)), 2: ((200, 80), (220, 153), (387, 320)),
    3: ((33, 33), (27, 220), (67, 107)), 4: ((297, 293), (230, 270), (277, 10)),
}  # fmt: skip
"""A list for `neon_sjer_10cm_epsg32611.tif`, and places (row, column) of its classes in there."""

CORRECTED = {"cluster 2": "grass", "cluster 7": "rock"}
"""Clusters whose three pictures show something else than was proposed."""

QUALITY = 72
PANELS = ("fix", "point", "learn", "review", "export")
"""Of these, the panel alone is shown, too."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What is corrected: rows and columns of an image.

    Attributes
    ----------
    regions, target
        Regions that get another class, and a place that has it.
    clicks
        What is pointed at, with which button.
    stroke
        Where the brush goes.
    format
        What is exported.
    """

    regions: tuple[tuple[int, int], ...]
    target: tuple[int, int]
    clicks: tuple[tuple[int, int, Qt.MouseButton], ...]
    stroke: tuple[tuple[int, int], ...]
    format: str


TOWN = Walk(
    ((1001, 396), (87, 619), (49, 563), (135, 699), (31, 514), (156, 612)), (20, 76), CLICKS,
    ((300, 180), (330, 230), (345, 300), (350, 370)), "chips",
)  # fmt: skip
RANGE = Walk(
    ((290, 314),), (60, 30), ((350, 330, LEFT), (300, 200, RIGHT)),
    ((150, 330), (155, 360), (170, 385)), "geotiff",
)  # fmt: skip
"""The same for `neon_sjer_10cm_epsg32611.tif`."""


def main() -> None:
    """Save pictures in each theme: of a run, its result, prompts, and the list of classes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("image", nargs="?", help="a GeoTIFF; the built-in town if none is given")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder for the pictures")
    parser.add_argument("--classes", type=int, default=8)
    parser.add_argument("--only-desk", action="store_true", help="only those of fixing and review")
    parser.add_argument("--only-classes", action="store_true", help="only those of the class list")
    real = "on a real image, of the National Ecological Observatory Network"
    parser.add_argument("--walk", action="store_true", help=f"only those of classes {real}")
    parser.add_argument("--real", action="store_true", help=f"only those of the desk {real}")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.walk:
        viewer, panel = _open(options.image, "light", options.classes)
        _walk(viewer, panel, options.out)
        return
    if options.real:
        viewer, panel = _open(options.image, "light", options.classes)
        panel.form.run.click()
        _wait_for_run(panel)
        _fix(viewer, panel, RANGE, "real", options.out)
        viewer.close()
        return
    for theme in THEMES:
        viewer, panel = _open(options.image, theme, options.classes)
        _begin(viewer, panel, theme, options.out)
        if options.only_classes or options.only_desk:
            panel.form.run.click()
            _wait_for_run(panel)
        else:
            _take(viewer, panel, theme, options.out)
        if not options.only_classes:
            _fix(viewer, panel, TOWN, theme, options.out)
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
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    panel = dock.panel
    panel.form.classes.setValue(classes)
    _wait(500)
    return viewer, panel


def _begin(viewer: napari.Viewer, panel: QWidget, theme: str, out: Path) -> None:
    _save(viewer, out / f"desk-open-{theme}.jpg")
    panel.form.more.click()
    _part(panel, "segment", theme, out)
    panel.form.more.click()


def _take(viewer: napari.Viewer, panel: QWidget, theme: str, out: Path) -> None:
    panel.form.run.click()
    while panel.form.bar.value() < panel.form.bar.maximum() // 2 and panel.form.cancel.isEnabled():
        _wait(50)
    viewer.window.screenshot(str(out / f"running-{theme}.png"), canvas_only=False)
    _wait_for_run(panel)
    viewer.window.screenshot(str(out / f"result-{theme}.png"), canvas_only=False)


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
    labels = viewer.layers[-1]
    while labels.name not in box.about.text():
        _wait(100)
    _wait(1500)  # its pixels are counted
    clusters = box.tree.listed[6:]
    strokes = np.zeros_like(labels.data)
    for place, number in enumerate((3, 4, 1, 0, 2)):  # lawn, trees, roads, nothing, roofs
        rows, cols = np.nonzero(labels.data == clusters[place])
        strokes[rows[::50], cols[::50]] = number
    viewer.add_labels(strokes, name="strokes").visible = False
    viewer.layers.selection.active = labels
    _propose(box, out / f"proposals-{theme}.png")
    box.tree.item(box.tree.listed[-1]).setSelected(True)
    _wait(1500)
    _part(panel, "classes", theme, out)
    viewer.window.screenshot(str(out / f"classes-{theme}.png"), canvas_only=False)


def _walk(viewer: napari.Viewer, panel: QWidget, out: Path) -> None:
    """Name the clusters of a real image after a few strokes, with a list of one's own."""
    box = panel.form.class_list
    panel.form.run.click()
    _wait_for_run(panel)
    panel.form.classing.click()
    with TemporaryDirectory() as folder:
        place = Path(folder) / "range.csv"
        place.write_text(OWN_LIST)
        box.lists.wanted.emit(str(place))
        while "range" not in viewer.layers[-1].name:
            _wait(100)
    _wait(1500)
    labels = viewer.layers[-1]
    _save(viewer, out / "walk-clusters.jpg")
    strokes = viewer.add_labels(np.zeros_like(labels.data), name="strokes")
    strokes.brush_size = 9
    for number, places in STROKES.items():
        for row, col in places:
            strokes.paint((row, col), number)
    strokes.visible = False
    viewer.layers.selection.active = labels
    _propose(box, out / "walk-proposals.jpg", CORRECTED)
    _save(viewer, out / "walk-classes.jpg")
    viewer.close()


def _propose(
    box: QWidget, picture: Path, corrected: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Have classes proposed after strokes, take a picture of that, and accept them, corrected."""
    _wait(1000)
    box.way.showPopup()
    box.way.hidePopup()
    box.way.setCurrentText("after “strokes”")
    box.propose.click()
    while not (windows := box.findChildren(QDialog)):
        _wait(100)
    _wait(1000)
    windows[0].grab().save(str(picture))
    numbers = {box.tree.item(one).text(0): one for one in box.tree.listed}
    for cluster, name in corrected.items():
        windows[0].row(numbers[cluster]).choice.setCurrentText(name)
    windows[0].accept_all.click()
    _wait(2500)


def _fix(viewer: napari.Viewer, panel: QWidget, walk: Walk, name: str, out: Path) -> None:
    """Correct regions, learn from that, and review others, as the tutorial does."""
    form, labels = panel.form, viewer.layers[-1]
    canvas = panel.window().findChild(QOpenGLWidget)

    def taken(step: str) -> None:
        _wait(1500)
        _save(viewer, out / f"desk-{step}-{name}.jpg")
        if step in PANELS and name in THEMES:
            _part(panel, step, name, out)

    taken("run")
    form.fixing.click()
    QTest.keyClick(canvas, "x")
    for place in walk.regions:
        _click(viewer, canvas, *place, LEFT)
        taken("fix")
        QTest.keyClick(canvas, str(labels.data[walk.target]))
        _wait(1000)
    labels.visible = False
    _point(viewer, panel, canvas, walk)
    taken("point")
    labels.visible = True
    QTest.keyClick(canvas, "a")
    _brush(viewer, canvas, walk)
    taken("brush")
    QTest.keyClick(canvas, "d")
    form.fixing.click()
    if name in THEMES:
        form.refining.click()
        _part(panel, "refine", name, out)
        form.refining.click()
    form.learning.click()
    form.learn.learn.click()
    _wait_for_run(panel)
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
    form.exporting.click()
    form.export.format.setCurrentText(walk.format)
    while "ignored" not in form.export.preview.toPlainText():
        _wait(100)
    taken("export")
    form.exporting.click()


def _save(viewer: napari.Viewer, path: Path) -> None:
    Image.fromarray(viewer.window.screenshot(flash=False, canvas_only=False)[..., :3]).save(
        path, quality=QUALITY
    )


def _part(panel: QWidget, name: str, theme: str, out: Path) -> None:
    """Take a picture of the panel alone."""
    _wait(600)
    panel.grab().save(str(out / f"panel-{name}-{theme}.png"), quality=1)


def _brush(viewer: napari.Viewer, canvas: QWidget, walk: Walk) -> None:
    """Paint a stroke as a user does, with the mouse."""
    QTest.keyClick(canvas, "d")
    QTest.keyClick(canvas, "5")
    viewer.layers.selection.active.brush_size = 14
    first, *others = (_place(viewer, canvas, *place) for place in walk.stroke)
    QTest.mousePress(canvas, LEFT, pos=first)
    for place in others:
        where, screen = QPointF(place), QPointF(canvas.mapToGlobal(place))
        kind, none = QEvent.Type.MouseMove, Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(canvas, QMouseEvent(kind, where, screen, LEFT, LEFT, none))
        _wait(50)
    QTest.mouseRelease(canvas, LEFT, pos=others[-1])


def _place(viewer: napari.Viewer, canvas: QWidget, row: int, col: int) -> QPoint:
    """Return where a pixel of the image is on the screen."""
    camera, middle = viewer.scene.camera, canvas.rect().center()
    down, right = row - camera.center[-2], col - camera.center[-1]
    return middle + QPoint(round(right * camera.zoom), round(down * camera.zoom))


def _click(
    viewer: napari.Viewer, canvas: QWidget, row: int, col: int, button: Qt.MouseButton
) -> None:
    QTest.mouseClick(canvas, button, pos=_place(viewer, canvas, row, col))


def _point(viewer: napari.Viewer, panel: QWidget, canvas: QWidget, walk: Walk) -> None:
    """Click on the image as a user does, and wait for the outline."""
    QTest.keyClick(canvas, "p")
    _wait(500)
    for click in walk.clicks:
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
