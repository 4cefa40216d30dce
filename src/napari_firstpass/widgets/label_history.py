"""Whatever changes a labels layer at once: one step, in the order of the brush.

A step is kept in the layer's own history, so Ctrl+Z takes strokes and steps back in the order in
which they were made, whichever layer was selected meanwhile. napari itself keeps two coordinates
for each changed pixel, half a gigabyte for a large image; here, masks and values are compressed,
and the oldest are given up when they are too many.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_firstpass.io.scene_labels import AFTER, BEFORE, Reassigned, ScenePlaces, scene_behind
from napari_firstpass.label_changes import Change, StepBudget
from napari_firstpass.widgets.worker import finish_anyway

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Labels
    from napari.utils.events import Event
    from numpy.typing import DTypeLike, NDArray

    from napari_firstpass.grid import Window
    from napari_firstpass.io.scene_labels import SceneLabels
    from napari_firstpass.packed_pixels import Packed

_BUDGET = "firstpass history"
"""Our entry in ``layer.metadata`` for what the steps of a layer may take together."""

_LOOSE_BYTES = 2**16
"""From so many bytes on, what takes a step back is compressed, in a thread."""

Entry: TypeAlias = tuple[Any, Any, Any]
"""What napari keeps of a change: where, what it was, and what it is."""

_NOWHERE = np.zeros(0, np.intp)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Looks to NumPy like the values of no pixels; whoever wants them has something else done.

    napari keeps changes of pixels alone, and sets their values when it takes a step back.
    """

    do: Callable[[], None]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        del copy
        self.do()
        return np.zeros(0, dtype or np.uint8)


def entry_without_pixels(undo: Callable[[], None], redo: Callable[[], None]) -> Entry:
    """Return the entry of a change that is none of pixels.

    Parameters
    ----------
    undo, redo : callable
        Take it back, and make it once more; to be called twice does no harm.
    """
    return (_NOWHERE, _NOWHERE), _Asked(undo), _Asked(redo)


def pixels_of(layer: Labels, window: Window) -> NDArray[Any]:
    """Return the classes (h, w) of a part; see `change_pixels`. Not to be modified."""
    found: NDArray[Any] = labels_behind(layer)[window.slices]
    return found


def labels_behind(layer: Labels) -> NDArray[Any] | SceneLabels:
    """Return all pixels that a layer stands for; whoever paints changes them."""
    scene = scene_behind(layer.data)
    pixels: NDArray[Any] | SceneLabels = layer.data if scene is None else scene
    return pixels


def extent_of(layer: Labels) -> tuple[int, int]:
    """Return height and width of all that a layer stands for."""
    height, width = labels_behind(layer).shape
    return height, width


def history_entry(layer: Labels, change: Change | Reassigned) -> Entry:
    """Return what napari keeps of a change of pixels."""
    if isinstance(change, Reassigned):
        return change, BEFORE, AFTER
    places = change.where if scene_behind(layer.data) is None else ScenePlaces(change.where)
    return places, change.before, change.after


def _hold(scene: SceneLabels | None, *, held: bool) -> None:
    """Let nobody take the one pixel for a stroke."""
    if scene is not None:
        scene.is_held = held


def note_kept(layer: Labels, changes: Sequence[Change | Reassigned]) -> None:
    """Note that changes became a step of a layer: all together may take only so much."""
    layer.metadata.setdefault(_BUDGET, StepBudget()).add(changes)
    large = [p for change in changes for p in change.packed if p.nbytes > _LOOSE_BYTES]
    loose = [packed for packed in large if packed.is_loose]
    if loose:
        finish_anyway(partial(_squeeze, loose))


def _squeeze(loose: Sequence[Packed]) -> None:
    for packed in loose:
        packed.squeeze()


def keep_step(
    layer: Labels, changes: Sequence[Change | Reassigned], beside: Entry | None = None
) -> None:
    """Note changes that were made to the pixels of a layer, and beside them, as one step.

    What napari announces with the event ``paint`` is the list that it keeps; one pixel is set in
    its way, and in the list, that pixel's entry is replaced by entries for all.
    """
    entries = [history_entry(layer, change) for change in changes]
    entries += [] if beside is None else [beside]
    if not entries:
        return
    first = changes[0] if changes else None
    whole = scene_behind(layer.data) is None
    place = first.first if whole and isinstance(first, Change) else (0, 0)

    def keep_all(event: Event) -> None:
        event.value[:] = entries

    now, scene = layer.data[place], scene_behind(layer.data)
    layer.events.paint.connect(keep_all)
    try:
        _hold(scene, held=True)
        layer.data[place] = not now  # any other value
        layer.data_setitem(tuple(np.array([i]) for i in place), now, refresh=False)
    finally:
        _hold(scene, held=False)
        layer.events.paint.disconnect(keep_all)
    layer.refresh()
    note_kept(layer, changes)
