"""The list of where classes come from: found in the image, or brought by a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog

from napari_firstpass.widgets.choice_box import Choice, ChoiceBox, shortened
from napari_firstpass.widgets.model_runs import MODELS

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_firstpass.widgets.model_runs import ModelFacts

ASK = "Model file…"

_HERE = Choice("this image", "", "Classes are found in this image, and hold for it alone.")
_ASK = Choice(ASK, "", "A model that was fitted on several images: a .firstpass file.")


class ClassesBox(ChoiceBox):
    """Chooses this image, or a model.

    A file is read by others, in a thread, before it can be chosen.

    Signals
    -------
    wanted : Path
        The user named a file; `take` chooses it once it is read.
    """

    wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._models: dict[str, ModelFacts] = {}
        super().__init__(_HERE, _ASK, parent)

    @property
    def chosen_model(self) -> ModelFacts | None:
        """The chosen model; None for classes that are found in the image."""
        return self._models.get(self.choice.reference)

    def take(self, facts: ModelFacts) -> None:
        """List a model, or what its file now holds, and choose it."""
        self._models[str(facts.path)] = facts
        self.choose(_choice(facts))

    def _offered(self) -> list[Choice]:
        return [_HERE, *map(_choice, self._models.values())]

    def _ask(self) -> None:
        dialog = QFileDialog(self, "A model that was fitted on several images")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter(MODELS)
        if self.chosen_model is not None:
            dialog.setDirectory(str(self.chosen_model.path.parent))
        dialog.fileSelected.connect(lambda path: self.wanted.emit(Path(path)))
        dialog.open()


def _choice(facts: ModelFacts) -> Choice:
    reference = str(facts.path)
    return Choice(shortened(facts.path.stem), reference, facts.about, reference)
