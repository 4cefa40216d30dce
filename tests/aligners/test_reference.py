"""Classes named after places; expected names follow from pixels counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from alignments import TARGET, reference, three_regions

from napari_firstpass.align_images import align_array
from napari_firstpass.aligning import AlignConfig
from napari_firstpass.errors import (
    GridMismatchError,
    ImageContentError,
    OptionError,
    TaxonomyError,
)
from napari_firstpass.grid import Grid
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy

MAJORITY = AlignConfig(way="reference")
HUNGARIAN = AlignConfig(way="reference", match="hungarian")

SAID = (
    (0, 0, 7), (0, 1, 7), (0, 2, 7), (1, 0, 4),  # cluster 1: three of tree, one of building
    (2, 0, 7), (2, 1, 7), (3, 0, 4),  # cluster 2: two of tree, one of building
)  # fmt: skip


def test_most_shared_pixels_name_a_class() -> None:
    found = align_array(three_regions(), TARGET, MAJORITY, reference=reference(*SAID))
    first, second, third = found.decisions
    assert (first.target, first.confidence, first.reason) == (7, 0.75, "overlap")
    assert first.scores == ((7, 0.75), (4, 0.25))
    assert (second.target, second.confidence) == (7, 2 / 3)
    assert (third.target, third.reason, third.pixels) == (0, "unknown", 11)
    assert set(np.unique(found.segmentation.labels[:4])) == {7}
    assert found.segmentation.labels[4:].max() == 0
    sure = found.segmentation.confidence
    assert sure is not None
    assert sure[0, 0] == 150  # 200 of 255, times three quarters


def test_one_to_one_shares_as_many_pixels_as_possible() -> None:
    # 3 + 1 pixels, against 1 + 2 the other way round.
    found = align_array(three_regions(), TARGET, HUNGARIAN, reference=reference(*SAID))
    assert [(e.target, e.confidence) for e in found.decisions] == [(7, 0.75), (4, 1 / 3), (0, 0)]


def test_a_reference_off_all_labels_is_refused() -> None:
    with pytest.raises(ImageContentError, match="not one pixel with both"):
        align_array(three_regions(), TARGET, MAJORITY, reference=reference((5, 5, 7)))


def test_an_empty_reference_is_refused() -> None:
    with pytest.raises(ImageContentError, match="no labelled pixel"):
        align_array(three_regions(), TARGET, MAJORITY, reference=reference())


def test_a_reference_is_asked_for() -> None:
    with pytest.raises(OptionError, match="places whose classes are named, found none"):
        align_array(three_regions(), TARGET, MAJORITY)


def test_another_grid_is_refused() -> None:
    elsewhere = reference((0, 0, 7), grid=Grid(6, 7))
    with pytest.raises(GridMismatchError, match="the reference belongs to"):
        align_array(three_regions(), TARGET, MAJORITY, reference=elsewhere)


def test_names_of_the_reference_must_be_in_the_list() -> None:
    other = Taxonomy((LabelClass(7, "meadow", "#00FF00"),))
    said = Segmentation(reference((0, 0, 7)).labels, other, Grid(6, 6))
    with pytest.raises(TaxonomyError, match=r"expected classes of the list .*found 'meadow'"):
        align_array(three_regions(), TARGET, MAJORITY, reference=said)


def test_numbers_of_the_reference_count_where_it_has_no_names() -> None:
    plain = Taxonomy((LabelClass(7, "class 7", "#00FF00"),))
    said = Segmentation(reference((0, 0, 7)).labels, plain, Grid(6, 6))
    found = align_array(three_regions(), TARGET, MAJORITY, reference=said)
    assert found.decisions[0].target == 7


def test_one_class_alone_is_named() -> None:
    alone = Segmentation(
        np.ones((6, 6), np.uint8), Taxonomy((LabelClass(1, "all", "#111111"),)), Grid(6, 6)
    )
    found = align_array(alone, TARGET, MAJORITY, reference=reference((3, 3, 300)))
    assert set(np.unique(found.segmentation.labels)) == {300}
