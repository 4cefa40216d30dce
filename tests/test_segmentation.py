from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.errors import GridMismatchError, TaxonomyError
from napari_firstpass.grid import Grid
from napari_firstpass.segmentation import Segmentation, id_counts, label_dtype, present_ids
from napari_firstpass.taxonomy import numbered_taxonomy


def test_counts_of_a_tall_image_are_complete() -> None:
    labels = np.zeros((3000, 2), dtype=np.uint16)
    labels[0, 0], labels[2999] = 300, 5
    counts = id_counts(labels)
    assert counts[[0, 5, 300]].tolist() == [5997, 2, 1]
    assert present_ids(labels) == [5, 300]


def test_labels_without_a_class_are_refused() -> None:
    labels = np.array([[1, 4]], dtype=np.uint8)
    with pytest.raises(TaxonomyError, match="ids 4 without a class"):
        Segmentation(labels, numbered_taxonomy(3), Grid(1, 2))


def test_labels_of_another_size_are_refused() -> None:
    with pytest.raises(GridMismatchError, match="labels of 3 x 2 pixels"):
        Segmentation(np.zeros((2, 2), np.uint8), numbered_taxonomy(3), Grid(3, 2))


def test_labels_of_another_type_are_refused() -> None:
    labels = np.zeros((2, 2), np.int32)
    with pytest.raises(TaxonomyError, match="uint8 or uint16"):
        Segmentation(labels, numbered_taxonomy(3), Grid(2, 2))  # type: ignore[arg-type]


@pytest.mark.parametrize(("max_id", "dtype"), [(255, np.uint8), (256, np.uint16)])
def test_labels_take_the_smallest_type(max_id: int, dtype: type) -> None:
    assert label_dtype(max_id) == dtype
