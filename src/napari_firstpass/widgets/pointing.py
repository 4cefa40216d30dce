"""Pointing at things: from marks to an outline that is shown, and on into a labels layer."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_firstpass.config import PromptConfig
from napari_firstpass.errors import FirstPassError, LayerError
from napari_firstpass.io.scene_labels import scene_behind
from napari_firstpass.mask_writing import changed_by, class_under
from napari_firstpass.prompts import Box, Line, Point, Prompt
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import Taxonomy
from napari_firstpass.widgets.desk_keys import ButtonKeys
from napari_firstpass.widgets.image_layers import first_level, grid_of, source_files, subject_of
from napari_firstpass.widgets.label_history import extent_of, pixels_of
from napari_firstpass.widgets.label_layers import labels_tuple
from napari_firstpass.widgets.label_steps import LabelStep
from napari_firstpass.widgets.preferences import preferences
from napari_firstpass.widgets.prompt_layers import TOOLS, PromptLayers, Standing, class_name
from napari_firstpass.widgets.prompt_runs import PromptedImage
from napari_firstpass.widgets.scene import KEY, MaskInfo, mask_of
from napari_firstpass.widgets.session import Message
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image, Labels
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_firstpass.widgets.prompt_box import PromptBox
    from napari_firstpass.widgets.prompt_layers import Tool
    from napari_firstpass.widgets.prompt_runs import Preview
    from napari_firstpass.widgets.run_queue import Job
    from napari_firstpass.widgets.worker import Reply, Report

_MOMENT_S = 0.7
"""What takes longer is told how long it takes."""

BEGIN = "Click on the image at what you look for."


@dataclass(frozen=True, slots=True)
class Desk:
    """What the panel knows and pointing asks for.

    Attributes
    ----------
    image : callable
        Returns the chosen image layer, or None.
    labels : callable
        Returns the labels layer that is meant, or None.
    backbone : callable
        Returns the name of the features.
    add : callable
        Begins what it is given, or lets it wait for its turn; says so if it cannot be asked for.
    marks : callable
        Returns what was left of pointing at an image, or None.
    """

    image: Callable[[], Image | None]
    labels: Callable[[], Labels | None]
    backbone: Callable[[], str]
    add: Callable[[Callable[[], Job]], None]
    marks: Callable[[Image], Standing | None]


class Pointing(QObject):
    """Asks for outlines as marks change, shows them, and writes the one that is accepted.

    One prompt is answered at a time. Of those that are given meanwhile only the last counts, and
    what an image is first looked at for is not begun anew for each click.

    Signals
    -------
    said : Message
        Something for the status line.
    begun
        The mouse points at things.
    marked : Image, Standing or None
        What is pointed at on an image; None once it was accepted or discarded.

    Parameters
    ----------
    viewer : Viewer
        Holds the layers.
    box : PromptBox
        The controls.
    desk : Desk
        The rest of the panel.
    """

    said = Signal(object)
    begun = Signal()
    marked = Signal(object, object)

    def __init__(
        self, viewer: Viewer, box: PromptBox, desk: Desk, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._box, self._desk = viewer, box, desk
        self._runner = Runner(self)
        self._keys = [
            ButtonKeys(viewer, getattr(box.keys, tool), button, parent=self)
            for tool, button in zip(TOOLS, box.tools.buttons(), strict=True)
        ]
        self._layers: PromptLayers | None = None
        self._looked: PromptedImage | None = None
        self._pixels: Any = None
        self._preview: Preview | None = None
        self._candidate = 0
        self._wanted = self._begun = 0
        self._waiting: Prompt | None = None
        self._busy = False
        self._since = 0.0
        self._runner.reported.connect(self._on_reported)
        self._runner.replied.connect(self._on_replied)
        box.toggled.connect(self._on_toggled)
        box.tool_chosen.connect(self._on_tool)
        box.said.connect(self._ask)
        box.changed.connect(self._look_anew)
        box.accepted.connect(self.accept)
        box.discarded.connect(self.discard)
        box.refused.connect(lambda error: self.said.emit(Message.of(error)))
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def is_busy(self) -> bool:
        """Whether an image is looked at."""
        return self._busy

    @property
    def is_on(self) -> bool:
        """Whether the mouse points at things."""
        return self._layers is not None

    def begin(self) -> None:
        """Let the mouse point at things on the chosen image."""
        image = self._desk.image()
        if image is None:
            return
        try:
            subject_of(image)
        except FirstPassError as error:
            self._box.show_pointing(on=False, obstacle=None)
            self.said.emit(Message.of(error))
            return
        self.end()
        self.begun.emit()
        self._desk.labels()  # they lose the selection
        layers = PromptLayers(
            self._viewer, image, grid_of(image).shape, self._box.keys, parent=self
        )
        layers.changed.connect(self._ask)
        layers.accepted.connect(self.accept)
        layers.discarded.connect(self.discard)
        layers.undone.connect(self._undo)
        layers.tool_chosen.connect(self._box.choose_tool)
        layers.class_chosen.connect(self._on_class)
        layers.next_wanted.connect(self._show_next)
        layers.missed.connect(self._on_missed)
        image.events.data.connect(self._on_image_changed)
        self._layers = layers
        self._show(None)
        self._on_tool(self._box.tool)
        self._box.show_pointing(on=True, obstacle=None)
        self.said.emit(Message(BEGIN))
        self._go_on(layers)

    def _go_on(self, layers: PromptLayers) -> None:
        """Show what was left, if somebody pointed at this image before."""
        left = self._desk.marks(layers.image)
        if left is not None:
            layers.put(left.marks)
            self._box.words.setText(left.words)
            self._ask()

    def end(self) -> None:
        """Let the mouse move the image again; marks are shown again once somebody goes on."""
        layers, self._layers = self._layers, None
        self._clear()
        self._runner.stop()
        self._looked, self._busy = None, False
        self._box.show_pointing(on=False, obstacle=None)
        if layers is not None:
            layers.image.events.data.disconnect(self._on_image_changed)
            layers.remove()
            layers.deleteLater()

    def unfold(self, unfolded: bool) -> None:
        """Let the keys of the tools begin it, or leave those keys to napari."""
        for key in self._keys:
            key.follow(unfolded)

    def take_escape(self) -> bool:
        """Discard what is pointed at, or end; return whether there was something to do."""
        was_on = self.is_on
        self.discard()
        return was_on

    def let_go(self) -> None:
        """End, and hold nothing of the viewer any more."""
        self.unfold(unfolded=False)
        self._viewer.layers.events.removed.disconnect(self)
        self.end()

    def show_offer(self, obstacle: str | None) -> None:
        """Offer to point at things, or say why that is not possible."""
        self._box.show_pointing(on=self.is_on, obstacle=obstacle)

    def on_chosen(self) -> None:
        """Follow the panel to another image."""
        if self._layers is not None and self._layers.image != self._desk.image():
            self.end()

    def accept(self) -> None:
        """Write the outline that is shown into the labels, as one step that can be undone."""
        layers, preview = self._layers, self._preview
        if layers is None or preview is None:
            return
        if self._busy:
            self.said.emit(Message("The new outline is not there yet; accept it once it is shown."))
            return
        if not self._is_current(layers):
            self._on_image_changed()
            return
        try:
            labels = self._target(layers)
        except FirstPassError as error:
            self.said.emit(Message.of(error))
            return
        changed = self._write(labels, preview, layers.image)
        self._forget()
        layers.point()
        pixels = f"{changed:,} pixels".replace(",", " ")
        became = class_text(labels, int(labels.selected_label))
        self.said.emit(Message(f"{pixels} of “{labels.name}” are {became} now. Ctrl+Z undoes it."))

    def discard(self) -> None:
        """Take back marks and outline; where there are none, end."""
        if self._layers is None:
            return
        if not self._layers.marks and self._preview is None:
            self.end()
            self.said.emit(Message("Ready."))
            return
        if self._busy:  # whoever gives up does not want the image to be looked at any longer
            self._runner.stop()
            self._looked, self._busy = None, False
        self._forget()
        self.said.emit(Message(f"Discarded; nothing was changed. {BEGIN}"))

    def _write(self, labels: Labels, preview: Preview, image: Image) -> int:
        """Give pixels of the outline the selected class; return how many."""
        found = preview.found
        mask, before = found.masks[self._candidate], pixels_of(labels, found.window)
        class_id, where = int(labels.selected_label), self._box.place
        there = changed_by(before, mask, where, class_under(before, mask))
        after = np.where(there, before.dtype.type(class_id), before)
        with LabelStep(labels) as step:
            if step.change(found.window, after):
                told = preview.accepted(self._candidate, class_id, where)
                info = _mask_info(labels, image)
                labels.metadata[KEY] = info.with_step("prompted", told)
        return int(np.count_nonzero(there))

    def _target(self, layers: PromptLayers) -> Labels:
        """Return the labels that are meant, or new ones if there are none.

        Raises
        ------
        LayerError
            If they cannot be painted on, or do not lie on the image.
        """
        labels, shape = self._desk.labels(), grid_of(layers.image).shape
        if labels is None:
            return self._new_labels(layers)
        if labels.multiscale or not isinstance(labels.data, np.ndarray):
            raise LayerError(
                expected="a labels layer that can be painted on",
                found=f"a pyramid or a lazy array in {labels.name!r}",
                remedy="select another one",
            )
        corners = ((0, 0), shape)
        if scene_behind(labels.data) is not None and extent_of(labels) == shape:
            return labels
        if labels.data.shape != shape or not np.allclose(
            [labels.data_to_world(corner) for corner in corners],
            [layers.image.data_to_world(corner) for corner in corners],
        ):
            raise LayerError(
                expected=f"labels that cover “{layers.image.name}”",
                found=f"others in {labels.name!r}",
                remedy="select the labels of this image",
            )
        return labels

    def _new_labels(self, layers: PromptLayers) -> Labels:
        """Add labels without a class below the marks."""
        image, grid = layers.image, grid_of(layers.image)
        scene = subject_of(image).name
        empty = Segmentation(np.zeros(grid.shape, np.uint8), Taxonomy(()), grid)
        data, keywords, _ = labels_tuple(
            empty, name=f"{scene} · labels", scene=scene, sources=source_files(image)
        )
        index = self._viewer.layers.index(image) + 1
        labels = self._viewer.add_labels(data, affine=layers.points.affine, **keywords)
        self._viewer.layers.move(len(self._viewer.layers) - 1, index)
        self._desk.labels()
        return labels

    def _ask(self) -> None:
        """Ask for the outline of what is pointed at now."""
        layers = self._layers
        if layers is None:
            return
        self._wanted += 1
        self._waiting = None
        self._tell_marks(layers)
        marks = layers.marks
        if not marks and not self._box.named:
            self._show(None)
            self.said.emit(Message(BEGIN))
            return
        try:
            prompt = Prompt(
                points=tuple(mark for mark in marks if isinstance(mark, Point)),
                lines=tuple(mark for mark in marks if isinstance(mark, Line)),
                boxes=tuple(mark for mark in marks if isinstance(mark, Box)),
                words=self._box.named,
            )
        except FirstPassError as error:
            self._show(None)
            self.said.emit(Message.of(error))
            return
        if self._busy:
            self._waiting = prompt
        else:
            self._start(prompt, layers)

    def _start(self, prompt: Prompt, layers: PromptLayers) -> None:
        """Answer a prompt in a thread."""
        known = self._looked if self._is_current(layers) else None
        looked = known
        if looked is None:
            self._pixels = first_level(layers.image)
            prefer = preferences()
            config = PromptConfig(
                method=self._box.prompter,
                model=self._box.model.reference,
                backbone=self._desk.backbone(),
                device=prefer.device,
            )
            looked = PromptedImage(subject_of(layers.image), config, prefer.cache)
        self._looked = looked
        self._busy, self._begun, self._since = True, self._wanted, monotonic()
        if known is None:
            self.said.emit(Message(f"Looking at {layers.image.name} …"))
        self._runner.start(looked.answer_steps(prompt), self._begun)

    def _on_reported(self, report: Report) -> None:
        """Say what is done, if that takes more than a moment: an image is looked at once."""
        layers, passed = self._layers, monotonic() - self._since
        if layers is None or report.generation != self._begun or passed < _MOMENT_S:
            return
        doing, name = report.progress.message, layers.image.name
        self.said.emit(Message(f"Looking at {name}: {doing} … {passed:.0f} s"))

    def _on_replied(self, reply: Reply[Any]) -> None:
        layers = self._layers
        if layers is None or reply.generation != self._begun:
            return
        self._busy = False
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._start(waiting, layers)
        elif reply.generation != self._wanted:
            return
        elif not self._is_current(layers):
            self._on_image_changed()
        elif isinstance(reply.outcome, FirstPassError):
            self._show(None)
            self.said.emit(Message.of(reply.outcome))
        else:
            self._show(reply.outcome)
            self._tell()

    def _show(self, preview: Preview | None, candidate: int = 0) -> None:
        self._preview, self._candidate = preview, candidate
        if self._layers is not None:
            self._layers.show(preview, candidate)
        found = preview is not None and bool(preview.pictures[candidate].any())
        self._box.show_answer(found=found, marked=self._layers is not None)

    def _show_next(self) -> None:
        if self._preview is not None:
            count = len(self._preview.pictures)
            self._show(self._preview, (self._candidate + 1) % count)
            self._tell()

    def _tell(self) -> None:
        """Say what is shown."""
        if self._preview is None:
            return
        found = self._preview.found
        count, score = len(found.scores), found.scores[self._candidate]
        if not found.masks[self._candidate].any():
            self.said.emit(Message("Nothing was found there; add a point, or discard it."))
            return
        which = f"Outline {self._candidate + 1} of {count}" if count > 1 else "One outline"
        labels = self._desk.labels()
        into = "new labels" if labels is None else f"“{labels.name}”"
        became = class_text(labels, 1 if labels is None else int(labels.selected_label))
        self.said.emit(
            Message(f"{which}, score {score:.2f}. Accept writes it into {into} as {became}.")
        )

    def _tell_marks(self, layers: PromptLayers) -> None:
        words = self._box.words.text().strip()
        standing = Standing(layers.marks, words, self._desk.labels())
        self.marked.emit(layers.image, standing if layers.marks or words else None)

    def _forget(self) -> None:
        """Take back marks and outline, for good."""
        self._clear()
        if self._layers is not None:
            self._tell_marks(self._layers)

    def _clear(self) -> None:
        """Show neither marks nor outline, and drop whatever answer is on its way."""
        self._wanted += 1
        self._waiting = None
        if self._layers is not None:
            self._layers.clear()
        self._box.words.clear()
        self._show(None)

    def _look_anew(self) -> None:
        """Use another method, for the same marks."""
        self._runner.stop()
        self._looked, self._busy = None, False
        if self._layers is not None and self._layers.marks:
            self._ask()

    def _is_current(self, layers: PromptLayers) -> bool:
        """Tell whether the image still has the pixels that were looked at."""
        there = layers.image in self._viewer.layers
        return there and (self._pixels is None or first_level(layers.image) is self._pixels)

    def _on_image_changed(self, _: Event | None = None) -> None:
        self._runner.stop()
        self._looked, self._pixels, self._busy = None, None, False
        if self._layers is not None:
            self._forget()
            self.said.emit(Message("The image was changed meanwhile; point at it again."))

    def _on_removed(self, event: Event) -> None:
        layers = self._layers
        if layers is not None and (event.value == layers.image or layers.owns(event.value)):
            self.end()

    def _on_toggled(self, on: bool) -> None:
        if on:
            self.begin()
        else:
            self.end()
            self.said.emit(Message("Ready."))

    def _on_tool(self, tool: Tool) -> None:
        if self._layers is None and self._box.pointing.isEnabled():
            self.begin()
        elif self._layers is not None:
            self._layers.choose(tool)
            self._layers.point()

    def _on_class(self, number: int) -> None:
        labels = self._desk.labels()
        if labels is not None:
            labels.selected_label = number
            self.said.emit(Message(f"Accept gives {class_text(labels, number)}."))
            self._tell()

    def _on_missed(self) -> None:
        self.said.emit(Message("That lies outside the image; point at something inside.", "error"))

    def _undo(self) -> None:
        labels = self._desk.labels()
        if labels is not None:
            labels.undo()


def _mask_info(labels: Labels, image: Image) -> MaskInfo:
    """Return what is noted about labels; others that lie on an image belong to its scene."""
    info = mask_of(labels.metadata)
    if info is not None:
        return info
    name, grid = subject_of(image).name, grid_of(image)
    return MaskInfo(name, grid, Taxonomy(()), Provenance(), source_files(image))


def class_text(labels: Labels | None, class_id: int) -> str:
    """Return what a class is called."""
    if class_id == 0:
        return "unlabelled"
    name = "" if labels is None else class_name(labels, class_id)
    return f"class {class_id}, {name}" if name else f"class {class_id}"
