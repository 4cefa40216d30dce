"""The part of the dock for looking through what was labelled, the most doubtful first."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_firstpass.widgets.narrow_box import NarrowBox
from napari_firstpass.widgets.note import note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.taxonomy import LabelClass
    from napari_firstpass.widgets.preferences import Keys

_STEPS = 1000
_MOST, _USUAL = 1_000_000, 100
_ALL = "all classes"

TIPS = {
    "next": "Flies to the region about which the method was least sure, counted by its size, and "
    "selects it. Key: {next}",
    "back": "Returns to the region before; it is no longer reviewed.",
    "accept": "The region is as it should be: notes it as reviewed, and goes on. Key: {accept}",
    "merge": "Gives the region the class of the neighbour it shares its longest border with, and "
    "goes on. Key: {merge}",
    "split": "Takes what looks different out of the region; {candidates} selects the other part. "
    "To split it along a line: Fix, Split.",
    "ignore": "Makes the region unlabelled, and goes on. Key: Del",
    "only": "Which regions Next flies to.",
    "least": "Regions of fewer pixels are not shown.",
    "doubt": "Shows where the method was unsure, as a fog: the whiter, the less sure.",
    "no_doubt": "Of these labels nobody knows how sure they are.",
    "bar": "How much of what is labelled was reviewed.",
    "report": "Copies time, area and the pixels changed of each class, as text.",
    "begin": "Press Next first.",
}


class ReviewBox(QWidget):
    """Buttons to go through regions, which ones, and how far it is.

    Attributes
    ----------
    keys : Keys
        What is pressed for what.
    next, back, accept, merge, split, ignore, report : QPushButton
        What can be done.
    only : NarrowBox
        Its items hold the id of a class as their data, None for all.
    least : QSpinBox
        Pixels of a region at least.
    doubt : QCheckBox
        Whether doubt is shown over the image.
    bar : QProgressBar
        How much was reviewed.
    told : QLabel
        What it came to.

    Signals
    -------
    chosen
        Other regions are meant.
    """

    chosen = Signal()

    def __init__(self, keys: Keys, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.keys = keys
        self.next, self.back = QPushButton(f"Next   {keys.next}"), QPushButton("Back")
        self.accept = QPushButton(f"Accept   {keys.accept}")
        self.merge, self.split = QPushButton(f"Merge   {keys.merge}"), QPushButton("Split")
        self.ignore, self.report = QPushButton("Ignore   Del"), QPushButton("Copy report")
        self.only, self.least, self.doubt = NarrowBox(), QSpinBox(), QCheckBox("Show doubt")
        self.least.setRange(1, _MOST)
        self.least.setValue(_USUAL)
        self.least.setPrefix("≥ ")
        self.least.setSuffix(" px")
        self.least.setKeyboardTracking(False)
        self.bar, self.told = QProgressBar(), note(lines=2)
        self.bar.setRange(0, _STEPS)
        for name in ("only", "least", "bar", "back", "report"):
            getattr(self, name).setToolTip(TIPS[name])
        self.told.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._arrange()
        self.only.currentIndexChanged.connect(lambda: self.chosen.emit())
        self.least.valueChanged.connect(lambda: self.chosen.emit())
        self.show_classes(())
        self.show_labels(TIPS["begin"])
        self.show_region(selected=False)
        self.show_doubt(known=False)

    @property
    def class_id(self) -> int | None:
        """The one class whose regions are meant, None for all."""
        chosen = self.only.currentData()
        return None if chosen is None else int(chosen)

    def show_labels(self, obstacle: str | None) -> None:
        """Offer to go through labels, or say why that is not possible."""
        self.next.setEnabled(obstacle is None)
        self.next.setToolTip(obstacle or TIPS["next"].format(next=self.keys.next))

    def show_region(self, *, selected: bool) -> None:
        """Offer what can be done with a region, or say that there is none."""
        for name in ("accept", "merge", "split", "ignore"):
            button: QPushButton = getattr(self, name)
            button.setEnabled(selected)
            tip = TIPS[name].format(**asdict(self.keys))
            button.setToolTip(tip if selected else TIPS["begin"])

    def show_classes(self, classes: Sequence[LabelClass]) -> None:
        """List classes to choose from; the one that was chosen stays so if it is among them."""
        before = self.only.currentData()
        listed = [(_ALL, None), *((entry.name, entry.id) for entry in classes)]
        with QSignalBlocker(self.only):
            self.only.clear()
            for name, class_id in listed:
                self.only.addItem(name, class_id)
            ids = [class_id for _, class_id in listed]
            self.only.setCurrentIndex(ids.index(before) if before in ids else 0)

    def show_doubt(self, *, known: bool) -> None:
        """Offer to show doubt, or say that it is not known."""
        self.doubt.setEnabled(known)
        self.doubt.setToolTip(TIPS["doubt" if known else "no_doubt"])

    def show_share(self, share: float, told: str) -> None:
        """Say which part of what is labelled was reviewed, and what it came to."""
        self.bar.setValue(round(_STEPS * share))
        self.bar.setFormat(f"{100 * share:.0f} % reviewed")
        self.told.setText(told)

    def _arrange(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        rows: tuple[tuple[tuple[QWidget, int], ...], ...] = (
            ((self.next, 4), (self.back, 2)),
            ((self.accept, 3), (self.merge, 3)),
            ((self.split, 3), (self.ignore, 3)),
            ((self.bar, 6),),
            ((self.told, 6),),
            ((QLabel("Only"), 1), (self.only, 2), (self.least, 3)),
            ((self.doubt, 3), (self.report, 3)),
        )
        for row, widgets in enumerate(rows):
            column = 0
            for widget, span in widgets:
                grid.addWidget(widget, row, column, 1, span)
                column += span
        for column in range(6):
            grid.setColumnStretch(column, 0 if column == 0 else 1)
