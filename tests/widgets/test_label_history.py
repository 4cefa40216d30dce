"""One history for strokes of the brush and for whatever else changes a labels layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_firstpass.grid import Window
from napari_firstpass.label_changes import Replacement
from napari_firstpass.widgets.label_history import (
    change_pixels,
    reassign_in_one_step,
    replace_in_one_step,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel

WHOLE = Window(0, 0, 60, 70)


def test_strokes_and_steps_are_taken_back_in_the_order_in_which_they_were_made(
    viewer_model: ViewerModel,
) -> None:
    layer = viewer_model.add_labels(np.ones((60, 70), np.uint8))
    other = viewer_model.add_labels(np.zeros((60, 70), np.uint8))
    states = [layer.data.copy()]

    def note(changed: int | None = None) -> None:
        assert changed is None or changed == np.count_nonzero(layer.data != states[-1])
        states.append(layer.data.copy())

    layer.paint((10, 10), 2)
    note()
    patch = np.arange(200, dtype=np.int64).reshape(10, 20) % 4
    note(change_pixels(layer, Window(5, 8, 10, 20), patch))
    other.paint((30, 30), 5)
    layer.paint((20, 20), 3)
    note()
    note(reassign_in_one_step(layer, {1: 2, 2: 1}))
    viewer_model.layers.selection.active = other
    flipped = layer.data[::-1].copy()
    note(replace_in_one_step(layer, Replacement.of(WHOLE, layer.data.copy(), flipped)))
    layer.fill((0, 0), 4)
    note()
    for _ in range(2):
        for state in states[-2::-1]:
            layer.undo()
            np.testing.assert_array_equal(layer.data, state)
        for state in states[1:]:
            layer.redo()
            np.testing.assert_array_equal(layer.data, state)
    assert np.count_nonzero(other.data) > 0
    assert change_pixels(layer, Window(0, 0, 3, 3), layer.data[:3, :3].copy()) == 0
    layer.undo()
    np.testing.assert_array_equal(layer.data, states[-2])


def test_a_step_over_a_large_layer_keeps_little_memory() -> None:
    layer = Labels(np.ones((3000, 3000), np.uint8))
    kept: list[list[tuple[object, ...]]] = []
    layer.events.paint.connect(lambda event: kept.append(event.value))
    after = np.ones_like(layer.data)
    after[::7, 100:2000] = 2
    replace_in_one_step(layer, Replacement.of(Window(0, 0, 3000, 3000), layer.data.copy(), after))
    ((entry,),) = kept
    assert sum(getattr(part, "nbytes", 0) for part in entry) < 100_000
