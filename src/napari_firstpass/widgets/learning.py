"""Learning from corrections in the panel: a proposal is shown first, and written if accepted."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import LayerError
from napari_firstpass.io.scene_labels import scene_behind
from napari_firstpass.widgets.class_layers import require_paintable
from napari_firstpass.widgets.image_layers import grid_of, require_there, subject_of
from napari_firstpass.widgets.label_history import extent_of
from napari_firstpass.widgets.label_steps import LabelStep
from napari_firstpass.widgets.learn_box import told_of
from napari_firstpass.widgets.learn_runs import LearnMemory, learn_part_steps
from napari_firstpass.widgets.preferences import preferences
from napari_firstpass.widgets.prompt_layers import Helper, affine_at, class_name
from napari_firstpass.widgets.run_queue import Job
from napari_firstpass.widgets.runs import LabelsNow, feature_cache
from napari_firstpass.widgets.scene import KEY, mask_of
from napari_firstpass.widgets.session import Message

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

PROPOSAL = "proposed changes"
"""Name of the layer that shows them."""


class Learning(QObject):
    """Learns from what differs from the run's own result, and shows what would change.

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
        self._labels: Labels | None = None
        self._shown: Labels | None = None
        self._learned: Proposed | None = None
        self._extent: tuple[int, int] = (0, 0)
        self._part: Window | None = None
        self._memory = LearnMemory()
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
        self._memory = LearnMemory()
        self._forget()

    def learn(self) -> None:
        """Look for what else is to change, once its turn comes."""
        self._forget()
        self._desk.add(self._job)

    def take_escape(self) -> bool:
        """Discard a proposal; return whether there was one."""
        was_shown = self._shown is not None
        if was_shown:
            self.discard()
        return was_shown

    def _job(self) -> Job:
        """Return the work on the labels that are meant now.

        Raises
        ------
        FirstPassError
            If there are none, or they do not cover the image.
        """
        labels = require_paintable(self._desk.labels())
        image = self._desk.image()
        subject = subject_of(image)
        if image is None or grid_of(image).shape != extent_of(labels):
            raise LayerError(
                expected=f"labels that cover “{subject.name}”",
                found=f"others in {labels.name!r}",
                remedy="select the labels of this image",
            )

        def begin() -> Steps[Proposed]:
            require_there(self._viewer, labels)
            self._forget()
            self._box.tell(())
            return self._steps(subject, labels)

        name = f"Learning from {labels.name}"
        return Job(name, begin, partial(self._take, labels), (labels,))

    def accept(self) -> None:
        """Write the proposal, as one step; what was painted meanwhile stays."""
        learned, labels = self._learned, self._labels
        self._forget()
        if learned is None or labels is None or labels not in self._viewer.layers:
            return
        if extent_of(labels) != self._extent:
            self.said.emit(Message(f"“{labels.name}” has another size by now; nothing changed."))
            return
        with LabelStep(labels) as step:
            changed = step.take(learned.replacement)
            info = mask_of(labels.metadata)
            if info is not None:
                noted = info.with_step("learned", learned.step)
                tiles = learned.tiles or info.tiles
                noted = noted if learned.made is None else noted.then(learned.made)
                labels.metadata[KEY] = replace(noted, tiles=tiles)
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
        return learn_part_steps(subject, now, config, self._part, cache=cache, memory=self._memory)

    def _take(self, labels: Labels, learned: Proposed) -> Message:
        """Show what would change; return what to say."""
        change, looked_at = learned.replacement.change, learned.replacement.before.size
        names = partial(_name, labels)
        self._box.tell(told_of(learned.taught, names, looked_at))
        if change is None:
            return Message("Nothing is proposed; under Learn is written why.")
        self._show(labels, learned)
        share = 100 * change.pixels / looked_at
        part = "" if self._part is None else "the part that is shown of "
        return Message(
            f"{share:.1f} % of {part}“{labels.name}” would change, as shown: "
            f"{self._box.accept_key} accepts, Esc discards."
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
        shown.bind_key(self._box.accept_key, lambda _: self.accept(), overwrite=True)
        shown.bind_key("Escape", lambda _: self.discard(), overwrite=True)
        self._labels, self._learned, self._shown = labels, learned, shown
        self._viewer.layers.selection.active = shown
        self._box.show_proposal(shown=True)

    def _forget(self) -> None:
        """Take the proposal away."""
        shown, self._shown = self._shown, None
        self._learned = self._labels = None
        self._box.show_proposal(shown=False)
        if shown is not None and shown in self._viewer.layers:
            self._viewer.layers.remove(shown)

    def _on_removed(self, event: Event) -> None:
        if event.value in (self._labels, self._shown):
            self._forget()


def _name(labels: Labels, class_id: int) -> str:
    """Return what a class is called in a short line."""
    return class_name(labels, class_id) or f"class {class_id}"


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
