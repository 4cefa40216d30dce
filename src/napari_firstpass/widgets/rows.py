"""Controls beside each other."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QWidget


def beside(wide: QWidget, narrow: QWidget, *, alike: bool = False) -> QWidget:
    """Return two controls in one row, of which the other may be as wide as the first."""
    both = QWidget()
    row = QHBoxLayout(both)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(wide, 1)
    row.addWidget(narrow, 1 if alike else 0)
    return both
