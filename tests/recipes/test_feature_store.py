from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from rasters import pixels

from napari_firstpass.feature_cache import FeatureCache
from napari_firstpass.progress import run
from napari_firstpass.recipes.feature_store import Cells, FeatureStore, Keeping, Room
from networks import mean_colours

if TYPE_CHECKING:
    from pathlib import Path

PICTURES = [pixels(3, 16, 16, seed=seed) for seed in range(5)]
NEEDED = 5 * 4 * 2 * 2 * 4


def store(cache: FeatureCache | None, memory: int, disk: int) -> FeatureStore:
    keeping = Keeping("colours", cache, Room(memory), Room(disk))
    roles = ("red", "green", "blue")
    return FeatureStore(5, PICTURES.__getitem__, roles, mean_colours(), keeping)


def asked(of: FeatureStore) -> int:
    return of.backbone.model.module.asked


@pytest.mark.parametrize(
    ("memory", "disk", "kept", "computed"),
    [
        (NEEDED, 0, "held in memory", 5),
        (NEEDED - 1, NEEDED, "kept on disk", 6),
        (NEEDED - 1, NEEDED - 1, "computed each time, for want of room", 11),
    ],
)
def test_features_are_the_same_wherever_they_are(
    tmp_path: Path, memory: int, disk: int, kept: str, computed: int
) -> None:
    of = store(FeatureCache(tmp_path), memory, disk)
    run(of.fill_steps())
    found = [of[index] for index in (*range(5), *range(5))]
    assert of.kept == kept
    assert asked(of) == computed
    for index, vectors in enumerate(found):
        blocks = PICTURES[index % 5].reshape(3, 2, 8, 2, 8).mean((2, 4)) / 255 - 0.5
        assert np.abs(vectors[:3].numpy() - blocks).max() < 1e-6


def test_a_second_run_finds_them_on_disk(tmp_path: Path) -> None:
    first, second = (store(FeatureCache(tmp_path), 0, NEEDED) for _ in range(2))
    run(first.fill_steps())
    run(second.fill_steps())
    assert asked(second) == 1  # the one that tells how much room is needed


def test_features_can_be_learned_from() -> None:
    of = store(None, NEEDED, 0)
    weights = torch.zeros(1, 4, requires_grad=True)
    (slope,) = torch.autograd.grad((weights @ Cells(of)[0]).sum(), [weights])
    assert torch.equal(slope[0], of[0].flatten(1).sum(1))
