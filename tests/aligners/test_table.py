"""Classes that become what a table says; expected labels are written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from alignments import CLUSTERS, TARGET, three_regions

from napari_firstpass.align_images import align_array
from napari_firstpass.aligning import AlignConfig
from napari_firstpass.errors import TaxonomyError
from napari_firstpass.name_table import NameTable, common_names, find_class
from napari_firstpass.taxonomy import LabelClass, Taxonomy


def by(*pairs: tuple[str, str]) -> AlignConfig:
    return AlignConfig(way="table", table=NameTable(pairs))


def test_a_table_joins_classes_and_tells_what_was_lost() -> None:
    found = align_array(
        three_regions(), TARGET, by(("cluster 1", "tree"), ("2", "7"), ("9", "roof"))
    )
    expected = np.repeat([7, 7, 4], 2)[:, None].repeat(6, axis=1)
    expected[-1, -1] = 0
    assert found.segmentation.labels.dtype == np.uint16
    np.testing.assert_array_equal(found.segmentation.labels, expected)
    assert found.flows.losses(CLUSTERS, TARGET) == {
        "merged": {"tree": ["cluster 1", "cluster 2"]},
        "unreached": ["water"],
        "unlabelled": [],
    }
    assert [(entry.target, entry.pixels, entry.reason) for entry in found.decisions] == [
        (7, 12, "table"),
        (7, 12, "table"),
        (4, 11, "table"),
    ]


def test_confidence_is_that_of_the_source() -> None:
    sure = align_array(three_regions(), TARGET, by(("1", "tree"))).segmentation.confidence
    assert sure is not None
    assert sure[:2].min() == sure[:2].max() == 200
    assert sure[2:].max() == 0


def test_what_no_line_names_stays_unlabelled_and_is_counted() -> None:
    found = align_array(three_regions(), TARGET, by(("cluster 1", "tree"), ("5", "water")))
    assert found.segmentation.labels[2:].max() == 0
    assert [(e.source, e.pixels, e.reason) for e in found.unknown] == [
        (2, 12, "unknown"),
        (9, 11, "unknown"),
    ]
    assert found.flows.unlabelled == {2: 12, 9: 11}


def test_a_star_stands_for_the_rest_and_none_for_no_class() -> None:
    found = align_array(three_regions(), TARGET, by(("*", "water"), ("cluster 2", "none")))
    assert [(e.target, e.reason) for e in found.decisions] == [
        (300, "default"),
        (0, "table"),
        (300, "default"),
    ]


def test_one_class_cannot_become_two() -> None:
    with pytest.raises(TaxonomyError, match=r"one class for 'cluster 1'.* 'tree' and 'building'"):
        align_array(three_regions(), TARGET, by(("cluster 1", "tree"), ("1", "roof")))


def test_a_class_that_the_list_does_not_have_is_refused() -> None:
    with pytest.raises(TaxonomyError, match=r"out of building, tree, water .*found 'lake'"):
        align_array(three_regions(), TARGET, by(("1", "lake")))


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(TaxonomyError, match="at least one class"):
        NameTable(())


def test_without_a_table_common_names_count_and_what_is_above_them() -> None:
    source = Taxonomy(
        (
            LabelClass(1, "Roof", "#111111"),
            LabelClass(2, "oak", "#222222", parent=5),
            LabelClass(9, "meadow", "#333333"),
            LabelClass(5, "tree", "#444444"),
        )
    )
    assert common_names(source, TARGET) == {1: 4, 2: 7, 5: 7}
    found = align_array(three_regions(source), TARGET)
    assert [(e.target, e.reason) for e in found.decisions] == [
        (4, "name"),
        (7, "name"),
        (0, "unknown"),
    ]


def test_a_name_goes_before_a_number() -> None:
    odd = Taxonomy((LabelClass(1, "2", "#111111"), LabelClass(2, "pond", "#222222")))
    assert find_class(odd, "2") == odd[1]
    assert find_class(odd, " 1 ") == odd[1]
    assert find_class(odd, "3") is None


def test_the_record_of_the_labels_is_kept() -> None:
    record = align_array(three_regions(), TARGET, by(("1", "tree"))).segmentation.provenance
    assert record.config["method"] == "kmeans"
    assert record.config["aligned"][0]["table"] == [["1", "tree"]]
    twice = record.with_step("aligned", {"way": "reference"})
    assert [step["way"] for step in twice.config["aligned"]] == ["table", "reference"]
