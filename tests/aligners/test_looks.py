"""Places that look like named ones: three grounds of known colours, and clusters that mix them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from borders import agreement, areas, picture
from scipy import ndimage

from napari_firstpass.align_images import align_array
from napari_firstpass.aligning import AlignConfig
from napari_firstpass.errors import OptionError
from napari_firstpass.grid import Grid
from napari_firstpass.segmentation import SURE, Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy, numbered_taxonomy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.alignment import Alignment

GROUNDS = areas(96, 112)
NAMES = Taxonomy(
    (
        LabelClass(10, "wood", "#00AA00"),
        LabelClass(20, "gravel", "#888888"),
        LabelClass(30, "roof", "#CC2200"),
    )
)
LOOKS = AlignConfig(way="reference")


def clusters() -> Segmentation:
    """Cluster 1 mixes two grounds; 2 is the third, of which 3, at the bottom, is no named part."""
    labels = np.where(GROUNDS == 3, 2, 1).astype(np.uint8)
    labels[72:][GROUNDS[72:] == 3] = 3
    labels[:4, :4] = 0
    return Segmentation(labels, numbered_taxonomy(3), Grid(*labels.shape))


def dots(*grounds: int) -> Segmentation:
    """Name some pixels well inside each ground, above row 72."""
    labels = np.zeros(GROUNDS.shape, np.uint8)
    for ground in grounds:
        inside = ndimage.binary_erosion(ground == GROUNDS, np.ones((9, 9)))
        inside[64:] = False
        for row, col in np.argwhere(inside)[::97][:8]:
            labels[row - 2 : row + 3, col - 2 : col + 3] = 10 * ground
    return Segmentation(labels, NAMES, Grid(*labels.shape))


def aligned(config: AlignConfig = LOOKS, said: Segmentation | None = None) -> Alignment:
    return align_array(
        clusters(), NAMES, config, bands=picture(GROUNDS), reference=said or dots(1, 2, 3)
    )


def off_gap(labels: NDArray[np.generic]) -> NDArray[np.generic]:
    return labels[4:, 4:]


def test_parts_of_a_class_are_named_by_their_looks() -> None:
    found = aligned()
    named = found.segmentation.labels
    assert agreement(off_gap(named), off_gap(10 * GROUNDS)) > 0.95
    assert named[:4, :4].max() == 0  # what had no label is not guessed
    reasons = {(e.source, e.target): e.reason for e in found.decisions if e.pixels > 300}
    assert reasons[3, 30] == "features"
    assert reasons[2, 30] == "overlap"
    assert {(1, 10), (1, 20)} <= reasons.keys()
    assert sum(e.pixels for e in found.decisions) == (clusters().labels > 0).sum()


def test_decisions_tell_where_they_lie() -> None:
    found = aligned(AlignConfig(way="reference", window=64, overlap=32))
    assert agreement(off_gap(found.segmentation.labels), off_gap(10 * GROUNDS)) > 0.95
    assert [e.region for e in found.decisions] == list(range(1, len(found.decisions) + 1))
    for entry in found.decisions:
        assert entry.window is not None
        there = found.segmentation.labels[entry.window.slices] == entry.target
        before = clusters().labels[entry.window.slices] == entry.source
        assert (there & before).sum() == entry.pixels


def test_what_a_person_named_keeps_its_name() -> None:
    said = dots(1, 2, 3)
    wrong = said.labels.copy()
    row, col = np.argwhere(wrong == 10)[0]
    wrong[row : row + 5, col : col + 5] = 30
    found = aligned(said=Segmentation(wrong, NAMES, said.grid)).segmentation
    here = np.s_[row : row + 5, col : col + 5]
    assert found.labels[here].min() == 30
    assert found.confidence is not None
    assert found.confidence[here].min() == SURE


def test_whole_classes_can_be_named_by_looks_too() -> None:
    found = aligned(AlignConfig(way="reference", level="classes"))
    assert [(e.source, e.reason) for e in found.decisions] == [
        (1, "overlap"),
        (2, "overlap"),
        (3, "features"),
    ]
    assert [e.target for e in found.decisions[1:]] == [30, 30]
    assert len(np.unique(found.segmentation.labels[clusters().labels == 1])) == 1


def test_one_class_looks_like_everything_so_only_its_pixels_count() -> None:
    found = aligned(said=dots(3))
    assert [(e.source, e.target) for e in found.decisions] == [(1, 0), (2, 30), (3, 0)]


def test_regions_need_the_image() -> None:
    config = AlignConfig(way="reference", level="regions")
    with pytest.raises(OptionError, match="the images of all labels"):
        align_array(clusters(), NAMES, config, reference=dots(1, 2, 3))


def test_the_same_input_gives_the_same_labels() -> None:
    one, other = aligned().segmentation, aligned().segmentation
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.confidence, other.confidence)
