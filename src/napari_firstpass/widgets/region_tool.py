"""The tool for regions: selects them with the mouse, and changes what is selected."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_firstpass.errors import FirstPassError, LayerError
from napari_firstpass.io.scene_labels import scene_behind
from napari_firstpass.label_regions import beyond
from napari_firstpass.widgets.class_layers import require_paintable, require_room
from napari_firstpass.widgets.desk_keys import ButtonKeys
from napari_firstpass.widgets.image_layers import first_level, grid_of, subject_of
from napari_firstpass.widgets.label_history import extent_of, labels_behind
from napari_firstpass.widgets.label_steps import LabelStep
from napari_firstpass.widgets.pointing import class_text
from napari_firstpass.widgets.prompt_layers import TOOLS, place_in
from napari_firstpass.widgets.region_box import TIPS
from napari_firstpass.widgets.region_layers import RegionLayers
from napari_firstpass.widgets.region_runs import (
    Edited,
    RegionImage,
    Selected,
    brush_steps,
    click_steps,
    edit_steps,
    lasso_steps,
    relabel_steps,
    require_image,
    split_looks_steps,
    split_steps,
)
from napari_firstpass.widgets.scene_following import CLOSER
from napari_firstpass.widgets.session import Message
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from napari.layers import Labels
    from napari.utils.events import Event
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_firstpass.label_regions import Region
    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.pointing import Desk
    from napari_firstpass.widgets.region_box import RegionBox
    from napari_firstpass.widgets.region_layers import RegionMode
    from napari_firstpass.widgets.region_runs import EditName
    from napari_firstpass.widgets.worker import Reply

BEGIN = (
    "Click on a region, or press an arrow; then 1 to 9 gives it a class, {merge} that of its "
    "neighbour."
)

_DID = {
    "relabel": "relabelled",
    "merge": "merged",
    "brush": "painted",
    "smooth": "smoothed",
    "fill": "filled",
    "specks": "cleaned",
    "snap": "snapped",
}


class RegionTool(QObject):
    """Selects regions of the labels that are meant, and writes edits as one step each.

    One thing is computed at a time; of what is asked for meanwhile, the last waits.

    Signals
    -------
    said : Message
        Something for the status line.
    begun, ended
        The mouse selects regions, or no longer.
    selected : Selected or None
        Something else is selected.
    writing : Edited
        An edit is being written; what is noted of the labels now belongs to the same step.
    edited : Edited
        It was written.
    accepted
        What is selected is as it should be.
    tool_wanted : str
        The key of a tool that points at things was pressed.

    Parameters
    ----------
    viewer : Viewer
        Holds the layers.
    box : RegionBox
        The controls.
    desk : Desk
        The rest of the panel.
    """

    said = Signal(object)
    begun = Signal()
    ended = Signal()
    selected = Signal(object)
    writing = Signal(object)
    edited = Signal(object)
    accepted = Signal()
    tool_wanted = Signal(str)

    def __init__(
        self, viewer: Viewer, box: RegionBox, desk: Desk, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._box, self._desk = viewer, box, desk
        self._key = ButtonKeys(viewer, box.keys.regions, box.regions, parent=self)
        self._runner = Runner(self)
        self._layers: RegionLayers | None = None
        self._selected: Selected | None = None
        self._image: tuple[Any, RegionImage] | None = None
        self._place = (0, 0)
        self._run = 0
        self._busy = self._writing = False
        self._then: Callable[[Any], None] = self._select
        self._waiting: Callable[[], None] | None = None
        self._runner.replied.connect(self._on_replied)
        box.toggled.connect(lambda on: self.begin() if on else self.end())
        box.mode_chosen.connect(self._on_mode)
        box.edit_wanted.connect(self._on_edit)
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def is_on(self) -> bool:
        """Whether the mouse selects regions."""
        return self._layers is not None

    @property
    def is_active(self) -> bool:
        """Whether mouse and keys count."""
        return self._layers is not None and self._layers.is_active

    @property
    def layer(self) -> Labels | None:
        """Whose regions are selected."""
        return None if self._layers is None else self._layers.labels

    @property
    def selection(self) -> Selected | None:
        """What is selected."""
        return self._selected

    def begin(self) -> bool:
        """Let the mouse select regions of the labels that are meant; return whether it does."""
        try:
            labels = require_paintable(self._desk.labels())
        except FirstPassError as error:
            self._box.show_on(on=False, obstacle=None)
            self.said.emit(Message.of(error))
            return False
        self.end()
        self.begun.emit()
        layers = RegionLayers(self._viewer, labels, self._box.keys, parent=self)
        layers.clicked.connect(self._on_clicked)
        layers.stroked.connect(self._on_stroked)
        layers.stepped.connect(self._on_stepped)
        layers.class_chosen.connect(self.relabel)
        layers.pressed.connect(self._on_pressed)
        labels.events.data.connect(self._on_changed)
        labels.events.paint.connect(self._on_changed)
        self._layers = layers
        layers.choose(self._box.mode)
        self._box.show_on(on=True, obstacle=None)
        self._select(None)
        self._say_begin()
        return True

    def end(self) -> None:
        """Let the mouse move the image again."""
        layers, self._layers = self._layers, None
        self._stop()
        self._image = None
        self._box.show_on(on=False, obstacle=None)
        self._box.show_selected(TIPS["off"])
        if layers is None:
            return
        layers.labels.events.data.disconnect(self._on_changed)
        layers.labels.events.paint.disconnect(self._on_changed)
        layers.remove()
        layers.deleteLater()
        self._selected = None
        self.selected.emit(None)
        if layers.labels in self._viewer.layers:
            self._viewer.layers.selection.active = layers.labels
        self.ended.emit()

    def unfold(self, unfolded: bool) -> None:
        """Let the key of the tool begin it, or leave that key to napari."""
        self._key.follow(unfolded)

    def take_escape(self) -> bool:
        """Select nothing, or end; return whether there was something to do."""
        was_on = self.is_on
        if was_on:
            self._leave()
        return was_on

    def let_go(self) -> None:
        """End, and hold nothing of the viewer any more."""
        self._viewer.layers.events.removed.disconnect(self)
        self._key.follow(in_sight=False)
        self.end()

    def follow(self) -> None:
        """Follow the panel to other labels."""
        if self._layers is not None and self._layers.labels != self._desk.labels():
            self.end()

    def select_at(self, row: int, col: int) -> None:
        """Select the region of a pixel, as a click does."""
        self._select_near(row, col, adding=False)

    def select_parts(self, parts: tuple[Region, ...]) -> None:
        """Select what is left of a region that was taken apart."""
        self._select(Selected(parts))

    def relabel(self, class_id: int) -> None:
        """Give what is selected a class; 0 for none."""

        def begin() -> None:
            if self._layers is not None and self._is_selected():
                require_room(self._layers.labels, [class_id])
                pixels = labels_behind(self._layers.labels)
                self._start(relabel_steps(pixels, self._chosen, class_id), self._write)

        self._when_ready(begin)

    def merge(self) -> None:
        """Give what is selected the class of its neighbour."""

        def begin() -> None:
            if self._layers is not None and self._is_selected():
                pixels = labels_behind(self._layers.labels)
                steps = relabel_steps(pixels, self._chosen, None)
                self._start(steps, self._write)

        self._when_ready(begin)

    def split(self) -> None:
        """Take what looks different out of what is selected."""

        def begin() -> None:
            if self._is_selected():
                image = require_image(self._looked_at())
                self._start(split_looks_steps(self._chosen, image), self._select)

        self._when_ready(begin)

    def clear(self) -> None:
        """Select nothing."""
        self._stop()
        self._select(None)

    def activate(self) -> None:
        """Let mouse and keys count."""
        if self._layers is not None:
            self._layers.activate()

    @property
    def _chosen(self) -> Selected:
        if self._selected is None:
            raise LayerError(
                expected="a selected region", found="none", remedy="click on one first"
            )
        return self._selected

    def _is_selected(self) -> bool:
        if self._selected is None:
            self.said.emit(Message(TIPS["nothing"]))
        return self._selected is not None

    def _on_clicked(self, row: float, col: float, adding: bool) -> None:
        if self._is_close():
            self._select_near(row, col, adding)

    def _is_close(self) -> bool:
        """Tell whether labels are shown pixel by pixel; say so if they are not."""
        scene = None if self._layers is None else scene_behind(self._layers.labels.data)
        if scene is not None and scene.part.stride > 1:
            self.said.emit(Message(CLOSER))
            return False
        return True

    def _select_near(self, row: float, col: float, adding: bool) -> None:
        def begin() -> None:
            if self._layers is None:
                return
            pixels = labels_behind(self._layers.labels)
            height, width = pixels.shape
            if not (0 <= row < height and 0 <= col < width):
                self.said.emit(Message("That lies outside the labels; click inside.", "error"))
                return
            self._place = int(row), int(col)
            before = self._selected if adding else None
            self._start(click_steps(pixels, int(row), int(col), before), self._select)

        self._when_ready(begin)

    def _on_stepped(self, down: int, right: int, adding: bool) -> None:
        """Select the next region in a direction; without a selection, that in the middle."""

        def begin() -> None:
            layers = self._layers
            if layers is None or not self._is_close():
                return
            height, width = extent_of(layers.labels)
            if self._selected is None:
                centre = place_in(layers.labels, self._viewer.scene.camera.center[-2:])
                row, col = (int(place + 0.5) for place in centre)
            else:
                row, col = beyond(self._selected.region, *self._place, down=down, right=right)
                if not (0 <= row < height and 0 <= col < width):
                    self.said.emit(Message("There the labels end."))
                    return
                layers.look_at(row, col)
            self._select_near(row, col, adding)

        self._when_ready(begin)

    def _on_stroked(self, mode: RegionMode, path: NDArray[np.float64]) -> None:
        def begin() -> None:
            if self._layers is None or not self._is_close():
                return
            labels = self._layers.labels
            pixels = labels_behind(labels)
            if mode == "lasso":
                self._start(lasso_steps(pixels, path), self._select)
            elif mode == "split" and self._is_selected():
                self._start(split_steps(self._chosen, path), self._select)
            elif mode == "brush":
                image = require_image(self._looked_at())
                class_id = int(labels.selected_label)
                self._start(brush_steps(pixels, path, class_id, image), self._write)

        self._when_ready(begin)

    def _on_edit(self, name: EditName) -> None:
        def begin() -> None:
            if self._layers is not None and self._is_selected():
                pixels, size = labels_behind(self._layers.labels), self._box.most.value()
                region, image = self._chosen.region, self._looked_at()
                self._start(edit_steps(name, pixels, region, size, image), self._write)

        self._when_ready(begin)

    def _on_mode(self, mode: RegionMode) -> None:
        if self._layers is not None:
            self._layers.choose(mode)
            self._layers.activate()

    def _on_pressed(self, what: str) -> None:
        calls: dict[str, Callable[[], None]] = {
            "accept": self.accepted.emit,
            "merge": self.merge,
            "next_part": self._turn,
            "leave": self._leave,
            "undo": self._undo,
            **{tool: partial(self.tool_wanted.emit, tool) for tool in TOOLS},
        }
        calls[what]()

    def _say_begin(self) -> None:
        self.said.emit(Message(BEGIN.format(merge=self._box.keys.merge)))

    def _turn(self) -> None:
        if self._selected is not None and len(self._selected.parts) > 1:
            self._select(self._selected.turned)

    def _leave(self) -> None:
        if self._selected is not None or self._busy:
            self.clear()
            self._say_begin()
        else:
            self.end()
            self.said.emit(Message("Ready."))

    def _undo(self) -> None:
        if self._layers is None:
            return
        self._stop()
        self._select(None)
        self.said.emit(Message("Took the last change back."))
        self._layers.labels.undo()

    def _looked_at(self) -> RegionImage | None:
        """Return the chosen image, if the labels are of its size."""
        image, layers = self._desk.image(), self._layers
        if image is None or layers is None or grid_of(image).shape != extent_of(layers.labels):
            return None
        pixels = first_level(image)
        if self._image is None or self._image[0] is not pixels:
            self._image = pixels, RegionImage(subject_of(image))
        return self._image[1]

    def _when_ready(self, begin: Callable[[], None]) -> None:
        """Begin something now, or once what is being computed has come."""
        if self._busy:
            self._waiting = begin
            return
        try:
            begin()
        except FirstPassError as error:
            self.said.emit(Message.of(error))

    def _start(self, steps: Steps[Any], then: Callable[[Any], None]) -> None:
        self._run += 1
        self._busy, self._then = True, then
        self._runner.start(steps, self._run)

    def _stop(self) -> None:
        """Forget what is being computed, and what waits for it."""
        self._run += 1
        self._busy, self._waiting = False, None
        self._runner.stop()

    def _on_replied(self, reply: Reply[Any]) -> None:
        if reply.generation != self._run or self._layers is None:
            return
        self._busy = False
        waiting, self._waiting = self._waiting, None
        if isinstance(reply.outcome, FirstPassError):
            self.said.emit(Message.of(reply.outcome))
            waiting = None  # it was meant for what did not come about
        elif reply.outcome is None:
            self.said.emit(Message("That lies outside the image; nothing was changed.", "error"))
        else:
            self._then(reply.outcome)
        if waiting is not None:
            self._when_ready(waiting)

    def _select(self, selected: Selected | None) -> None:
        self._selected = selected
        if self._layers is None:
            return
        self._layers.show(None if selected is None else selected.region)
        self._box.show_selected(TIPS["nothing"] if selected is None else None)
        if selected is not None:
            region = selected.region
            what = class_text(self._layers.labels, region.class_id)
            pixels = f"{region.pixels:,} pixels".replace(",", " ")
            more = ""
            if len(selected.parts) > 1:
                more = f" {self._box.keys.candidates} selects the other part."
            self.said.emit(Message(f"Selected {pixels} of {what}; 1–9 gives a class.{more}"))
        self.selected.emit(selected)

    def _write(self, edited: Edited) -> None:
        """Write an edit, unless its pixels were painted meanwhile."""
        if self._layers is None:
            return
        labels = self._layers.labels
        self._writing = True
        try:
            with LabelStep(labels) as step:
                changed = step.take(edited.edit)
                self.writing.emit(edited)
        finally:
            self._writing = False
        self._select(edited.then)
        pixels = f"{changed:,} pixels".replace(",", " ")
        undo = " Ctrl+Z undoes it." if changed else ""
        self.said.emit(Message(f"{pixels} of “{labels.name}” {_DID[edited.kind]}.{undo}"))
        self.edited.emit(edited)

    def _on_changed(self, event: Event) -> None:
        """Select nothing once labels were painted on or replaced: it may be no region any more."""
        # Another part of a large scene may be shown: its labels are what they were.
        moved = event.type == "data" and scene_behind(event.source.data) is not None
        if not (self._writing or moved):
            self.clear()

    def _on_removed(self, event: Event) -> None:
        layers = self._layers
        if layers is not None and (event.value == layers.labels or layers.owns(event.value)):
            self.end()
