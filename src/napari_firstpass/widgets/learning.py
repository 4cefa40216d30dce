"""Learning from corrections in the panel: a proposal is shown first, and written if accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import FirstPassError, LayerError
from napari_firstpass.io.scene_labels import scene_behind
from napari_firstpass.widgets.class_layers import require_paintable
from napari_firstpass.widgets.image_layers import grid_of, subject_of
from napari_firstpass.widgets.label_history import extent_of, replace_in_one_step
from napari_firstpass.widgets.learn_runs import learn_part_steps
from napari_firstpass.widgets.preferences import preferences
from napari_firstpass.widgets.prompt_layers import Helper, affine_at
from napari_firstpass.widgets.runs import LabelsNow, feature_cache
from napari_firstpass.widgets.scene import KEY, mask_of
from napari_firstpass.widgets.session import Message
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_firstpass.grid import Window
    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.image_layers import Subject
    from napari_firstpass.widgets.learn_box import LearnBox
    from napari_firstpass.widgets.learn_runs import Proposed
    from napari_firstpass.widgets.pointing import Desk
    from napari_firstpass.widgets.worker import Reply, Report

PROPOSAL = "proposed changes"
"""Name of the layer that shows them."""


class Learning(QObject):
    """Learns in a thread from what differs from the run's own result, and shows what would change.

    Signals
    -------
    said : Message
        Something for the status line.

    Parameters
    ----------
    viewer : Viewer
        Holds the layers.
    box : LearnBox
        The controls.
    desk : Desk
        The rest of the panel.
    """

    said = Signal(object)

    def __init__(
        self, viewer: Viewer, box: LearnBox, desk: Desk, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._box, self._desk = viewer, box, desk
        self._runner = Runner(self)
        self._run = 0
        self._labels: Labels | None = None
        self._shown: Labels | None = None
        self._learned: Proposed | None = None
        self._extent: tuple[int, int] = (0, 0)
        self._part: Window | None = None
        self._runner.reported.connect(self._on_reported)
        self._runner.replied.connect(self._on_replied)
        box.wanted.connect(self.learn)
        box.accepted.connect(self.accept)
        box.discarded.connect(self.discard)
        viewer.layers.events.removed.connect(self._on_removed)

    def follow(self) -> None:
        """Follow the panel to other labels."""
        labels = self._desk.labels()
        self._box.show_labels(None if labels is None else labels.name, None)

    def let_go(self) -> None:
        """Hold nothing of the viewer any more."""
        self._viewer.layers.events.removed.disconnect(self)
        self._forget()

    def learn(self) -> None:
        """Look for what else is to change."""
        self._forget()
        try:
            labels = require_paintable(self._desk.labels())
            image = self._desk.image()
            subject = subject_of(image)
            if image is None or grid_of(image).shape != extent_of(labels):
                raise LayerError(
                    expected=f"labels that cover “{subject.name}”",
                    found=f"others in {labels.name!r}",
                    remedy="select the labels of this image",
                )
            steps = self._steps(subject, labels)
        except FirstPassError as error:
            self.said.emit(Message.of(error))
            return
        self._labels = labels
        self._run += 1
        self._runner.start(steps, self._run)
        self.said.emit(Message(f"Learning from what was corrected in “{labels.name}” …"))

    def accept(self) -> None:
        """Write the proposal, as one step; what was painted meanwhile stays."""
        learned, labels = self._learned, self._labels
        self._forget()
        if learned is None or labels is None or labels not in self._viewer.layers:
            return
        if extent_of(labels) != self._extent:
            self.said.emit(Message(f"“{labels.name}” has another size by now; nothing changed."))
            return
        changed = replace_in_one_step(labels, learned.replacement)
        info = mask_of(labels.metadata)
        if info is not None and learned.made is not None:
            labels.metadata[KEY] = info.then(learned.made)
        self._viewer.layers.selection.active = labels
        pixels = f"{changed:,} pixels".replace(",", " ")
        self.said.emit(Message(f"{pixels} of “{labels.name}” changed. Ctrl+Z undoes it."))

    def discard(self) -> None:
        """Take the proposal away."""
        labels = self._labels
        self._forget()
        if labels is not None and labels in self._viewer.layers:
            self._viewer.layers.selection.active = labels
        self.said.emit(Message("Discarded; nothing was changed."))

    def _steps(self, subject: Subject, labels: Labels) -> Steps[Proposed]:
        """Return the work on labels as they are now; of a large scene, on the part that is shown.

        Raises
        ------
        LayerError
            If they are shown smaller than they are.
        """
        self._extent, self._part = extent_of(labels), _part_shown(labels)
        prefer = preferences()
        config = SegmentConfig(backbone=self._desk.backbone(), device=prefer.device)
        cache = feature_cache(config.backbone, prefer.cache)
        now = LabelsNow.of(labels, None)
        return learn_part_steps(subject, now, config, self._part, cache=cache)

    def _on_reported(self, report: Report) -> None:
        if report.generation == self._run:
            told = report.progress
            share = 100 * told.done // max(told.total, 1)
            self.said.emit(Message(f"Learning: {told.message} · {share} %"))

    def _on_replied(self, reply: Reply[Any]) -> None:
        labels = self._labels
        if reply.generation != self._run or labels is None:
            return
        if isinstance(reply.outcome, FirstPassError):
            self.said.emit(Message.of(reply.outcome))
            return
        learned: Proposed = reply.outcome
        change = learned.replacement.change
        if change is None:
            self.said.emit(Message("Nothing else looks like what you corrected."))
            return
        self._show(labels, learned)
        share = 100 * change.pixels / learned.replacement.before.size
        part = "" if self._part is None else "the part that is shown of "
        self.said.emit(
            Message(
                f"{share:.1f} % of {part}“{labels.name}” would change, as shown: "
                f"{preferences().keys.accept} accepts, Esc discards."
            )
        )

    def _show(self, labels: Labels, learned: Proposed) -> None:
        """Show what would change, in the colours of the classes that it would become."""
        wanted = learned.replacement
        changes = wanted.after * (wanted.before != wanted.after)
        shown = self._viewer.add_labels(
            changes,
            name=PROPOSAL,
            opacity=1.0,
            colormap=labels.colormap,
            affine=affine_at(labels, wanted.window.row, wanted.window.col),
            metadata={KEY: Helper()},
        )
        shown.editable = False
        shown.bind_key(preferences().keys.accept, lambda _: self.accept(), overwrite=True)
        shown.bind_key("Escape", lambda _: self.discard(), overwrite=True)
        self._learned, self._shown = learned, shown
        self._viewer.layers.selection.active = shown
        self._box.show_proposal(shown=True)

    def _forget(self) -> None:
        """Take the proposal away, and whatever is on its way."""
        self._run += 1
        self._runner.stop()
        shown, self._shown = self._shown, None
        self._learned = self._labels = None
        self._box.show_proposal(shown=False)
        if shown is not None and shown in self._viewer.layers:
            self._viewer.layers.remove(shown)

    def _on_removed(self, event: Event) -> None:
        if event.value in (self._labels, self._shown):
            self._forget()


def _part_shown(labels: Labels) -> Window | None:
    """Return the part of a large scene that is shown, None for labels that are no such part."""
    scene = scene_behind(labels.data)
    if scene is not None and scene.part.stride > 1:
        raise LayerError(
            expected=f"a part of the large scene in {labels.name!r}",
            found="all of it, shown smaller than it is",
            remedy="zoom in: what is shown then is learned from and may change",
        )
    return None if scene is None else scene.part.window
