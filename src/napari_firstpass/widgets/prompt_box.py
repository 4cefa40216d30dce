"""The part of the dock for pointing at things."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QWidget,
)

from napari_firstpass.prompting import PROMPTERS
from napari_firstpass.widgets.choice_box import Choice, ChoiceBox, shortened
from napari_firstpass.widgets.narrow_box import NarrowBox
from napari_firstpass.widgets.note import note
from napari_firstpass.widgets.session import capitalised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.mask_writing import Where
    from napari_firstpass.widgets.preferences import PromptKeys

POINT_AT = "Point at things"
_NO_MODEL = Choice("none", "", "the method as it is")
_ASK = Choice("Folder…", "", "A folder with weights of yours.")

_WHERES: dict[Where, str] = {
    "everywhere": "everywhere",
    "unlabelled": "only where unlabelled",
    "class": "replace this class",
}

TIPS = {
    "pointing": "Begins: then click on the image at what you look for, and its outline appears. A "
    "click with the right button, or with Shift, marks what does not belong to it.",
    "point": "Click at what you look for. Key: {key}",
    "line": "Draw a stroke along what you look for, such as a road or a hedge. Key: {key}",
    "box": "Draw a box around what you look for; nothing outside belongs to it. Key: {key}",
    "words": "What it is called, such as “roof”; then press Enter.",
    "no_words": "Words need a model that knows some: choose one under “Model”.",
    "method": "How the outline is found.",
    "model": "Weights for methods that take some. “firstpass models fetch” gets them; then they "
    "are listed here.",
    "where": "Which pixels of the outline change. “Replace this class”: those of the class that "
    "most of it has now.",
    "accept": "Gives the outline the class that is selected in the labels layer; Ctrl+Z takes it "
    "back in one step.",
    "discard": "Takes back the outline and its marks; pressed again, ends.",
    "nothing": "There is no outline yet: point at something.",
}


class ModelBox(ChoiceBox):
    """Chooses weights for prompts: none, or those in a folder."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._folders: dict[str, Choice] = {}
        super().__init__(_NO_MODEL, _ASK, parent)

    @property
    def reference(self) -> str | None:
        """What `PromptConfig.model` takes."""
        return self.choice.reference or None

    def take_folder(self, folder: Path) -> None:
        """Choose the weights in a folder; whether they fit is said when they are used."""
        place = str(folder.absolute())
        self._folders[place] = Choice(shortened(folder.name), place, "weights of yours", place)
        self.choose(self._folders[place])

    def _offered(self) -> list[Choice]:
        return [_NO_MODEL, *self._folders.values()]

    def _ask(self) -> None:
        dialog = QFileDialog(self, "A folder with weights")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(lambda path: self.take_folder(Path(path)))
        dialog.open()


