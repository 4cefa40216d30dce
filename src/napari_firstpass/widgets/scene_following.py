"""Labels of large scenes follow the view: painted on close by, seen whole from afar."""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QApplication

from napari_firstpass.errors import FirstPassError
from napari_firstpass.grid import Window
from napari_firstpass.io.scene_labels import scene_behind
from napari_firstpass.progress import Progress
from napari_firstpass.widgets.image_layers import grid_of
from napari_firstpass.widgets.label_history import history_entry, note_kept
from napari_firstpass.widgets.scene import mask_of
from napari_firstpass.widgets.session import Message
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_firstpass.grid import Grid
    from napari_firstpass.io.scene_labels import Part, SceneLabels
    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.worker import Reply

EDIT_SIDE = 4096
"""Side in pixels of the window that can be painted on; graphics cards take twice as much."""

MOST_SEEN = 3584
"""Where more are seen, a pixel of the screen is several: then the whole is shown, smaller."""

_STEP = 256
_WAIT_MS = 120
_FREE = ("pan_zoom", "transform", "pick")
CLOSER = "Zoom in first: from here the labels are shown smaller than they are."


class SceneFollowing(QObject):
    """Shows that part of large labels which is looked at.

    Signals
    -------
    said : Message
        Something for the status line.
    shown
        Another part is shown.

    Parameters
    ----------
    viewer : Viewer
        Holds the layers.
    """

    said = Signal(object)
    shown = Signal()

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._runner = Runner(self)
        self._run = 0
        self._loading: Labels | None = None
        self._layers: dict[Any, Labels] = {}
        self._modes: dict[Any, str] = {}
        self._resting = QTimer(self)
        self._resting.setSingleShot(True)
        self._resting.setInterval(_WAIT_MS)
        self._resting.timeout.connect(self._follow)
        self._runner.replied.connect(self._on_loaded)
        self._told: list[tuple[Labels, list[Any]]] = []
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(0)
        self._late.timeout.connect(self._on_late)
        viewer.scene.camera.events.zoom.connect(self._on_moved)
        viewer.scene.camera.events.center.connect(self._on_moved)
        viewer.layers.events.removed.connect(self._on_removed)

    def add(self, scene: SceneLabels, keywords: dict[str, Any]) -> Labels:
        """Add a layer of a scene, which follows the view from now on."""
        layer = self._viewer.add_labels(scene.part.values, **keywords)
        self._place(layer, scene.part)
        self._layers[layer.unique_id] = layer
        layer.events.paint.connect(self._on_painted)
        layer.events.mode.connect(self._on_mode)
        layer.events.set_data.connect(self._on_drawn)
        self._resting.start()
        return layer

    def let_go(self) -> None:
        """Hold nothing of the viewer any more."""
        self._resting.stop()
        self._runner.stop()
        self._viewer.scene.camera.events.zoom.disconnect(self)
        self._viewer.scene.camera.events.center.disconnect(self)
        self._viewer.layers.events.removed.disconnect(self)
        for layer in self._layers.values():
            layer.events.paint.disconnect(self._on_painted)
            layer.events.mode.disconnect(self._on_mode)
            layer.events.set_data.disconnect(self._on_drawn)
        self._layers, self._loading = {}, None

    def _on_removed(self, event: Event) -> None:
        self._layers.pop(event.value.unique_id, None)

    def _on_moved(self, _: Event) -> None:
        if self._layers:
            self._resting.start()

    def _on_painted(self, event: Event) -> None:
        """Keep a stroke as places of the scene: the window may be elsewhere when it is undone."""
        layer = self._layers.get(event.source.unique_id)
        scene = None if layer is None else scene_behind(layer.data)
        if layer is None or scene is None or scene.is_held:
            return
        if not self._take(layer, scene, event.value):
            # napari announces what is filled before it is there.
            self._told.append((layer, event.value))
            self._late.start()

    def _on_late(self) -> None:
        """Keep what was announced before it was painted."""
        told, self._told = self._told, []
        for layer, entries in reversed(told):
            scene = scene_behind(layer.data)
            if scene is None or self._take(layer, scene, entries):
                continue
            if scene.part.stride > 1:
                entries.clear()
                layer.refresh()
                self.said.emit(Message(CLOSER))

    def _take(self, layer: Labels, scene: SceneLabels, entries: list[Any]) -> bool:
        """Bring what was painted into the scene, as the only entry of a step."""
        change = scene.take_strokes()
        if change is None:
            return False
        entries[:] = [history_entry(layer, change)]
        note_kept(layer, [change])
        return True

    def _on_mode(self, event: Event) -> None:
        """Let nobody paint on what is shown smaller."""
        layer = self._layers.get(event.source.unique_id)
        scene = None if layer is None else scene_behind(layer.data)
        if layer is None or scene is None or scene.part.stride == 1 or layer.mode in _FREE:
            return
        self._modes[layer.unique_id] = str(layer.mode)
        layer.mode = "pan_zoom"
        self.said.emit(Message(CLOSER))

    def _on_drawn(self, event: Event) -> None:
        """Look again at what is seen from afar, once something has changed in it."""
        scene = scene_behind(event.source.data)
        if scene is not None and scene.part.stride > 1 and scene.is_stale:
            self._resting.start()

    def _follow(self) -> None:
        """Begin to load what is looked at, of the first layer that does not show it."""
        if self._loading is not None or QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            self._resting.start()
            return
        for layer in self._layers.values():
            scene, seen = scene_behind(layer.data), self.seen_of(layer)
            if scene is None or seen is None:
                continue
            wanted = wanted_part(seen, scene.shape)
            part = scene.part
            if wanted is None and part.stride > 1 and not scene.is_stale:
                continue
            if wanted is not None and part.stride == 1 and _covers(part.window, seen):
                continue
            self._loading = layer
            self._run += 1
            self._runner.start(_load_steps(scene, wanted), self._run)
            return

    def _on_loaded(self, reply: Reply[Any]) -> None:
        layer, self._loading = self._loading, None
        if layer is None or reply.generation != self._run or layer.unique_id not in self._layers:
            return
        if isinstance(reply.outcome, FirstPassError):
            self.said.emit(Message.of(reply.outcome))
            return
        scene = scene_behind(layer.data)
        if scene is None:  # somebody gave the layer other pixels
            self._layers.pop(layer.unique_id, None)
            return
        self._on_late()
        scene.take_strokes()
        before = scene.part.window
        scene.show(reply.outcome)
        unique_id = layer.unique_id
        if scene.part.stride > 1 and layer.mode not in _FREE:
            self._modes[unique_id] = str(layer.mode)
            layer.mode = "pan_zoom"
        self._place(layer, scene.part)
        if scene.part.stride == 1 and unique_id in self._modes:
            layer.mode = self._modes.pop(unique_id)
        if scene.part.window != before:
            self.shown.emit()
        self._resting.start()

    def _place(self, layer: Labels, part: Part) -> None:
        """Show a part where it lies."""
        if layer.data is not part.values:
            layer.data = part.values
        layer.scale = (part.stride, part.stride)
        layer.translate = part.corner

    def seen_of(self, layer: Labels) -> Window | None:
        """Return the part of a scene that is on the screen; None where nobody knows."""
        info = mask_of(layer.metadata)
        if info is None:
            return None
        for image in reversed(self._viewer.layers):
            if isinstance(image, Image) and grid_of(image).shape == info.grid.shape:
                return seen_part(image, info.grid)
        return None


