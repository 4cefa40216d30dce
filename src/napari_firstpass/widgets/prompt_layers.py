"""The layers on which a user points at things, and on which the answer is shown."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import QObject, QTimer, Signal

from napari_firstpass.io.scene_labels import scene_behind
from napari_firstpass.prompts import Box, Line, Point
from napari_firstpass.threads import without_collecting
from napari_firstpass.widgets.desk_keys import CLASS_KEYS
from napari_firstpass.widgets.prompt_marks import Marks
from napari_firstpass.widgets.scene import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from napari.layers import Image, Labels, Layer, Points, Shapes
    from napari.utils.events import Event
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_firstpass.widgets.preferences import Keys
    from napari_firstpass.widgets.prompt_marks import Mark
    from napari_firstpass.widgets.prompt_runs import Preview

Tool = Literal["point", "line", "box"]
TOOLS: tuple[Tool, ...] = get_args(Tool)
POINTS, STROKES, PREVIEW = "prompts", "prompt strokes", "prompt preview"
"""Names of the layers."""

_YES, _NO = "#56B4E9", "#D55E00"
_FILL, _EDGE = (1.0, 0.95, 0.2, 0.35), (1.0, 0.95, 0.2, 1.0)
_DOT = 11
"""Size of a point on the screen."""

_CLICK = 4
"""Pixels of the screen by which the mouse may move in a click."""

_LOOK_MS = 800
"""How long a candidate is shown while the key is held."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is pointed at and neither accepted nor discarded.

    Attributes
    ----------
    marks : tuple of Point, Line or Box
        In the order in which they were made.
    words : str
        What it is called, as it was typed.
    labels : Labels or None
        Where it is to be written, into the class that is selected there.
    """

    marks: tuple[Mark, ...]
    words: str = ""
    labels: Labels | None = None

    def told(self, numbers: Mapping[Any, int]) -> Marks:
        """Return it for a project, in which layers have numbers by their unique ids."""
        if self.labels is None:
            return Marks(self.marks, self.words)
        class_id, number = int(self.labels.selected_label), numbers.get(self.labels.unique_id)
        return Marks(self.marks, self.words, number, class_id, class_name(self.labels, class_id))


def class_name(labels: Labels, class_id: int) -> str:
    """Return what labels call a class; empty if it has no name."""
    if not {"index", "name"} <= set(labels.features.columns):
        return ""
    rows = labels.features["index"] == class_id
    names = [name for name in labels.features["name"][rows] if isinstance(name, str)]
    return names[0] if names else ""


@dataclass(frozen=True, slots=True)
class Helper:
    """What we note in the metadata of these layers."""


def is_helper(layer: Layer) -> bool:
    """Tell whether a layer only shows something of ours: it is no image, and no labels."""
    return isinstance(layer.metadata.get(KEY), Helper)


def take_out(viewer: Viewer, *layers: Layer) -> None:
    """Remove layers of ours, those that are still there.

    For each layer that is removed napari lets Python look at all objects there are, which takes a
    third of a second, so that drivers of Windows let go of what was drawn. Elsewhere that can wait.
    """
    with nullcontext() if sys.platform == "win32" else without_collecting():
        for layer in layers:
            if layer in viewer.layers:
                viewer.layers.remove(layer)


class PromptLayers(QObject):
    """Shows marks and answers over an image, and turns mouse and keys into marks.

    The layers are added when it is made, and removed by `remove`. Mouse and keys count while the
    layer of the points is the active one.

    Signals
    -------
    changed
        A mark was made or taken back.
    accepted, discarded, undone
        What the keys of these names ask for; the last only if there is no mark to take back.
    tool_chosen : str
        Another tool is wanted.
    class_chosen : int
        Another class is wanted.
    next_wanted
        Another candidate is to be shown.
    missed
        A mark lies outside the image.

    Parameters
    ----------
    viewer : Viewer
        Gets the layers.
    image : Image
        What is pointed at.
    shape : (int, int)
        Its height and width.
    keys : Keys
        What is pressed for what.
    """

    changed = Signal()
    accepted = Signal()
    discarded = Signal()
    undone = Signal()
    tool_chosen = Signal(str)
    class_chosen = Signal(int)
    next_wanted = Signal()
    missed = Signal()

    def __init__(
        self,
        viewer: Viewer,
        image: Image,
        shape: tuple[int, int],
        keys: Keys,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._image, self._shape = viewer, image, shape
        self._marks: list[Mark] = []
        self._tool: Tool = "point"
        self._showing = QTimer(self)
        self._showing.setInterval(_LOOK_MS)
        self._showing.timeout.connect(self.next_wanted)
        place = {"affine": affine_at(image), "metadata": {KEY: Helper()}}
        self._preview: Labels = viewer.add_labels(
            np.zeros((1, 1), np.uint8),
            name=PREVIEW,
            opacity=1.0,
            colormap=DirectLabelColormap(
                color_dict={None: "transparent", 0: "transparent", 1: _FILL, 2: _EDGE}
            ),
            **place,
        )
        self._preview.editable = False
        self._strokes: Shapes = viewer.add_shapes(ndim=2, name=STROKES, **place)
        self.points: Points = viewer.add_points(
            ndim=2, name=POINTS, border_color="white", border_width=0.12, **place
        )
        self.points.mouse_drag_callbacks.append(self._on_mouse)
        self._bind(keys)
        self.point()

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What the user has pointed at."""
        return tuple(self._marks)

    @property
    def image(self) -> Image:
        """The image."""
        return self._image

    @property
    def is_active(self) -> bool:
        """Whether mouse and keys count."""
        return bool(self._viewer.layers.selection.active == self.points)

    def point(self) -> None:
        """Let mouse and keys count."""
        self._viewer.layers.selection.active = self.points

    def choose(self, tool: Tool) -> None:
        """Choose what the mouse draws."""
        self._tool = tool
        # Strokes and boxes are drawn with what would move the image.
        self.points.mouse_pan = tool == "point"

    def put(self, marks: Sequence[Mark]) -> None:
        """Show marks that were made before."""
        self._marks = [mark for one in marks if (mark := self._kept(one)) is not None]
        self._show_marks()

    def clear(self) -> None:
        """Take back all marks, and the answer."""
        self._marks = []
        self._show_marks()
        self.show(None, 0)

    def show(self, preview: Preview | None, candidate: int) -> None:
        """Show a candidate, or none."""
        if preview is None:
            self._preview.data = np.zeros((1, 1), np.uint8)
            return
        window = preview.found.window
        self._preview.data = preview.pictures[candidate]
        self._preview.affine = affine_at(self._image, window.row, window.col)

    def remove(self) -> None:
        """Remove the layers that are still there."""
        self._showing.stop()
        take_out(self._viewer, self._preview, self._strokes, self.points)

    def owns(self, layer: Layer) -> bool:
        """Tell whether a layer is one of these."""
        return layer in (self._preview, self._strokes, self.points)

    def _bind(self, keys: Keys) -> None:
        told: dict[str, Callable[[Points], None]] = {
            keys.accept: lambda _: self.accepted.emit(),
            "Enter": lambda _: self.accepted.emit(),
            "Escape": lambda _: self.discarded.emit(),
            keys.point: lambda _: self.tool_chosen.emit("point"),
            keys.line: lambda _: self.tool_chosen.emit("line"),
            keys.box: lambda _: self.tool_chosen.emit("box"),
            "Control-Z": lambda _: self._take_back(),
            "S": lambda _: None,  # marks would be selected, and none made
        }
        for number in CLASS_KEYS:
            told[str(number)] = self._chooses(number)
        for key, call in told.items():
            self.points.bind_key(key, call, overwrite=True)
        self.points.bind_key(keys.candidates, self._hold, overwrite=True)

    def _chooses(self, number: int) -> Callable[[Points], None]:
        """Return what the key of a class does."""
        return lambda _: self.class_chosen.emit(number)

    def _hold(self, _: Points) -> Iterator[None]:
        """Show one candidate after the other while the key is held."""
        self.next_wanted.emit()
        self._showing.start()
        yield
        self._showing.stop()

    def _take_back(self) -> None:
        if not self._marks:
            self.undone.emit()
            return
        self._marks.pop()
        self._show_marks()
        self.changed.emit()

    def _on_mouse(self, _: Points, event: Event) -> Iterator[None]:
        """Follow the mouse from its press to its release."""
        if event.button not in (1, 2):
            return
        tool, positive = self._tool, event.button == 1 and "Shift" not in event.modifiers
        begun, path = np.array(event.pos), [self._place(event.position)]
        if tool != "point":
            event.handled = True
        yield
        while event.type == "mouse_move":
            path.append(self._place(event.position))
            if tool != "point":
                event.handled = True
                self._show_marks(_mark(tool, path, positive))
            yield
        path.append(self._place(event.position))  # not every move is told
        moved = np.abs(np.array(event.pos) - begun).max() > _CLICK
        if tool == "point" and not moved:
            self._add(_mark("point", path, positive))
        elif tool != "point":
            # Who clicks with the tool for strokes means the place.
            self._add(_mark(tool if moved else "point", path, positive))

    def _add(self, mark: Mark | None) -> None:
        mark = None if mark is None else self._kept(mark)
        if mark is None:
            self._show_marks()
            self.missed.emit()
            return
        self._marks.append(mark)
        self._show_marks()
        self.changed.emit()

    def _kept(self, mark: Mark) -> Mark | None:
        """Return what of a mark lies in the image, None for nothing."""
        height, width = self._shape
        if isinstance(mark, Box):
            meets = mark.bottom > 0 and mark.right > 0 and mark.top < height and mark.left < width
            return mark if meets else None
        if isinstance(mark, Point):
            return mark if 0 <= mark.row < height and 0 <= mark.col < width else None
        inside = tuple((r, c) for r, c in mark.places if 0 <= r < height and 0 <= c < width)
        return Line(inside, mark.positive) if inside else None

    def _place(self, position: tuple[float, ...]) -> tuple[float, float]:
        """Return row and column of a position in the viewer; there, centres are whole numbers."""
        row, col = self._image.world_to_data(position)[-2:]
        return float(row) + 0.5, float(col) + 0.5

    def _show_marks(self, sketch: Mark | None = None) -> None:
        """Draw the marks, and one that is being made."""
        drawn = [*self._marks, *([] if sketch is None else [sketch])]
        dots = [mark for mark in drawn if isinstance(mark, Point)]
        self.points.data = np.array([(m.row, m.col) for m in dots]).reshape(-1, 2) - 0.5
        if dots:
            self.points.face_color = [_YES if mark.positive else _NO for mark in dots]
            self.points.symbol = ["disc" if mark.positive else "x" for mark in dots]
            self.points.size = _DOT / self._zoom
        self.points.selected_data = set()
        self._show_strokes([mark for mark in drawn if not isinstance(mark, Point)])

    @property
    def _zoom(self) -> float:
        """Pixels of the screen to one of the image."""
        down = self._image.data_to_world((1, 0))[-2:] - np.array(
            self._image.data_to_world((0, 0))[-2:]
        )
        return float(self._viewer.scene.camera.zoom * np.hypot(*down)) or 1.0

    def _show_strokes(self, strokes: list[Line | Box]) -> None:
        width = 3 / self._zoom
        self._strokes.selected_data = set()
        self._strokes.data = []
        for stroke in strokes:
            corners, kind = _corners(stroke)
            no = isinstance(stroke, Line) and not stroke.positive
            self._strokes.add(
                corners - 0.5,
                shape_type=kind,
                edge_color=_NO if no else _YES,
                face_color="transparent",
                edge_width=width,
            )
        self._strokes.selected_data = set()


