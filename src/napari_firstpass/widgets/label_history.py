"""Whatever changes the pixels of a labels layer at once: one step, in the order of the brush.

A step is kept in the layer's own history, so Ctrl+Z takes strokes and steps back in the order in
which they were made, whichever layer was selected meanwhile. napari itself keeps two coordinates
for each changed pixel, half a gigabyte for a large image; here, masks and values are compressed,
and the oldest are given up when they are too many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.label_changes import StepBudget, reassign, replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from napari.layers import Labels
    from napari.utils.events import Event
    from numpy.typing import NDArray

    from napari_firstpass.grid import Window
    from napari_firstpass.label_changes import Change, Replacement

_BUDGET = "firstpass history"
"""Our entry in ``layer.metadata`` for what the steps of a layer may take together."""


def change_pixels(layer: Labels, window: Window, after: NDArray[Any]) -> int:
    """Give a part of a layer other classes, as one step that Ctrl+Z takes back.

    This is what every edit of regions calls. Of what took long, call `replace_in_one_step`.

    Parameters
    ----------
    layer : Labels
        Its pixels are in memory; see `require_paintable`.
    window : Window
        The part, in pixels of the layer.
    after : (h, w) integer array
        Class ids that the part is to have; those that it has already are no change.

    Returns
    -------
    int
        How many pixels changed. Without any, there is no step.
    """
    change = replace(layer.data, window, after)
    return _keep(layer, () if change is None else (change,))


def replace_in_one_step(layer: Labels, wanted: Replacement) -> int:
    """Write what was computed in a thread, as one step; return how many pixels changed.

    Pixels that were painted since the thread began stay as they are.
    """
    change = wanted.write(layer.data)
    return _keep(layer, () if change is None else (change,))


def reassign_in_one_step(layer: Labels, mapping: Mapping[int, int]) -> int:
    """Replace classes by others in all pixels, as one step; return how many pixels changed."""
    return _keep(layer, reassign(layer.data, mapping))


def _keep(layer: Labels, changes: Sequence[Change]) -> int:
    """Note changes that were made to the pixels of a layer as one step of its history.

    What napari announces with the event ``paint`` is the list that it keeps; one pixel is set in
    its way, and in the list, that pixel's entry is replaced by entries for all.
    """
    if not changes:
        return 0
    place = changes[0].first

    def keep_all(event: Event) -> None:
        event.value[:] = [(change.where, change.before, change.after) for change in changes]

    now = layer.data[place]
    layer.data[place] = not now  # any other value
    layer.events.paint.connect(keep_all)
    try:
        layer.data_setitem(tuple(np.array([i]) for i in place), now, refresh=False)
    finally:
        layer.events.paint.disconnect(keep_all)
    layer.refresh()
    layer.metadata.setdefault(_BUDGET, StepBudget()).add(changes)
    return sum(change.pixels for change in changes)