def seen_part(image: Layer, grid: Grid) -> Window | None:
    """Return the pixels of an image that are on the screen, None if it is out of sight."""
    corners = np.array(image.corner_pixels, dtype=np.float64)[:, :2]
    if image.multiscale:
        corners = corners * np.array(image.downsample_factors)[image.data_level][:2]
    (low_row, low_col), (high_row, high_col) = corners
    top, left = max(0, floor(low_row)), max(0, floor(low_col))
    bottom, right = min(grid.height, ceil(high_row) + 1), min(grid.width, ceil(high_col) + 1)
    return Window(top, left, bottom - top, right - left) if bottom > top and right > left else None


def wanted_part(seen: Window, shape: tuple[int, int]) -> Window | None:
    """Return the window to paint on for what is seen; None for all of the scene, smaller."""
    if max(seen.height, seen.width) > MOST_SEEN:
        return None

    def span(begin: int, length: int, whole: int) -> tuple[int, int]:
        size = min(EDIT_SIDE, whole)
        middle = (begin + length // 2 - size // 2) // _STEP * _STEP
        return max(0, min(middle, whole - size)), size

    top, height = span(seen.row, seen.height, shape[0])
    left, width = span(seen.col, seen.width, shape[1])
    return Window(top, left, height, width)


def _covers(window: Window, seen: Window) -> bool:
    rows = window.row <= seen.row and seen.bottom <= window.bottom
    return rows and window.col <= seen.col and seen.right <= window.right


def _load_steps(scene: SceneLabels, window: Window | None) -> Steps[Part]:
    yield Progress(0, 1, "reading labels")
    return scene.load(window)
