"""What holds for every registered refiner."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from borders import agreement, areas, beside, eroded, guide_of, picture, shown

from napari_firstpass.config import DEFAULT_PRESET
from napari_firstpass.errors import UnknownNameError
from napari_firstpass.progress import run
from napari_firstpass.refinement import LabelGuide, Refinement
from napari_firstpass.refiners import REFINERS
from napari_firstpass.refiners.superpixel_vote import SuperpixelRefiner

every_refiner = pytest.mark.parametrize("name", REFINERS.names)
border_refiner = pytest.mark.parametrize("name", ["guided", "superpixels", "crf"])
TRUTH = areas()
IMAGE = picture(TRUTH)


def refined(
    name: str, guide: LabelGuide, valid: np.ndarray | None = None, image: np.ndarray = IMAGE
) -> Refinement:
    refiner = REFINERS.load(name)(preset="fast", seed=0, device=torch.device("cpu"))
    data = np.ones(guide.labels.shape, bool) if valid is None else valid
    return run(refiner.refine(shown(image), torch.from_numpy(data), guide))


@every_refiner
def test_labels_and_confidence_are_of_the_guide(name: str) -> None:
    ids = np.where(TRUTH == 2, 7, TRUTH).astype(np.uint8)
    found = refined(name, guide_of(beside(ids), classes=9))
    assert set(found.labels.unique().tolist()) <= {0, 1, 3, 7}
    assert found.labels.dtype == torch.int64
    assert found.labels.shape == found.confidence.shape == TRUTH.shape
    assert float(found.confidence.min()) >= 0
    assert float(found.confidence.max()) <= 1


@every_refiner
def test_nodata_stays_nodata(name: str) -> None:
    valid = np.ones(TRUTH.shape, bool)
    valid[20:50, 30:] = False
    ids = np.where(valid, beside(TRUTH), 0).astype(np.uint8)
    found = refined(name, guide_of(ids), valid)
    assert not found.labels[~torch.from_numpy(valid)].any()
    assert not found.confidence[~torch.from_numpy(valid)].any()
    assert agreement(found.labels, np.where(valid, TRUTH, 0).astype(np.uint8)) > 0.9


@every_refiner
def test_the_same_seed_gives_the_same_labels_and_changes_no_input(name: str) -> None:
    guide, image = guide_of(beside(TRUTH), 0.5), IMAGE.copy()
    before = guide.labels.clone(), guide.confidence.clone()
    one, other = (refined(name, guide, image=image) for _ in range(2))
    assert torch.equal(one.labels, other.labels)
    assert torch.equal(one.confidence, other.confidence)
    assert torch.equal(guide.labels, before[0])
    assert torch.equal(guide.confidence, before[1])
    np.testing.assert_array_equal(image, IMAGE)


@every_refiner
def test_an_unknown_preset_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"fast.*found 'slowest'"):
        REFINERS.load(name)(preset="slowest", seed=0, device=torch.device("cpu"))


@every_refiner
def test_the_table_names_all_presets_the_usual_one_first(name: str) -> None:
    named = REFINERS.presets(name)
    assert named[0] == DEFAULT_PRESET
    with pytest.raises(UnknownNameError) as refusal:
        REFINERS.load(name)(preset="slowest", seed=0, device=torch.device("cpu"))
    assert refusal.value.expected.endswith(f"out of {', '.join(sorted(named))}")


@border_refiner
@pytest.mark.parametrize("sure", [0.0, 0.4, 1.0])
def test_labels_that_miss_the_borders_move_there(name: str, sure: float) -> None:
    off = beside(TRUTH, 2)
    found = refined(name, guide_of(off, sure))
    assert agreement(off, TRUTH) < 0.94
    assert agreement(found.labels, TRUTH) > 0.97


@border_refiner
def test_gaps_along_borders_are_filled(name: str) -> None:
    gaps = eroded(TRUTH, 2)
    found = refined(name, guide_of(gaps))
    assert (gaps == 0).mean() > 0.15
    assert agreement(found.labels, TRUTH) > 0.98


@border_refiner
def test_what_is_far_from_any_label_stays_without(name: str) -> None:
    ids = np.zeros((40, 120), np.uint8)
    ids[:20, :20], ids[20:, :20] = 1, 2
    image = np.full((3, 40, 120), 90, np.uint8)
    image[:, 20:] = 160
    found = refined(name, guide_of(ids), image=image)
    assert found.labels[:, :20].all()
    assert not found.labels[:, 90:].any()


@border_refiner
def test_one_class_needs_no_border(name: str) -> None:
    found = refined(name, guide_of(np.ones_like(TRUTH)))
    assert bool((found.labels == 1).all())


def test_specks_go_and_borders_stay() -> None:
    ids = TRUTH.copy()
    ids[40:44, 60:64] = 1 + TRUTH[40, 60] % 3
    found = refined("regions", guide_of(ids, 0.6))
    np.testing.assert_array_equal(found.labels.numpy(), TRUTH)
    assert not found.confidence[40:44, 60:64].any()
    assert float(found.confidence[0, 0]) == pytest.approx(0.6)


def test_regions_fill_no_gaps() -> None:
    gaps = eroded(TRUTH, 2)
    np.testing.assert_array_equal(refined("regions", guide_of(gaps)).labels.numpy() == 0, gaps == 0)


def test_a_superpixel_has_the_class_of_most_of_its_votes() -> None:
    """Two fields of one colour each; sure labels outvote more that are not."""
    image = np.full((3, 10, 20), 40, np.uint8)
    image[:, :, 10:] = 200
    ids = np.full((10, 20), 2, np.uint8)
    ids[:4, :10], ids[:, 10:] = 1, 3
    sure = torch.full((10, 20), 0.2)
    sure[:4] = 0.8
    guide = LabelGuide(torch.from_numpy(ids.astype(np.int64)), sure, 3)
    refiner = SuperpixelRefiner(pixels=100)
    found = run(refiner.refine(shown(image), torch.ones(10, 20, dtype=torch.bool), guide))
    assert bool((found.labels[:, :10] == 1).all())
    assert bool((found.labels[:, 10:] == 3).all())
    # (40 · .8 − 60 · .2) / 100
    torch.testing.assert_close(found.confidence[:, :10], torch.full((10, 10), 0.2))


def test_an_unsure_label_gives_way_to_a_sure_one_of_the_same_colour() -> None:
    """With the guided filter: colour is the same on both sides of a wrong border."""
    image = np.full((3, 32, 64), 40, np.uint8)
    image[:, :, 36:] = 200
    ids = np.full((32, 64), 2, np.uint8)
    ids[:, :32] = 1
    sure = torch.ones(32, 64)
    sure[:, 32:36] = 0.1
    guide = LabelGuide(torch.from_numpy(ids.astype(np.int64)), sure, 2)
    found = refined("guided", guide, image=image)
    assert bool((found.labels[:, 34] == 1).all())
    assert bool((found.labels[:, 37] == 2).all())
