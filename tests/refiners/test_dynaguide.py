"""DynaGuide as a refiner: what comes in, what comes out, what stays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_firstpass.errors import UnknownNameError
from napari_firstpass.guided_training import Stage
from napari_firstpass.progress import Progress, run
from napari_firstpass.refinement import LabelGuide, Refinement, View
from napari_firstpass.refiners.dynaguide import (
    FAST,
    PAPER,
    PRESETS,
    PUBLISHED,
    DynaGuideConfig,
    DynaGuideRefiner,
    fit_windows,
)
from napari_firstpass.scenes import make_scene

if TYPE_CHECKING:
    from napari_firstpass.scenes import Scene

CPU = torch.device("cpu")


def scene(size: int = 128, seed: int = 0) -> Scene:
    return make_scene(size, size, seed=seed, pixel_size=0.2)


def guide_of(labels: np.ndarray) -> LabelGuide:
    said = torch.from_numpy(labels.astype(np.int64))
    return LabelGuide(said, torch.ones(said.shape), 7)


def picture_of(made: Scene) -> torch.Tensor:
    return torch.from_numpy(made.raster.bands[:3].astype(np.float32) / 255)


def everywhere(picture: torch.Tensor) -> torch.Tensor:
    return torch.ones(picture.shape[1:], dtype=torch.bool)


def refine(
    picture: torch.Tensor,
    guide: LabelGuide,
    valid: torch.Tensor | None = None,
    refiner: DynaGuideRefiner | None = None,
) -> Refinement:
    there = everywhere(picture) if valid is None else valid
    return run((refiner or DynaGuideRefiner()).refine(picture, there, guide))


def patches(size: int = 48) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a picture of a bright square on dark ground, and its labels 9 on 4."""
    labels = torch.full((size, size), 4)
    labels[12:36, 12:36] = 9
    noise = torch.rand(3, size, size, generator=torch.Generator().manual_seed(0))
    picture = torch.where(labels == 9, 0.8, 0.2) + 0.06 * noise
    return picture, labels


def plain(labels: torch.Tensor) -> LabelGuide:
    return LabelGuide(labels, torch.ones(labels.shape), int(labels.max()))


def test_presets_are_the_published_ones_and_ours() -> None:
    assert {"fast", "paper", "bsd500", "pascal_voc", "coco"} <= set(PRESETS)
    assert PRESETS["bsd500"] == PRESETS["pascal_voc"] == PRESETS["coco"] == PUBLISHED
    training = PAPER.training
    assert (training.rate, training.momentum, training.beta) == (0.1, 0.9, 15)
    assert training.stages == (Stage(1, 1000),)
    assert not training.annealed
    assert [name for name, one in PRESETS.items() if one.training.mapping == "repo"] == ["repo"]


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="paper"):
        DynaGuideRefiner(preset="slow")


def test_a_square_comes_back_from_what_is_left_of_its_border() -> None:
    picture, labels = patches()
    eroded = labels.clone()
    eroded[9:39, 9:39] = 0
    eroded[15:33, 15:33] = 9
    result = refine(picture, plain(eroded))
    assert set(result.labels.unique().tolist()) == {4, 9}
    both = ((result.labels == 9) & (labels == 9)).sum()
    either = ((result.labels == 9) | (labels == 9)).sum()
    assert float(both / either) > 0.97
    assert 0 <= float(result.confidence.min()) <= float(result.confidence.max()) <= 1
    assert float(result.confidence[20:28, 20:28].mean()) > 0.5


def test_pixels_without_data_stay_so_and_change_nothing_else() -> None:
    picture, labels = patches()
    valid = everywhere(picture)
    valid[:, 40:] = False
    result = refine(picture, plain(labels), valid)
    assert not bool(result.labels[:, 40:].any())
    assert not bool(result.confidence[:, 40:].any())
    assert bool((result.labels[:, :40] > 0).all())
    # Other labels where there are no data do not matter either.
    other = labels.clone()
    other[:, 40:] = 9
    assert torch.equal(refine(picture, plain(other), valid).labels, result.labels)


def test_the_same_seed_gives_the_same_bytes() -> None:
    picture, labels = patches()
    one, again = (refine(picture, plain(labels)) for _ in range(2))
    assert torch.equal(one.labels, again.labels)
    assert torch.equal(one.confidence, again.confidence)
    other = refine(picture, plain(labels), refiner=DynaGuideRefiner(seed=1))
    assert not torch.equal(one.confidence, other.confidence)


def test_eroded_truth_of_a_made_up_town_is_recovered() -> None:
    made = make_scene(160, 160, seed=0, pixel_size=0.1)
    truth = made.truth.labels.astype(np.int64)
    inside = ndimage.maximum_filter(truth, 3) == ndimage.minimum_filter(truth, 3)
    assert 0.05 < 1 - inside.mean() < 0.2
    found = refine(picture_of(made), guide_of(np.where(inside, truth, 0))).labels.numpy()
    shared = (found == truth).sum()
    assert shared / (2 * truth.size - shared) >= 0.97


@pytest.mark.parametrize("labels", [torch.zeros(20, 20).long(), torch.full((20, 20), 5)])
def test_a_guide_of_fewer_than_two_classes_comes_back(labels: torch.Tensor) -> None:
    result = refine(torch.rand(3, 20, 20), plain(labels))
    assert torch.equal(result.labels, labels)


