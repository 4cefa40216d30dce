"""The dock: from an image layer to a labels layer, and on to a georeferenced mask."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_firstpass.config import RefineConfig
from napari_firstpass.errors import FirstPassError
from napari_firstpass.segmenters import SEGMENTERS
from napari_firstpass.widgets.brushing import Brushing, ClassKeys
from napari_firstpass.widgets.class_editing import ClassDesk, ClassEditing
from napari_firstpass.widgets.desk_keys import CancelKey, HideKey, look_at_image
from napari_firstpass.widgets.exporting import ExportDesk, Exporting
from napari_firstpass.widgets.first_hints import HINTS, FirstHints
from napari_firstpass.widgets.form import RECTANGLE, SegmentForm
from napari_firstpass.widgets.image_layers import (
    facts_of,
    first_level,
    grid_of,
    require_same,
    require_there,
    source_files,
    subject_of,
)
from napari_firstpass.widgets.keeping import Keeping
from napari_firstpass.widgets.learning import Learning
from napari_firstpass.widgets.model_runs import Fit, fit_model, look_at_model
from napari_firstpass.widgets.pointing import Desk, Pointing
from napari_firstpass.widgets.preferences import preferences
from napari_firstpass.widgets.prompt_layers import is_helper
from napari_firstpass.widgets.proposing import Proposing
from napari_firstpass.widgets.queue_box import QueueBox
from napari_firstpass.widgets.refine_runs import refine_labels
from napari_firstpass.widgets.refining import Refining
from napari_firstpass.widgets.region_tool import RegionTool
from napari_firstpass.widgets.reviewing import Reviewing
from napari_firstpass.widgets.run_queue import Job, RunQueue
from napari_firstpass.widgets.runs import LabelsNow
from napari_firstpass.widgets.saving import Saver
from napari_firstpass.widgets.scene_following import SceneFollowing
from napari_firstpass.widgets.segmenting import Segmenting, noted
from napari_firstpass.widgets.session import Message, Session, capitalised, in_words
from napari_firstpass.widgets.stale_steps import StaleSteps
from napari_firstpass.widgets.warming import Warming
from napari_firstpass.widgets.work_bar import WorkBar
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Image
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_firstpass.grid import Grid
    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.model_runs import Fitted
    from napari_firstpass.widgets.refine_runs import Refined
    from napari_firstpass.widgets.worker import Reply


_DECIDED = "Choose “this image” under “Classes from” first: then method and features can be set."


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
        self._warming, self._reader = Warming(self), Runner(self)
        self.queue, self._waiting = RunQueue(self._session, self), QueueBox()
        self._saver = Saver(self)
        self._refining = Refining(napari_viewer)
        self._saving, self._readings = False, 0
        self._refusal: Message | None = None
        self._problem: Message | None = None
        self._fitted_on: tuple[Image, ...] = ()
        self._result: Labels | None = None
        self.form = SegmentForm(napari_viewer, SEGMENTERS.names)
        self._pointing = Pointing(napari_viewer, self.form.prompts, self._desk(), parent=self)
        self._learning = Learning(napari_viewer, self.form.learn, self._desk(), parent=self)
        self._regions = RegionTool(napari_viewer, self.form.regions, self._desk(), parent=self)
        self._brushing = Brushing(napari_viewer, self.form.regions, self._desk(), parent=self)
        desk = self._class_desk()
        self._classes = ClassEditing(napari_viewer, self.form.class_list, desk, parent=self)
        self._reviewing = Reviewing(napari_viewer, self.form.review, self._regions, desk, self)
        self._exporting = Exporting(self.form.export, self._export_desk(desk), self)
        self._proposing = Proposing(
            napari_viewer, self.form.class_list, self._classes, self._desk()
        )
        self._make_keys()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.work = WorkBar()
        self.following = SceneFollowing(napari_viewer, self)
        self._segmenting = Segmenting(
            napari_viewer, self.form, self._refining, self.following, self._session
        )
        self.keeping = Keeping(napari_viewer, self.work, self.following, self)
        self._stale = StaleSteps(napari_viewer, self)
        for part in (self.form, self._waiting, self.work):
            column.addWidget(part)
        self._connect()
        self._show_about()
        self._on_chosen()

    def _make_keys(self) -> None:
        """Make the keys that mean the same in every section, and what is said of these at first."""
        folds = {name: getattr(self.form, name) for name in HINTS if name != "segmenting"}
        self._hints = FirstHints(folds, self.form.keys, parent=self)
        self._class_keys = ClassKeys(self._viewer, self._classes.choose_class, parent=self)
        self._hide_key = HideKey(self._viewer, self.form.keys.hide, parent=self)
        takers = (part.take_escape for part in (self._pointing, self._regions, self._learning))
        self._cancel_key = CancelKey(self, tuple(takers), self._on_cancel)

    def _connect(self) -> None:
        self.form.run.clicked.connect(self._on_run)
        self.form.cancel.clicked.connect(lambda: self._on_cancel())
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
        self._pointing.marked.connect(self.keeping.note_marks)
        self.keeping.marks_back.connect(self._on_marks_back)
        self._regions.said.connect(self._say)
        self._regions.tool_wanted.connect(self.form.prompts.choose_tool)
        self._brushing.said.connect(self._say)
        tools = (self._pointing, self._regions, self._brushing)
        for tool in tools:
            tool.begun.connect(self._warming.hurry)
            self.form.fixing.toggled.connect(tool.unfold)
            tool.begun.connect(lambda: look_at_image(self))
            for other in tools:
                if other is not tool:
                    tool.begun.connect(other.end)
        for fold in (self.form.classing, self.form.fixing, self.form.reviewing):
            fold.toggled.connect(self._follow_folds)
        self._hints.said.connect(self._hint)
        self._hide_key.follow(in_sight=True)
        self._classes.said.connect(self._say)
        self._proposing.said.connect(self._say)
        self.form.classing.toggled.connect(self._classes.unfold)
        self._learning.said.connect(self._say)
        self._reviewing.said.connect(self._say)
        self.form.reviewing.toggled.connect(self._reviewing.unfold)
        self.form.exporting.toggled.connect(self._exporting.unfold)
        self._reader.replied.connect(self._on_model_read)
        self.form.features.chosen.connect(self._on_features)
        self.form.features.refused.connect(self._on_refused)
        self.queue.changed.connect(self._show)
        self.queue.moved.connect(self._show_standing)
        self._waiting.removed.connect(self.queue.remove)
        self._saver.said.connect(self._say)
        self.keeping.said.connect(self._say)
        self._stale.said.connect(self._say)
        self.following.said.connect(self._say)
        self.following.shown.connect(self._reviewing.look)
        self._saver.busy.connect(self._on_saving)
        self._viewer.layers.events.removed.connect(self._on_removed)
        self._viewer.layers.selection.events.active.connect(self._on_active)

    def _desk(self) -> Desk:
        """Return what pointing at things asks of the rest of the panel."""
        return Desk(
            lambda: self.form.image.layer,
            lambda: self._refining.target(self._result),
            lambda: self.form.features.reference,
            self._add,
            lambda image: self.keeping.marks_on(image),
        )

    def _class_desk(self) -> ClassDesk:
        """Return what the list of classes, and review, ask for."""
        return ClassDesk(
            lambda: self._refining.target(self._result),
            self._place_for,
            self._add,
            lambda scene, keywords: self.following.add(scene, keywords),
        )

    def _export_desk(self, desk: ClassDesk) -> ExportDesk:
        """Return what exporting asks of the rest of the panel."""
        return ExportDesk(
            lambda: self.form.image.layer,
            desk.labels,
            self._place_for,
            self._add,
            partial(require_there, self._viewer),
        )

    def let_go(self) -> None:
        """Hold nothing of the viewer any more."""
        self.queue.let_go()
        self._warming.let_go()
        self._reader.stop()
        self._saver.let_go()
        self._pointing.let_go()
        self._learning.let_go()
        self._reviewing.let_go()
        self._regions.let_go()
        self._brushing.let_go()
        self._class_keys.follow(in_sight=False)
        self._hide_key.follow(in_sight=False)
        self._proposing.let_go()
        self._classes.let_go()
        self._exporting.let_go()
        self.keeping.let_go()
        self._stale.let_go()
        self.following.let_go()
        self.form.image.let_go()
        self._viewer.layers.events.removed.disconnect(self)
        self._viewer.layers.selection.events.active.disconnect(self)
        self._result, self._fitted_on = None, ()
        self._refining.forget()

    def _follow_folds(self) -> None:
        """Let 1 to 9 choose a class where classes are given, and lay down tools that are folded."""
        fixing, reviewing = self.form.fixing.isChecked(), self.form.reviewing.isChecked()
        self._class_keys.follow(fixing or reviewing or self.form.classing.isChecked())
        if not fixing and self._pointing.is_on:
            self._pointing.end()
        if not (fixing or reviewing) and self._regions.is_on:
            self._regions.end()

    def _hint(self, hint: Message) -> None:
        """Say what a section is for, unless something else must be read."""
        if not self._session.running and self._session.message.kind != "error":
            self._say(hint)

    def _on_cancel(self) -> None:
        """Stop what was asked for last: a run, or what is looked at beside it."""
        if self._session.running:
            self.queue.cancel()
        elif self._reviewing.is_busy:
            self._reviewing.cancel()
        elif self._pointing.is_busy:
            self._pointing.discard()
        self._show()

    def _on_run(self) -> None:
        self._add(lambda: self._segmenting.job(self._on_segmented))

    def _on_segmented(self, labels: Labels) -> None:
        self._result = labels
        self.keeping.touch(labels)
        self._show_save()

    def _add(self, job: Callable[[], Job]) -> None:
        """Begin a run, or let it wait for its turn; say why if it cannot be asked for."""
        self._warming.hurry()
        try:
            asked = job()
        except FirstPassError as error:
            self._say(Message.of(error))
            return
        self.queue.add(asked)

    def _on_where(self) -> None:
        if self.form.where.currentData() == RECTANGLE:
            self._on_rectangle()

    def _on_suggest(self) -> None:
        self._add(self._segmenting.suggesting)

    def _on_fit(self, folder: Path | None, path: Path) -> None:
        """Make a model of the images in a folder, or else of those that are open."""
        self._add(lambda: self._fitting(folder, path))

    def _fitting(self, folder: Path | None, path: Path) -> Job:
        layers = self.form.image.layers if folder is None else ()
        fit = Fit.at(folder or tuple(subject_of(layer) for layer in layers), path)
        config, cache = self._segmenting.config(), preferences().cache

        def begin() -> Steps[Fitted]:
            self._fitted_on = layers
            return fit_model(fit, config, cache)

        return Job(f"Fitting {fit.out.stem}", begin, self._take)

    def _on_marks_back(self, image: Image) -> None:
        """Go on pointing where it was left when napari ended."""
        self.form.image.choose(image)
        self.form.fixing.setChecked(True)
        self._pointing.begin()

    def _on_refine(self) -> None:
        """Refine the selected labels, or a rectangle of them, in place."""
        self._add(self._refinement)

    def _refinement(self) -> Job:
        box, image = self.form.refine, self.form.image.layer
        subject, pixels = subject_of(image), first_level(image)
        labels = self._refining.target(self._result)
        seen = None if labels is None else self.following.seen_of(labels)
        task = self._refining.task_on(labels, seen, only_rectangle=box.only.isChecked())
        refiner, suggest = box.refiner, box.suggest.isChecked()
        config = RefineConfig(
            refiner=refiner,
            preset=box.settings,
            seed=self.form.options.seed.value,
            device=preferences().device,
        )

        def begin() -> Steps[Refined]:
            require_same(self._viewer, image, pixels)
            require_same(self._viewer, task.labels, task.pixels)
            now = LabelsNow.of(task.labels, None)
            return refine_labels(subject, now, config, task.area, suggest=suggest)

        name = f"Refining {task.labels.name}"
        take = partial(self._refining.take, task, how=refiner)
        return Job(name, begin, take, (task.labels,))

    def _on_rectangle(self) -> None:
        self._refining.target(self._result)  # it loses the selection
        message = self._refining.offer_rectangle()
        if message is not None and not self._session.running:
            self._say(message)

    def _take(self, fitted: Fitted) -> Message:
        """Choose a model that was just made."""
        taken = in_words(self._session.elapsed(monotonic()))
        facts, self._fitted_on = fitted.facts, ()
        self.form.classes_from.take(facts)
        done = f"{facts.classes} classes from {facts.images_text} in {taken}."
        text = f"{done}{noted(fitted.trouble)} Run gives them to the chosen image. Saved as"
        return Message(text, path=facts.path)

    def _on_removed(self, event: Event) -> None:
        self.queue.on_removed(event.value)
        if event.value in self._fitted_on:
            self._say(Message(f"“{event.value.name}” was closed; the fit goes on, as it began."))
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
        hint = None if self._problem or model else self._hints.once("segmenting")
        self._say(self._problem or hint or Message(ready))

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
        busy = self._session.running or self._reviewing.is_busy or self._pointing.is_busy
        self.form.show_running(busy)
        self._cancel_key.follow(running=busy)
        self.form.status.show_message(self._session.message)
        self._waiting.show_waiting(self.queue.waiting)
        self._show_standing()
        self._show_offers()

    def _show_offers(self) -> None:
        """Say what can be begun, and why what cannot."""
        unfit = None if self._problem is None else self._problem.text
        self.form.show_run(unfit)
        decided = self.form.classes_from.chosen_model is not None
        obstacle = _DECIDED if decided else None
        self.form.show_suggest(obstacle or unfit)
        self.form.fit.show_open(len(self.form.image.layers), obstacle)
        labels = self._refining.target(self._result)
        self.form.refine.show_labels(None if labels is None else labels.name, unfit)
        self._pointing.show_offer(unfit)
        self._regions.follow()
        self._brushing.follow()
        self._classes.follow()
        self._learning.follow()
        self._reviewing.follow()
        self._exporting.follow()

    def _show_standing(self) -> None:
        job, standing = self.queue.running, self._session.standing
        self.form.show_standing(None if job is None else standing, "" if job is None else job.name)

    def _show_save(self) -> None:
        labels = self._labels_to_save()
        self.form.show_save(None if labels is None else labels.name, self._saving)
        self._show_offers()


def _problem_of(layer: Image | None) -> Message | None:
    """Return why a layer cannot be segmented, None if it can."""
    if layer is None:
        return Message("Open an image to begin: drop a file on the window.")
    try:
        subject_of(layer)
    except FirstPassError as error:
        return Message.of(error)
    return None
