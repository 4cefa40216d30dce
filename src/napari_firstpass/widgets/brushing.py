"""The brush of napari, taken and laid down from the dock; keys for the class that it paints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_firstpass.errors import FirstPassError
from napari_firstpass.widgets.class_layers import require_paintable
from napari_firstpass.widgets.desk_keys import CLASS_KEYS, ButtonKeys, DeskKey
from napari_firstpass.widgets.pointing import class_text
from napari_firstpass.widgets.session import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_firstpass.widgets.pointing import Desk
    from napari_firstpass.widgets.region_box import RegionBox

_REST = "pan_zoom"


class Brushing(QObject):
    """Lets the mouse paint on the labels that are meant, and follows what napari says of that.

    Signals
    -------
    said : Message
        Something for the status line.
    begun
        The mouse paints.

    Parameters
    ----------
    viewer : Viewer
        Holds the layers.
    box : RegionBox
        Has the button.
    desk : Desk
        The rest of the panel.
    """

    said = Signal(object)
    begun = Signal()

    def __init__(
        self, viewer: Viewer, box: RegionBox, desk: Desk, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._box, self._desk = viewer, box, desk
        self._key = ButtonKeys(viewer, box.keys.brush, box.brush, parent=self)
        self._labels: Labels | None = None
        box.brush.clicked.connect(lambda on: self.begin() if on else self.end())

    @property
    def is_on(self) -> bool:
        """Whether the mouse paints."""
        labels = self._labels
        active = labels is not None and self._viewer.layers.selection.active == labels
        return labels is not None and active and labels.mode == "paint"

    def begin(self) -> None:
        """Take the brush."""
        try:
            labels = require_paintable(self._desk.labels())
        except FirstPassError as error:
            self.said.emit(Message.of(error))
            self.follow()
            return
        self.begun.emit()
        self._viewer.layers.selection.active = labels
        labels.mode = "paint"
        painted = class_text(labels, int(labels.selected_label))
        self.said.emit(Message(f"The brush paints {painted}; 1–9 chooses another class."))

    def end(self) -> None:
        """Lay the brush down: the mouse moves the image again."""
        if self._labels is not None and self._labels.mode == "paint":
            self._labels.mode = _REST
        self.follow()

    def unfold(self, unfolded: bool) -> None:
        """Let the key take the brush, or leave it to napari."""
        self._key.follow(unfolded)

    def follow(self) -> None:
        """Follow the panel to other labels, and say whether they can be painted on."""
        labels, obstacle = self._desk.labels(), None
        try:
            labels = require_paintable(labels)
        except FirstPassError as error:
            labels, obstacle = None, Message.of(error).text
        if labels != self._labels:
            self._watch(labels)
        self._box.show_brush(on=self.is_on, obstacle=obstacle)

    def let_go(self) -> None:
        """Hold nothing of the viewer any more."""
        self._key.follow(in_sight=False)
        self._watch(None)

    def _watch(self, labels: Labels | None) -> None:
        if self._labels is not None:
            self._labels.events.mode.disconnect(self._on_mode)
        self._labels = labels
        if labels is not None:
            labels.events.mode.connect(self._on_mode)

    def _on_mode(self, _: Event) -> None:
        self._box.show_brush(on=self.is_on, obstacle=None)


class ClassKeys(QObject):
    """The keys 1 to 9 choose a class, whichever layer is active.

    Parameters
    ----------
    viewer : Viewer
        Gets the keys.
    choose : callable
        Is given the number.
    """

    def __init__(
        self, viewer: Viewer, choose: Callable[[int], None], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._choose = choose
        self._keys = [
            DeskKey(viewer, str(number), self._chooses(number), parent=self)
            for number in CLASS_KEYS
        ]

    def follow(self, in_sight: bool) -> None:
        """Bind the keys, or leave them to napari again."""
        for key in self._keys:
            key.follow(in_sight)

    def _chooses(self, number: int) -> Callable[[object], None]:
        """Return what the key of a class does."""
        return lambda _: self._choose(number)
