"""The list of backbones to choose from; it learns what is installed when it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog

from napari_firstpass.backbones import BACKBONES
from napari_firstpass.errors import FirstPassError, WeightsError
from napari_firstpass.weights.catalogue import KNOWN
from napari_firstpass.weights.folder import find, installed, weights_folder
from napari_firstpass.widgets.choice_box import Choice, ChoiceBox, shortened
from napari_firstpass.widgets.preferences import PAGE, preferences

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_firstpass.weights.folder import Installed

ASK = "Folder…"
_ASK = Choice(ASK, "", "A network of yours: a folder with config.json, as transformers saves it.")


class FeaturesBox(ChoiceBox):
    """Chooses a backbone: one of ours, a network that is installed, or one in a folder.

    What is chosen stays listed, even if it is no longer installed: the run then says what is wrong.

    Signals
    -------
    refused : FirstPassError
        A folder cannot be used; what was chosen before still is.

    Parameters
    ----------
    default : str
        The backbone of ours that is chosen at first.
    """

    refused = Signal(object)

    def __init__(self, default: str, parent: QWidget | None = None) -> None:
        self._own = tuple(Choice(name, name, BACKBONES.summary(name)) for name in BACKBONES.names)
        self._folders: dict[str, Choice] = {}
        chosen = next(choice for choice in self._own if choice.reference == default)
        super().__init__(chosen, _ASK, parent)

    @property
    def reference(self) -> str:
        """What `SegmentConfig.backbone` takes."""
        return self.choice.reference

    @property
    def about(self) -> str:
        """One line about what is chosen, without a full stop."""
        return self.choice.about

    def choose_named(self, name: str) -> None:
        """Choose a backbone by its name, if it has one that is known; installed or not."""
        named = [choice for choice in self._offered() if choice.text == name]
        if not named and name in KNOWN:
            named = [Choice(name, name, KNOWN[name].summary)]
        if named:
            self.choose(named[0])

    def take_folder(self, folder: Path) -> None:
        """Choose the network in a folder, or say why it is none and keep the choice."""
        try:
            found = find(str(folder.absolute()))
        except FirstPassError as error:
            self.refused.emit(error)
            return
        about = "a network in a folder of yours"
        self._folders[str(found)] = Choice(shortened(found.name), str(found), about, str(found))
        self.choose(self._folders[str(found)])

    def _offered(self) -> list[Choice]:
        return [*self._own, *self._networks(), *self._folders.values()]

    def _networks(self) -> list[Choice]:
        """Return the installed networks that make features, in the catalogue's order."""
        try:
            return installed_choices("features")
        except FirstPassError as error:
            self.refused.emit(error)
            return []

    def _ask(self) -> None:
        """Let the user choose a folder."""
        dialog = QFileDialog(self, "A folder with a network")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(lambda path: self.take_folder(Path(path)))
        dialog.open()


def installed_choices(*tasks: str) -> list[Choice]:
    """Return the installed weights for some tasks, in the catalogue's order.

    Raises
    ------
    WeightsError
        If the folder of weights cannot be found or read.
    """
    return [
        Choice(entry.model.name, _reference_of(entry), entry.model.summary)
        for entry in installed(_weights_home())
        if entry.model.task in tasks
    ]


def _weights_home() -> Path:
    """Return the folder whose networks are listed.

    Raises
    ------
    WeightsError
        If the preferences name one that is not there.
    """
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


def _reference_of(entry: Installed) -> str:
    """Return the name of weights that are where names are looked up, the path of others."""
    usual = entry.folder.parent == weights_folder()
    return entry.model.name if usual else str(entry.folder)
