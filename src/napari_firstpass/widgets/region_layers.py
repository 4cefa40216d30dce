"""The layers on which regions are clicked and drawn around, and on which the selection is shown."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import QObject, Signal

from napari_firstpass.widgets.desk_keys import CLASS_KEYS
from napari_firstpass.widgets.prompt_layers import TOOLS, Helper, affine_at, place_in, take_out
from napari_firstpass.widgets.prompt_runs import drawn
from napari_firstpass.widgets.scene import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Labels, Layer, Points, Shapes
    from napari.utils.events import Event
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_firstpass.label_regions import Region
    from napari_firstpass.widgets.preferences import Keys

RegionMode = Literal["click", "lasso", "split", "brush"]
MODES: tuple[RegionMode, ...] = get_args(RegionMode)

SELECTION, STROKE, HAND = "selected region", "region stroke", "regions"
"""Names of the layers."""

_FILL, _EDGE = (1.0, 1.0, 1.0, 0.35), (1.0, 0.2, 0.8, 1.0)
_WIDEST = 4
"""Width in pixels of the image of a border that is seen from afar."""

_STROKE = "#F0E442"
_CLICK = 4
"""Pixels of the screen by which the mouse may move in a click."""

_EMPTY = np.zeros((1, 1), np.uint8)
_ARROWS = {"Up": (-1, 0), "Down": (1, 0), "Left": (0, -1), "Right": (0, 1)}
"""Keys, and by how many rows and columns they step."""


class RegionLayers(QObject):
    """Shows a selection over labels, and turns mouse and keys into what is asked for.

    The layers are added when it is made, and removed by `remove`. Mouse and keys count while the
    layer called "regions" is the active one.

    Signals
    -------
    clicked : float, float, bool
        Row and column in the labels, or in the scene of which they show a part; and whether the
        region is added to the selection.
    stroked : str, (n, 2) float array
        How, and the rows and columns of what was drawn.
    stepped : int, int, bool
        The region below and right of it is meant, by so many steps (-1, 0 or 1 each); and whether
        it is added to the selection.
    class_chosen : int
        The selection is to get a class; 0 for none.
    pressed : str
        ``accept``, ``merge``, ``next_part``, ``leave``, ``undo``, or a tool of prompts.

    Parameters
    ----------
    viewer : Viewer
        Gets the layers.
    labels : Labels
        Whose regions are meant.
    keys : Keys
        What is pressed for what.
    """

    clicked = Signal(float, float, bool)
    stroked = Signal(str, object)
    stepped = Signal(int, int, bool)
    class_chosen = Signal(int)
    pressed = Signal(str)

    def __init__(
        self, viewer: Viewer, labels: Labels, keys: Keys, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self.labels = viewer, labels
        self._mode: RegionMode = "click"
        self._region: Region | None = None
        self._width = 1
        viewer.scene.camera.events.zoom.connect(self._on_zoom)
        place = {"affine": affine_at(labels), "metadata": {KEY: Helper()}}
        self._shown: Labels = viewer.add_labels(
            _EMPTY,
            name=SELECTION,
            opacity=1.0,
            colormap=DirectLabelColormap(
                color_dict={None: "transparent", 0: "transparent", 1: _FILL, 2: _EDGE}
            ),
            **place,
        )
        self._shown.editable = False
        self._strokes: Shapes = viewer.add_shapes(ndim=2, name=STROKE, **place)
        self.hand: Points = viewer.add_points(ndim=2, name=HAND, **place)
        self.hand.mouse_drag_callbacks.append(self._on_mouse)
        self._bind(keys)
        self.activate()

    @property
    def is_active(self) -> bool:
        """Whether mouse and keys count."""
        return bool(self._viewer.layers.selection.active == self.hand)

    def activate(self) -> None:
        """Let mouse and keys count."""
        self._viewer.layers.selection.active = self.hand

    def choose(self, mode: RegionMode) -> None:
        """Choose what the mouse does."""
        self._mode = mode
        # Strokes are drawn with what would move the image.
        self.hand.mouse_pan = mode == "click"

    def show(self, region: Region | None) -> None:
        """Show a selection, or none."""
        self._region, self._width = region, self._border()
        if region is None:
            self._shown.data = _EMPTY
            return
        self._shown.data = drawn(region.mask[None], self._width)[0]
        self._shown.affine = affine_at(self.labels, region.window.row, region.window.col)

    def look_at(self, row: int, col: int) -> None:
        """Bring a pixel of the labels, or of their scene, to the middle of the view."""
        middle = affine_at(self.labels, row, col)[:2, 2]
        self._viewer.scene.camera.center = tuple(float(one) for one in middle)

    def _border(self) -> int:
        """Return the width of a border, in pixels of the image, that is seen at this zoom."""
        down = affine_at(self.labels)[:2, 0]
        zoom = self._viewer.scene.camera.zoom * float(np.hypot(*down)) or 1.0
        return min(max(ceil(1 / zoom), 1), _WIDEST)

    def _on_zoom(self, _: Event) -> None:
        if self._region is not None and self._border() != self._width:
            self.show(self._region)

    def owns(self, layer: Layer) -> bool:
        """Tell whether a layer is one of these."""
        return layer in (self._shown, self._strokes, self.hand)

    def remove(self) -> None:
        """Remove the layers that are still there."""
        self._viewer.scene.camera.events.zoom.disconnect(self._on_zoom)
        take_out(self._viewer, self._shown, self._strokes, self.hand)

    def _bind(self, keys: Keys) -> None:
        told: dict[str, Callable[[Points], None]] = {
            keys.accept: self._presses("accept"),
            keys.merge: self._presses("merge"),
            keys.candidates: self._presses("next_part"),
            "Escape": self._presses("leave"),
            "Control-Z": self._presses("undo"),
            "Delete": lambda _: self.class_chosen.emit(0),
            "0": lambda _: self.class_chosen.emit(0),
            "S": lambda _: None,  # points would be selected, and no regions
            **{getattr(keys, tool): self._presses(tool) for tool in TOOLS},
        }
        for number in CLASS_KEYS:
            told[str(number)] = self._gives(number)
        for arrow, way in _ARROWS.items():
            told[arrow], told[f"Shift-{arrow}"] = self._steps(*way), self._steps(*way, adding=True)
        for key, call in told.items():
            self.hand.bind_key(key, call, overwrite=True)

    def _presses(self, what: str) -> Callable[[Points], None]:
        return lambda _: self.pressed.emit(what)

    def _steps(self, down: int, right: int, *, adding: bool = False) -> Callable[[Points], None]:
        return lambda _: self.stepped.emit(down, right, adding)

    def _gives(self, number: int) -> Callable[[Points], None]:
        """Return what the key of a class does."""
        return lambda _: self.class_chosen.emit(number)

    def _on_mouse(self, _: Points, event: Event) -> Iterator[None]:
        """Follow the mouse from its press to its release."""
        if event.button != 1:
            return
        mode, adding = self._mode, "Shift" in event.modifiers
        begun, path = np.array(event.pos), [self._place(event.position)]
        event.handled, moved = mode != "click", False
        yield
        while event.type == "mouse_move":
            moved |= _is_far(event.pos, begun)
            if mode != "click":
                event.handled = True
                path.append(self._place(event.position))
                self._sketch(path)
            yield
        path.append(self._place(event.position))  # not every move is told
        self._sketch([])
        moved |= _is_far(event.pos, begun)
        if mode != "click" and (moved or mode == "brush"):
            self.stroked.emit(mode, np.array(path))
        elif not moved:
            self.clicked.emit(*path[0], adding)

    def _place(self, position: tuple[float, ...]) -> tuple[float, float]:
        """Return row and column of a position in the viewer, counted from corners."""
        row, col = place_in(self.labels, position)
        return row + 0.5, col + 0.5

    def _sketch(self, path: list[tuple[float, float]]) -> None:
        """Draw the stroke that is being made, or take it back."""
        self._strokes.selected_data = set()
        self._strokes.data = []
        if len(path) > 1:
            corners: NDArray[Any] = np.array(path) - 0.5
            width = 2 / (self._viewer.scene.camera.zoom or 1.0)
            self._strokes.add(corners, shape_type="path", edge_color=_STROKE, edge_width=width)
            self._strokes.selected_data = set()


def _is_far(place: NDArray[Any], begun: NDArray[Any]) -> bool:
    """Tell whether the mouse has moved by more than it does in a click."""
    return bool(np.abs(np.array(place) - begun).max() > _CLICK)
