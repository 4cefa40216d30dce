"""The list of lists of classes: those of the labels, published ones, and files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog

from napari_firstpass.taxonomies import BUILT_IN
from napari_firstpass.widgets.choice_box import Choice, ChoiceBox

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

FORMS = "Lists of classes (*.yaml *.yml *.json *.csv *.clr *.txt *.tif *.tiff)"
_SAVED_AS = "YAML (*.yaml);;JSON (*.json);;CSV (*.csv)"

_HERE = Choice("Load a list…", "", "Classes that the labels are to have.")
_ASK = Choice("List file…", "", "A list in YAML, JSON or CSV, or the classes of a label file.")


class ListBox(ChoiceBox):
    """Loads a published list of classes, or one in a file; nothing stays chosen.

    Signals
    -------
    wanted : str
        A built-in name or a path to read.
    saved_as : Path
        Where the user wants the classes to be written.
    """

    wanted = Signal(str)
    saved_as = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_HERE, _ASK, parent)
        self.chosen.connect(self._on_chosen)

    def ask_where_to_save(self, folder: str, name: str) -> None:
        """Let the user choose a file for the classes; `saved_as` tells which."""
        dialog = QFileDialog(self, "Save the list of classes")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(_SAVED_AS.split(";;"))
        dialog.setDefaultSuffix("yaml")
        dialog.setDirectory(folder)
        dialog.selectFile(f"{name}_classes.yaml")
        dialog.fileSelected.connect(lambda path: self.saved_as.emit(Path(path)))
        dialog.open()

    def _offered(self) -> list[Choice]:
        built_in = [Choice(name, name, about) for name, about in BUILT_IN.items()]
        return [_HERE, *built_in]

    def _ask(self) -> None:
        dialog = QFileDialog(self, "A list of classes")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter(FORMS)
        dialog.fileSelected.connect(self.wanted)
        dialog.open()

    def _on_chosen(self) -> None:
        if self.choice.reference:
            name = self.choice.reference
            self.choose(_HERE)
            self.wanted.emit(name)
