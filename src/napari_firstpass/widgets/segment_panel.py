"""The dock: from an image layer to a labels layer, and on to a georeferenced mask."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import FirstPassError
from napari_firstpass.segmenters import SEGMENTERS
from napari_firstpass.widgets.form import SegmentForm
from napari_firstpass.widgets.image_layers import (
    facts_of,
    first_level,
    grid_of,
    source_files,
    subject_of,
)
from napari_firstpass.widgets.label_layers import labels_tuple
from napari_firstpass.widgets.preferences import preferences
from napari_firstpass.widgets.runs import find_classes, warm_up
from napari_firstpass.widgets.saving import Saver
from napari_firstpass.widgets.session import (
    LOOK_EVERY,
    Message,
    Session,
    capitalised,
    in_words,
)
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Image
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_firstpass.grid import Grid
    from napari_firstpass.segmentation import Segmentation
    from napari_firstpass.widgets.runs import Found
    from napari_firstpass.widgets.worker import Reply, Report


@dataclass(frozen=True, slots=True)
class Run:
    """What was asked for.

    Attributes
    ----------
    image : Image
        The layer.
    scene : str
        What users call it.
    files : tuple of Path
        Its file, and what that consists of.
    config : SegmentConfig
        The options.
    """

    image: Image
    scene: str
    files: tuple[Path, ...]
    config: SegmentConfig


class SegmentPanel(QWidget):
    """Chooses an image and a method, runs it off the GUI thread, and saves the labels.

    Parameters
    ----------
    napari_viewer : Viewer
        Gives the images, takes the result.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._session = Session()
        self._runner = Runner(self)
        self._warmer = Runner(self)
        self._saver = Saver(self)
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(round(1000 * LOOK_EVERY))
        self._saving = False
        self._refusal: Message | None = None
        self._run: Run | None = None
        self._result: Labels | None = None
        self.form = SegmentForm(napari_viewer, SEGMENTERS.names)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.form)
        self._connect()
        self._warmer.start(warm_up(), 0)
        self._on_method()
        self._on_chosen()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Let go of everything when napari takes the panel out of its dock."""
        super().changeEvent(event)
        taken_out = event is not None and event.type() == QEvent.Type.ParentChange
        if taken_out and self.parent() is None:
            self._let_go()

    def _connect(self) -> None:
        self.form.run.clicked.connect(self._on_run)
        self.form.cancel.clicked.connect(self._on_cancel)
        self.form.save.clicked.connect(self._on_save)
        self.form.method.currentIndexChanged.connect(self._on_method)
        self.form.image.chosen.connect(self._on_chosen)
        self.form.features.chosen.connect(self._on_features)
        self.form.features.refused.connect(self._on_refused)
        self._late.timeout.connect(self._on_late)
        self._runner.reported.connect(self._on_reported)
        self._runner.replied.connect(self._on_replied)
        self._saver.said.connect(self._say)
        self._saver.busy.connect(self._on_saving)
        self._viewer.layers.events.removed.connect(self._on_removed)
        self._viewer.layers.selection.events.active.connect(self._on_active)

    def _let_go(self) -> None:
        self._session.cancel("Closed.")
        self._late.stop()
        self._runner.stop()
        self._warmer.stop()
        self._saver.let_go()
        self.form.image.let_go()
        self._viewer.layers.events.removed.disconnect(self)
        self._viewer.layers.selection.events.active.disconnect(self)
        self._run = self._result = None

    def _on_run(self) -> None:
        layer = self.form.image.layer
        try:
            subject = subject_of(layer)
        except FirstPassError as error:
            self._say(Message.of(error))
            return
        self._run = Run(layer, subject.name, source_files(layer), self._config())
        generation = self._session.start(f"Segmenting {subject.name} …", monotonic())
        steps = find_classes(subject, self._run.config, preferences().cache)
        self._runner.start(steps, generation)
        self._show()

    def _on_cancel(self) -> None:
        self._stop("Cancelled; nothing was changed.")

    def _on_reported(self, report: Report) -> None:
        if self._session.advance(report.generation, report.progress, monotonic()):
            self._show_standing()
        elif not self._late.isActive():
            self._late.start()

    def _on_late(self) -> None:
        if self._session.catch_up(monotonic()):
            self._show_standing()

    def _on_replied(self, reply: Reply[Any]) -> None:
        if isinstance(reply.outcome, FirstPassError):
            self._session.fail(reply.generation, reply.outcome)
        elif self._session.finish(reply.generation, self._summary(reply.outcome)):
            self._add(reply.outcome.segmentation)
        if not self._session.running:
            self._run = None
        self._show()

    def _on_removed(self, event: Event) -> None:
        if self._run is not None and event.value == self._run.image:
            self._stop("Cancelled, because the image was removed.")
        if event.value == self._result:
            self._result = None
        self._show_save()

    def _on_chosen(self) -> None:
        message = _problem_of(self.form.image.layer)
        self.form.show_subject(facts_of(self.form.image.layer), message)
        if not self._session.running:
            self._say(message or Message("Ready."))
        self._show_save()

    def _on_method(self) -> None:
        summary = SEGMENTERS.summary(self.form.method.currentData())
        self.form.about.setText(capitalised(summary))

    def _on_refused(self, error: FirstPassError) -> None:
        self._refusal = Message.of(error)
        self._say(self._refusal)

    def _on_features(self) -> None:
        """Take back what was said of a folder, once another is chosen."""
        if self._session.message is self._refusal and not self._session.running:
            self._say(_problem_of(self.form.image.layer) or Message("Ready."))

    def _on_active(self, _: Event) -> None:
        self._show_save()

    def _on_saving(self, saving: bool) -> None:
        self._saving = saving
        self._show_save()

    def _on_save(self) -> None:
        labels = self._labels_to_save()
        if labels is not None:
            image = self.form.image.layer
            files = source_files(labels) or source_files(image)
            self._saver.ask(labels, self._place_for(labels), files)

    def _config(self) -> SegmentConfig:
        form = self.form
        return SegmentConfig(
            method=form.method.currentData(),
            backbone=form.features.reference,
            classes=form.classes.value(),
            min_region=form.min_region.value(),
            seed=form.seed.value(),
            device=preferences().device,
        )

    def _stop(self, message: str) -> None:
        self._runner.stop()
        self._run = None
        self._session.cancel(message)
        self._show()

    def _summary(self, found: Found) -> str:
        taken = in_words(self._session.elapsed(monotonic()))
        grid = found.segmentation.grid
        place = "" if grid.is_georeferenced else " The mask will have no georeference."
        trouble = "" if found.trouble is None else f" Note: {found.trouble}."
        done = f"{found.classes} classes in {taken}. Correct them with the brush, then save."
        return f"{done}{place}{trouble}"

    def _add(self, result: Segmentation) -> None:
        """Show a result as a layer of its own: no layer the user may have edited is touched."""
        run = self._run
        if run is None:
            return
        name = f"{run.scene} · {run.config.method} {run.config.classes}"
        data, keywords, _ = labels_tuple(result, name=name, scene=run.scene, sources=run.files)
        self._result = self._viewer.add_labels(data, **keywords)
        self._show_save()

    def _labels_to_save(self) -> Labels | None:
        """Return the selected labels layer, or else the last result."""
        active = self._viewer.layers.selection.active
        return active if isinstance(active, Labels) else self._result

    def _place_for(self, labels: Labels) -> Grid | None:
        """Return the place of the chosen image, if labels drawn by hand cover the same pixels."""
        image = self.form.image.layer
        if image is None or _problem_of(image) is not None:
            return None
        grid = grid_of(image)
        return grid if grid.shape == first_level(labels).shape else None

    def _say(self, message: Message) -> None:
        self._session.say(message)
        self._show()

    def _show(self) -> None:
        self.form.show_running(self._session.running)
        self.form.status.show_message(self._session.message)
        self._show_standing()

    def _show_standing(self) -> None:
        session = self._session
        self.form.show_standing(session.standing if session.running else None)

    def _show_save(self) -> None:
        labels = self._labels_to_save()
        self.form.show_save(None if labels is None else labels.name, self._saving)


def _problem_of(layer: Image | None) -> Message | None:
    """Return why a layer cannot be segmented, None if it can."""
    if layer is None:
        return Message("Open an image to begin: drop a file on the window.")
    try:
        subject_of(layer)
    except FirstPassError as error:
        return Message.of(error)
    return None
