"""A list of things to choose from whose last item asks for another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal

from napari_firstpass.widgets.narrow_box import NarrowBox

if TYPE_CHECKING:
    from qtpy.QtGui import QKeyEvent, QWheelEvent
    from qtpy.QtWidgets import QWidget

_LONGEST = 40
"""Letters of a name that the open list shows: it is as wide as its longest line."""

_STEPPING = {
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
}


@dataclass(frozen=True, slots=True)
class Choice:
    """An item of the list.

    Attributes
    ----------
    text : str
        What the list shows.
    reference : str
        What is meant: a name or a path.
    about : str
        One line about it, without a full stop.
    tip : str
        Shown instead of ``about`` when the mouse rests on the item.
    """

    text: str
    reference: str
    about: str
    tip: str = ""


class ChoiceBox(NarrowBox):
    """Chooses one of the items that `_offered` returns, or asks for one that is not listed.

    What is chosen stays listed, even if it is no longer offered.

    Signals
    -------
    chosen
        Another item is chosen.

    Parameters
    ----------
    default : Choice
        Chosen at first.
    asking : Choice
        The last item; it is never chosen.
    """

    chosen = Signal()

    def __init__(self, default: Choice, asking: Choice, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._asking = asking
        self._choices: list[Choice] = []
        self._chosen = default
        self._list()
        self.currentIndexChanged.connect(self._on_changed)
        self.activated.connect(self._on_activated)

    @property
    def choice(self) -> Choice:
        """What is chosen."""
        return self._chosen

    def choose(self, choice: Choice) -> None:
        """Choose an item, whether it is offered or not."""
        self._chosen = choice
        self._list()
        self.chosen.emit()

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Open the list, with what there is by now."""
        self._list()
        super().showPopup()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Open the list for the arrows: to step over the last item would open a dialog."""
        if event is not None and event.key() in _STEPPING:
            self.showPopup()
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802 - Qt's name
        """Leave the wheel to the dock: rolling over the last item would open a dialog."""
        if event is not None:
            event.ignore()

    def _offered(self) -> list[Choice]:
        """Return what there is to choose from."""
        raise NotImplementedError

    def _ask(self) -> None:
        """Let the user say what is not listed."""
        raise NotImplementedError

    def _list(self) -> None:
        """List everything anew; what is chosen stays so."""
        choices = self._offered()
        if self._chosen not in choices:
            choices.append(self._chosen)
        self._choices = [*choices, self._asking]
        with QSignalBlocker(self):
            self.clear()
            for index, choice in enumerate(self._choices):
                self.addItem(choice.text)
                self.setItemData(index, choice.tip or choice.about, Qt.ItemDataRole.ToolTipRole)
            self.setCurrentIndex(-1)
        self.setCurrentIndex(self._choices.index(self._chosen))

    def _on_changed(self, index: int) -> None:
        if index >= 0 and self._choices[index] not in (self._asking, self._chosen):
            self._chosen = self._choices[index]
            self.chosen.emit()

    def _on_activated(self, index: int) -> None:
        if self._choices[index] == self._asking:
            self.setCurrentIndex(self._choices.index(self._chosen))
            self._ask()


def shortened(name: str) -> str:
    """Return a name that keeps the open list narrow."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1].rstrip()}…"
