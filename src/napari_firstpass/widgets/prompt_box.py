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
    QWidget,
)

from napari_firstpass.errors import FirstPassError
from napari_firstpass.prompting import PROMPTERS, WORDLESS
from napari_firstpass.widgets.choice_box import Choice, ChoiceBox, shortened
from napari_firstpass.widgets.features_box import installed_choices
from napari_firstpass.widgets.narrow_box import NarrowBox
from napari_firstpass.widgets.note import note
from napari_firstpass.widgets.prompt_layers import TOOLS
from napari_firstpass.widgets.session import capitalised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QKeyEvent

    from napari_firstpass.mask_writing import Where
    from napari_firstpass.widgets.preferences import Keys
    from napari_firstpass.widgets.prompt_layers import Tool

POINT_AT = "Point at things"
_NO_MODEL = Choice("none", "", "the method as it is")
_ASK = Choice("File…", "", "Weights of yours: a checkpoint, or config.json of a folder with them.")
_CHECKPOINTS = (".pth", ".pt")
_TASKS = ("prompts", "diffusion")

_WHERES: dict[Where, str] = {
    "everywhere": "everywhere",
    "unlabelled": "only where unlabelled",
    "class": "replace this class",
}

TIPS = {
    "pointing": "Begins or ends: click on the image at what you look for, and its outline "
    "appears. A click with the right button, or with Shift, marks what does not belong to it.",
    "point": "Click at what you look for. Key: {key}",
    "line": "Draw a stroke along what you look for, such as a road or a hedge. Key: {key}",
    "box": "Draw a box around what you look for; nothing outside belongs to it. Key: {key}",
    "words": "What it is called, such as “roof”; then press Enter.",
    "no_words": "Words need a model that knows some: choose one under “Model”.",
    "wordless": "{method} finds what is pointed at, and reads no words: choose another method.",
    "method": "How the outline is found.",
    "model": "Weights for methods that take some. “firstpass models fetch” gets them; then they "
    "are listed here.",
    "where": "Which pixels of the outline change. “Replace this class”: those of the class that "
    "most of it has now.",
    "accept": "Gives the outline the class that is selected in the labels layer; Ctrl+Z takes it "
    "back in one step. Key: {key}",
    "discard": "Takes back the outline and its marks; pressed again, ends. Key: Esc",
    "nothing": "There is no outline yet: point at something.",
}


class ModelBox(ChoiceBox):
    """Chooses weights for prompts: none, those that are installed, or a file or folder.

    Signals
    -------
    refused : FirstPassError
        What is installed cannot be listed.
    """

    refused = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._own: dict[str, Choice] = {}
        super().__init__(_NO_MODEL, _ASK, parent)

    @property
    def reference(self) -> str | None:
        """What `PromptConfig.model` takes."""
        return self.choice.reference or None

    def take_file(self, file: Path) -> None:
        """Choose a checkpoint, or the folder of another file; whether it fits is said in use."""
        place = file.absolute()
        if place.suffix not in _CHECKPOINTS and place.is_file():
            place = place.parent
        name = str(place)
        self._own[name] = Choice(shortened(place.name), name, "weights of yours", name)
        self.choose(self._own[name])

    def _offered(self) -> list[Choice]:
        return [_NO_MODEL, *self._installed(), *self._own.values()]

    def _installed(self) -> list[Choice]:
        """Return the installed weights that answer prompts, in the catalogue's order."""
        try:
            return installed_choices(*_TASKS)
        except FirstPassError as error:
            self.refused.emit(error)
            return []

    def _ask(self) -> None:
        """Let the user choose a file."""
        dialog = QFileDialog(self, "Weights: a checkpoint, or config.json of a folder")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter("Weights (*.pth *.pt config.json model_index.json)")
        dialog.fileSelected.connect(lambda path: self.take_file(Path(path)))
        dialog.open()


