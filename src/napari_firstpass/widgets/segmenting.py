"""Segmenting the chosen image: what is asked for, and how the result becomes a layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import LayerError
from napari_firstpass.io.scene_labels import SceneLabels
from napari_firstpass.widgets.form import RECTANGLE, VIEW
from napari_firstpass.widgets.image_layers import (
    first_level,
    grid_of,
    require_same,
    source_files,
    subject_of,
)
from napari_firstpass.widgets.label_layers import labels_keywords, labels_tuple
from napari_firstpass.widgets.preferences import preferences
from napari_firstpass.widgets.run_queue import Job
from napari_firstpass.widgets.runs import apply_model, find_classes, suggest_number
from napari_firstpass.widgets.scene import MaskInfo
from napari_firstpass.widgets.scene_following import seen_part
from napari_firstpass.widgets.session import Message, in_words
from napari_firstpass.widgets.tile_keeping import Part, TileKeeper

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Image, Labels
    from napari.viewer import Viewer

    from napari_firstpass.errors import FirstPassError
    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.form import SegmentForm
    from napari_firstpass.widgets.refining import Refining
    from napari_firstpass.widgets.runs import Suggested
    from napari_firstpass.widgets.scene_following import SceneFollowing
    from napari_firstpass.widgets.session import Session
    from napari_firstpass.widgets.tile_keeping import Found


@dataclass(frozen=True, slots=True)
class Run:
    """What was asked for.

    Attributes
    ----------
    scene : str
        What users call the image.
    files : tuple of Path
        Its file, and what that consists of.
    how : str
        Where the classes come from: method and number, or the model.
    """

    scene: str
    files: tuple[Path, ...]
    how: str


class Segmenting:
    """Makes jobs of what the form says, and layers of what they find.

    Parameters
    ----------
    viewer : Viewer
        Holds the layers.
    form : SegmentForm
        The controls.
    refining : Refining
        Knows the rectangle that was drawn.
    following : SceneFollowing
        Shows labels of large scenes.
    session : Session
        Knows how long a run took.
    """

    def __init__(
        self,
        viewer: Viewer,
        form: SegmentForm,
        refining: Refining,
        following: SceneFollowing,
        session: Session,
    ) -> None:
        self._viewer, self._form, self._refining = viewer, form, refining
        self._following, self._session = following, session

    def job(self, done: Callable[[Labels], None]) -> Job:
        """Return the run that the form describes now; the layer it makes is handed to ``done``.

        Raises
        ------
        FirstPassError
            If it cannot be begun.
        """
        layer = self._form.image.layer
        subject, part = subject_of(layer), self._part(layer)
        config, cache = self.config(), preferences().cache
        model = self._form.classes_from.chosen_model
        how = f"{config.method} {config.classes}" if model is None else model.name
        run, keeper = Run(subject.name, source_files(layer), how), TileKeeper(part)

        def steps() -> Steps[Found]:
            if model is None:
                return find_classes(subject, config, cache, part, keeper)
            return apply_model(subject, model, config, cache, part, keeper)

        def take(found: Found) -> Message:
            done(self._add(found, run))
            return self._summary(found)

        def take_ready(found: Found) -> Message:
            done(self._add(found, run))
            share = f"{100 * keeper.share:.0f} % of what was asked for"
            tiles = "1 tile" if found.tiles == 1 else f"{found.tiles} tiles"
            return Message(f"Cancelled: kept {tiles} that were ready, {share}; the rest is empty.")

        def keep() -> Job | None:
            name = f"Keeping what is ready of {subject.name}"
            return Job(name, keeper.found_steps, take_ready) if keeper.close() else None

        name = f"Segmenting {subject.name} · {how}"
        return Job(name, self._checked(layer, steps), take, (layer,), keep)

    def suggesting(self) -> Job:
        """Return the work of suggesting a number of classes; raises as `job`."""
        layer = self._form.image.layer
        subject, config = subject_of(layer), self.config()
        steps = partial(suggest_number, subject, config, preferences().cache)

        def take(suggested: Suggested) -> Message:
            self._form.take_suggestion(suggested.classes, suggested.curve)
            return Message(suggested.text)

        name = f"Looking how many classes {subject.name} has"
        return Job(name, self._checked(layer, steps), take)

    def config(self) -> SegmentConfig:
        """Return the options."""
        form, options = self._form, self._form.options
        return SegmentConfig(
            method=form.method.currentData(),
            backbone=form.features.reference,
            classes=form.classes.value(),
            upsample=options.upsample.value,
            projection=options.head,
            min_region=options.min_region.value,
            refine=options.refine.value,
            seed=options.seed.value,
            device=preferences().device,
        )

    def _checked(self, layer: Image, steps: Callable[[], Steps[Any]]) -> Callable[[], Steps[Any]]:
        """Return what begins work on an image, if it is there as it was when it was asked for."""
        pixels = first_level(layer)

        def begin() -> Steps[Any]:
            require_same(self._viewer, layer, pixels)
            return steps()

        return begin

    def _part(self, image: Image) -> Part | None:
        """Return what a run is to look at, None for all of an image."""
        where, grid = self._form.where.currentData(), grid_of(image)
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

    def _add(self, found: Found, run: Run) -> Labels:
        """Show a result as a layer of its own: no layer the user may have edited is touched."""
        name = f"{run.scene} · {run.how}"
        labels = found.labels
        if isinstance(labels, SceneLabels):
            about = run.scene, found.grid, found.taxonomy, found.provenance, run.files
            info = MaskInfo(*about, tiles=found.made)
            return self._following.add(labels, labels_keywords(info, name))
        data, keywords, _ = labels_tuple(labels, name=name, scene=run.scene, sources=run.files)
        return self._viewer.add_labels(data, **keywords)

    def _summary(self, found: Found) -> Message:
        taken = in_words(self._session.elapsed(monotonic()))
        place = "" if found.grid.is_georeferenced else " The mask will have no georeference."
        done = f"{found.classes} classes in {taken}. Correct them with the brush, then save."
        return Message(f"{done}{place}{noted(found.trouble)}")


def noted(trouble: FirstPassError | None) -> str:
    """Return a remark about what stopped no run; empty for none."""
    return "" if trouble is None else f" Note: {trouble}."
