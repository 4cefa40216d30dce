"""Text below a control."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

_PADDING = 14
"""What napari's style adds around a text, top and bottom together."""


def note(lines: int) -> QLabel:
    """Return a text that wraps; it keeps its room, so that the controls below keep their place."""
    label = QLabel()
    label.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
    label.setMinimumHeight(lines * label.fontMetrics().lineSpacing() + _PADDING)
    label.setWordWrap(True)
    label.setMinimumWidth(1)
    return label
