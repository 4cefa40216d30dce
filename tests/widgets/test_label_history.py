"""One history for strokes of the brush and for whatever else changes a labels layer."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_firstpass.grid import Grid, Window
from napari_firstpass.label_changes import Replacement, StepBudget
from napari_firstpass.provenance import Provenance
from napari_firstpass.reviewed import Reviewed
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy
from napari_firstpass.widgets.class_layers import put_classes
from napari_firstpass.widgets.label_layers import labels_tuple, mask_from
from napari_firstpass.widgets.label_steps import LabelStep, change_pixels
from napari_firstpass.widgets.scene import KEY, Made, mask_of
from napari_firstpass.widgets.stale_steps import StaleSteps

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from qtpy.QtWidgets import QApplication

    from napari_firstpass.widgets.scene import MaskInfo

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
    with LabelStep(layer) as step:
        changed = step.reassign({1: 2, 2: 1})
    note(changed)
    viewer_model.layers.selection.active = other
    flipped = layer.data[::-1].copy()
    with LabelStep(layer) as step:
        changed = step.take(Replacement.of(WHOLE, layer.data.copy(), flipped))
    note(changed)
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
    with LabelStep(layer) as step:
        step.take(Replacement.of(Window(0, 0, 3000, 3000), layer.data.copy(), after))
    ((entry,),) = kept
    assert sum(getattr(part, "nbytes", 0) for part in entry) < 100_000


TOWN = Taxonomy((LabelClass(1, "roof", "#FF0000"), LabelClass(2, "street", "#00FF00")))


def made_layer(viewer_model: ViewerModel) -> Labels:
    """Labels as a run makes them."""
    run = Provenance({"method": "kmeans"})
    grid, sure = Grid(60, 70), np.full((60, 70), 7, np.uint8)
    ids = np.repeat(np.array([1, 2], np.uint8), 30)[:, None] * np.ones((1, 70), np.uint8)
    made = Segmentation(ids, TOWN, grid, sure, run)
    data, keywords, _ = labels_tuple(made, name="made", scene="scene")
    return viewer_model.add_labels(data, **keywords)


def told(layer: Labels) -> dict[str, Any]:
    """Everything that a file, or the panel, would tell of a layer."""
    looks = {"features": layer.features, "colormap": layer.colormap}
    mask, _ = mask_from(layer.data, metadata=layer.metadata, **looks)
    seen = mask_of(layer.metadata).reviewed
    return {
        "pixels": mask.labels.tolist(),
        "classes": mask.taxonomy,
        "sure": None if mask.confidence is None else mask.confidence.tolist(),
        "record": mask.provenance.to_json(),
        "reviewed": None if seen is None or not seen.pixels else np.asarray(seen).tolist(),
    }


def test_what_is_noted_goes_back_and_forth_with_the_pixels_between_strokes(
    viewer_model: ViewerModel,
) -> None:
    layer = made_layer(viewer_model)

    def noted(change: Callable[[MaskInfo], MaskInfo]) -> None:
        layer.metadata[KEY] = change(mask_of(layer.metadata))

    def review() -> None:
        seen = Reviewed.none((60, 70)).marked(WHOLE, layer.data == layer.data[30, 60])
        with LabelStep(layer):
            noted(lambda info: replace(info, reviewed=seen))

    def merge() -> None:
        with LabelStep(layer) as step:
            step.reassign({2: 1})
            info = mask_of(layer.metadata).reassigned({2: 1}, {"classes": ["street"]})
            put_classes(layer, replace(info, taxonomy=Taxonomy(TOWN.classes[:1])), set())

    def refine() -> None:
        finer = np.roll(layer.data, 3, 0)
        with LabelStep(layer) as step:
            step.take(Replacement.of(WHOLE, layer.data.copy(), finer))
            noted(lambda info: info.with_step("refined", {"by": "test"}).then(Made(finer, None)))

    def prompt() -> None:
        with LabelStep(layer) as step:
            step.change(Window(1, 2, 3, 4), np.full((3, 4), 2))
            noted(lambda info: info.with_step("prompted", {"things": []}))

    states = [told(layer)]
    for act in (prompt, lambda: layer.paint((20, 20), 2), review, refine, refine, merge, review):
        act()
        states.append(told(layer))
    assert all(one != other for one, other in itertools.pairwise(states))
    steps = json.loads(states[-1]["record"])["config"]
    assert [len(steps[key]) for key in ("prompted", "refined", "reassigned")] == [1, 2, 1]
    for _ in range(2):
        for state in states[-2::-1]:
            layer.undo()
            assert told(layer) == state
        for state in states[1:]:
            layer.redo()
            assert told(layer) == state
    for _ in range(4):
        layer.undo()
    refine()  # in place of what was undone
    assert told(layer)["record"] == states[4]["record"]
    layer.undo()
    assert told(layer) == states[3]


def test_what_is_noted_stays_with_pixels_whose_step_was_given_up(
    viewer_model: ViewerModel,
) -> None:
    layer = made_layer(viewer_model)
    layer.metadata["firstpass history"] = StepBudget(most_bytes=1)
    for class_id in (2, 1):
        with LabelStep(layer) as step:
            step.change(Window(0, 0, 9, 9), np.full((9, 9), class_id))
            info = mask_of(layer.metadata).with_step("prompted", {"class": class_id})
            layer.metadata[KEY] = info
    layer.undo()
    once = told(layer)
    assert len(json.loads(once["record"])["config"]["prompted"]) == 1
    layer.undo()  # its pixels stay, so its record does
    assert told(layer) == once


def test_after_150_strokes_what_can_be_undone_is_undone_in_order_and_the_rest_stays(
    viewer_model: ViewerModel,
) -> None:
    layer = made_layer(viewer_model)
    states = []

    def stroke(number: int) -> None:
        layer.data_setitem((np.array([number // 60]), np.array([number % 60])), 3)
        states.append(told(layer))

    for number in range(149):
        stroke(number)
    with LabelStep(layer) as step:
        step.reassign({2: 1})
        layer.metadata[KEY] = mask_of(layer.metadata).reassigned({2: 1}, {"classes": ["street"]})
    states.append(told(layer))
    stroke(150)
    for _ in range(200):
        layer.undo()
    assert told(layer) == states[-1 - 100]  # napari keeps 100 steps of a layer
    for _ in range(200):
        layer.redo()
    assert told(layer) == states[-1]


def test_steps_are_forgotten_once_somebody_replaces_the_pixels(
    viewer_model: ViewerModel, qapp: QApplication
) -> None:
    del qapp
    guard, said = StaleSteps(viewer_model), list[str]()
    guard.said.connect(lambda message: said.append(message.text))
    layer = made_layer(viewer_model)
    before = layer.data.copy()
    layer.mode = "paint"
    layer.paint((20, 20), 2)
    layer.data = layer.data.astype(np.uint16)  # napari's “Convert data type”
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)
    layer.redo()
    layer.data = np.full((60, 70), 7, np.uint8)
    layer.undo()
    assert (layer.data == 7).all()
    assert said == ["“made” has other pixels now: what was done before cannot be undone."]
    assert layer.mode == "paint"
    layer.paint((5, 5), 1)
    layer.undo()
    assert (layer.data == 7).all()
    guard.let_go()
