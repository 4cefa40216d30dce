"""The list of backbones to choose from; it learns what is installed when it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog

from napari_firstpass.backbones import BACKBONES
from napari_firstpass.errors import FirstPassError
from napari_firstpass.weights.folder import find, installed, weights_folder
from napari_firstpass.widgets.preferences import preferences

if TYPE_CHECKING:
    from qtpy.QtGui import QWheelEvent
    from qtpy.QtWidgets import QWidget

    from napari_firstpass.weights.folder import Installed

ASK = "Folder…"
_ASK_TIP = "A network of yours: a folder with config.json, as transformers saves it."
_LONGEST = 26
"""Letters that the closed list shows; Qt cuts off the rest without a sign."""

_ABOUT = Qt.ItemDataRole.UserRole + 1


@dataclass(frozen=True, slots=True)
class _Choice:
    """An item: its text, the reference that `SegmentConfig.backbone` takes, a line about it."""

    text: str
    reference: str
    about: str
    tip: str = ""


class FeaturesBox(QComboBox):
    """Chooses a backbone: one of ours, a network that is installed, or one in a folder.

    Signals
    -------
    refused : FirstPassError
        A folder holds no network; what was chosen before still is.

    Parameters
    ----------
    default : str
        The name that is chosen at first.
    """

    refused = Signal(object)

    def __init__(self, default: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._own = tuple(_Choice(name, name, BACKBONES.summary(name)) for name in BACKBONES.names)
        self._folders: dict[str, _Choice] = {}
        # A long name must not make the dock wider.
        self.setSizeAdjustPolicy(self.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self._reference = default
        self._list(default)
        self.currentIndexChanged.connect(self._on_changed)
        self.activated.connect(self._on_activated)

    @property
    def reference(self) -> str:
        """What `SegmentConfig.backbone` takes."""
        return self._reference

    @property
    def about(self) -> str:
        """One line about what is chosen, without a full stop."""
        return str(self.currentData(_ABOUT))

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Open the list, with what is installed by now."""
        self._list(self._reference)
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
        self._folders[str(found)] = _Choice(_shortened(found.name), str(found), about, str(found))
        self._list(str(found))

    def _list(self, wanted: str) -> None:
        """List everything anew and choose ``wanted``, or the first if it is gone."""
        choices = [*self._own, *_networks(), *self._folders.values()]
        choices.append(_Choice(ASK, "", _ASK_TIP, _ASK_TIP))
        with QSignalBlocker(self):
            self.clear()
            for index, choice in enumerate(choices):
                self.addItem(choice.text, choice.reference)
                self.setItemData(index, choice.about, _ABOUT)
                self.setItemData(index, choice.tip or choice.about, Qt.ItemDataRole.ToolTipRole)
            self.setCurrentIndex(-1)
        self.setCurrentIndex(max(0, self.findData(wanted)))

    def _on_changed(self) -> None:
        self._reference = self.currentData() or self._reference

    def _on_activated(self) -> None:
        if not self.currentData():
            self.setCurrentIndex(self.findData(self._reference))
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


def _networks() -> list[_Choice]:
    """Return the installed networks that make features, in the catalogue's order."""
    home = weights_folder(preferences().weights)
    return [
        _Choice(entry.model.name, _reference(entry), entry.model.summary)
        for entry in installed(home)
        if entry.model.task == "features"
    ]


def _reference(entry: Installed) -> str:
    """Return the name of weights that are where names are looked up, the path of others."""
    usual = entry.folder.parent == weights_folder()
    return entry.model.name if usual else str(entry.folder)
