"""The list of classes: a tree with colours, numbers and areas, in which rows can be dragged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelectionModel, QMimeData, QSignalBlocker, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QIcon, QKeySequence, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem

from napari_firstpass.class_areas import area_text, share_text
from napari_firstpass.taxonomy_edits import is_cluster
from napari_firstpass.widgets.desk_keys import CLASS_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from qtpy.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent, QKeyEvent
    from qtpy.QtWidgets import QWidget

    from napari_firstpass.taxonomy import LabelClass, Taxonomy
    from napari_firstpass.taxonomy_edits import Place

NAME, ID, AREA, SHARE = range(4)
"""Columns."""

_HEADINGS = ("Class", "No", "Area", "Share")
_MIME = "application/x-firstpass-classes"
_SWATCH = 12
_ROWS = 7

NAME_TIP = (
    "Untick to hide. Double click, or F2, renames; the name of another class merges with it. "
    "Drag a cluster onto a class to make it that class."
)
TIPS = {
    NAME: NAME_TIP,
    ID: "The number in the labels; keys 1 to 9 choose the class to paint with.",
    AREA: "What the class covers now.",
    SHARE: "Of all pixels.",
}


class ClassTree(QTreeWidget):
    """Shows classes; what the user does to them is only told, and changes nothing here.

    Signals
    -------
    picked : int
        A class is to be painted with.
    named : int, str
        A class is to get a name.
    shown : int, bool
        A class is to be seen, or hidden.
    dropped : list of int, int or None, Place
        Classes were dragged into, above or below one; None for below all.
    delete_wanted, merge_wanted, undo_wanted, redo_wanted
        The keys for it.
    number_pressed : int
        Key of a class.

    Parameters
    ----------
    merge_key : str
        The key that merges.
    """

    picked = Signal(int)
    named = Signal(int, str)
    shown = Signal(int, bool)
    dropped = Signal(object, object, str)
    delete_wanted = Signal()
    merge_wanted = Signal()
    undo_wanted = Signal()
    redo_wanted = Signal()
    number_pressed = Signal(int)

    def __init__(self, merge_key: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._merge_key = merge_key
        self._items: dict[int, QTreeWidgetItem] = {}
        self._folded: set[int] = set()
        self.setColumnCount(len(_HEADINGS))
        self.setHeaderLabels(list(_HEADINGS))
        self.setIndentation(14)
        self.setUniformRowHeights(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragDrop)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.setMinimumHeight(_ROWS * (self.fontMetrics().lineSpacing() + 6))
        self._shape_columns()
        self.currentItemChanged.connect(self._on_current)
        self.itemChanged.connect(self._on_item)
        self.itemCollapsed.connect(lambda item: self._folded.add(_id_of(item)))
        self.itemExpanded.connect(lambda item: self._folded.discard(_id_of(item)))

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a height that leaves room for the buttons below on a small screen."""
        return QSize(super().sizeHint().width(), self.minimumHeight())

    @property
    def chosen(self) -> tuple[int, ...]:
        """The selected classes, from the top."""
        selected = {_id_of(item) for item in self.selectedItems()}
        return tuple(class_id for class_id in self._items if class_id in selected)

    @property
    def listed(self) -> tuple[int, ...]:
        """All classes that are shown, in the order of the list."""
        return tuple(self._items)

    @property
    def is_edited(self) -> bool:
        """Whether a name is being typed: then the rows must stay."""
        return bool(self.state() == QAbstractItemView.State.EditingState)

    def item(self, class_id: int) -> QTreeWidgetItem:
        """Return the row of a class."""
        return self._items[class_id]

    def show_classes(self, taxonomy: Taxonomy, hidden: Collection[int]) -> None:
        """Show other classes, or the same ones changed; what is selected stays so."""
        chosen, current = self.chosen, self.currentItem()
        now = None if current is None else _id_of(current)
        with QSignalBlocker(self):
            self.clear()
            self._items = {}
            self._add(taxonomy, taxonomy.children(), None, hidden)
            self.expandAll()
            for class_id in self._folded & set(self._items):
                self._items[class_id].setExpanded(False)
            for class_id in chosen:
                if class_id in self._items:
                    self._items[class_id].setSelected(True)
            if now in self._items:
                flag = QItemSelectionModel.SelectionFlag.NoUpdate
                self.setCurrentItem(self._items[now], NAME, flag)

    def show_areas(self, counts: Mapping[int, int], whole: int, pixel_area: float | None) -> None:
        """Show how much each class covers.

        Parameters
        ----------
        counts : mapping of int to int
            Pixels of each id; 0 where it is missing.
        whole : int
            All pixels.
        pixel_area : float or None
            Square metres of one, if they are known.
        """
        with QSignalBlocker(self):
            for class_id, item in self._items.items():
                pixels = counts.get(class_id, 0)
                item.setText(AREA, area_text(pixels, pixel_area))
                item.setText(SHARE, share_text(pixels, whole))
        self._fit_columns()

    def choose(self, class_id: int) -> None:
        """Make a class the current one, as a click on it does; nobody is told."""
        with QSignalBlocker(self):
            item = self._items.get(class_id)
            if item is None:
                self.clearSelection()
                self.setCurrentItem(None)
            elif item is not self.currentItem():
                self._make_current(item)

    def edit_name(self, class_id: int) -> None:
        """Let the user type the name of a class."""
        item = self._items[class_id]
        self._make_current(item)
        self.scrollToItem(item)
        self.editItem(item, NAME)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Take the keys of the list; the rest is Qt's."""
        if event is None:
            return
        key, plain = event.key(), event.modifiers() == Qt.KeyboardModifier.NoModifier
        held = event.isAutoRepeat()  # one class after the other would go
        number = key - Qt.Key.Key_0
        if event.matches(QKeySequence.StandardKey.Undo):
            self.undo_wanted.emit()
        elif event.matches(QKeySequence.StandardKey.Redo):
            self.redo_wanted.emit()
        elif key == Qt.Key.Key_Delete and not held:
            self.delete_wanted.emit()
        elif plain and event.text().upper() == self._merge_key:
            self.merge_wanted.emit()
        elif plain and number in CLASS_KEYS:
            self.number_pressed.emit(number)
        elif plain and event.text().isalpha():
            event.ignore()  # a key of the desk: Qt would look for a class of that letter
        else:
            super().keyPressEvent(event)

    def mimeTypes(self) -> list[str]:  # noqa: N802 - Qt's name
        """Return what can be dropped here."""
        return [_MIME]

    def mimeData(self, items: Iterable[QTreeWidgetItem]) -> QMimeData:  # noqa: N802 - Qt's name
        """Return what is dragged: the ids of rows."""
        data = QMimeData()
        data.setData(_MIME, json.dumps([_id_of(item) for item in items]).encode())
        return data

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802 - Qt's name
        """Take rows of such a list."""
        super().dragEnterEvent(event)
        _accept(event)

    def dragMoveEvent(self, event: QDragMoveEvent | None) -> None:  # noqa: N802 - Qt's name
        """Show where they would go."""
        super().dragMoveEvent(event)
        _accept(event)

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802 - Qt's name
        """Tell what was dragged where."""
        ids = _dragged(event)
        if event is None or ids is None:
            return
        item, place = self.itemAt(event.position().toPoint()), self._place()
        event.setDropAction(Qt.DropAction.CopyAction)  # Qt removes rows that were moved
        event.accept()
        self.setState(QAbstractItemView.State.NoState)
        known = [class_id for class_id in ids if class_id in self._items]
        target = None if item is None else _id_of(item)
        if known:
            _later(lambda: self.dropped.emit(known, target, place))

    def _make_current(self, item: QTreeWidgetItem) -> None:
        """Select one row and no other; by itself, Qt toggles it while Ctrl is held for Ctrl+Z."""
        flags = QItemSelectionModel.SelectionFlag
        self.setCurrentItem(item, NAME, flags.ClearAndSelect | flags.Rows)

    def _place(self) -> Place:
        """Return where the mark that Qt draws says that something would be dropped."""
        position = QAbstractItemView.DropIndicatorPosition
        places: dict[Any, Place] = {position.AboveItem: "above", position.BelowItem: "below"}
        return places.get(self.dropIndicatorPosition(), "into")

    def _shape_columns(self) -> None:
        header, headings = self.header(), self.headerItem()
        if header is None or headings is None:
            return
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(20)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        for column, tip in TIPS.items():
            headings.setToolTip(column, tip)
        self._fit_columns()

    def _fit_columns(self) -> None:
        """Make columns as wide as their texts; Qt would measure all rows for each that changes."""
        for column in (ID, AREA, SHARE):
            self.resizeColumnToContents(column)

    def _add(
        self,
        taxonomy: Taxonomy,
        entries: Iterable[LabelClass],
        parent: QTreeWidgetItem | None,
        hidden: Collection[int],
    ) -> None:
        for entry in entries:
            item = _row_of(entry, seen=entry.id not in hidden)
            if parent is None:
                self.addTopLevelItem(item)
            else:
                parent.addChild(item)
            self._items[entry.id] = item
            self._add(taxonomy, taxonomy.children(entry.id), item, hidden)

    def _on_current(self, item: QTreeWidgetItem | None) -> None:
        if item is not None:
            self.picked.emit(_id_of(item))

    def _on_item(self, item: QTreeWidgetItem, column: int) -> None:
        """Tell of a new name or tick; Qt does not say which of the two it is."""
        if column != NAME:
            return
        class_id, seen = _id_of(item), item.checkState(NAME) == Qt.CheckState.Checked
        if seen != item.data(SHARE, Qt.ItemDataRole.UserRole):
            _later(lambda: self.shown.emit(class_id, seen))
        else:
            name = item.text(NAME)
            _later(lambda: self.named.emit(class_id, name))


