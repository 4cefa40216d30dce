from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from borders import agreement, areas, beside, picture
from features import rgb_raster

from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import ComputeError, UnknownNameError
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import Progress, Steps, run
from napari_firstpass.refinement import LabelGuide, Refinement
from napari_firstpass.refining import WindowLabels, refine_window_steps, refiner_of, run_record

if TYPE_CHECKING:
    from torch import Tensor

    from napari_firstpass.protocols import Refiner

CPU = torch.device("cpu")
TRUTH = areas()


def window(refiner: Refiner, labels: np.ndarray, valid: np.ndarray | None = None) -> WindowLabels:
    raster = rgb_raster(picture(TRUTH), valid)
    before = WindowLabels(labels, np.full(labels.shape, 200, np.uint8))
    stats = BandStats.of([raster])
    return run(refine_window_steps(refiner, raster, stats, before, 300, CPU))


def test_a_reference_is_a_name_with_or_without_a_preset() -> None:
    assert refiner_of("none", seed=0, device=CPU) is None
    assert refiner_of("crf", seed=0, device=CPU) == refiner_of("crf:fast", seed=0, device=CPU)
    wide = refiner_of("guided:wide", seed=0, device=CPU)
    assert wide not in (None, refiner_of("guided", seed=0, device=CPU))
    with pytest.raises(UnknownNameError, match=r"a way to refine out of .*crf.*found 'magic'"):
        refiner_of("magic", seed=0, device=CPU)
    with pytest.raises(UnknownNameError, match=r"a preset of guided out of fast, wide, found ''"):
        refiner_of("guided:", seed=0, device=CPU)


def test_records_tell_of_refining_only_where_there_was_some() -> None:
    assert run_record(SegmentConfig()) == {}
    told = run_record(SegmentConfig(refine="crf:paper", device="cpu"))["refine"]
    assert (told["refiner"], told["preset"]) == ("crf", "paper")
    assert set(told) == {"refiner", "preset", "solver"}


def test_the_type_of_the_labels_is_kept() -> None:
    refiner = refiner_of("guided", seed=0, device=CPU)
    assert refiner is not None
    wide = beside(TRUTH).astype(np.uint16) + 290
    found = window(refiner, wide)
    assert found.labels.dtype == np.uint16
    assert agreement(found.labels - 290, TRUTH) > 0.97
    assert found.confidence.dtype == np.uint8


def test_a_window_of_one_class_stays_as_it_is_but_for_what_has_no_data() -> None:
    refiner = refiner_of("crf", seed=0, device=CPU)
    assert refiner is not None
    valid = np.ones(TRUTH.shape, bool)
    valid[:10] = False
    ids = np.ones(TRUTH.shape, np.uint8)
    ids[60:] = 0
    found = window(refiner, ids, valid)
    np.testing.assert_array_equal(found.labels, ids * valid)
    np.testing.assert_array_equal(found.confidence, 200 * (ids * valid))


@dataclass(frozen=True)
class Faulty:
    """Returns what a refiner may not."""

    change: str

    def refine(self, picture: Tensor, valid: Tensor, guide: LabelGuide) -> Steps[Refinement]:
        del picture, valid
        yield Progress(0, 1)
        labels = guide.labels.clone()
        if self.change == "new":
            labels[0, 0] = 4
        if self.change == "nodata":
            labels = labels.clamp_min(1)
        return Refinement(labels, guide.confidence)


@pytest.mark.parametrize(("change", "told"), [("new", r"new ids \[4\]"), ("nodata", "elsewhere")])
def test_a_refiner_that_breaks_its_word_is_stopped(change: str, told: str) -> None:
    valid = np.ones(TRUTH.shape, bool)
    valid[:10, 5:] = False
    with pytest.raises(ComputeError, match=told):
        window(Faulty(change), TRUTH, valid)


def test_window_labels_are_not_modified() -> None:
    refiner = refiner_of("regions", seed=0, device=CPU)
    assert refiner is not None
    before = TRUTH.copy()
    window(refiner, before)
    np.testing.assert_array_equal(before, TRUTH)
