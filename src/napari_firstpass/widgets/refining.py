"""Refining a labels layer in place: which one, where, and how the result gets into it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Shapes

from napari_firstpass.errors import LayerError
from napari_firstpass.grid import Window
from napari_firstpass.io.scene_labels import SceneLabels
from napari_firstpass.widgets.class_layers import require_paintable
from napari_firstpass.widgets.label_history import extent_of, labels_behind
from napari_firstpass.widgets.label_layers import labels_tuple
from napari_firstpass.widgets.label_steps import LabelStep
from napari_firstpass.widgets.prompt_layers import affine_at, is_helper, place_in
from napari_firstpass.widgets.scene import KEY, Made, mask_of
from napari_firstpass.widgets.session import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Image
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_firstpass.widgets.refine_runs import Refined

RECTANGLES = "refine here"
"""Name of the layer that rectangles are drawn in."""

DRAW = "Draw a rectangle on the image, then press the button."

_EDGE = "#F0E442"

MOST_PIXELS = 16 * 2**20
"""Of a large scene, so many are refined at once."""

_CONTOUR = 2
"""Width in pixels of the outlines of suggestions."""


@dataclass(frozen=True, slots=True)
class Task:
    """What was asked for: a layer, its pixels, and the only part that is changed (None for all)."""

    labels: Labels
    pixels: NDArray[Any] | SceneLabels
    area: Window | None


class Refining:
    """Knows which labels are meant, and changes them when a result has come.

    Parameters
    ----------
    viewer : Viewer
        Holds the layers.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._selected: Labels | None = None

    def target(self, last_result: Labels | None) -> Labels | None:
        """Return the selected labels layer, or the last that was, or else the last result."""
        active = self._viewer.layers.selection.active
        if isinstance(active, Labels) and not is_helper(active):
            self._selected = active
        if self._selected is not None and self._selected in self._viewer.layers:
            return self._selected
        return last_result

    def task_on(self, labels: Labels | None, seen: Window | None, *, only_rectangle: bool) -> Task:
        """Return what is to be refined.

        Parameters
        ----------
        labels : Labels or None
            The layer that is meant.
        seen : Window or None
            The part of a large scene that is in view, which is refined unless a rectangle is.
        only_rectangle : bool
            Whether only the drawn rectangle is.

        Raises
        ------
        LayerError
            If the labels cannot be changed in place, no rectangle lies on them, or that is too
            large.
        """
        labels = require_paintable(labels)
        pixels = labels_behind(labels)
        area = seen if isinstance(pixels, SceneLabels) else None
        if only_rectangle:
            area = self.rectangle_on(labels, extent_of(labels))
        if isinstance(pixels, SceneLabels):
            _require_few(area, labels.name)
        return Task(labels, pixels, area)

    def offer_rectangle(self) -> Message | None:
        """Let the user draw a rectangle, unless there is one; return what to say then."""
        if next(self._rectangles(), None) is not None:
            return None
        layer = self._viewer.add_shapes(
            name=RECTANGLES, ndim=2, edge_color=_EDGE, face_color="transparent", edge_width=2
        )
        layer.mode = "add_rectangle"
        return Message(DRAW)

    def forget(self) -> None:
        """Let go of the layers."""
        self._selected = None

    def take(self, task: Task, refined: Refined, how: str) -> Message:
        """Write a result into its layer as one step that can be undone; return what to say.

        Pixels that were painted meanwhile stay as they are.
        """
        if task.labels not in self._viewer.layers:
            return Message("The labels were removed meanwhile; nothing was refined.")
        layer, wanted = task.labels, refined.replacement
        if layer.multiscale or labels_behind(layer) is not task.pixels:
            return Message(f"“{layer.name}” has other pixels by now; nothing was refined.")
        with LabelStep(layer) as step:
            changed = step.take(wanted)
            _note_made(layer, refined)
        self._viewer.layers.selection.active = layer  # so that Ctrl+Z is meant for it
        asked = 0 if wanted.change is None else wanted.change.pixels
        more = "" if changed == asked else " What you painted meanwhile stays."
        more += self._show_suggestions(refined, layer)
        if not changed:
            return Message(f"Refined “{layer.name}” with {how}: nothing had to change.{more}")
        pixels = f"{changed:,} pixels changed".replace(",", " ")
        return Message(f"Refined “{layer.name}” with {how}: {pixels}.{more} Ctrl+Z undoes it.")

    def _show_suggestions(self, refined: Refined, layer: Labels) -> str:
        """Add a layer of regions found inside classes, if there are any; return what to say."""
        found = refined.suggestions
        if found is None:
            return ""
        name = f"{layer.name} · suggestions"
        info = mask_of(layer.metadata)
        scene, sources = (name, ()) if info is None else (info.scene, info.sources)
        data, keywords, _ = labels_tuple(found, name=name, scene=scene, sources=sources)
        corner = (0, 0) if refined.part is None else (refined.part.row, refined.part.col)
        shown = self._viewer.add_labels(data, affine=affine_at(layer, *corner), **keywords)
        shown.contour, shown.opacity = _CONTOUR, 1.0  # the labels below stay to be seen
        self._viewer.layers.selection.active = layer
        return f" Regions inside classes: {len(found.taxonomy)}, in “{name}”."

    def rectangle_on(self, target: Labels | Image, whole: tuple[int, int]) -> Window:
        """Return the pixels of a layer whose centres lie in the drawn rectangle.

        Parameters
        ----------
        target : Labels or Image
            The layer.
        whole : (int, int)
            Height and width of all that it stands for.

        Raises
        ------
        LayerError
            If there is none, or it lies elsewhere.
        """
        found = next(self._rectangles(), None)
        if found is None:
            raise LayerError(
                expected="a rectangle to work in", found="none", remedy="draw one on the image"
            )
        layer, corners = found
        placed = np.array([place_in(target, layer.data_to_world(c)) for c in corners])
        low, high = placed.min(0), placed.max(0)
        top, left = (max(0, ceil(value)) for value in low)
        sides = zip(high, whole, strict=True)
        bottom, right = (min(side, floor(value) + 1) for value, side in sides)
        if bottom <= top or right <= left:
            raise LayerError(
                expected=f"a rectangle on {target.name!r}",
                found="one beside it",
                remedy="draw another",
            )
        return Window(top, left, bottom - top, right - left)

    def _rectangles(self) -> Iterator[tuple[Shapes, NDArray[np.float64]]]:
        """Return rectangles with their layers, the one that is meant first."""
        active = self._viewer.layers.selection.active
        shapes = [layer for layer in reversed(self._viewer.layers) if isinstance(layer, Shapes)]
        layers = [layer for layer in shapes if not is_helper(layer)]
        for layer in sorted(layers, key=lambda layer: layer != active):
            order = [*sorted(layer.selected_data), *reversed(range(len(layer.data)))]
            yield from ((layer, layer.data[i]) for i in order if layer.shape_type[i] == "rectangle")


def _require_few(area: Window | None, name: str) -> None:
    """Refuse what is too large to be refined at once."""
    if area is None or area.height * area.width > MOST_PIXELS:
        found = "all of it" if area is None else f"{area.height} × {area.width} pixels"
        raise LayerError(
            expected=f"a part of the large scene in {name!r}",
            found=found,
            remedy="zoom in, or choose Only in a rectangle and draw a smaller one",
        )


def _note_made(layer: Labels, refined: Refined) -> None:
    """Note how labels came about, after whatever was done while they were refined."""
    info, whole = mask_of(layer.metadata), refined.whole
    if info is None:
        return
    record = replace(info.provenance, edited=whole.provenance.edited)
    info = replace(info, provenance=record).with_step("refined", refined.step)
    if refined.part is None:
        info = info.then(Made(whole.labels, whole.confidence))
    layer.metadata[KEY] = info