def _row_of(entry: LabelClass, *, seen: bool) -> QTreeWidgetItem:
    item = QTreeWidgetItem([entry.name, str(entry.id), "", ""])
    item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable | Qt.ItemFlag.ItemIsUserCheckable)
    item.setData(ID, Qt.ItemDataRole.UserRole, entry.id)
    item.setData(SHARE, Qt.ItemDataRole.UserRole, seen)
    item.setCheckState(NAME, Qt.CheckState.Checked if seen else Qt.CheckState.Unchecked)
    item.setIcon(NAME, _swatch(entry.color))
    for column in (ID, AREA, SHARE):
        item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    if is_cluster(entry):
        font = item.font(NAME)
        font.setItalic(True)
        item.setFont(NAME, font)
    item.setToolTip(NAME, TIPS[NAME])
    return item


def _swatch(color: str) -> QIcon:
    picture = QPixmap(_SWATCH, _SWATCH)
    picture.fill(QColor(color))
    icon = QIcon(picture)
    # Qt tints what is selected; a colour must stay what it is.
    icon.addPixmap(picture, QIcon.Mode.Selected)
    return icon


def _id_of(item: QTreeWidgetItem) -> int:
    return int(item.data(ID, Qt.ItemDataRole.UserRole))


def _later(tell: Callable[[], None]) -> None:
    """Tell something once Qt is done with a row: the list may be filled anew then."""
    QTimer.singleShot(0, tell)


def _dragged(event: QDropEvent | None) -> list[int] | None:
    """Return the ids of rows that are dragged, None for anything else."""
    data = None if event is None else event.mimeData()
    if data is None or not data.hasFormat(_MIME):
        return None
    ids: list[int] = json.loads(bytes(data.data(_MIME).data()))
    return ids


def _accept(event: QDragMoveEvent | None) -> None:
    if event is not None and _dragged(event) is not None:
        event.acceptProposedAction()
