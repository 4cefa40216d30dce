"""The part of the dock for learning from what was corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QPushButton, QWidget

from napari_firstpass.lessons import LEAST_REGIONS
from napari_firstpass.widgets.note import note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_firstpass.corrections import Taught

LEARN = "Learn from my corrections"

BEFORE = (
    f"Correct {LEAST_REGIONS} or more regions of a kind, under Fix or Review, and accept some that "
    "are right: places are then proposed that look like those and not like these. It is tried on "
    "your corrections first, each left out in turn; what does not find them again is not proposed."
)
_LINES = 6

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
    told : QLabel
        What is done, or what came of it.

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
        self.told = note(lines=_LINES)
        self.told.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.learn, 0, 0, 1, 2)
        grid.addWidget(self.accept, 1, 0)
        grid.addWidget(self.discard, 1, 1)
        grid.addWidget(self.told, 2, 0, 1, 2)
        self.learn.clicked.connect(lambda: self.wanted.emit())
        self.accept.clicked.connect(lambda: self.accepted.emit())
        self.discard.clicked.connect(lambda: self.discarded.emit())
        self.show_labels(None, None)
        self.show_proposal(shown=False)
        self.tell(())

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

    def tell(self, lines: Sequence[str]) -> None:
        """Say what came of the corrections, a line for each kind; without any, what is done."""
        self.told.setText("\n".join(lines) or BEFORE)


def told_of(taught: Sequence[Taught], name: Callable[[int], str], pixels: int) -> list[str]:
    """Return what corrections taught, in words: what is proposed first, then what is not.

    Parameters
    ----------
    taught : sequence of Taught
        What each kind taught.
    name : callable
        Returns what a class is called.
    pixels : int
        How many were looked at.
    """
    few = [one for one in taught if one.lesson.verdict == "few"]
    others = sorted((one for one in taught if one not in few), key=lambda one: -one.pixels)
    lines = [_told(one, name, pixels) for one in others]
    if len(few) > 1:
        more = "other " if lines else ""
        need = f"fewer than {LEAST_REGIONS} regions of each were corrected"
        return [*lines, f"{len(few)} {more}kinds: nothing; {need}."]
    return [*lines, *(_told(one, name, pixels) for one in few)]


def _told(taught: Taught, name: Callable[[int], str], pixels: int) -> str:
    """Return what one kind of correction taught."""
    lesson = taught.lesson
    kind = f"{name(lesson.before)} → {name(lesson.after)}"
    if lesson.verdict == "few":
        more = f"correct {LEAST_REGIONS - lesson.regions} more"
        return f"{kind}: nothing yet; {more}, {LEAST_REGIONS} regions are needed."
    if lesson.verdict == "small":
        return f"{kind}: nothing; the regions that you corrected are too small."
    if lesson.verdict == "alone":
        return f"{kind}: nothing; all that is here was corrected or reviewed."
    if lesson.verdict == "alike":
        return f"{kind}: nothing; what you corrected looks too much like what is left."
    again = f"{lesson.found} of {lesson.regions} corrected regions were found again when left out"
    if not taught.pixels:
        return f"{kind}: nothing else looks like it; {again}."
    places = "1 place" if taught.places == 1 else f"{taught.places} places"
    return f"{kind}: {places}, {100 * taught.pixels / pixels:.1f} %; {again}."
