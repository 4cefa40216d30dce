from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.alignment import Alignment, Decision
from napari_firstpass.errors import TaxonomyError
from napari_firstpass.grid import Grid, Window
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import numbered_taxonomy


def test_the_margin_is_the_lead_over_the_runner_up() -> None:
    scores = ((2, 0.75), (1, 0.25))
    assert Decision(1, 1, 2, 9, 0.75, "text", scores).margin == 0.5
    assert Decision(1, 1, 2, 9, 0.75, "text", scores[:1]).margin == 0.75
    assert Decision(1, 1, 2, 9, 0.4, "table").margin == 0.4


def test_a_confidence_outside_its_range_is_refused() -> None:
    with pytest.raises(TaxonomyError, match=r"a confidence in \[0, 1\], found 1.5"):
        Decision(1, 1, 2, 9, 1.5, "text")


def test_a_decision_is_plain_in_json() -> None:
    told = Decision(3, 1, 2, 9, 0.5, "clip", ((2, 0.5),), Window(1, 2, 3, 4)).to_dict()
    assert told["window"] == [1, 2, 3, 4]
    assert told["scores"] == [[2, 0.5]]
    assert told["reason"] == "clip"


def test_what_stayed_unlabelled_comes_largest_first() -> None:
    decisions = (
        Decision(1, 1, 0, 2, 0.0, "unknown"),
        Decision(2, 2, 1, 5, 1.0, "table"),
        Decision(3, 3, 0, 7, 0.0, "unknown"),
    )
    labels = np.zeros((2, 7), np.uint8)
    found = Alignment(Segmentation(labels, numbered_taxonomy(1), Grid(2, 7)), decisions)
    assert [entry.region for entry in found.unknown] == [3, 1]
