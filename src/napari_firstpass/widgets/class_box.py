"""The part of the dock for the list of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog, QGridLayout, QMessageBox, QPushButton, QWidget

from napari_firstpass.widgets.class_tree import NAME_TIP, ClassTree
from napari_firstpass.widgets.list_box import ListBox
from napari_firstpass.widgets.note import note
from napari_firstpass.widgets.way_box import WayBox

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_firstpass.widgets.preferences import Keys

TIPS = {
    "lists": "Classes that the labels are to have; what they have already is listed behind. Then "
    "drag clusters onto classes.",
    "add": "Adds a class and chooses it, to paint with it or to drag clusters onto it.",
    "merge": "Makes one class of those that are selected: the one chosen last stays. Ctrl+Z takes "
    "it back in one step. Key: {merge}",
    "delete": "Takes selected classes out of the list; their pixels become unlabelled. Ctrl+Z "
    "takes it back in one step. Key: Del",
    "color": "Gives the chosen class another colour.",
    "only": "Hides all classes but the selected ones; pressed again, shows all.",
    "propose": "Shows each cluster with three places of the image, and the class it may be. "
    "Nothing changes until you accept it.",
    "save": "Writes names, numbers, colours and the tree of these classes to a file, for other "
    "labels; the labels themselves are saved below.",
    "undo": "Takes back the last change of the pixels, as Ctrl+Z does on the image.",
}
_ONE, _TWO = (
    "Select a class first.",
    "Select two or more classes first: click one, Ctrl+click others.",
)


class ClassBox(QWidget):
    """A tree of classes, and what can be done with them.

    Attributes
    ----------
    keys : Keys
        What is pressed for what.
    tree : ClassTree
        The classes.
    about : QLabel
        Whose classes these are.
    lists : ListBox
        Loads other ones.
    save : QPushButton
        Saves these.
    way : WayBox
        How classes are proposed for clusters.
    propose : QPushButton
        Shows proposals.
    add, merge, delete, color, only, undo : QPushButton
        What can be done.

    Signals
    -------
    colored : int, str
        A class is to get a colour.
    """

    colored = Signal(int, str)

    def __init__(self, keys: Keys, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.keys = keys
        self.tree, self.about = ClassTree(keys.merge), note(lines=1)
        self.lists, self.save = ListBox(), QPushButton("Save list…")
        self.add, self.merge = QPushButton("Add"), QPushButton(f"Merge   {keys.merge}")
        self.way, self.propose = WayBox(), QPushButton("Propose…")
        self.delete, self.color = QPushButton("Delete   Del"), QPushButton("Colour…")
        self.only, self.undo = QPushButton("Only these"), QPushButton("Undo")
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.addWidget(self.about, 0, 0, 1, 3)
        self._grid.addWidget(self.lists, 1, 0, 1, 2)
        self._grid.addWidget(self.save, 1, 2)
        self._grid.addWidget(self.tree, 2, 0, 1, 3)
        self._grid.setRowStretch(2, 1)
        buttons = (self.add, self.merge, self.delete, self.color, self.only, self.undo)
        for place, button in enumerate(buttons):
            self._grid.addWidget(button, 3 + place // 3, place % 3)
        self._grid.addWidget(self.way, 5, 0, 1, 2)
        self._grid.addWidget(self.propose, 5, 2)
        self.tree.itemSelectionChanged.connect(self._show_offers)
        self.tree.delete_wanted.connect(lambda: self.delete.click())
        self.tree.merge_wanted.connect(lambda: self.merge.click())
        self._obstacle: str | None = None
        self.show_layer(None, "")

    def show_layer(self, name: str | None, obstacle: str) -> None:
        """Say whose classes are shown, or why there are none to change.

        Parameters
        ----------
        name : str or None
            The labels layer.
        obstacle : str
            Why its classes cannot be changed; empty if they can.
        """
        self._obstacle = obstacle or None
        self.about.setText(obstacle if name is None else f"Classes of “{name}”")
        self.tree.setEnabled(name is not None)
        self.tree.setToolTip(obstacle if name is None else NAME_TIP)
        self.lists.setEnabled(self._obstacle is None)
        self.lists.setToolTip(obstacle or TIPS["lists"])
        self._show_offers()

    def ask_to_delete(self, what: str, then: Callable[[], None]) -> None:
        """Ask whether classes that have pixels are to be deleted."""
        asking = QMessageBox(self)
        asking.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        asking.setIcon(QMessageBox.Icon.Question)
        asking.setText(what)
        yes = asking.addButton("Delete", QMessageBox.ButtonRole.AcceptRole)
        asking.addButton(QMessageBox.StandardButton.Cancel)
        asking.buttonClicked.connect(lambda button: then() if button is yes else None)
        asking.open()

    def ask_color(self, class_id: int, color: str) -> None:
        """Let the user choose a colour."""
        dialog = QColorDialog(QColor(color), self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.colorSelected.connect(
            lambda chosen: self.colored.emit(class_id, chosen.name().upper())
        )
        dialog.open()

    def _show_offers(self) -> None:
        """Say what can be done with what is selected, and why what cannot."""
        selected = len(self.tree.chosen)
        for name, least, missing in (
            ("add", 0, ""),
            ("merge", 2, _TWO),
            ("delete", 1, _ONE),
            ("color", 1, _ONE),
            ("only", 1, _ONE),
            ("undo", 0, ""),
            ("save", 0, ""),
            ("propose", 0, ""),
        ):
            obstacle = self._obstacle or (missing if selected < least else None)
            button: QPushButton = getattr(self, name)
            button.setEnabled(obstacle is None)
            button.setToolTip(obstacle or TIPS[name].format(merge=self.keys.merge))
