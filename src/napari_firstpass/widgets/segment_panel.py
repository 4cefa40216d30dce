"""The dock: from an image layer to a labels layer, and on to a georeferenced mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_firstpass.config import RefineConfig, SegmentConfig
from napari_firstpass.errors import FirstPassError, LayerError
from napari_firstpass.segmenters import SEGMENTERS
from napari_firstpass.widgets.class_editing import ClassDesk, ClassEditing
from napari_firstpass.widgets.exporting import ExportDesk, Exporting
from napari_firstpass.widgets.form import RECTANGLE, VIEW, SegmentForm
from napari_firstpass.widgets.image_layers import (
    facts_of,
    first_level,
    grid_of,
    source_files,
    subject_of,
)
from napari_firstpass.widgets.keeping import Keeping
from napari_firstpass.widgets.label_layers import labels_keywords, labels_tuple
from napari_firstpass.widgets.learning import Learning
from napari_firstpass.widgets.model_runs import Fit, Fitted, fit_model, look_at_model
from napari_firstpass.widgets.pointing import Desk, Pointing
from napari_firstpass.widgets.preferences import preferences
from napari_firstpass.widgets.prompt_layers import is_helper
from napari_firstpass.widgets.proposing import Proposing
from napari_firstpass.widgets.refine_runs import Refined, refine_labels
from napari_firstpass.widgets.refining import Refining
from napari_firstpass.widgets.region_tool import RegionTool
from napari_firstpass.widgets.reviewing import Reviewing
from napari_firstpass.widgets.runs import (
    LabelsNow,
    Part,
    Suggested,
    apply_model,
    find_classes,
    suggest_number,
    warm_up,
)
from napari_firstpass.widgets.saving import Saver
from napari_firstpass.widgets.scene import MaskInfo
from napari_firstpass.widgets.scene_following import SceneFollowing, seen_part
from napari_firstpass.widgets.session import (
    LOOK_EVERY,
    Message,
    Session,
    capitalised,
    in_words,
)
from napari_firstpass.widgets.work_bar import WorkBar
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Image
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_firstpass.grid import Grid
    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.runs import Found
    from napari_firstpass.widgets.worker import Reply, Report


_BUSY = "Something runs: wait until it is done, or cancel it."
_DECIDED = "Choose “this image” under “Classes from” first: then method and features can be set."


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
    how : str
        Where the classes come from: method and number, or the model.
    """

    image: Image
    scene: str
    files: tuple[Path, ...]
    how: str


