"""Controls beside each other."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QWidget


def beside(wide: QWidget, narrow: QWidget) -> QWidget:
    """Return two controls in one row."""
    both = QWidget()
    row = QHBoxLayout(both)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(wide, 1)
    row.addWidget(narrow)
    return both
