"""A window that shows what clusters may be: crops, a class, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import (
    QDialog,
    QGridLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QStyle,
    QVBoxLayout,
    QWidget,
)

from napari_firstpass.taxonomy import UNLABELLED
from napari_firstpass.widgets.narrow_box import NarrowBox
from napari_firstpass.widgets.proposal_runs import CROPS, SIDE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_firstpass.taxonomy import Taxonomy
    from napari_firstpass.widgets.proposal_runs import Proposal, Proposed

_SIZE = (640, 520)
_NOTHING = "choose a class"
_MARGIN = 8
"""Pixels beside the bar, so that rows are not cut."""


class ProposalWindow(QDialog):
    """Rows of clusters with three crops each, a proposed class and a button that accepts it.

    Attributes
    ----------
    accept_all : QPushButton
        Accepts whatever has a class, at once.

    Signals
    -------
    accepted_as : int, int
        A cluster is to become a class.
    all_accepted_as : dict
        Several are, by their ids.
    """

    accepted_as = Signal(int, int)
    all_accepted_as = Signal(dict)

    def __init__(
        self, proposed: Proposed, names: Mapping[int, str], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("What clusters may be")
        self.resize(*_SIZE)
        self.accept_all = QPushButton("Accept all")
        self.accept_all.setToolTip("Makes all these clusters their classes: one step for Ctrl+Z.")
        self.accept_all.clicked.connect(self._accept_all)
        self._rows: dict[int, _Row] = {}
        inside = QWidget()
        grid = QGridLayout(inside)
        grid.setColumnStretch(CROPS + 1, 1)
        for line, proposal in enumerate(proposed.proposals):
            source = proposal.decision.source
            row = _Row(proposal, names.get(source, f"class {source}"), proposed.target)
            row.accept.clicked.connect(lambda _=False, source=source: self._accept(source))
            for column, widget in enumerate(row.widgets):
                grid.addWidget(widget, line, column)
            self._rows[source] = row
        grid.setRowStretch(len(self._rows), 1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(inside)
        if (style := self.style()) is not None:
            bar = style.pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
            area.setMinimumWidth(inside.minimumSizeHint().width() + bar + _MARGIN)
        column_ = QVBoxLayout(self)
        column_.addWidget(area)
        column_.addWidget(self.accept_all)

    @property
    def sources(self) -> tuple[int, ...]:
        """Clusters that wait for an answer."""
        return tuple(self._rows)

    def row(self, source: int) -> _Row:
        """Return what is shown of a cluster."""
        return self._rows[source]

    def keep_only(self, ids: Collection[int]) -> None:
        """Leave out clusters that are no more; end if none is left."""
        for source in [source for source in self._rows if source not in ids]:
            row = self._rows.pop(source)
            for widget in row.widgets:
                widget.setVisible(False)
        if not self._rows:
            self.close()

    def _accept(self, source: int) -> None:
        target = self._rows[source].target
        if target != UNLABELLED:
            self.accepted_as.emit(source, target)

    def _accept_all(self) -> None:
        chosen = {source: row.target for source, row in self._rows.items()}
        ready = {source: target for source, target in chosen.items() if target != UNLABELLED}
        if ready:
            self.all_accepted_as.emit(ready)


class _Row:
    """The widgets of one cluster.

    Attributes
    ----------
    choice : NarrowBox
        The classes; their ids are the items' data.
    accept : QPushButton
        Makes the cluster the chosen class.
    """

    def __init__(self, proposal: Proposal, name: str, target: Taxonomy) -> None:
        decision = proposal.decision
        crops = [_picture(crop) for crop in proposal.crops]
        crops += [QLabel() for _ in range(CROPS - len(crops))]
        self.choice, self.accept = NarrowBox(), QPushButton("✓")
        self.accept.setToolTip(f"Makes {name} this class; Ctrl+Z takes it back.")
        self.choice.addItem(_NOTHING, UNLABELLED)
        for entry in target.classes:
            self.choice.addItem(entry.name, entry.id)
        self.choice.setCurrentIndex(max(0, self.choice.findData(decision.target)))
        self.choice.currentIndexChanged.connect(self._show)
        sure = QLabel(f"{decision.confidence:.2f}" if decision.target else "–")
        sure.setToolTip("How sure the proposal is, from 0 to 1.")
        self.widgets = (*crops, QLabel(f"{name} →"), self.choice, sure, self.accept)
        self._show()

    @property
    def target(self) -> int:
        """The chosen class; 0 for none."""
        return int(self.choice.currentData())

    def _show(self) -> None:
        self.accept.setEnabled(self.target != UNLABELLED)


def _picture(crop: NDArray[np.uint8]) -> QLabel:
    height, width, _ = crop.shape
    image = QImage(crop.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    label = QLabel()
    label.setPixmap(QPixmap.fromImage(image.copy()).scaled(SIDE, SIDE))
    label.setFixedSize(SIDE, SIDE)
    return label
