"""Proposing classes for clusters: asks in a thread, shows the answers, does what is accepted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_firstpass.errors import FirstPassError
from napari_firstpass.io.scene_labels import scene_behind
from napari_firstpass.taxonomy_edits import is_cluster
from napari_firstpass.widgets.class_layers import require_paintable
from napari_firstpass.widgets.image_layers import require_there, subject_of
from napari_firstpass.widgets.prompt_layers import is_helper
from napari_firstpass.widgets.proposal_runs import merge_classes, propose_classes
from napari_firstpass.widgets.proposal_window import ProposalWindow
from napari_firstpass.widgets.run_queue import Job
from napari_firstpass.widgets.runs import LabelsNow
from napari_firstpass.widgets.session import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer

    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.class_box import ClassBox
    from napari_firstpass.widgets.class_editing import ClassEditing
    from napari_firstpass.widgets.pointing import Desk
    from napari_firstpass.widgets.proposal_runs import Merged, Proposed

NO_TARGET = (
    "There is no class to propose yet: load a list above, or name one. Proposals are for what is "
    "still called a cluster."
)


class Proposing(QObject):
    """Lets clusters be compared with classes; what is accepted is a merge of `ClassEditing`.

    Signals
    -------
    said : Message
        Something for the status line.

    Parameters
    ----------
    viewer : Viewer
        Holds the layers.
    box : ClassBox
        The controls.
    editing : ClassEditing
        Knows the classes, and merges them.
    desk : Desk
        The rest of the panel.
    """

    said = Signal(object)

    def __init__(
        self,
        viewer: Viewer,
        box: ClassBox,
        editing: ClassEditing,
        desk: Desk,
    ) -> None:
        super().__init__(editing)
        self._viewer, self._box, self._editing, self._desk = viewer, box, editing, desk
        self.window: ProposalWindow | None = None
        self._asked: Labels | None = None
        box.way.layers = self._references
        box.propose.clicked.connect(self._on_propose)
        editing.listed.connect(self._on_listed)

    def let_go(self) -> None:
        """Hold nothing of the viewer any more."""
        self._asked = None
        if self.window is not None:
            self.window.close()

    def _references(self) -> list[str]:
        """Return the names of the labels layers that may name places."""
        mine = self._editing.layer
        return [
            layer.name
            for layer in self._viewer.layers
            if isinstance(layer, Labels) and layer != mine and not is_helper(layer)
        ]

    def _on_propose(self) -> None:
        self._try(lambda: self._ask(require_paintable(self._editing.layer)))

    def _ask(self, layer: Labels) -> None:
        taxonomy = self._editing.taxonomy
        if all(is_cluster(entry) for entry in taxonomy.classes):
            self.said.emit(Message(NO_TARGET))
            return
        name = self._box.way.reference
        reference = None
        if name is not None and name in self._viewer.layers:
            reference = LabelsNow.of(self._viewer.layers[name], None)
        image = self._desk.image()
        subject = None if image is None else subject_of(image)
        config = self._box.way.config()

        def begin() -> Steps[Proposed]:
            require_there(self._viewer, layer)
            return propose_classes(subject, LabelsNow.of(layer, None), config, reference)

        name = f"Comparing the clusters of {layer.name}"
        self._desk.add(lambda: Job(name, begin, partial(self._show, layer), (layer,)))

    def _show(self, layer: Labels, proposed: Proposed) -> Message:
        """Show what is proposed for the clusters of a layer; return what to say."""
        if layer != self._editing.layer:
            return Message(f"Select “{layer.name}” under Classes and propose again.")
        if not proposed.proposals:
            return Message("There are no clusters left: all classes have names.")
        self._asked = layer
        if self.window is not None:
            self.window.close()
        names = {entry.id: entry.name for entry in self._editing.taxonomy.classes}
        window = ProposalWindow(proposed, names, self._box)
        window.accepted_as.connect(self._on_accepted)
        window.all_accepted_as.connect(self._on_all_accepted)
        window.destroyed.connect(self._on_closed)
        self.window = window
        window.show()
        known = sum(proposal.decision.target > 0 for proposal in proposed.proposals)
        count = len(proposed.proposals)
        return Message(f"{known} of {count} clusters have a proposed class; accept them.")

    def _on_accepted(self, source: int, target: int) -> None:
        self._try(lambda: self._editing.merge([source], target))

    def _on_all_accepted(self, mapping: dict[int, int]) -> None:
        self._try(lambda: self._merge_all(mapping))

    def _merge_all(self, mapping: dict[int, int]) -> None:
        """Let a thread find what changes: it takes longer than a window may stand still."""
        layer = require_paintable(self._editing.layer)
        if scene_behind(layer.data) is not None:
            self._editing.merge_all(mapping)
            return

        def begin() -> Steps[Merged]:
            require_there(self._viewer, layer)
            return merge_classes(layer.data.copy(), mapping)

        def take(merged: Merged) -> Message:
            if layer != self._editing.layer:
                return Message(f"Another layer than “{layer.name}” is listed by now: accept again.")
            return self._editing.take(merged)

        name = f"Giving {len(mapping)} clusters their classes"
        self._desk.add(lambda: Job(name, begin, take, (layer,)))

    def _try(self, change: Callable[[], None]) -> None:
        try:
            change()
        except FirstPassError as error:
            self.said.emit(Message.of(error))

    def _on_listed(self) -> None:
        """Leave out what is no cluster of this layer any more."""
        if self.window is None:
            return
        same = self._asked == self._editing.layer
        self.window.keep_only(self._box.tree.listed if same else ())

    def _on_closed(self) -> None:
        self.window = None
