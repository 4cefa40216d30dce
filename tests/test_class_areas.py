"""How much each class covers."""

from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.class_areas import area_text, count_steps, share_text
from napari_firstpass.errors import TaxonomyError
from napari_firstpass.progress import run


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_pixels_are_counted(dtype: type) -> None:
    labels = np.zeros((600, 20), dtype)
    labels[:100], labels[500:, 3] = 2, 200
    assert run(count_steps(labels)) == {0: 600 * 20 - 2000 - 100, 2: 2000, 200: 100}


@pytest.mark.parametrize("odd", [-1, 65_536])
def test_numbers_that_are_no_classes_are_refused(odd: int) -> None:
    labels = np.ones((300, 2), np.int32)
    labels[299, 1] = odd
    with pytest.raises(TaxonomyError, match=r"class ids in \[0, 65535\]"):
        run(count_steps(labels))


def test_areas_are_told_in_hectares_where_pixels_have_a_size() -> None:
    assert area_text(1_234_567, None) == "1 234 567 px"
    assert area_text(4_100_000, 0.01) == "4.1 ha"
    assert area_text(1000, 0.25) == "0.025 ha"
    assert area_text(0, 0.25) == "0 ha"
    assert area_text(123_456_789, 1.0) == "12 345.7 ha"


def test_shares() -> None:
    assert [share_text(pixels, 1000) for pixels in (0, 1, 620, 1000)] == [
        "0 %",
        "<1 %",
        "62 %",
        "100 %",
    ]
