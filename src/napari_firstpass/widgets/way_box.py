"""The list of ways to propose classes for clusters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_firstpass.aligning import AlignConfig
from napari_firstpass.widgets.choice_box import Choice, ChoiceBox, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtWidgets import QWidget

_NAMES = Choice("common names", "table", "Clusters whose names are those of a class.")
_ASK = Choice(
    "Words: weights…", "", "Compares crops with the words of each class: config.json of a CLIP."
)
_LAYER, _WORDS = "layer:", "words:"


class WayBox(ChoiceBox):
    """Chooses common names, a labels layer in which some places are named, or words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self.layers: Callable[[], Sequence[str]] = list
        self._models: list[Choice] = []
        super().__init__(_NAMES, _ASK, parent)
        self.setToolTip("How classes are proposed for clusters. Nothing changes yet.")

    @property
    def reference(self) -> str | None:
        """Name of the layer that names places."""
        chosen = self.choice.reference
        return chosen.removeprefix(_LAYER) if chosen.startswith(_LAYER) else None

    def config(self) -> AlignConfig:
        """Return how to align."""
        chosen = self.choice.reference
        if chosen.startswith(_LAYER):
            return AlignConfig(way="reference", level="classes")
        if chosen.startswith(_WORDS):
            return AlignConfig(way="text", level="classes", model=chosen.removeprefix(_WORDS))
        return AlignConfig(way="table")

    def _offered(self) -> list[Choice]:
        about = "Clusters become what this layer says of them, or of what looks like them."
        layers = [Choice(shortened(f"after “{n}”"), _LAYER + n, about) for n in self.layers()]
        return [_NAMES, *layers, *self._models]

    def _ask(self) -> None:
        dialog = QFileDialog(self, "Weights that compare words with pictures")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter("config.json")
        dialog.fileSelected.connect(lambda path: self.take_model(Path(path).parent))
        dialog.open()

    def take_model(self, folder: Path) -> None:
        """Choose words, with the weights in a folder."""
        text = shortened(f"words: {folder.name}")
        choice = Choice(text, f"{_WORDS}{folder}", "Compares crops with words.", str(folder))
        self._models.append(choice)
        self.choose(choice)