class SegmentPanel(QWidget):
    """Chooses an image and a method or a model, runs it off the GUI thread, and saves the labels.

    It also makes models, which bring the same classes to many images.

    Parameters
    ----------
    napari_viewer : Viewer
        Gives the images, takes the result.

    Attributes
    ----------
    following : SceneFollowing
        Shows labels of large scenes.
    keeping : Keeping
        Saves what is worked on.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._session = Session()
        self._runner, self._warmer, self._reader = Runner(self), Runner(self), Runner(self)
        self._saver = Saver(self)
        self._refining = Refining(napari_viewer)
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(round(1000 * LOOK_EVERY))
        self._saving, self._readings = False, 0
        self._refusal: Message | None = None
        self._problem: Message | None = None
        self._run: Run | None = None
        self._fitted_on: tuple[Image, ...] = ()
        self._result: Labels | None = None
        self.form = SegmentForm(napari_viewer, SEGMENTERS.names)
        self._pointing = Pointing(napari_viewer, self.form.prompts, self._desk(), parent=self)
        self._learning = Learning(napari_viewer, self.form.learn, self._desk(), parent=self)
        self._regions = RegionTool(napari_viewer, self.form.regions, self._desk(), parent=self)
        desk = ClassDesk(lambda: self._refining.target(self._result), self._place_for)
        self._classes = ClassEditing(napari_viewer, self.form.class_list, desk, parent=self)
        self._reviewing = Reviewing(napari_viewer, self.form.review, self._regions, desk, self)
        where = ExportDesk(lambda: self.form.image.layer, desk.labels, self._place_for)
        self._exporting = Exporting(self.form.export, where, self)
        self._proposing = Proposing(
            napari_viewer, self.form.class_list, self._classes, lambda: self.form.image.layer
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.work = WorkBar()
        self.following = SceneFollowing(napari_viewer, self)
        self.keeping = Keeping(napari_viewer, self.work, self.following, self)
        for part in (self.form, self.work):
            column.addWidget(part)
        self._connect()
        self._warmer.start(warm_up(), 0)
        self._show_about()
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
        self.form.suggest.clicked.connect(self._on_suggest)
        self.form.where.currentIndexChanged.connect(self._on_where)
        self.form.save.clicked.connect(self._on_save)
        self.form.method.currentIndexChanged.connect(self._show_about)
        self.form.image.chosen.connect(self._on_chosen)
        self.form.image.listed.connect(self._show_offers)
        self.form.classes_from.wanted.connect(self._on_model_named)
        self.form.classes_from.chosen.connect(self._on_model)
        self.form.fit.wanted.connect(self._on_fit)
        self.form.refine.wanted.connect(self._on_refine)
        self.form.refine.rectangle_wanted.connect(self._on_rectangle)
        self._pointing.said.connect(self._say)
        self._pointing.begun.connect(self._regions.end)
        self._regions.said.connect(self._say)
        self._regions.begun.connect(self._pointing.end)
        self.form.fixing.toggled.connect(self._regions.unfold)
        self._classes.said.connect(self._say)
        self._proposing.said.connect(self._say)
        self.form.classing.toggled.connect(self._classes.unfold)
        self._learning.said.connect(self._say)
        self._reviewing.said.connect(self._say)
        self.form.reviewing.toggled.connect(self._reviewing.unfold)
        self._exporting.said.connect(self._say)
        self.form.exporting.toggled.connect(self._exporting.unfold)
        self._reader.replied.connect(self._on_model_read)
        self.form.features.chosen.connect(self._on_features)
        self.form.features.refused.connect(self._on_refused)
        self._late.timeout.connect(self._on_late)
        self._runner.reported.connect(self._on_reported)
        self._runner.replied.connect(self._on_replied)
        self._saver.said.connect(self._say)
        self.keeping.said.connect(self._say)
        self.following.said.connect(self._say)
        self._saver.busy.connect(self._on_saving)
        self._viewer.layers.events.removed.connect(self._on_removed)
        self._viewer.layers.selection.events.active.connect(self._on_active)

    def _desk(self) -> Desk:
        """Return what pointing at things asks of the rest of the panel."""
        return Desk(
            lambda: self.form.image.layer,
            lambda: self._refining.target(self._result),
            lambda: self.form.features.reference,
        )

    def _let_go(self) -> None:
        self._session.cancel("Closed.")
        self._late.stop()
        self._runner.stop()
        self._warmer.stop()
        self._reader.stop()
        self._saver.let_go()
        self._pointing.let_go()
        self._learning.let_go()
        self._reviewing.let_go()
        self._regions.let_go()
        self._proposing.let_go()
        self._classes.let_go()
        self._exporting.let_go()
        self.keeping.let_go()
        self.following.let_go()
        self.form.image.let_go()
        self._viewer.layers.events.removed.disconnect(self)
        self._viewer.layers.selection.events.active.disconnect(self)
        self._run = self._result = None
        self._fitted_on = ()
        self._refining.forget()

    def _on_run(self) -> None:
        layer = self.form.image.layer
        try:
            subject = subject_of(layer)
            part = self._part(layer)
        except FirstPassError as error:
            self._say(Message.of(error))
            return
        config, cache = self._config(), preferences().cache
        model = self.form.classes_from.chosen_model
        if model is None:
            how = f"{config.method} {config.classes}"
            steps = find_classes(subject, config, cache, part)
        else:
            how = model.name
            steps = apply_model(subject, model, config, cache, part)
        self._run = Run(layer, subject.name, source_files(layer), how)
        self._start(f"Segmenting {subject.name} …", steps)

    def _part(self, image: Image) -> Part | None:
        """Return what a run is to look at, None for all of an image."""
        where, grid = self.form.where.currentData(), grid_of(image)
        if where == RECTANGLE:
            return Part(grid, self._refining.rectangle_on(image, grid.shape))
        if where != VIEW:
            return None
        seen = seen_part(image, grid)
        if seen is None:
            raise LayerError(
                expected=f"{image.name!r} in sight",
                found="nothing of it",
                remedy="move the view, or choose the whole image",
            )
        return None if seen == grid.window else Part(grid, seen)

    def _on_where(self) -> None:
        if self.form.where.currentData() == RECTANGLE:
            self._on_rectangle()

    def _on_suggest(self) -> None:
        try:
            subject = subject_of(self.form.image.layer)
        except FirstPassError as error:
            self._say(Message.of(error))
            return
        self._run = None
        steps = suggest_number(subject, self._config(), preferences().cache)
        self._start(f"Looking how many classes {subject.name} has …", steps)

    def _on_fit(self, folder: Path | None, path: Path) -> None:
        """Make a model of the images in a folder, or else of those that are open."""
        layers = self.form.image.layers if folder is None else ()
        try:
            images = folder or tuple(subject_of(layer) for layer in layers)
        except FirstPassError as error:
            self._say(Message.of(error))
            return
        fit = Fit.at(images, path)
        self._run, self._fitted_on = None, layers
        steps = fit_model(fit, self._config(), preferences().cache)
        self._start(f"Fitting {fit.out.stem} …", steps)

    def _on_refine(self) -> None:
        """Refine the selected labels, or a rectangle of them, in place."""
        box, image = self.form.refine, self.form.image.layer
        try:
            subject = subject_of(image)
            labels = self._refining.target(self._result)
            task = self._refining.begin(labels, only_rectangle=box.only.isChecked())
        except FirstPassError as error:
            self._say(Message.of(error))
            return
        config = RefineConfig(
            refiner=box.refiner,
            preset=box.settings,
            seed=self.form.seed.value(),
            device=preferences().device,
        )
        self._run = None
        now = LabelsNow.of(task.labels, None)
        steps = refine_labels(subject, now, config, task.area, suggest=box.suggest.isChecked())
        self._start(f"Refining {task.labels.name} …", steps)

    def _on_rectangle(self) -> None:
        self._refining.target(self._result)  # it loses the selection
        message = self._refining.offer_rectangle()
        if message is not None and not self._session.running:
            self._say(message)

    def _start(self, what: str, steps: Steps[Any]) -> None:
        self._runner.start(steps, self._session.start(what, monotonic()))
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
        outcome = reply.outcome
        if isinstance(outcome, FirstPassError):
            self._session.fail(reply.generation, outcome)
        elif isinstance(outcome, Fitted):
            if self._session.finish(reply.generation, self._summary_of_fit(outcome)):
                self._take(outcome)
        elif isinstance(outcome, Suggested):
            if self._session.finish(reply.generation, outcome.text):
                self.form.take_suggestion(outcome.classes, outcome.curve)
        elif isinstance(outcome, Refined):
            if self._session.finish(reply.generation, ""):
                self._session.say(self._refining.take(outcome, self.form.refine.refiner))
        elif self._session.finish(reply.generation, self._summary(outcome)):
            self._add(outcome)
        if not self._session.running:
            self._run, self._fitted_on = None, ()
        self._show()

    def _take(self, fitted: Fitted) -> None:
        """Choose a model that was just made; the message about it stays."""
        message = replace(self._session.message, path=fitted.facts.path)
        self.form.classes_from.take(fitted.facts)
        self._session.say(message)

    def _on_removed(self, event: Event) -> None:
        if self._run is not None and event.value == self._run.image:
            self._stop("Cancelled, because the image was removed.")
        if event.value in self._fitted_on:
            self._say(Message(f"“{event.value.name}” was closed; the fit goes on, as it began."))
        if self._session.running and self._refining.is_on(event.value):
            self._stop("Cancelled, because the labels were removed.")
        if event.value == self._result:
            self._result = None
        self._show_save()

    def _on_chosen(self) -> None:
        layer = self.form.image.layer
        self._pointing.on_chosen()
        self.keeping.look_for(layer)
        self._problem = _problem_of(layer)
        self.form.show_subject(facts_of(layer) if self._problem is None else "")
        files = source_files(layer)
        self.form.fit.begin_in(files[0].parent if files else None)
        self._say_what_is_next()
        self._show_save()

    def _on_model_named(self, path: Path) -> None:
        self._readings += 1
        self._reader.start(look_at_model(path), self._readings)
        self._say(Message(f"Reading {path.name} …"))

    def _on_model_read(self, reply: Reply[Any]) -> None:
        if reply.generation != self._readings:
            return
        if isinstance(reply.outcome, FirstPassError):
            self._on_refused(reply.outcome)
        else:
            self.form.classes_from.take(reply.outcome)

    def _on_model(self) -> None:
        self.form.show_model()
        self._show_about()
        self._show_offers()
        self._say_what_is_next()

    def _say_what_is_next(self) -> None:
        """Guide the user, unless something runs, of which is told already."""
        if self._session.running:
            return
        model = self.form.classes_from.chosen_model
        ready = "Ready." if model is None else f"Ready to label with the classes of {model.name}."
        self._say(self._problem or Message(ready))

    def _show_about(self) -> None:
        model = self.form.classes_from.chosen_model
        if model is None:
            summary = SEGMENTERS.summary(self.form.method.currentData())
        else:
            summary = model.about
        self.form.about.setText(capitalised(summary))

    def _on_refused(self, error: FirstPassError) -> None:
        self._refusal = Message.of(error)
        self._say(self._refusal)

    def _on_features(self) -> None:
        """Take back what was said of a folder, once another is chosen."""
        if self._session.message is self._refusal:
            self._say_what_is_next()

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
        self._run, self._fitted_on, self._refining.task = None, (), None
        self._session.cancel(message)
        self._show()

    def _summary_of_fit(self, fitted: Fitted) -> str:
        taken = in_words(self._session.elapsed(monotonic()))
        facts, trouble = fitted.facts, _noted(fitted.trouble)
        done = f"{facts.classes} classes from {facts.images_text} in {taken}."
        return f"{done}{trouble} Run gives them to the chosen image. Saved as"

    def _summary(self, found: Found) -> str:
        taken = in_words(self._session.elapsed(monotonic()))
        grid = found.segmentation.grid
        place = "" if grid.is_georeferenced else " The mask will have no georeference."
        trouble = _noted(found.trouble)
        done = f"{found.classes} classes in {taken}. Correct them with the brush, then save."
        return f"{done}{place}{trouble}"

    def _add(self, found: Found) -> None:
        """Show a result as a layer of its own: no layer the user may have edited is touched."""
        run = self._run
        if run is None:
            return
        name = f"{run.scene} · {run.how}"
        result = found.segmentation
        if found.scene is None:
            data, keywords, _ = labels_tuple(result, name=name, scene=run.scene, sources=run.files)
            self._result = self._viewer.add_labels(data, **keywords)
        else:  # as it was made, a large scene is not remembered: it would fill the memory
            info = MaskInfo(run.scene, result.grid, result.taxonomy, result.provenance, run.files)
            self._result = self.following.add(found.scene, labels_keywords(info, name))
        self.keeping.touch(self._result)
        self._show_save()

    def _labels_to_save(self) -> Labels | None:
        """Return the selected labels layer, or else the last result."""
        active = self._viewer.layers.selection.active
        if active is not None and is_helper(active):
            return self._refining.target(self._result)
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
        self._show_offers()

    def _show_offers(self) -> None:
        """Say what can be begun, and why what cannot."""
        running, problem = self._session.running, self._problem
        fits = running and self._run is None
        unfit = None if problem is None else problem.text
        self.form.show_run(_BUSY if fits else unfit)
        decided = self.form.classes_from.chosen_model is not None
        obstacle = _BUSY if running else _DECIDED if decided else None
        self.form.show_suggest(obstacle or unfit)
        self.form.fit.show_open(len(self.form.image.layers), obstacle)
        labels = self._refining.target(self._result)
        busy = _BUSY if running else unfit
        self.form.refine.show_labels(None if labels is None else labels.name, busy)
        self._pointing.show_offer(unfit)
        self._regions.follow()
        self._classes.follow()
        self._learning.follow()
        self._reviewing.follow()
        self._exporting.follow()

    def _show_standing(self) -> None:
        session = self._session
        self.form.show_standing(session.standing if session.running else None)

    def _show_save(self) -> None:
        labels = self._labels_to_save()
        self.form.show_save(None if labels is None else labels.name, self._saving)
        self._show_offers()


def _noted(trouble: FirstPassError | None) -> str:
    return "" if trouble is None else f" Note: {trouble}."


def _problem_of(layer: Image | None) -> Message | None:
    """Return why a layer cannot be segmented, None if it can."""
    if layer is None:
        return Message("Open an image to begin: drop a file on the window.")
    try:
        subject_of(layer)
    except FirstPassError as error:
        return Message.of(error)
    return None
