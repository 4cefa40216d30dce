"""The part of the dock for learning from what was corrected."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QPushButton, QWidget

from napari_firstpass.widgets.note import note

LEARN = "Learn from my corrections"

TIPS = {
    "learn": "Looks for places of “{name}” that look like those that you corrected, and shows what "
    "would change. Nothing changes until you accept it; what was corrected or reviewed never does.",
    "accept": "Changes the labels as shown, in one step that Ctrl+Z takes back. Key: {key}",
    "discard": "Takes the proposal away; nothing was changed. Key: Esc",
    "nothing": "There is no proposal yet.",
    "none": "There are no labels yet: run, or select a labels layer.",
}


class LearnBox(QWidget):
    """A button that proposes changes, and what becomes of them.

    Attributes
    ----------
    accept_key : str
        What is pressed to accept.
    learn, accept, discard : QPushButton
        What can be done.

    Signals
    -------
    wanted, accepted, discarded
        The buttons were pressed.
    """

    wanted = Signal()
    accepted = Signal()
    discarded = Signal()

    def __init__(self, accept_key: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.accept_key = accept_key
        self.learn = QPushButton(LEARN)
        self.accept = QPushButton(f"Accept   {accept_key}")
        self.discard = QPushButton("Discard   Esc")
        about = note(lines=2)
        about.setText("Correct a few regions first, under Fix or Review; the rest follows.")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.learn, 0, 0, 1, 2)
        grid.addWidget(self.accept, 1, 0)
        grid.addWidget(self.discard, 1, 1)
        grid.addWidget(about, 2, 0, 1, 2)
        self.learn.clicked.connect(lambda: self.wanted.emit())
        self.accept.clicked.connect(lambda: self.accepted.emit())
        self.discard.clicked.connect(lambda: self.discarded.emit())
        self.show_labels(None, None)
        self.show_proposal(shown=False)

    def show_labels(self, name: str | None, obstacle: str | None) -> None:
        """Say of which labels it would be learned, or why that is not possible."""
        obstacle = obstacle or (TIPS["none"] if name is None else None)
        self.learn.setEnabled(obstacle is None)
        self.learn.setToolTip(obstacle or TIPS["learn"].format(name=name))

    def show_proposal(self, *, shown: bool) -> None:
        """Offer what can be done with a proposal, or say that there is none."""
        for name in ("accept", "discard"):
            button: QPushButton = getattr(self, name)
            button.setEnabled(shown)
            button.setToolTip(TIPS[name].format(key=self.accept_key) if shown else TIPS["nothing"])
