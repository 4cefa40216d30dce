"""The part of the dock for refining labels that are there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QPushButton, QWidget

from napari_firstpass.config import DEFAULT_PRESET
from napari_firstpass.refiners import REFINERS
from napari_firstpass.widgets.note import note
from napari_firstpass.widgets.session import capitalised

if TYPE_CHECKING:
    from collections.abc import Sequence

REFINE = "Refine labels"

TIPS = {
    "method": "How borders are moved to where the image has them.",
    "preset": "Settings of the method; the first is meant for the image as it is.",
    "suggest": "Shows regions that look different from the rest of their class, as a layer of "
    "its own. The labels do not change for them.",
    "only": "Changes the labels inside a rectangle, and nothing outside. Draw one on the image; "
    "the last one counts, or the one that is selected.",
    "run": "Moves the borders of “{name}” to where the image has them. Ctrl+Z takes it back in one "
    "step. Of a large scene, it works on what is in view.",
    "none": "There are no labels yet: run, or select a labels layer.",
}


class RefineBox(QWidget):
    """A method, where to use it, and a button.

    Attributes
    ----------
    method : QComboBox
        Its items hold the refiner's name as their data.
    preset : QComboBox
        Settings of the method.
    suggest : QCheckBox
        Whether regions found inside classes are shown.
    only : QCheckBox
        Whether only a drawn rectangle is refined.
    run : QPushButton
        Begins.

    Signals
    -------
    wanted
        Labels are to be refined.
    rectangle_wanted
        The user chose to refine a rectangle.
    """

    wanted = Signal()
    rectangle_wanted = Signal()

    def __init__(
        self, names: Sequence[str] = REFINERS.names, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.method, self.about = QComboBox(), note(lines=2)
        self.preset, self.suggest = QComboBox(), QCheckBox("Suggest regions inside classes")
        self.only, self.run = QCheckBox("Only in a rectangle"), QPushButton(REFINE)
        for name in names:
            self.method.addItem(name, name)
        self.method.setToolTip(TIPS["method"])
        self.preset.setToolTip(TIPS["preset"])
        self.suggest.setToolTip(TIPS["suggest"])
        self.only.setToolTip(TIPS["only"])
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        grid.addWidget(QLabel("Refine with"), 0, 0)
        grid.addWidget(self.method, 0, 1)
        grid.addWidget(self.about, 1, 0, 1, 2)
        grid.addWidget(QLabel("Settings"), 2, 0)
        grid.addWidget(self.preset, 2, 1)
        for row, widget in enumerate((self.suggest, self.only, self.run), start=3):
            grid.addWidget(widget, row, 0, 1, 2)
        self.method.currentIndexChanged.connect(self._on_method)
        self.only.toggled.connect(self._on_only)
        self.run.clicked.connect(lambda: self.wanted.emit())
        self._on_method()
        self.show_labels(None, None)

    @property
    def refiner(self) -> str:
        """Name of the chosen method."""
        return str(self.method.currentData())

    @property
    def settings(self) -> str:
        """Name of the chosen settings."""
        return self.preset.currentText()

    def show_labels(self, name: str | None, obstacle: str | None) -> None:
        """Say which labels would be refined, or why none can be."""
        obstacle = obstacle or (TIPS["none"] if name is None else None)
        self.run.setEnabled(obstacle is None)
        self.run.setToolTip(obstacle or TIPS["run"].format(name=name))

    def _on_method(self) -> None:
        self.about.setText(capitalised(REFINERS.summary(self.refiner)))
        self.preset.clear()
        self.preset.addItems(REFINERS.presets(self.refiner) or (DEFAULT_PRESET,))
        self.preset.setEnabled(self.preset.count() > 1)

    def _on_only(self, only: bool) -> None:
        if only:
            self.rectangle_wanted.emit()