class WordsEdit(QLineEdit):
    """A line for words that keeps Enter for itself: in the window, it accepts an outline."""

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Take Enter, and whatever else a line takes."""
        super().keyPressEvent(event)
        if event is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()


class PromptBox(QWidget):
    """A switch, tools, words, a method, and what becomes of the answer.

    Attributes
    ----------
    keys : Keys
        What is pressed for what.
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
    refused : FirstPassError
        Weights cannot be listed.
    """

    toggled = Signal(bool)
    tool_chosen = Signal(str)
    said = Signal()
    changed = Signal()
    accepted = Signal()
    discarded = Signal()
    refused = Signal(object)

    def __init__(
        self,
        keys: Keys,
        names: Sequence[str] = PROMPTERS.names,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.keys = keys
        self._tool: Tool = TOOLS[0]
        self.pointing, self.tools = QPushButton(POINT_AT), QButtonGroup(self)
        self.pointing.setCheckable(True)
        self.words = WordsEdit()
        self.words.setPlaceholderText("roof, house")
        self.method, self.model, self.where = NarrowBox(), ModelBox(), NarrowBox()
        self.accept = QPushButton(f"Accept   {keys.accept}")
        self.discard = QPushButton("Discard   Esc")
        self.about = note(lines=2)
        self.about.setText(
            f"Right click or Shift: not this. Hold {keys.candidates}: other outlines. "
            "1–9: class. Ctrl+Z: back."
        )
        self._names = tuple(names)
        for name in self._names:
            self.method.addItem(name, name)
        for where, text in _WHERES.items():
            self.where.addItem(text, where)
        self._arrange()
        self._explain()
        self._connect()
        self.show_words()
        self.show_pointing(on=False, obstacle=None)
        self.show_answer(found=False, marked=False)
        self._show_about()

    @property
    def prompter(self) -> str:
        """Name of the chosen method."""
        return str(self.method.currentData())

    @property
    def tool(self) -> Tool:
        """What the mouse draws."""
        return self._tool

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

    def choose_tool(self, tool: Tool) -> None:
        """Choose a tool, as its button does."""
        self.tools.buttons()[TOOLS.index(tool)].click()

    def show_pointing(self, *, on: bool, obstacle: str | None) -> None:
        """Say whether the mouse points, or why it cannot."""
        self.pointing.setChecked(on)
        self.tools.setExclusive(False)  # while nothing is pointed at, none is shown as chosen
        for tool, button in zip(TOOLS, self.tools.buttons(), strict=True):
            button.setChecked(on and tool == self._tool)
        self.tools.setExclusive(True)
        self.pointing.setEnabled(on or obstacle is None)
        self.pointing.setToolTip(TIPS["pointing"] if on or obstacle is None else obstacle)

    def show_answer(self, *, found: bool, marked: bool) -> None:
        """Offer what can be done with an outline and its marks, or say that there are none."""
        for name, possible in (("accept", found), ("discard", marked)):
            button: QPushButton = getattr(self, name)
            button.setEnabled(possible)
            tip = TIPS[name if possible else "nothing"]
            button.setToolTip(tip.format(key=self.keys.accept))

    def show_words(self) -> None:
        """Offer words where a model may know some."""
        wordless = self.prompter in WORDLESS
        knows = not wordless and self.model.reference is not None
        self.words.setEnabled(knows)
        tip = TIPS["wordless" if wordless else "words" if knows else "no_words"]
        self.words.setToolTip(tip.format(method=self.prompter))

    def _arrange(self) -> None:
        tools = QHBoxLayout()
        for tool in TOOLS:
            key = getattr(self.keys, tool)
            button = QPushButton(f"{tool.capitalize()}   {key}")
            button.setCheckable(True)
            button.setToolTip(TIPS[tool].format(key=key))
            self.tools.addButton(button, TOOLS.index(tool))
            tools.addWidget(button, 1)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self.pointing, 0, 0, 1, 2)
        grid.addLayout(tools, 1, 0, 1, 2)
        grid.addWidget(QLabel("Words"), 2, 0)
        grid.addWidget(self.words, 2, 1)
        grid.addWidget(QLabel("With"), 3, 0)
        both = QHBoxLayout()
        for narrow in (self.method, self.model):
            narrow.setMinimumContentsLength(3)  # two in a row; "…" stands for the rest
        both.addWidget(self.method, 1)
        both.addWidget(QLabel("Model"))
        both.addWidget(self.model, 1)
        grid.addLayout(both, 3, 1)
        grid.addWidget(QLabel("Write"), 4, 0)
        grid.addWidget(self.where, 4, 1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.accept, 1)
        buttons.addWidget(self.discard, 1)
        grid.addLayout(buttons, 5, 0, 1, 2)
        grid.addWidget(self.about, 6, 0, 1, 2)

    def _explain(self) -> None:
        for name in ("model", "where"):
            getattr(self, name).setToolTip(TIPS[name])
        for index, name in enumerate(self._names):
            about = capitalised(PROMPTERS.summary(name))
            self.method.setItemData(index, about, Qt.ItemDataRole.ToolTipRole)

    def _connect(self) -> None:
        self.pointing.clicked.connect(self.toggled)
        self.tools.idClicked.connect(self._on_tool)
        self.words.returnPressed.connect(self.said)
        self.method.currentIndexChanged.connect(self._on_changed)
        self.model.chosen.connect(self._on_changed)
        self.model.refused.connect(self.refused)
        self.accept.clicked.connect(lambda: self.accepted.emit())
        self.discard.clicked.connect(lambda: self.discarded.emit())

    def _on_tool(self, index: int) -> None:
        self._tool = TOOLS[index]
        self.tool_chosen.emit(self._tool)

    def _on_changed(self) -> None:
        self._show_about()
        self.show_words()
        self.changed.emit()

    def _show_about(self) -> None:
        about = capitalised(PROMPTERS.summary(self.prompter))
        self.method.setToolTip(f"{TIPS['method']} {about}")
