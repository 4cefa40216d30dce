from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from features import agreement, stripes
from torch.nn import functional

from napari_firstpass.feature_cache import FeatureCache
from napari_firstpass.linear_model import LinearModel
from napari_firstpass.progress import run
from napari_firstpass.recipes.em_training import EMTraining
from napari_firstpass.recipes.feature_store import FeatureStore, Keeping, Room
from napari_firstpass.segmenters.primaps_em import PAPER, EMConfig
from napari_firstpass.segmenters.smooseg import Look
from networks import mean_colours

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_firstpass.progress import Steps

SIDE = 72
COLOURS = np.array([[230, 40, 60], [40, 220, 90], [60, 50, 240]])


def ids_of(index: int) -> NDArray[np.int64]:
    return np.roll(stripes(SIDE, SIDE, 3), SIDE // 3 * index, 1)


def picture(index: int) -> NDArray[np.uint8]:
    grain = np.random.default_rng(index).normal(size=(3, SIDE, SIDE)) * 5
    return np.clip(np.moveaxis(COLOURS[ids_of(index)], -1, 0) + grain, 0, 255).astype(np.uint8)


def training(
    config: EMConfig, look: Look | None = None, cache: FeatureCache | None = None
) -> EMTraining:
    keeping = Keeping("colours", cache, Room(10**6), Room(10**6 if cache else 0))
    rest = ("red", "green", "blue"), mean_colours(), keeping
    plain = FeatureStore(4, picture, *rest)
    mirrored = FeatureStore(4, lambda i: np.ascontiguousarray(picture(i)[:, :, ::-1]), *rest)
    return EMTraining(plain, mirrored, 3, 0, config, look)


def test_areas_are_found_on_all_pictures() -> None:
    config = replace(PAPER, batch=2, steps=30, rate=4e-2)
    of = training(config)
    model = run(of.steps())
    found = [model.nearest(of.plain[i].flatten(1)).reshape(9, 9).numpy() for i in range(4)]
    truth = [ids_of(i)[4::8, 4::8] for i in range(4)]
    assert agreement(np.concatenate(found), np.concatenate(truth)) > 0.95


def test_masks_have_the_borders_of_the_picture() -> None:
    of = training(replace(PAPER, steps=1, batch=1))
    run(of.steps())
    masks = of._masks_of(1, False).reshape(SIDE, SIDE)
    assert agreement(masks.numpy() + 1, ids_of(1) + 1) > 0.97
    turned = of._masks_of(1, True).reshape(SIDE, SIDE)
    assert torch.equal(turned, masks.flip(1))


def test_the_loss_is_that_of_the_majority_of_each_mask() -> None:
    of = training(replace(PAPER, steps=1, batch=1))
    run(of.steps())
    rng = torch.Generator().manual_seed(0)
    slow, fast = (
        LinearModel(torch.randn(3, 4, generator=rng), torch.ones(3), torch.zeros(3))
        for _ in range(2)
    )
    seed = next(n for n in range(50) if np.random.default_rng(n).random() >= 0.5)  # not mirrored
    found = run(of._loss(fast, slow, [2], np.random.default_rng(seed)))

    def large(model: LinearModel, vectors: torch.Tensor) -> torch.Tensor:
        fine = functional.interpolate(vectors[None], (SIDE, SIDE), mode="bilinear")[0]
        return model.logits(fine.flatten(1))

    student = np.random.default_rng(seed)
    student.random()
    seen = of._seen(2, False, student)
    said, masks = large(slow, of.plain[2]).argmax(0), of._masks_of(2, False)
    logits = large(fast, seen)
    weight = (1 - logits.softmax(0).mean(1)) ** 2
    total = 0.0
    for mask in range(1, int(masks.max()) + 1):
        inside = masks == mask
        label = int(torch.bincount(said[inside], minlength=3).argmax())
        total += float(-(logits.log_softmax(0)[label, inside]).sum() * weight[label])
    assert float(found) == pytest.approx(total / SIDE**2, rel=1e-4)


def test_the_start_is_the_principal_directions_of_all_cells() -> None:
    of = training(PAPER)
    chosen = np.arange(4)
    cells = torch.cat([of.plain[i].flatten(1) for i in range(4)], 1).double()
    wanted = torch.cov(cells, correction=0)
    torch.testing.assert_close(run(of._covariance(chosen)), wanted)


def test_masks_are_kept_for_the_next_run(tmp_path: Path) -> None:
    config = replace(PAPER, batch=2, steps=1)
    fresh = run(training(config).steps())
    runs = [training(config, cache=FeatureCache(tmp_path)) for _ in range(2)]
    models = [run(of.steps()) for of in runs]
    entries = FeatureCache(tmp_path).contents().entries
    assert entries > 4  # features, and the masks of four pictures
    assert runs[0]._ids == runs[1]._ids
    assert all(torch.equal(model.directions, fresh.directions) for model in models)
    changed = replace(config, masks=replace(config.masks, similarity=0.9))
    run(training(changed, cache=FeatureCache(tmp_path)).steps())
    assert FeatureCache(tmp_path).contents().entries == entries + 4


def test_looks_come_in_turn_and_change_nothing() -> None:
    config = replace(PAPER, batch=2, steps=4)
    looked: list[int] = []

    def at(step: int, classes: LinearModel) -> Steps[None]:
        assert classes.count == 3
        looked.append(step)
        yield from ()

    with_look = run(training(config, Look(2, at)).steps())
    assert looked == [2, 4]
    assert torch.equal(with_look.directions, run(training(config).steps()).directions)
