"""Segmentations become labels layers and come back with the user's edits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Labels
from tiny_scenes import utm_grid

from napari_firstpass.errors import LayerError, TaxonomyError
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy, color_of
from napari_firstpass.widgets.label_layers import labels_tuple, mask_from

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.grid import Grid

ROOF = LabelClass(1, "roof", "#102030", aliases=("Dach",), export_code=7)
ROAD = LabelClass(3, "road", "#FF8000")


def segmentation() -> Segmentation:
    labels = np.array([[1, 1, 0], [3, 3, 1]], dtype=np.uint8)
    history = Provenance(source="scene.tif")
    return Segmentation(labels, Taxonomy((ROOF, ROAD)), utm_grid(2, 3), provenance=history)


def layer_of(made: Segmentation) -> Labels:
    data, keywords, _ = labels_tuple(made, name="scene · x", scene="scene")
    return Labels(data, **keywords)


def mask_of(layer: Labels, grid: Grid | None = None) -> tuple[Segmentation, tuple[str, ...]]:
    return mask_from(
        layer.data,
        metadata=layer.metadata,
        features=layer.features,
        colormap=layer.colormap,
        grid=grid,
    )


def test_nothing_is_lost_on_the_way_into_a_layer_and_back() -> None:
    made = segmentation()
    back, added = mask_of(layer_of(made))
    np.testing.assert_array_equal(back.labels, made.labels)
    assert (back.taxonomy, back.grid, back.provenance, added) == (
        made.taxonomy,
        made.grid,
        made.provenance,
        (),
    )


def test_what_was_painted_is_sure_and_the_rest_as_sure_as_it_was() -> None:
    sure = np.array([[10, 20, 0], [30, 40, 50]], np.uint8)
    layer = layer_of(replace(segmentation(), confidence=sure))
    layer.data[0, 1], layer.data[0, 2], layer.data[1, 0] = 3, 1, 0
    back, _ = mask_of(layer)
    assert back.confidence is not None
    assert back.confidence.tolist() == [[10, 255, 255], [30, 40, 50]]


def test_painting_does_not_change_the_segmentation() -> None:
    made = segmentation()
    layer_of(made).data_setitem((np.array([0]), np.array([0])), 3)
    assert made.labels[0, 0] == 1


def test_saving_does_not_share_pixels_with_the_layer() -> None:
    layer = layer_of(segmentation())
    mask, _ = mask_of(layer)
    layer.data_setitem((np.array([0]), np.array([0])), 3)
    assert mask.labels[0, 0] == 1


def test_edits_come_back() -> None:
    layer = layer_of(segmentation())
    layer.data_setitem((np.array([0]), np.array([2])), 3)
    assert mask_of(layer)[0].labels.tolist() == [[1, 1, 3], [3, 3, 1]]


def test_the_share_of_pixels_that_a_person_changed_is_told_and_adds_up() -> None:
    layer = layer_of(segmentation())
    layer.data_setitem((np.array([0, 1]), np.array([2, 0])), 1)
    back, _ = mask_of(layer)
    assert back.provenance.edited == pytest.approx(2 / 6)
    again = layer_of(back)
    assert mask_of(again)[0].provenance.edited == back.provenance.edited
    again.data_setitem((np.array([0]), np.array([0])), 3)
    assert mask_of(again)[0].provenance.edited == pytest.approx(3 / 6)


def test_an_id_painted_without_a_class_gets_a_name_and_keeps_its_colour() -> None:
    layer = layer_of(segmentation())
    layer.data_setitem((np.array([0]), np.array([0])), 9)
    mask, added = mask_of(layer)
    assert added == ("class 9",)
    assert mask.taxonomy[9] == LabelClass(9, "class 9", color_of(9))


def test_names_in_the_table_of_the_layer_count() -> None:
    layer = layer_of(segmentation())
    layer.features = {"index": [1, 3], "name": ["house", "street"]}
    assert [entry.name for entry in mask_of(layer)[0].taxonomy.classes] == ["house", "street"]


def test_the_status_bar_can_show_class_names() -> None:
    features = layer_of(segmentation()).features
    assert features["index"].tolist() == [0, 1, 3]
    assert features["name"].tolist() == ["unlabelled", "roof", "road"]


def test_unlabelled_pixels_are_transparent_and_classes_have_their_colours() -> None:
    colors = layer_of(segmentation()).colormap.map(np.array([0, 3]))
    np.testing.assert_allclose(colors, [[0, 0, 0, 0], [1, 128 / 255, 0, 1]], atol=1e-6)


def test_labels_drawn_by_hand_get_the_place_of_the_image() -> None:
    layer = Labels(np.array([[0, 2], [2, 0]], dtype=np.int32))
    mask, added = mask_of(layer, utm_grid(2, 2))
    assert (mask.grid, mask.labels.dtype, added) == (utm_grid(2, 2), np.uint8, ("class 2",))


def test_labels_drawn_by_hand_need_no_place() -> None:
    assert not mask_of(Labels(np.ones((2, 2), dtype=np.int32)))[0].grid.is_georeferenced


def test_ids_above_255_are_kept() -> None:
    mask, _ = mask_of(Labels(np.full((2, 2), 300, dtype=np.int32)))
    assert (mask.labels.dtype, mask.labels[0, 0]) == (np.uint16, 300)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (np.full((2, 2), -1, dtype=np.int32), "found -1 to -1"),
        (np.full((2, 2), 65_536, dtype=np.int32), "found 65536 to 65536"),
        (np.zeros((2, 2, 2), dtype=np.uint8), "found shape (2, 2, 2) of uint8"),
    ],
)
def test_labels_that_cannot_be_a_mask_are_refused(labels: NDArray[Any], found: str) -> None:
    with pytest.raises(LayerError) as caught:
        mask_of(Labels(labels))
    assert found in str(caught.value)


def test_two_classes_of_one_name_are_refused() -> None:
    layer = layer_of(segmentation())
    layer.features = {"index": [1, 3], "name": ["road", "road"]}
    with pytest.raises(TaxonomyError, match="road more than once"):
        mask_of(layer)


def test_trap_new_data_keeps_the_old_undo_steps() -> None:
    # traps.md 7.2: why a result is always a new layer.
    layer = Labels(np.zeros((4, 4), dtype=np.uint8))
    layer.data_setitem((np.array([1]), np.array([1])), 5)
    layer.data = np.full((4, 4), 7, dtype=np.uint8)
    layer.undo()
    assert layer.data[1, 1] == 0


def test_trap_a_layer_shares_the_array_it_is_given() -> None:
    # traps.md 7.2: why arrays are copied at the border.
    given = np.zeros((4, 4), dtype=np.uint8)
    Labels(given).data_setitem((np.array([1]), np.array([1])), 5)
    assert given[1, 1] == 5
