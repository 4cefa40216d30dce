"""One working session at the desk, done with mouse and keys in a real viewer."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QEvent, QEventLoop, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_firstpass.io.export_folder import RECORD
from napari_firstpass.io.raster_file import write_raster
from napari_firstpass.io.taxonomy_file import write_taxonomy
from napari_firstpass.scenes import make_scene
from napari_firstpass.widgets.label_layers import labels_tuple
from napari_firstpass.widgets.proposal_window import ProposalWindow
from rulers.heartbeat import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.viewer import Viewer
    from numpy.typing import NDArray
    from qtpy.QtWidgets import QWidget

    from napari_firstpass.scenes import Scene
    from rulers.heartbeat import Phase

_PLUGIN = "napari-firstpass"
_LEFT, _NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
PLAINLY = (_LEFT, _NONE)
"""The left button, and no key."""

_TOOLS = (Qt.Key.Key_P, Qt.Key.Key_L, Qt.Key.Key_B)
_NUMBERS = (Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3, Qt.Key.Key_4, Qt.Key.Key_5)
_REACH = 12
"""Pixels of the image that a stroke or a box reaches from its middle."""

_MOVES = 6
"""Of the mouse, in a stroke."""

_KEPT_STEPS = 100
"""So many steps of a layer napari remembers."""

_PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Session:
    """What is done, and how much of it.

    Attributes
    ----------
    folder : Path
        Where the image and all that is written go.
    side : int
        Of the image, in pixels.
    prompts, strokes : int
        How many.
    """

    folder: Path
    side: int
    prompts: int
    strokes: int

    def watched(self, viewer: Viewer) -> list[Phase]:
        """Work through it, and return for how long the window did not answer meanwhile.

        Raises
        ------
        RuntimeError
            If something did not do what it is for.
        """
        scene = make_scene(self.side, self.side, seed=0)
        image = write_raster(self.folder / "scene.tif", scene.raster)
        write_taxonomy(self.folder / "classes.yaml", scene.truth.taxonomy)
        beat = Heartbeat()
        with beat.beating():
            desk = _Desk(viewer, beat)
            desk.open(image, scene)
            desk.run()
            desk.align(self.folder / "classes.yaml")
            desk.prompt(self.prompts)
            desk.paint(self.strokes)
            desk.merge()
            desk.undo_all()
            desk.export(self.folder / "masks")
        return beat.phases


class _Desk:
    """A viewer with the panel, and a hand."""

    def __init__(self, viewer: Viewer, beat: Heartbeat) -> None:
        self._viewer, self._beat = viewer, beat
        with beat.phase("open the panel"):
            _, dock = viewer.window.add_plugin_dock_widget(_PLUGIN, "Segment")
            until(lambda: dock.is_loaded)
            wait(300)
        self._panel = dock.panel
        self._canvas = viewer.window._qt_viewer.canvas.native  # noqa: SLF001 - for mouse and keys
        self._rng = np.random.default_rng(0)
        self._side = 0
        self._undone: NDArray[Any] = np.zeros(0)

    def open(self, image: Path, scene: Scene) -> None:
        """Open the image, and labels that name some places of it."""
        self._side = scene.raster.grid.height
        with self._beat.phase("open the image"):
            opened_by_loop(self._viewer, image)
            wait(300)
        data, keywords, _ = labels_tuple(scene.truth, name="truth", scene="scene")
        self._viewer.add_labels(data, visible=False, **keywords)
        self._viewer.layers.selection.active = self._viewer.layers["scene"]
        wait(300)

    def run(self) -> None:
        """Segment it."""
        form = self._panel.form
        with self._beat.phase("segment"):
            form.run.click()
            until(lambda: not form.cancel.isEnabled())
            wait(200)
        require(self._labels.data.shape == (self._side, self._side), "no labels of this size")

    def align(self, classes: Path) -> None:
        """Make clusters the classes of a list, as some labels name them."""
        box, before = self._panel.form.class_list, self._labels
        with self._beat.phase("align"):
            self._panel.form.classing.click()
            wait(300)
            box.lists.wanted.emit(str(classes))
            until(lambda: self._labels is not before)
            wait(300)
            box.way.showPopup()  # lists what there is by now
            box.way.hidePopup()
            box.way.setCurrentIndex(box.way.findText("truth", Qt.MatchFlag.MatchContains))
            box.propose.click()
            until(lambda: _proposals() is not None)
            self._undone = np.array(self._labels.data)
            _proposals().accept_all.click()
            until(lambda: not np.array_equal(self._labels.data, self._undone))
            wait(300)
            box.tree.clearFocus()
            self._panel.form.classing.click()

    def prompt(self, count: int) -> None:
        """Point at places in turn with points, strokes and boxes, and accept the outlines."""
        form = self._panel.form
        target, accepted = self._labels, 0
        with self._beat.phase(f"{count} prompts"):
            form.fixing.click()
            form.prompts.pointing.click()
            wait(100)
            while accepted < count:
                kind = accepted % len(_TOOLS)
                self._key(_TOOLS[kind])
                self._key(_NUMBERS[accepted % len(_NUMBERS)])
                row, col = self._rng.integers(2 * _REACH, self._side - 2 * _REACH, 2)
                reach = 0 if kind == 0 else _REACH
                self._drag((row - reach, col - reach), (row, col), (row + reach, col + reach))
                until(self._has_answer)
                if form.prompts.accept.isEnabled():
                    self._key(Qt.Key.Key_A)
                    accepted += 1
                wait(10)
            form.prompts.pointing.click()
            form.fixing.click()
        self._viewer.layers.selection.active = target

    def paint(self, count: int) -> None:
        """Paint strokes with the brush."""
        layer = self._labels
        with self._beat.phase(f"{count} strokes"):
            layer.mode, layer.brush_size = "paint", 9
            for index in range(count):
                layer.selected_label = 1 + index % 5
                row, col = self._rng.integers(3 * _REACH, self._side - 3 * _REACH, 2)
                steps = ((row + 5 * i, col + 3 * i) for i in range(_MOVES))
                self._drag(*steps)
                wait(5)
            layer.mode = "pan_zoom"

    def merge(self) -> None:
        """Make two classes one."""
        box = self._panel.form.class_list
        with self._beat.phase("merge"):
            self._panel.form.classing.click()
            wait(100)
            first, second = box.tree.listed[:2]
            before = np.array(self._labels.data)
            box.tree.choose(first)
            box.tree.item(second).setSelected(True)
            box.merge.click()
            until(lambda: not np.array_equal(self._labels.data, before))
            wait(500)

    def undo_all(self) -> None:
        """Take everything back that napari keeps: all, unless there were more steps than that."""
        layer, tries = self._labels, 0
        with self._beat.phase("undo all"):
            while tries < _KEPT_STEPS and not np.array_equal(layer.data, self._undone):
                self._key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
                wait(1)
                tries += 1
        require(
            tries >= _KEPT_STEPS or np.array_equal(layer.data, self._undone),
            "undoing everything does not bring the labels back",
        )

    def export(self, out: Path) -> None:
        """Write the labels for others."""
        form = self._panel.form
        with self._beat.phase("export"):
            form.exporting.click()
            wait(300)
            form.export.run.click()
            dialog = self._panel.findChild(QFileDialog)
            dialog.fileSelected.emit(str(out))
            dialog.reject()
            until(lambda: (out / RECORD).is_file() and "Exported" in form.status.text())
            wait(100)

    def _has_answer(self) -> bool:
        """Tell whether an outline is offered, or none was found."""
        status = self._panel.form.status.text()
        return self._panel.form.prompts.accept.isEnabled() or "Nothing was found" in status

    @property
    def _labels(self) -> Labels:
        """The labels that are worked on: those that came last."""
        found = [layer for layer in self._viewer.layers if isinstance(layer, Labels)]
        return next(layer for layer in reversed(found) if not layer.name.startswith("prompt"))

    def _at(self, row: float, col: float) -> QPoint:
        """Where a pixel of the image is on the canvas."""
        camera = self._viewer.scene.camera
        middle, zoom = camera.center[-2:], camera.zoom
        x = self._canvas.width() / 2 + (col - middle[1]) * zoom
        y = self._canvas.height() / 2 + (row - middle[0]) * zoom
        return QPoint(round(x), round(y))

    def _drag(self, *places: tuple[float, float]) -> None:
        """Press, move and release the mouse."""
        first, *others = (self._at(*place) for place in places)
        QTest.mousePress(self._canvas, _LEFT, _NONE, first)
        for place in others:
            move(self._canvas, place)
            wait(0)
        QTest.mouseRelease(self._canvas, _LEFT, _NONE, others[-1])

    def _key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = _NONE) -> None:
        QTest.keyClick(self._canvas, key, modifiers)


def _proposals() -> ProposalWindow | None:
    """Return the window in which classes are proposed, if it is open."""
    windows = QApplication.topLevelWidgets()
    return next((w for w in windows if isinstance(w, ProposalWindow) and w.isVisible()), None)


def move(canvas: QWidget, place: QPoint) -> None:
    """Move the mouse with its button down, which Qt's own helper forgets to say."""
    where, screen = QPointF(place), QPointF(canvas.mapToGlobal(place))
    event = QMouseEvent(QEvent.Type.MouseMove, where, screen, _LEFT, _LEFT, _NONE)
    QApplication.sendEvent(canvas, event)


def opened_by_loop(viewer: Viewer, path: Path) -> None:
    """Open a file while the window lives, as a user does; a script waits for all of it."""
    QTimer.singleShot(0, lambda: viewer.open(path, plugin=_PLUGIN))
    before = len(viewer.layers)
    until(lambda: len(viewer.layers) > before)


def require(is_so: bool, trouble: str) -> None:
    """End the session if something is not as it should be."""
    if not is_so:
        raise RuntimeError(trouble)


def wait(milliseconds: int) -> None:
    """Let the window live."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def until(is_so: Callable[[], bool]) -> None:
    """Let the window live until something is so."""
    end = perf_counter() + _PATIENCE_S
    while not is_so():
        require(perf_counter() < end, "it takes too long")
        wait(10)
