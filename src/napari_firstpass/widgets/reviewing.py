"""Looking through labels: which region is next, what was reviewed, and what that came to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QApplication, QMainWindow

from napari_firstpass.class_areas import area_text
from napari_firstpass.errors import FirstPassError
from napari_firstpass.io.ground import pixel_area
from napari_firstpass.io.scene_labels import scene_behind
from napari_firstpass.label_regions import SoFar, list_regions_steps
from napari_firstpass.review_tally import ReviewClock, kept_share, tally_steps
from napari_firstpass.reviewed import Reviewed
from napari_firstpass.widgets.class_layers import classes_of, info_of, require_paintable
from napari_firstpass.widgets.desk_keys import ButtonKeys
from napari_firstpass.widgets.doubt_layer import DoubtLayer, window_steps
from napari_firstpass.widgets.label_history import extent_of, labels_behind
from napari_firstpass.widgets.label_steps import LabelStep
from napari_firstpass.widgets.pointing import class_text
from napari_firstpass.widgets.prompt_layers import affine_at, place_in
from napari_firstpass.widgets.region_runs import square_for
from napari_firstpass.widgets.scene import KEY, mask_of
from napari_firstpass.widgets.session import Message, in_words
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.utils.events import Event
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_firstpass.grid import Window
    from napari_firstpass.label_regions import Region, RegionTable
    from napari_firstpass.progress import Steps
    from napari_firstpass.review_tally import ClassTally
    from napari_firstpass.segmentation import LabelPixels
    from napari_firstpass.widgets.class_editing import ClassDesk
    from napari_firstpass.widgets.region_runs import Edited, Selected
    from napari_firstpass.widgets.region_tool import RegionTool
    from napari_firstpass.widgets.review_box import ReviewBox
    from napari_firstpass.widgets.worker import Reply, Report

_REST_MS = 300
"""What was changed is counted once nothing is done for so long."""

_AROUND = 2.5
"""A region is shown with as much around it that it fills one part in so many of the window."""

_MOST_ZOOM = 12.0
_FINISHING = ("relabel", "merge")
"""Edits after which a region is as it should be."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """Regions of labels and the order in which they are looked at; what they were listed of.

    The pixels are those of the layer, or the scene of which it shows a part. While others are still
    looked for, it is told how much was looked through.
    """

    table: RegionTable
    order: NDArray[np.int64]
    layer: Labels
    pixels: Any
    share: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Passed:
    """A region that was reviewed, and how many regions Next had passed by then."""

    place: int
    region: Region


class Reviewing(QObject):
    """Goes from region to region, and keeps which pixels were reviewed with their layer.

    Signals
    -------
    said : Message
        Something for the status line.

    Parameters
    ----------
    viewer : Viewer
        Holds the layers.
    box : ReviewBox
        The controls.
    tool : RegionTool
        Selects and changes regions.
    desk : ClassDesk
        The rest of the panel.
    """

    said = Signal(object)

    def __init__(
        self,
        viewer: Viewer,
        box: ReviewBox,
        tool: RegionTool,
        desk: ClassDesk,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._box, self._tool, self._desk = viewer, box, tool, desk
        self._lister, self._counter, self._doubter = Runner(self), Runner(self), Runner(self)
        self._key = ButtonKeys(viewer, box.keys.next, box.next, parent=self)
        self._doubt = DoubtLayer(viewer)
        self._listed: _Listed | None = None
        self._labelled = 0
        self._trail: list[tuple[int, int]] = []
        self._past: list[_Passed] = []
        self._flying = self._open = self._waits = False
        self._asked: Labels | None = None
        self._run = self._looks = 0
        self._clocks: dict[int, ReviewClock] = {}
        self._tally: dict[int, ClassTally] = {}
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._count)
        self._connect()

    def _connect(self) -> None:
        box, tool = self._box, self._tool
        box.next.clicked.connect(lambda: self.go_on())
        box.back.clicked.connect(lambda: self._go_back())
        box.accept.clicked.connect(lambda: self._accept())
        box.merge.clicked.connect(lambda: tool.merge())
        box.split.clicked.connect(lambda: tool.split())
        box.ignore.clicked.connect(lambda: tool.relabel(0))
        box.report.clicked.connect(lambda: self._copy())
        box.doubt.toggled.connect(self._on_doubt)
        box.chosen.connect(self._forget)
        tool.selected.connect(self._on_selected)
        tool.writing.connect(self._on_writing)
        tool.edited.connect(self._on_edited)
        tool.accepted.connect(self._accept)
        self._lister.reported.connect(self._on_reported)
        self._doubter.replied.connect(self._on_doubt_read)
        self._lister.replied.connect(self._on_listed)
        self._counter.replied.connect(self._on_counted)

    def unfold(self, unfolded: bool) -> None:
        """Offer to go through the labels that are meant, or stop doing so."""
        self._open = unfolded
        self._key.follow(unfolded)
        if not unfolded:
            self._box.doubt.setChecked(False)
        self.follow()

    def follow(self) -> None:
        """Follow the panel to other labels."""
        if not self._open:
            return
        labels, obstacle = self._desk.labels(), None
        try:
            labels = require_paintable(labels)
        except FirstPassError as error:
            obstacle, labels = Message.of(error).text, None
        self._box.show_labels(obstacle)
        self._box.show_doubt(known=labels is not None and self._confidence(labels) is not None)
        if self._listed is not None and self._listed.layer != labels:
            self._forget()
            self._labelled = 0
        self._show()

    def let_go(self) -> None:
        """Hold nothing of the viewer any more."""
        self._open = False
        self._key.follow(in_sight=False)
        self._rest.stop()
        self._lister.stop()
        self._counter.stop()
        self._doubter.stop()
        self._looks += 1
        self._doubt.hide()
        self._forget()

    @property
    def is_busy(self) -> bool:
        """Whether regions are listed."""
        return self._asked is not None

    def cancel(self) -> None:
        """List no regions after all."""
        self._lister.stop()
        self._asked, self._waits = None, False
        self._run += 1
        self.said.emit(Message("Cancelled; nothing was changed."))

    def go_on(self) -> None:
        """Fly to the next region; list them first if that was not done yet."""
        try:
            labels = require_paintable(self._desk.labels())
        except FirstPassError as error:
            self.said.emit(Message.of(error))
            return
        listed, pixels = self._listed, labels_behind(labels)
        if self._waits and self._asked == labels:
            return
        if listed is None or listed.layer != labels or listed.pixels is not pixels:
            self._list(labels)
            return
        reviewed, passed = self._reviewed(labels), set(self._trail)
        for index in listed.order:
            row, col = (int(i) for i in listed.table.seeds[index])
            if (row, col) in passed:
                continue
            self._trail.append((row, col))
            there = int(pixels[row, col]) == int(listed.table.class_ids[index])
            if there and not reviewed.holds(row, col):
                self._fly(row, col)
                return
        if listed.share < 1 and self._asked is None:  # somebody did not want the others
            self._list(labels)
            return
        if listed.share < 1:
            self._waits = True
            self.said.emit(Message(_looking(labels, listed.share)))
            return
        self._forget()
        self._tool.clear()
        least = self._box.least.value()
        self.said.emit(Message(f"All regions of {least} pixels or more were reviewed."))

    def _list(self, labels: Labels) -> None:
        """List the regions of labels in a thread, and fly to the first."""
        self._forget()
        self._tool.clear()
        pixels, only = labels_behind(labels), self._box.class_id
        steps = list_regions_steps(
            pixels,
            self._confidence(labels),
            self._reviewed(labels),
            least=self._box.least.value(),
            square=square_for(pixels),
            around=place_in(labels, self._viewer.scene.camera.center[-2:]),
            class_id=only,
        )
        self._asked, self._waits = labels, True
        self._lister.start(_ranked_steps(steps, only, labels, pixels), self._run)
        self.said.emit(Message(f"Looking through “{labels.name}” …"))

    def _on_reported(self, report: Report) -> None:
        told, labels = report.progress, self._asked
        if report.generation != self._run or labels is None:
            return
        share = told.done / max(told.total, 1)
        if isinstance(told, SoFar) and len(told.table) and share < 1:
            order = np.arange(len(told.table))
            self._take(_Listed(told.table, order, labels, labels_behind(labels), share))
        if self._waits:
            self.said.emit(Message(_looking(labels, share)))

    def _on_listed(self, reply: Reply[Any]) -> None:
        if reply.generation != self._run:
            return
        self._asked = None
        if isinstance(reply.outcome, FirstPassError):
            self._waits = False
            self.said.emit(Message.of(reply.outcome))
            return
        listed, present = reply.outcome
        try:
            self._box.show_classes(classes_of(listed.layer, present).classes)
        except FirstPassError as error:
            self.said.emit(Message.of(error))
        self._take(listed)
        selected = self._tool.selection
        if self._flying or self._listed is None:
            return
        if selected is None:
            self.said.emit(Message(f"{len(self._listed.order) - len(self._trail)} regions wait."))
        else:
            self._tell(selected.region)

    def _take(self, listed: _Listed) -> None:
        """Go on with a list, which may be longer than the one before."""
        labels, before = listed.layer, self._listed
        if labels not in self._viewer.layers or labels_behind(labels) is not listed.pixels:
            return
        if before is None:
            labels.events.set_data.connect(self._on_pixels)
        self._listed = listed
        self._show()
        if self._waits:
            self._waits = False
            self.go_on()

    def _fly(self, row: int, col: int) -> None:
        if not self._tool.is_on and not self._tool.begin():
            return
        self._flying = True
        self._tool.activate()
        self._tool.select_at(row, col)

    def _on_selected(self, selected: Selected | None) -> None:
        self._box.show_region(selected=selected is not None)
        if selected is not None and self._flying:
            self._flying = False
            self._look_at(selected.region.window)
            self._tell(selected.region)

    def _tell(self, region: Region) -> None:
        """Say what is looked at."""
        listed, labels = self._listed, self._tool.layer
        if listed is None or labels is None:
            return
        what, left = class_text(labels, region.class_id), len(listed.order) - len(self._trail)
        pixels = f"{region.pixels:,} pixels".replace(",", " ")
        more = f"{left} more regions wait."
        if listed.share < 1:
            more = f"More are looked for, nearby first: {100 * listed.share:.0f} %."
        self.said.emit(Message(f"{pixels} of {what}: right? {more}"))

    def _look_at(self, window: Window) -> None:
        """Move the camera to a window of the labels."""
        labels, main = self._tool.layer, self._box.window()
        if labels is None:
            return
        affine = affine_at(labels)
        low = (affine @ (window.row, window.col, 1))[:2]
        high = (affine @ (window.bottom, window.right, 1))[:2]
        camera = self._viewer.scene.camera
        camera.center = tuple((a + b) / 2 for a, b in zip(low, high, strict=True))
        middle = main.centralWidget() if isinstance(main, QMainWindow) else None
        if middle is not None:
            tall, wide = (max(abs(b - a), 1e-9) for a, b in zip(low, high, strict=True))
            fit = min(middle.height() / tall, middle.width() / wide) / _AROUND
            pixel = abs(high[0] - low[0]) / window.height or 1.0
            camera.zoom = min(fit, _MOST_ZOOM / pixel)

    def _accept(self) -> None:
        """Note what is selected as reviewed, which is a step like any other, and go on."""
        selected, labels = self._tool.selection, self._tool.layer
        if selected is not None and labels is not None:
            with LabelStep(labels):
                self._mark(selected.region)
            self._after(selected)

    def _on_writing(self, edited: Edited) -> None:
        """Note a region as reviewed in the same step in which it becomes what it should be."""
        if self._finishes(edited):
            self._mark(edited.region)

    def _on_edited(self, edited: Edited) -> None:
        if self._finishes(edited):
            self._after(edited.then)
        else:
            self._rest.start()

    def _finishes(self, edited: Edited) -> bool:
        return edited.kind in _FINISHING and self._listed is not None and self._open

    def _after(self, selected: Selected | None) -> None:
        """Go on with the next part of a region that was split, or else with the next region."""
        rest = () if selected is None else selected.parts[1:]
        if rest:
            self._tool.select_parts(rest)
        elif self._open and self._listed is not None:
            self.go_on()

    def _go_back(self) -> None:
        """Show the last region again, which is not reviewed after all."""
        labels = self._tool.layer
        if not self._past or labels is None or self._listed is None:
            self.said.emit(Message("There is no region to go back to."))
            return
        passed = self._past.pop()
        region = passed.region
        del self._trail[passed.place :]
        with LabelStep(labels):
            seen = self._reviewed(labels).marked(region.window, region.mask, seen=False)
            self._keep(labels, seen)
        self._fly(*_seed(region))

    def _on_pixels(self, event: Event) -> None:
        """Show the region again that is not reviewed any more, because that was undone."""
        if self._past and not self._reviewed(event.source).holds(*_seed(self._past[-1].region)):
            passed = self._past.pop()
            del self._trail[passed.place :]
            if self._open and self._tool.is_active:
                self._fly(*_seed(passed.region))
            else:  # somebody works with another tool meanwhile
                del self._trail[passed.place - 1 :]  # there Next goes now
        self._rest.start()
        self._show()

    def _mark(self, region: Region) -> None:
        """Note pixels as reviewed."""
        labels = self._tool.layer
        if labels is None:
            return
        self._past.append(_Passed(len(self._trail), region))
        self._keep(labels, self._reviewed(labels).marked(region.window, region.mask))
        key = id(labels.metadata)
        self._clocks[key] = self._clocks.get(key, ReviewClock()).at(monotonic())

    def _keep(self, labels: Labels, reviewed: Reviewed) -> None:
        info = info_of(labels, self._desk.place(labels))
        labels.metadata[KEY] = replace(info, reviewed=reviewed)
        self._rest.start()
        self._show()

    def _reviewed(self, labels: Labels) -> Reviewed:
        info = mask_of(labels.metadata)
        known = None if info is None else info.reviewed
        if known is None or known.shape != extent_of(labels):
            return Reviewed.none(extent_of(labels))
        return known

    def _confidence(self, labels: Labels) -> LabelPixels | None:
        """Return how sure labels were when they were made (H, W), None if nobody knows."""
        info = mask_of(labels.metadata)
        if info is None:
            return None
        confidence: LabelPixels | None = None
        if info.tiles is not None:
            confidence = info.tiles.confidence
        elif info.state is not None:
            confidence = info.state.confidence
        fits = confidence is not None and confidence.shape == extent_of(labels)
        return confidence if fits else None

    def _count(self) -> None:
        """Count in a thread what became of what was pre-labelled."""
        labels = self._tool.layer
        info = None if labels is None else mask_of(labels.metadata)
        if labels is None or info is None:
            return
        made: LabelPixels | None = info.tiles
        if made is None and info.state is not None:
            made = info.state.labels_now
        if made is not None and made.shape == extent_of(labels):
            steps = tally_steps(made, labels_behind(labels), self._reviewed(labels))
            self._counter.start(steps, 0)

    def _on_counted(self, reply: Reply[Any]) -> None:
        if not isinstance(reply.outcome, FirstPassError):
            self._tally = reply.outcome
            self._show()

    def _show(self) -> None:
        """Say how much was reviewed, and what it came to."""
        labels = self._desk.labels()
        if labels is None or labels.multiscale or labels.ndim != 2:
            self._box.show_share(0.0, "")
            return
        reviewed = self._reviewed(labels)
        if self._listed is not None and self._listed.layer == labels and self._listed.share == 1:
            self._labelled = max(self._listed.table.labelled, 1)
        whole = self._labelled or int(np.prod(extent_of(labels)))
        share = min(reviewed.pixels / whole, 1.0)
        self._box.show_share(share, self._told(labels, reviewed))

    def _told(self, labels: Labels, reviewed: Reviewed) -> str:
        """Return a sentence about what was reviewed; empty if nothing was."""
        if not reviewed.pixels:
            return ""
        area = pixel_area(info_of(labels, self._desk.place(labels)).grid)
        clock = self._clocks.get(id(labels.metadata), ReviewClock())
        said = f"{area_text(reviewed.pixels, area)} in {in_words(clock.seconds)}"
        kept = kept_share(self._tally)
        return f"{said}; {100 * kept:.0f} % of it as pre-labelled." if kept is not None else said

    def _copy(self) -> None:
        """Copy what it came to, class by class."""
        labels = self._desk.labels()
        clipboard = QApplication.clipboard()
        if labels is None or clipboard is None:
            return
        lines = [f"{labels.name}: {self._told(labels, self._reviewed(labels)) or 'not reviewed'}"]
        lines += [
            f"{class_text(labels, class_id)}: kept {one.kept} px, lost {one.lost} px, "
            f"gained {one.gained} px"
            for class_id, one in sorted(self._tally.items())
        ]
        clipboard.setText("\n".join(lines))
        self.said.emit(Message("Copied: time, area, and the pixels changed of each class."))

    def look(self) -> None:
        """Follow to another part of a large scene."""
        if self._box.doubt.isChecked():
            self._on_doubt(shown=True)

    def _on_doubt(self, shown: bool) -> None:
        labels = self._desk.labels()
        confidence = None if labels is None else self._confidence(labels)
        self._looks += 1
        if not shown or labels is None or confidence is None:
            self._doubt.hide()
            return
        if isinstance(confidence, np.ndarray):
            self._doubt.show(labels, confidence)
            return
        scene = scene_behind(labels.data)
        if scene is None or scene.part.stride > 1:
            self._doubt.hide()
            self.said.emit(Message("Zoom in to see doubt: it is shown pixel by pixel."))
            return
        self._doubter.start(window_steps(labels, confidence, scene.part.window), self._looks)

    def _on_doubt_read(self, reply: Reply[Any]) -> None:
        if reply.generation == self._looks and not isinstance(reply.outcome, FirstPassError):
            labels, values, window = reply.outcome
            if labels in self._viewer.layers:
                self._doubt.show(labels, values, window)

    def _forget(self) -> None:
        """List regions anew when they are asked for next."""
        self._run += 1
        self._lister.stop()
        if self._listed is not None:
            self._listed.layer.events.set_data.disconnect(self._on_pixels)
        self._listed, self._asked, self._waits = None, None, False
        self._trail, self._past = [], []


def _ranked_steps(
    steps: Steps[RegionTable], only: int | None, labels: Labels, pixels: LabelPixels
) -> Steps[tuple[_Listed, list[int]]]:
    """Return regions in the order in which they are looked at, and the classes that there are."""
    table = yield from steps
    listed = _Listed(table, table.ranked(only), labels, pixels)
    return listed, np.unique(table.class_ids).tolist()


def _looking(labels: Labels, share: float) -> str:
    return f"Looking through “{labels.name}” · {100 * share:.0f} %"


def _seed(region: Region) -> tuple[int, int]:
    """Return row and column of the first pixel of a region."""
    return region.window.row, region.window.col + int(region.mask[0].argmax())
