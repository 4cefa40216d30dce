"""The part of the dock for changing whole regions of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_firstpass.widgets.note import note
from napari_firstpass.widgets.region_layers import MODES

if TYPE_CHECKING:
    from napari_firstpass.widgets.preferences import Keys
    from napari_firstpass.widgets.region_layers import RegionMode

_MODES: dict[RegionMode, str] = {
    "click": "Click",
    "lasso": "Lasso",
    "split": "Split",
    "brush": "Superpixels",
}
_EDITS = {"smooth": "Smooth", "fill": "Fill", "specks": "Specks", "snap": "Snap"}
_MOST, _USUAL = 100_000, 50

TIPS = {
    "regions": "Begins or ends: then click on a region of the labels and press the key of its "
    "class, 1 to 9. Key: {key}",
    "brush_labels": "Takes the brush, which paints the class that is selected in the labels layer, "
    "or lays it down; [ and ] change its size. Key: {key}",
    "click": "Click on a region to select it, or press an arrow for the next one in that "
    "direction; with Shift, besides those that are selected.",
    "lasso": "Draw around regions: those that lie mostly inside are selected.",
    "split": "Draw a line across the selected region: the smaller part is selected then, the "
    "other one with {next}. Only a class of its own keeps a part apart.",
    "brush": "Paint whole superpixels, patches of one colour, with the class that is selected in "
    "the labels layer.",
    "smooth": "Takes teeth off the border of the selected regions: each pixel gets the class that "
    "most pixels around it have.",
    "fill": "Gives small holes in the selected regions their class.",
    "specks": "Gives small specks in the selected regions to what surrounds them.",
    "snap": "Moves the border of the selected regions to the strongest edge of the image nearby, "
    "up to 6 pixels away: paint roughly, then snap.",
    "size": "How many pixels a hole or a speck has at most.",
    "nothing": "Select a region first: click on it, or press an arrow.",
    "off": "Press Regions first, and click on a region.",
}


class RegionBox(QWidget):
    """A switch; while it is on, what the mouse does, and what can be done with what is selected.

    Attributes
    ----------
    keys : Keys
        What is pressed for what.
    regions, brush : QPushButton
        Whether the mouse selects regions, or paints.
    modes : QButtonGroup
        What the mouse does, in the order of `MODES`.
    edits : dict of str to QPushButton
        What can be done.
    most : QSpinBox
        How large holes and specks are at most.

    Signals
    -------
    toggled : bool
        The mouse is to select regions, or no longer.
    mode_chosen : str
        The mouse is to do something else.
    edit_wanted : str
        A button was pressed.
    unfolded : bool
        The controls are in sight, or only the switch.
    """

    toggled = Signal(bool)
    mode_chosen = Signal(str)
    edit_wanted = Signal(str)
    unfolded = Signal(bool)

    def __init__(self, keys: Keys, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.keys = keys
        self.regions, self.modes = QPushButton(f"Regions   {keys.regions}"), QButtonGroup(self)
        self.brush = QPushButton(f"Brush   {keys.brush}")
        for button in (self.regions, self.brush):
            button.setCheckable(True)
        self.edits = {name: QPushButton(text) for name, text in _EDITS.items()}
        self.most = QSpinBox()
        self.most.setRange(1, _MOST)
        self.most.setValue(_USUAL)
        self.most.setSuffix(" px")
        self.most.setToolTip(TIPS["size"])
        self._about = note(lines=2)
        self._about.setText(
            "Arrows: next one. Shift: one more. 1–9: class, Del: none. "
            f"{keys.merge}: as neighbour. {keys.accept}: reviewed. Esc: back."
        )
        self._arrange()
        self.regions.clicked.connect(self.toggled)
        self.modes.idClicked.connect(lambda index: self.mode_chosen.emit(MODES[index]))
        for name, button in self.edits.items():
            button.clicked.connect(lambda _=False, name=name: self.edit_wanted.emit(name))
        self.show_on(on=False, obstacle=None)
        self.show_selected(TIPS["off"])

    @property
    def mode(self) -> RegionMode:
        """What the mouse does."""
        return MODES[self.modes.checkedId()]

    def choose_mode(self, mode: RegionMode) -> None:
        """Choose what the mouse does, as its button does."""
        self.modes.buttons()[MODES.index(mode)].click()

    def show_on(self, *, on: bool, obstacle: str | None) -> None:
        """Say whether the mouse selects regions, or why it cannot."""
        self.regions.setChecked(on)
        self.regions.setEnabled(on or obstacle is None)
        tip = TIPS["regions"].format(key=self.keys.regions)
        self.regions.setToolTip(tip if on or obstacle is None else obstacle)
        self._body.setVisible(on)
        self.unfolded.emit(on)

    def show_brush(self, *, on: bool, obstacle: str | None) -> None:
        """Say whether the mouse paints, or why it cannot."""
        self.brush.setChecked(on)
        self.brush.setEnabled(on or obstacle is None)
        tip = TIPS["brush_labels"].format(key=self.keys.brush)
        self.brush.setToolTip(tip if on or obstacle is None else obstacle)

    def show_selected(self, obstacle: str | None) -> None:
        """Offer what can be done with a selection, or say why there is nothing to do."""
        for name, button in self.edits.items():
            button.setEnabled(obstacle is None)
            button.setToolTip(obstacle or TIPS[name])

    def _arrange(self) -> None:
        modes, edits = QHBoxLayout(), QHBoxLayout()
        for mode, text in _MODES.items():
            button = QPushButton(text)
            button.setCheckable(True)
            button.setToolTip(TIPS[mode].format(next=self.keys.candidates))
            self.modes.addButton(button, MODES.index(mode))
            modes.addWidget(button, 1)
        self.modes.buttons()[0].setChecked(True)
        for button in self.edits.values():
            edits.addWidget(button, 1)
        self._body = QWidget()
        grid = QGridLayout(self._body)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        grid.addLayout(modes, 0, 0, 1, 2)
        grid.addLayout(edits, 1, 0, 1, 2)
        grid.addWidget(QLabel("Holes, specks up to"), 2, 0)
        grid.addWidget(self.most, 2, 1)
        grid.addWidget(self._about, 3, 0, 1, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        switches = QHBoxLayout()
        for button in (self.regions, self.brush):
            switches.addWidget(button, 1)
        column.addLayout(switches)
        column.addWidget(self._body)