@pytest.mark.parametrize("shape", [(2, 30), (30, 1), (1, 1)])
def test_a_picture_smaller_than_the_kernel_comes_back(shape: tuple[int, int]) -> None:
    labels = torch.randint(1, 5, shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(refine(torch.rand(3, *shape), plain(labels)).labels, labels)


def test_a_picture_of_the_size_of_the_kernel_keeps_to_its_classes() -> None:
    labels = torch.tensor([[2, 5, 5]] * 3)
    found = refine(torch.rand(3, 3, 3), plain(labels)).labels
    assert set(found.unique().tolist()) <= {2, 5}


@pytest.mark.parametrize("shape", [(3, 40), (7, 6)])
def test_pictures_hardly_larger_are_refined(shape: tuple[int, int]) -> None:
    labels = torch.full(shape, 2)
    labels[:, shape[1] // 2 :] = 5
    picture = (labels == 5).float().expand(3, *shape)
    assert torch.equal(refine(picture, plain(labels)).labels, labels)


def test_a_window_without_data_comes_back_empty() -> None:
    picture, labels = patches()
    result = refine(picture, plain(labels), torch.zeros(48, 48, dtype=torch.bool))
    assert not bool(result.labels.any())
    assert not bool(result.confidence.any())


def test_more_classes_than_channels_of_the_paper_are_kept_apart() -> None:
    labels = torch.arange(144).reshape(12, 12).repeat_interleave(2, 0).repeat_interleave(2, 1) + 1
    one_step = replace(PAPER, training=replace(PAPER.training, stages=(Stage(1, 1),)))
    steps = DynaGuideRefiner(config=one_step).refine_and_learn(
        torch.rand(3, 24, 24), torch.ones(24, 24, dtype=torch.bool), plain(labels)
    )
    learned = run(steps)[1]
    assert learned is not None
    assert learned.owners == tuple(range(1, 145))


def test_what_differs_inside_a_class_keeps_its_class() -> None:
    picture, labels = patches()
    picture[:, 36:] = torch.tensor([0.9, 0.1, 0.9])[:, None, None]
    # The ground's lower quarter is of another colour, and the guide calls it ground.
    config = replace(FAST, training=replace(FAST.training, spare=8))
    for seed in range(3):
        found = refine(picture, plain(labels), refiner=DynaGuideRefiner(seed=seed, config=config))
        assert set(found.labels.unique().tolist()) == {4, 9}


def test_a_neighbouring_window_goes_on_from_the_network() -> None:
    picture, labels = patches()
    cold = DynaGuideRefiner()
    _, learned = run(cold.refine_and_learn(picture, everywhere(picture), plain(labels)))
    warm = cold.warmed(learned)
    counts = [0, 0]
    results = []
    for index, refiner in enumerate((cold, warm)):

        def count(_: Progress, index: int = index) -> None:
            counts[index] += 1

        steps = refiner.refine(picture.flip(2), everywhere(picture), plain(labels.flip(1)))
        results.append(run(steps, count).labels)
    assert counts[1] < counts[0]
    assert float((results[1] == labels.flip(1)).float().mean()) > 0.98


def test_one_network_for_all_windows() -> None:
    made = [scene(96, seed) for seed in (0, 1)]
    views = [
        View(picture_of(one), everywhere(picture_of(one)), guide_of(one.truth.labels))
        for one in made
    ]
    amortised = run(fit_windows(views, device=CPU))
    assert amortised is not None
    new = scene(96, 2)
    picture = picture_of(new)
    result = run(amortised.refine(picture, everywhere(picture), guide_of(new.truth.labels)))
    held = set(np.unique(new.truth.labels).tolist())
    assert set(result.labels.unique().tolist()) <= held
    assert bool((result.labels > 0).all())
    assert float((result.labels.numpy() == new.truth.labels).mean()) > 0.6


def test_classes_that_the_network_has_not_seen_stay_where_they_are() -> None:
    made = scene(96, 0)
    picture, labels = picture_of(made), torch.from_numpy(made.truth.labels.astype(np.int64))
    rare = int(labels.flatten().bincount()[1:].argsort()[-1]) + 1
    without = torch.where(labels == rare, 0, labels)
    view = View(picture, everywhere(picture), guide_of(without.numpy()))
    once = run(DynaGuideRefiner(seed=0, device=CPU).trained([view]))
    result = run(once.refine(picture, everywhere(picture), guide_of(made.truth.labels)))
    assert bool((result.labels[labels == rare] == rare).all())
    assert bool((result.labels[labels != rare] != rare).all())


def test_published_presets_are_trained_on_each_window_by_itself() -> None:
    refiner = DynaGuideRefiner(preset="paper", device=CPU)
    assert run(refiner.trained([])) is refiner


def test_windows_without_two_classes_make_no_network() -> None:
    picture, labels = patches()
    empty = View(picture, everywhere(picture), plain(torch.zeros_like(labels)))
    assert run(fit_windows([empty], device=CPU)) is None
    assert run(fit_windows([], device=CPU)) is None


def test_full_resolution_by_the_network_itself() -> None:
    picture, labels = patches()
    computed = replace(FAST, radius=0)
    assert isinstance(computed, DynaGuideConfig)
    result = refine(picture, plain(labels), refiner=DynaGuideRefiner(config=computed))
    assert float((result.labels == labels).float().mean()) > 0.97


def test_regions_with_no_edge_between_them_are_joined_for_photographs() -> None:
    picture, labels = patches(64)
    said = labels.clone()
    said[:, 50:] = 7
    kept = refine(picture, plain(said))
    assert set(kept.labels.unique().tolist()) == {4, 7, 9}
    joined = refine(picture, plain(said), refiner=DynaGuideRefiner(preset="photographs"))
    assert set(joined.labels.unique().tolist()) == {4, 9}
