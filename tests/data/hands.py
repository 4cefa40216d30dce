"""A hand for mouse and keys over a real viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPoint, Qt, QThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Image
    from napari.viewer import Viewer
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QWidget

    from napari_firstpass.widgets.segment_panel import SegmentPanel

PLUGIN = "napari-firstpass"


def opened(
    make_napari_viewer: Callable[..., Viewer], qtbot: QtBot, scene: Path
) -> tuple[Viewer, SegmentPanel]:
    """A small viewer on the screen that shows a file, and the panel beside it."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(800, 600)  # without a graphics card, pixels cost time
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    panel = dock.panel
    viewer.open(scene, plugin=PLUGIN)
    qtbot.waitExposed(viewer.window._qt_window)
    qtbot.wait(50)
    return viewer, panel


class Hand:
    """A viewer on the screen with an image and the panel, and a hand for mouse and keys."""

    def __init__(self, viewer: Viewer, panel: SegmentPanel, qtbot: QtBot) -> None:
        self.viewer, self.panel, self.qtbot = viewer, panel, qtbot

    @property
    def canvas(self) -> QWidget:
        return self.viewer.window._qt_viewer.canvas.native

    @property
    def status(self) -> str:
        return self.panel.form.status.text()

    @property
    def image(self) -> Image:
        return self.panel.form.image.layer

    def covered(self, name: str, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """The pixels of an image of this shape that a layer over a part of it covers."""
        layer = self.viewer.layers[name]
        top, left = np.round(layer.data_to_world((0, 0))).astype(int)
        whole = np.zeros(shape, bool)
        height, width = layer.data.shape
        whole[top : top + height, left : left + width] = layer.data > 0
        return whole

    def at(self, row: float, col: float) -> QPoint:
        """Where a position of the image is on the canvas."""
        scene = self.viewer.scene.camera
        height, width = self.canvas.height(), self.canvas.width()
        centre, zoom = scene.center[-2:], scene.zoom
        x = width / 2 + (col - 0.5 - centre[1]) * zoom
        y = height / 2 + (row - 0.5 - centre[0]) * zoom
        return QPoint(round(x), round(y))

    def click(self, row: float, col: float, **how: object) -> None:
        button = how.pop("button", Qt.MouseButton.LeftButton)
        self.qtbot.mouseClick(self.canvas, button, pos=self.at(row, col), **how)

    def drag(self, *places: tuple[float, float], pause_ms: int = 0) -> None:
        """Draw a line; without a pause, not all that is between its ends is noticed."""
        first, *others = (self.at(*place) for place in places)
        left = Qt.MouseButton.LeftButton
        self.qtbot.mousePress(self.canvas, left, pos=first)
        for place in others:
            self.qtbot.wait(pause_ms)
            self.move(place)
        self.qtbot.mouseRelease(self.canvas, left, pos=others[-1])

    def move(self, place: QPoint) -> None:
        """Move the mouse with its button down, which Qt's own helper forgets to say."""
        from qtpy.QtCore import QEvent, QPointF
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        left = Qt.MouseButton.LeftButton
        where, screen = QPointF(place), QPointF(self.canvas.mapToGlobal(place))
        kind, none = QEvent.Type.MouseMove, Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(self.canvas, QMouseEvent(kind, where, screen, left, left, none))

    def key(self, key: Qt.Key, *modifiers: Qt.KeyboardModifier) -> None:
        self.qtbot.keyClick(self.canvas, key, *modifiers)

    def settle(self) -> None:
        QThreadPool.globalInstance().waitForDone()
        self.qtbot.wait(10)
