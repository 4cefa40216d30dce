"""The list of images to choose from; it follows the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Signal

from napari_firstpass.widgets.narrow_box import NarrowBox
from napari_firstpass.widgets.prompt_layers import is_helper
from napari_firstpass.widgets.scene import scene_of

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget


class ImageBox(NarrowBox):
    """Chooses one image layer of a viewer; an image that was just opened is chosen by itself.

    Single bands that our reader shows beside a scene are not listed: the scene has them.

    Signals
    -------
    chosen
        Another layer is chosen, or none is left.
    listed
        The images of the viewer, or their names, have changed.
    """

    chosen = Signal()
    listed = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layers: list[Image] = []
        self.currentIndexChanged.connect(self.chosen)
        events = viewer.layers.events
        events.inserted.connect(self._on_inserted)
        events.removed.connect(self._on_changed)
        events.reordered.connect(self._on_changed)
        events.renamed.connect(self._on_changed)
        self._list(None)

    @property
    def layer(self) -> Image | None:
        """The chosen layer."""
        index = self.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    @property
    def layers(self) -> tuple[Image, ...]:
        """All that can be chosen."""
        return tuple(self._layers)

    def choose(self, image: Image) -> None:
        """Choose one of them."""
        self._list(image)

    def let_go(self) -> None:
        """Stop following the viewer, and hold no layer any more."""
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.disconnect(self)
        self._layers = []

    def _on_inserted(self, event: Event) -> None:
        self._list(event.value if is_choice(event.value) else None)

    def _on_changed(self, _: Event) -> None:
        self._list(None)

    def _list(self, wanted: Image | None) -> None:
        """List the layers anew and choose ``wanted``, or what was chosen before."""
        before = self.layer
        wanted = wanted if wanted is not None else before
        with QSignalBlocker(self):
            self.clear()
            self._layers = [layer for layer in self._viewer.layers if is_choice(layer)]
            self.addItems([layer.name for layer in self._layers])
            if wanted in self._layers:
                self.setCurrentIndex(self._layers.index(wanted))
        # Not `is`: a panel that napari opens sees its layers through proxies.
        if self.layer != before:
            self.chosen.emit()
        self.listed.emit()


def is_choice(layer: Layer) -> bool:
    """Return whether a layer is listed."""
    info = scene_of(layer.metadata)
    whole = info is None or info.band is None
    return isinstance(layer, Image) and whole and not is_helper(layer)
