"""Saving a labels layer as a georeferenced mask."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_firstpass.errors import FirstPassError
from napari_firstpass.widgets.runs import LabelsNow, save_labels
from napari_firstpass.widgets.scene import mask_of
from napari_firstpass.widgets.session import Message
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_firstpass.grid import Grid
    from napari_firstpass.widgets.runs import Saved
    from napari_firstpass.widgets.worker import Reply


class Saver(QObject):
    """Asks where to, and writes in a thread.

    Signals
    -------
    said : Message
        What happened.
    busy : bool
        Whether a mask is being written.
    """

    said = Signal(object)
    busy = Signal(bool)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._panel = parent
        self._runner = Runner(self)
        self._runner.replied.connect(self._on_replied)
        self._writing = 0

    def ask(self, layer: Labels, grid: Grid | None, files: tuple[Path, ...]) -> None:
        """Let the user choose a path for ``layer``, then save it as it is at that moment.

        Parameters
        ----------
        layer : Labels
            What to save.
        grid : Grid or None
            Its place if the layer does not know one.
        files : tuple of Path
            The image file and what it consists of: they are never replaced, and the first gives
            the folder to begin with.
        """
        dialog = QFileDialog(self._panel, f"Save “{layer.name}” as a mask")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter("GeoTIFF (*.tif *.tiff)")
        dialog.setDefaultSuffix("tif")
        if files:
            dialog.setDirectory(str(files[0].parent))
        dialog.selectFile(f"{_scene_name(layer)}_labels.tif")
        dialog.fileSelected.connect(lambda path: self.write(layer, grid, files, Path(path)))
        dialog.open()

    def write(self, layer: Labels, grid: Grid | None, files: tuple[Path, ...], path: Path) -> None:
        """Save ``layer`` at ``path``; the user has agreed to replace a file there."""
        now = LabelsNow.of(layer, grid)
        steps = save_labels(now, path, overwrite=path.exists(), forbid=files)
        self._writing += 1
        self._runner.start(steps, self._writing)
        self.busy.emit(True)
        self.said.emit(Message(f"Saving {path.name} …"))

    def let_go(self) -> None:
        """Forget what is being written; the file is finished all the same, or not begun."""
        self._runner.stop()

    def _on_replied(self, reply: Reply[Any]) -> None:
        self.busy.emit(False)
        if isinstance(reply.outcome, FirstPassError):
            self.said.emit(Message.of(reply.outcome))
        else:
            self.said.emit(_message_of(reply.outcome))


def _message_of(saved: Saved) -> Message:
    place = "" if saved.grid.is_georeferenced else " without georeference: the image has none"
    named = f" Classes without a name became {', '.join(saved.added)}." if saved.added else ""
    return Message(f"Saved{place}.{named}", path=saved.path)


def _scene_name(layer: Labels) -> str:
    info = mask_of(layer.metadata)
    return layer.name if info is None else info.scene