def _mark(tool: Tool, path: list[tuple[float, float]], positive: bool) -> Mark | None:
    """Return what the mouse drew, None for a box without height or width."""
    first, last = path[0], path[-1]
    if tool == "point":
        return Point(*last, positive)
    if tool == "line":
        return Line(tuple(dict.fromkeys(path)), positive)
    (top, bottom), (left, right) = (sorted(pair) for pair in zip(first, last, strict=True))
    return Box(top, left, bottom, right) if top < bottom and left < right else None


def _corners(stroke: Line | Box) -> tuple[NDArray[np.float64], str]:
    """Return what a layer of shapes draws, and what it calls it."""
    if isinstance(stroke, Box):
        rows, cols = (stroke.top, stroke.bottom), (stroke.left, stroke.right)
        around = [(0, 0), (0, 1), (1, 1), (1, 0)]
        return np.array([(rows[i], cols[j]) for i, j in around]), "rectangle"
    places = stroke.places if len(stroke.places) > 1 else stroke.places * 2
    return np.array(places), "path"


def place_in(layer: Image | Labels, position: Sequence[float]) -> tuple[float, float]:
    """Return row and column of a position in the viewer; there, centres are whole numbers.

    Where labels show a part of a scene, they are those of the scene.
    """
    row, col = layer.world_to_data(position)[-2:]
    scene = scene_behind(layer.data)
    return (float(row), float(col)) if scene is None else scene.part.place_of(row, col)


def affine_at(layer: Image | Labels, row: int = 0, col: int = 0) -> NDArray[Any]:
    """Return what brings pixels of a layer, counted from one of them, to their place.

    Where labels show a part of a scene, the pixels are those of the scene.
    """
    scene = scene_behind(layer.data)
    origin, down, across = (
        np.array(layer.data_to_world(place if scene is None else scene.part.seen_at(*place)))[-2:]
        for place in ((row, col), (row + 1, col), (row, col + 1))
    )
    matrix = np.eye(3)
    matrix[:2] = np.stack([down - origin, across - origin, origin], axis=1)
    return matrix
