from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.evaluation.class_table import ClassTable
from napari_firstpass.evaluation.label_image import LabelImage


def test_ids_become_the_number_of_their_class() -> None:
    table = ClassTable.parse({"building": [0, 1], "vegetation": 2})
    labels = LabelImage.of(np.array([[0, 1, 2, 255]]), ignore=(255,))
    merged = table.of_truth(labels)
    assert table.names == ("building", "vegetation")
    assert merged.ids[merged.valid].tolist() == [0, 0, 1]
    assert merged.valid.tolist() == labels.valid.tolist()


def test_a_prediction_may_have_ids_of_its_own() -> None:
    table = ClassTable.parse({"truth": {"a": 1, "b": 2}, "pred": {"b": [7, 8]}})
    assert table.of_prediction(LabelImage.of(np.array([[7, 8]]))).ids.tolist() == [[1, 1]]


def test_without_a_list_for_predictions_the_truths_holds() -> None:
    table = ClassTable.parse({"a": 3, "b": 4})
    assert table.of_prediction(LabelImage.of(np.array([[4, 3]]))).ids.tolist() == [[1, 0]]


def test_labels_outside_the_table_are_refused_by_id() -> None:
    table = ClassTable.parse({"a": 1})
    with pytest.raises(
        TaxonomyError, match="a truth whose ids are all in the table, found ids 5, 9"
    ):
        table.of_truth(LabelImage.of(np.array([[1, 5, 9]])))
    with pytest.raises(TaxonomyError, match="a prediction whose ids"):
        table.of_prediction(LabelImage.of(np.array([[2]])))


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        "a",
        {"a": "b"},
        {"a": []},
        {"a": [True]},
        {"a": [-1]},
        {"a": 1.5},
        {"truth": {}},
        {"pred": {"a": 1}},
        {"truth": {"a": 1}, "pred": {"b": 1}},
    ],
)
def test_what_is_no_table_is_refused(content: object) -> None:
    with pytest.raises(TaxonomyError, match="expected a table of class names with their ids"):
        ClassTable.parse(content)


def test_an_id_in_two_classes_is_refused() -> None:
    with pytest.raises(TaxonomyError, match="found id 2 more than once"):
        ClassTable.parse({"a": [1, 2], "b": 2})


def test_many_ids_are_merged_at_once() -> None:
    ids = np.arange(90_000).reshape(300, 300)
    table = ClassTable.parse({"even": list(range(0, 90_000, 2)), "odd": list(range(1, 90_000, 2))})
    assert (table.of_truth(LabelImage.of(ids)).ids == ids % 2).all()
