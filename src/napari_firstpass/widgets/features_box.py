"""The list of backbones to choose from; it learns what is installed when it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QFileDialog

from napari_firstpass.backbones import BACKBONES
from napari_firstpass.errors import FirstPassError, WeightsError
from napari_firstpass.weights.folder import find, installed, weights_folder
from napari_firstpass.widgets.narrow_box import NarrowBox
from napari_firstpass.widgets.preferences import PAGE, preferences

if TYPE_CHECKING:
    from qtpy.QtGui import QWheelEvent
    from qtpy.QtWidgets import QWidget

    from napari_firstpass.weights.folder import Installed

ASK = "Folder…"
_LONGEST = 40
"""Letters of a folder's name that the open list shows: it is as wide as its longest line."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """An item: its text, the reference that `SegmentConfig.backbone` takes, a line about it."""

    text: str
    reference: str
    about: str
    tip: str = ""


_ASK = _Choice(ASK, "", "A network of yours: a folder with config.json, as transformers saves it.")


class FeaturesBox(NarrowBox):
    """Chooses a backbone: one of ours, a network that is installed, or one in a folder.

    What is chosen stays listed, even if it is no longer installed: the run then says what is wrong.

    Signals
    -------
    chosen
        Another backbone is chosen.
    refused : FirstPassError
        A folder cannot be used; what was chosen before still is.

    Parameters
    ----------
    default : str
        The backbone of ours that is chosen at first.
    """

    chosen = Signal()
    refused = Signal(object)

    def __init__(self, default: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._own = tuple(_Choice(name, name, BACKBONES.summary(name)) for name in BACKBONES.names)
        self._folders: dict[str, _Choice] = {}
        self._choices: list[_Choice] = []
        self._chosen = next(choice for choice in self._own if choice.reference == default)
        self._list()
        self.currentIndexChanged.connect(self._on_changed)
        self.activated.connect(self._on_activated)

    @property
    def reference(self) -> str:
        """What `SegmentConfig.backbone` takes."""
        return self._chosen.reference

    @property
    def about(self) -> str:
        """One line about what is chosen, without a full stop."""
        return self._chosen.about

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Open the list, with what is installed by now."""
        self._list()
        super().showPopup()

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802 - Qt's name
        """Leave the wheel to the dock: rolling over the last item would open a dialog."""
        if event is not None:
            event.ignore()

    def take_folder(self, folder: Path) -> None:
        """Choose the network in a folder, or say why it is none and keep the choice."""
        try:
            found = find(str(folder.absolute()))
        except FirstPassError as error:
            self.refused.emit(error)
            return
        about = "a network in a folder of yours"
        self._chosen = _Choice(_shortened(found.name), str(found), about, str(found))
        self._folders[str(found)] = self._chosen
        self._list()
        self.chosen.emit()

    def _list(self) -> None:
        """List everything anew; what is chosen stays so."""
        choices = [*self._own, *self._networks(), *self._folders.values()]
        if self._chosen not in choices:
            choices.append(self._chosen)
        self._choices = [*choices, _ASK]
        with QSignalBlocker(self):
            self.clear()
            for index, choice in enumerate(self._choices):
                self.addItem(choice.text)
                self.setItemData(index, choice.tip or choice.about, Qt.ItemDataRole.ToolTipRole)
            self.setCurrentIndex(-1)
        self.setCurrentIndex(self._choices.index(self._chosen))

    def _networks(self) -> list[_Choice]:
        """Return the installed networks that make features, in the catalogue's order."""
        try:
            entries = installed(_home())
        except FirstPassError as error:
            self.refused.emit(error)
            return []
        return [
            _Choice(entry.model.name, _reference(entry), entry.model.summary)
            for entry in entries
            if entry.model.task == "features"
        ]

    def _on_changed(self, index: int) -> None:
        if index >= 0 and self._choices[index] not in (_ASK, self._chosen):
            self._chosen = self._choices[index]
            self.chosen.emit()

    def _on_activated(self, index: int) -> None:
        if self._choices[index] == _ASK:
            self.setCurrentIndex(self._choices.index(self._chosen))
            self._ask()

    def _ask(self) -> None:
        """Let the user choose a folder."""
        dialog = QFileDialog(self, "A folder with a network")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(lambda path: self.take_folder(Path(path)))
        dialog.open()


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1].rstrip()}…"


def _home() -> Path:
    """Return the folder whose networks are listed."""
    home = weights_folder(preferences().weights)
    if home == weights_folder() or _is_folder(home):  # the usual one may not be there yet
        return home
    raise WeightsError(
        expected="the folder for weights that napari's preferences name",
        found=f"no folder {home}",
        remedy=f"correct it in {PAGE}, or leave it empty",
    )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no folder can have, or one in a folder that is closed to us
        return False


def _reference(entry: Installed) -> str:
    """Return the name of weights that are where names are looked up, the path of others."""
    usual = entry.folder.parent == weights_folder()
    return entry.model.name if usual else str(entry.folder)