class PromptBox(QWidget):
    """A switch, tools, words, a method, and what becomes of the answer.

    Attributes
    ----------
    pointing : QPushButton
        Whether the mouse points at things.
    tools : QButtonGroup
        Point, line and box, in this order.
    words : QLineEdit
        What it is called.
    method, where : QComboBox
        Their items hold the prompter's name, and a `Where`, as their data.
    model : ModelBox
        Weights.
    accept, discard : QPushButton
        What becomes of the answer.

    Signals
    -------
    toggled : bool
        The mouse is to point at things, or no longer.
    tool_chosen : str
        Another tool.
    said
        Words were given.
    changed
        Another method or model.
    accepted, discarded
        What becomes of the answer.
    """

    toggled = Signal(bool)
    tool_chosen = Signal(str)
    said = Signal()
    changed = Signal()
    accepted = Signal()
    discarded = Signal()

    def __init__(
        self,
        keys: PromptKeys,
        names: Sequence[str] = PROMPTERS.names,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.pointing, self.tools = QPushButton(POINT_AT), QButtonGroup(self)
        self.pointing.setCheckable(True)
        self.words, self.about = QLineEdit(), note(lines=2)
        self.words.setPlaceholderText("roof, house")
        self.method, self.model, self.where = NarrowBox(), ModelBox(), NarrowBox()
        self.accept = QPushButton(f"Accept   {keys.accept}")
        self.discard = QPushButton("Discard   Esc")
        self.keys = note(lines=2)
        self.keys.setText(
            f"Right click or Shift: not this. Hold {keys.candidates}: other outlines. "
            "1–9: class. Ctrl+Z: back."
        )
        for name in names:
            self.method.addItem(name, name)
        for where, text in _WHERES.items():
            self.where.addItem(text, where)
        self._arrange(keys)
        self._explain()
        self._connect()
        self.show_words()
        self.show_pointing(on=False, obstacle=None)
        self.show_answer(found=False)
        self._show_about()

    @property
    def prompter(self) -> str:
        """Name of the chosen method."""
        return str(self.method.currentData())

    @property
    def named(self) -> tuple[str, ...]:
        """The words that were given, without empty ones."""
        if not self.words.isEnabled():
            return ()
        return tuple(word for part in self.words.text().split(",") if (word := part.strip()))

    @property
    def place(self) -> Where:
        """Which pixels change."""
        where: Where = self.where.currentData()
        return where

    def choose_tool(self, tool: str) -> None:
        """Choose a tool, as its button does."""
        for button in self.tools.buttons():
            if button.objectName() == tool:
                button.click()

    def show_pointing(self, *, on: bool, obstacle: str | None) -> None:
        """Say whether the mouse points, or why it cannot."""
        self.pointing.setChecked(on)
        self.pointing.setEnabled(on or obstacle is None)
        self.pointing.setToolTip(TIPS["pointing"] if on or obstacle is None else obstacle)

    def show_answer(self, *, found: bool) -> None:
        """Offer what can be done with an answer, or say that there is none."""
        for name in ("accept", "discard"):
            button: QPushButton = getattr(self, name)
            button.setEnabled(found)
            button.setToolTip(TIPS[name if found else "nothing"])

    def show_words(self) -> None:
        """Offer words where a model may know some."""
        knows = self.model.reference is not None
        self.words.setEnabled(knows)
        self.words.setToolTip(TIPS["words" if knows else "no_words"])

    def _arrange(self, keys: PromptKeys) -> None:
        tools = QHBoxLayout()
        for tool, key in (("point", keys.point), ("line", keys.line), ("box", keys.box)):
            button = QToolButton()
            button.setText(f"{tool.capitalize()}  {key}")
            button.setObjectName(tool)
            button.setCheckable(True)
            button.setToolTip(TIPS[tool].format(key=key))
            self.tools.addButton(button)
            tools.addWidget(button, 1)
        self.tools.buttons()[0].setChecked(True)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self.pointing, 0, 0, 1, 2)
        grid.addLayout(tools, 1, 0, 1, 2)
        rows = (("Words", self.words), ("With", self.method), ("", self.about))
        for row, (text, field) in enumerate(
            (*rows, ("Model", self.model), ("Write", self.where)), start=2
        ):
            if text:
                grid.addWidget(QLabel(text), row, 0)
            grid.addWidget(field, row, 1 if text else 0, 1, 1 if text else 2)
        buttons = QHBoxLayout()
        buttons.addWidget(self.accept, 1)
        buttons.addWidget(self.discard, 1)
        grid.addLayout(buttons, 7, 0, 1, 2)
        grid.addWidget(self.keys, 8, 0, 1, 2)

    def _explain(self) -> None:
        for name in ("method", "model", "where"):
            getattr(self, name).setToolTip(TIPS[name])

    def _connect(self) -> None:
        self.pointing.clicked.connect(self.toggled)
        self.tools.buttonClicked.connect(lambda b: self.tool_chosen.emit(b.objectName()))
        self.words.returnPressed.connect(self.said)
        self.method.currentIndexChanged.connect(self._on_changed)
        self.model.chosen.connect(self._on_changed)
        self.accept.clicked.connect(lambda: self.accepted.emit())
        self.discard.clicked.connect(lambda: self.discarded.emit())

    def _on_changed(self) -> None:
        self._show_about()
        self.show_words()
        self.changed.emit()

    def _show_about(self) -> None:
        self.about.setText(capitalised(PROMPTERS.summary(self.prompter)))
