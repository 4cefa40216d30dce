"""The part of the dock for campaigns of many images: finding classes that they share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QPushButton, QVBoxLayout, QWidget

from napari_firstpass.widgets.model_runs import MODELS, SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable

ON_LAYERS = "Fit on the open images…"
ON_FOLDER = "Fit on a folder…"

_WHAT = {"layers": "all open images", "folder": "the images in a folder"}
_DO = (
    "Finds classes on {what}, with the method, number and features above, and writes them to a "
    "file. Every image that they are applied to then gets the same classes."
)
TIPS = {name: _DO.format(what=what) for name, what in _WHAT.items()}


class SeveralBox(QWidget):
    """Two buttons; each asks for the file that the classes are written to.

    Attributes
    ----------
    on_layers, on_folder : QPushButton
        What the classes are to be found on.

    Signals
    -------
    wanted : Path or None, Path
        The folder, None for the open images; and the file. The user has agreed to replace a file
        of this name.
    """

    wanted = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.on_layers, self.on_folder = QPushButton(ON_LAYERS), QPushButton(ON_FOLDER)
        self.on_layers.clicked.connect(lambda: self._ask_file(None))
        self.on_folder.clicked.connect(self._ask_folder)
        self._begin: Path | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for button in (self.on_layers, self.on_folder):
            column.addWidget(button)
        self.show_open(0, None)

    def begin_in(self, folder: Path | None) -> None:
        """Let dialogs begin in a folder; None for where the last one was."""
        self._begin = folder

    def show_open(self, images: int, obstacle: str | None) -> None:
        """Say how many images are open, or why nothing can be fitted now."""
        self.on_layers.setText(ON_LAYERS if images < 2 else f"Fit on the {images} open images…")
        self.on_layers.setEnabled(images > 0 and obstacle is None)
        self.on_layers.setToolTip(obstacle or (TIPS["layers"] if images else "No image is open."))
        self.on_folder.setEnabled(obstacle is None)
        self.on_folder.setToolTip(obstacle or TIPS["folder"])

    def _ask_folder(self) -> None:
        dialog = self._dialog("A folder with images to fit on", self._ask_file)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.open()

    def _ask_file(self, folder: Path | None) -> None:
        """Ask where to write what is found on a folder, or on the open images."""
        dialog = self._dialog(
            "Save the classes as a model", lambda path: self.wanted.emit(folder, path)
        )
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter(MODELS)
        dialog.setDefaultSuffix(SUFFIX.removeprefix("."))
        if folder is not None:
            dialog.setDirectory(str(folder))
        dialog.selectFile(f"{'classes' if folder is None else folder.name or 'classes'}{SUFFIX}")
        dialog.open()

    def _dialog(self, title: str, then: Callable[[Path], None]) -> QFileDialog:
        dialog = QFileDialog(self, title)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if self._begin is not None:
            dialog.setDirectory(str(self._begin))
        dialog.fileSelected.connect(lambda path: then(Path(path)))
        return dialog
