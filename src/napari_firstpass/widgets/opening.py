"""Opening an image while its window goes on: layers are there at once, and fill up."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from napari import current_viewer
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, QThread, QTimer
from qtpy.QtWidgets import QApplication

from napari_firstpass.errors import FirstPassError
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.widgets.scene import KEY
from napari_firstpass.widgets.scene_layers import Unfinished, scene_info, source_tuples
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.widgets.scene import LayerTuple
    from napari_firstpass.widgets.worker import Reply

AT_ONCE = 2**18
"""Images of at most so many pixels are read before they are shown: that takes a moment."""

_AGAIN_S = 2.0


def open_image(path: Path) -> list[LayerTuple]:
    """Return the layers that show an image file, as `file_tuples` does.

    Where a window waits for them, the layers of a large image are empty at first, and fill up.
    """
    with open_raster(path) as source:
        info = scene_info(source)
        if info.grid.height * info.grid.width <= AT_ONCE or not _window_waits():
            return source_tuples(source, info)
        unfinished = Unfinished.of(source, info)
    _Filling(unfinished)
    return unfinished.tuples


def is_filling() -> bool:
    """Tell whether images are read for layers that are in sight already."""
    return bool(_Filling.alive)


def _window_waits() -> bool:
    """Tell whether this runs in the thread of a window that lives: a script wants all of it."""
    app = QApplication.instance()
    thread = QThread.currentThread()
    if app is None or thread is None:
        return False
    return app.thread() == thread and thread.loopLevel() > 0


class _Filling(QObject):
    """Fills the layers of one file in a thread, and shows them."""

    alive: ClassVar[set[_Filling]] = set()

    def __init__(self, unfinished: Unfinished) -> None:
        super().__init__()
        self.alive.add(self)
        self._noted = [keywords["metadata"][KEY] for _, keywords, _ in unfinished.tuples]
        self._shown = monotonic()
        self._runner = Runner(self)
        self._runner.reported.connect(self._on_reported)
        self._runner.replied.connect(self._on_filled)
        self._runner.start(unfinished.fill_steps(), 0)

    def _on_reported(self, _: object) -> None:
        if monotonic() - self._shown > _AGAIN_S:
            self._refresh()
            self._shown = monotonic()

    def _on_filled(self, reply: Reply[Any]) -> None:
        QTimer.singleShot(0, lambda: self.alive.discard(self))  # not while it still speaks
        self._refresh()
        if isinstance(reply.outcome, FirstPassError):
            show_error(f"{reply.outcome}.")

    def _refresh(self) -> None:
        viewer = current_viewer()
        for layer in () if viewer is None else viewer.layers:
            if any(layer.metadata.get(KEY) is info for info in self._noted):
                layer.refresh()
