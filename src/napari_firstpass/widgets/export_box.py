"""The part of the dock for exporting labels in a form that others read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_firstpass.exporting.options import option_lines
from napari_firstpass.exporting.presets import PRESETS
from napari_firstpass.exporting.rules import ExportRules
from napari_firstpass.io.formats import EXPORTERS
from napari_firstpass.segmentation import SURE
from napari_firstpass.widgets.narrow_box import NarrowBox
from napari_firstpass.widgets.note import note
from napari_firstpass.widgets.rows import beside
from napari_firstpass.widgets.session import capitalised

if TYPE_CHECKING:
    from collections.abc import Sequence

EXPORT = "Export…"

TIPS = {
    "format": "What is written. Each is read by the programs it is named after.",
    "codes": "Which number each class is written as: its own, which is the export code that a list "
    "of classes gives it, or else its number here; or that of a list that others have fixed, where "
    "classes find theirs by name.",
    "options": "Options of the format as NAME=VALUE, with spaces between them.",
    "level": "Which level of the tree of classes is written: 1 joins all below the topmost ones.",
    "sure": "Labels about which the method was less sure than this get the code of what is "
    "ignored. What a person painted is sure.",
    "reviewed": "Pixels that were not reviewed get the code of what is ignored. Review goes "
    "through them.",
    "preview": "Counted before anything is written.",
    "run": "Writes “{name}” as it is now into a new folder.",
    "none": "There are no labels yet: run, or select a labels layer.",
}

_OWN = "their own"
_LINES = 5
_DEEPEST = 9


class ExportBox(QWidget):
    """A format, codes, options, what will be written, and a button.

    Attributes
    ----------
    format : NarrowBox
        Its items hold the format's name as their data.
    codes : NarrowBox
        Its items hold the preset's name as their data, None for own codes.
    options : QLineEdit
        Options of the format.
    level : QSpinBox
        Level of the tree, 0 for classes as they are.
    sure : QSpinBox
        Least confidence in per cent.
    reviewed : QCheckBox
        Whether what was not reviewed is ignored.
    preview : QPlainTextEdit
        Pixels of each class, and what to know.
    run : QPushButton
        Asks where to, and writes.

    Signals
    -------
    changed
        Something else is to be written.
    wanted
        It is to be written.
    """

    changed = Signal()
    wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.format, self.about = NarrowBox(), note(lines=2)
        self.codes, self.options = NarrowBox(), QLineEdit()
        self.reviewed = QCheckBox("Only what was reviewed")
        self.reviewed.setToolTip(TIPS["reviewed"])
        self.level = _number("as is", "", _DEEPEST, TIPS["level"])
        self.sure = _number("all labels", " % sure", 100, TIPS["sure"])
        self.preview, self.run = QPlainTextEdit(), QPushButton(EXPORT)
        for name in EXPORTERS.names:
            self.format.addItem(name, name)
        for preset in (None, *PRESETS):
            self.codes.addItem(preset or _OWN, preset)
            tip = TIPS["codes"] if preset is None else PRESETS[preset].summary
            self.codes.setItemData(self.codes.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.format.setToolTip(TIPS["format"])
        self.codes.setToolTip(TIPS["codes"])
        self.preview.setToolTip(TIPS["preview"])
        self.preview.setReadOnly(True)
        self.preview.setFixedHeight(_LINES * self.fontMetrics().lineSpacing() + 16)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        rows = (
            *(("Export as", self.format), ("", self.about), ("Codes", self.codes)),
            *(("Level", beside(self.level, self.sure, alike=True)), ("Options", self.options)),
        )
        for row, (text, widget) in enumerate(rows):
            grid.addWidget(QLabel(text), row, 0)
            grid.addWidget(widget, row, 0 if not text else 1, 1, 1 if text else 2)
        for row, widget in enumerate((self.preview, beside(self.reviewed, self.run)), len(rows)):
            grid.addWidget(widget, row, 0, 1, 2)
        self.format.currentIndexChanged.connect(self._on_format)
        self.codes.currentIndexChanged.connect(lambda: self.changed.emit())
        self.level.valueChanged.connect(lambda: self.changed.emit())
        self.sure.valueChanged.connect(lambda: self.changed.emit())
        self.reviewed.toggled.connect(lambda: self.changed.emit())
        self.options.editingFinished.connect(lambda: self.changed.emit())
        self.run.clicked.connect(lambda: self.wanted.emit())
        self._on_format()
        self.show_labels(None, None)

    @property
    def format_name(self) -> str:
        """Name of the chosen format."""
        return str(self.format.currentData())

    @property
    def preset(self) -> str | None:
        """Name of the chosen list of codes, None for those of the classes."""
        chosen = self.codes.currentData()
        return None if chosen is None else str(chosen)

    @property
    def given(self) -> dict[str, str]:
        """Options of the format; what has no ``=`` counts as a name without a value."""
        parts = (word.partition("=") for word in self.options.text().split())
        return {name: value for name, _, value in parts}

    @property
    def rules(self) -> ExportRules:
        """What is written of the labels, and how."""
        return ExportRules(
            preset=self.preset,
            level=self.level.value() or None,
            min_confidence=round(self.sure.value() / 100 * SURE),
            reviewed_only=self.reviewed.isChecked(),
        )

    def show_labels(self, name: str | None, obstacle: str | None) -> None:
        """Say which labels would be exported, or why none can be."""
        obstacle = obstacle or (TIPS["none"] if name is None else None)
        self.run.setEnabled(obstacle is None)
        self.run.setToolTip(obstacle or TIPS["run"].format(name=name))

    def show_preview(self, lines: Sequence[str]) -> None:
        """Show what would be written."""
        self.preview.setPlainText("\n".join(lines))

    def _on_format(self) -> None:
        self.about.setText(capitalised(EXPORTERS.summary(self.format_name)))
        lines = option_lines(EXPORTERS.load(self.format_name))
        self.options.setEnabled(bool(lines))
        self.options.setPlaceholderText("NAME=VALUE …" if lines else "")
        self.options.setToolTip("\n".join([TIPS["options"], *lines]))
        self.options.clear()
        self.changed.emit()


def _number(nothing: str, suffix: str, largest: int, tip: str) -> QSpinBox:
    """Return a field for a number from 0, which says what 0 is."""
    field = QSpinBox()
    field.setRange(0, largest)
    field.setSpecialValueText(nothing)
    field.setSuffix(suffix)
    field.setKeyboardTracking(False)
    field.setToolTip(tip)
    return field
