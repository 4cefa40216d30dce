"""The figures against a confusion matrix that is filled pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from potsdam import fine_ids, picture_of
from torch.nn import functional

from napari_firstpass.errors import ImageContentError
from napari_firstpass.linear_model import LinearModel
from napari_firstpass.progress import run
from napari_firstpass.projection import ProjectedModel, Projector
from napari_firstpass.recipes.feature_store import FeatureStore, Keeping, Room
from napari_firstpass.recipes.judging import Judge, scores_of
from napari_firstpass.recipes.pictures import fitted
from networks import mean_colours

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 64
MERGED = {0: 0, 4: 0, 1: 1, 5: 1, 2: 2, 3: 2}


@dataclass(frozen=True)
class InMemory:
    """A patch whose pixels are there already."""

    bands: NDArray[np.uint8]
    ids: NDArray[np.uint8]
    name: str = "patch"
    labels: Path = Path("gt.mat")

    def picture(self) -> NDArray[np.uint8]:
        return self.bands

    def truth(self) -> NDArray[np.uint8]:
        return self.ids


def patches(count: int = 3) -> tuple[InMemory, ...]:
    made = []
    for seed in range(count):
        ids = fine_ids(50, seed)
        ids[-1, :7] = 254
        made.append(InMemory(np.moveaxis(picture_of(ids, seed, 3), -1, 0), ids))
    return tuple(made)


def judge(of: tuple[InMemory, ...], *, flip: bool) -> Judge:
    def picture(index: int) -> NDArray[np.uint8]:
        return fitted(of[index].bands, SIDE, "nearest")

    keeping = Keeping("colours", None, Room(10**6), Room(0))
    rest = ("red", "green", "blue"), mean_colours(), keeping
    mirrored = FeatureStore(len(of), lambda i: np.ascontiguousarray(picture(i)[:, :, ::-1]), *rest)
    return Judge(of, FeatureStore(len(of), picture, *rest), mirrored if flip else None, SIDE)


def linear() -> LinearModel:
    directions = torch.tensor([[0.0, 1, 0, 1], [1, -1, 0, 1], [-1, 0, 1, 2]])
    return LinearModel(directions, torch.tensor([1.0, 2.0, 1.5]), torch.zeros(3))


def projected() -> ProjectedModel:
    rng = torch.Generator().manual_seed(0)
    projector = Projector.drawn(4, 8, rng)
    prototypes = functional.normalize(torch.randn(3, 8, generator=rng))
    members = torch.eye(3)[[2, 0, 1]]
    return ProjectedModel.of(projector, prototypes, members, 0.1)


def brute_force(of: tuple[InMemory, ...], labels: list[NDArray[np.int64]]) -> tuple[float, float]:
    """Count pixel by pixel, and try every way of naming three clusters."""
    table = np.zeros((3, 3), int)
    for patch, found in zip(of, labels, strict=True):
        truth = fitted(patch.ids[None], SIDE, "nearest")[0]
        for row in range(SIDE):
            for col in range(SIDE):
                if int(truth[row, col]) in MERGED:
                    table[found[row, col], MERGED[int(truth[row, col])]] += 1
    best = max(permutations(range(3)), key=lambda to: sum(table[to[c], c] for c in range(3)))
    named = table[list(best)]
    hits = np.diag(named)
    ious = hits / (named.sum(0) + named.sum(1) - hits)
    return hits.sum() / table.sum(), float(ious.mean())


@pytest.mark.parametrize("make", [linear, projected])
def test_figures_are_those_of_a_confusion_matrix_over_the_whole_set(make: object) -> None:
    of, model = patches(), make()
    at = judge(of, flip=True)
    judged = run(at.steps(model, crf=False))
    labels = []
    for index in range(len(of)):
        maps = [at.plain[index], at.mirrored[index].flip(2)]
        labels.append(scores_of(model)(maps, SIDE).argmax(0).numpy())
    accuracy, miou = brute_force(of, labels)
    assert judged.scores.accuracy == pytest.approx(accuracy)
    assert judged.scores.miou == pytest.approx(miou)
    assert judged.unexpected == sum(
        int((fitted(patch.ids[None], SIDE, "nearest") == 254).sum()) for patch in of
    )
    assert judged.scores.confusion.sum() == sum(
        int((fitted(patch.ids[None], SIDE, "nearest") < 6).sum()) for patch in of
    )


def test_clutter_is_building_and_only_what_is_unknown_is_left_out() -> None:
    ids = np.repeat(np.array([0, 4, 1, 5, 2, 3, 255, 255], np.uint8), 8)[None].repeat(64, 0)
    bands = np.full((3, 64, 64), 60, np.uint8)
    bands[0, :, :16] = 250  # road and car
    bands[1, :, 32:] = 250  # vegetation, and what is not judged
    model = LinearModel(
        torch.tensor([[3.0, 0, 0, 0], [0, 0, 0, 1.0], [0, 3.0, 0, 0]]),
        torch.tensor([1.0, 0.1, 1.0]),
        torch.zeros(3),
    )
    judged = run(judge((InMemory(bands, ids),), flip=False).steps(model, crf=False))
    assert [one.truth for one in judged.scores.classes] == [64 * 16] * 3
    assert judged.scores.accuracy > 0.9


def test_codes_are_averaged_before_they_are_scaled() -> None:
    model = projected()
    maps = [torch.randn(4, 5, 5, generator=torch.Generator().manual_seed(n)) for n in range(2)]
    found = scores_of(model)(maps, 5)
    for row in range(5):
        for col in range(5):
            codes = [model.projector.project(m[:, row, col, None])[:, 0] for m in maps]
            mean = sum(codes) / 2
            cosines = torch.stack([torch.dot(mean / mean.norm(), p) for p in model.prototypes])
            wanted = (2 * cosines[[2, 0, 1]]).softmax(0)
            torch.testing.assert_close(found[:, row, col], wanted)


def test_classes_before_and_after_enlarging_are_the_same() -> None:
    model = linear()
    maps = torch.randn(4, 6, 6, generator=torch.Generator().manual_seed(0))
    large = functional.interpolate(maps[None], (SIDE, SIDE), mode="bilinear")[0]
    wanted = model.logits(large.flatten(1)).softmax(0).reshape(3, SIDE, SIDE)
    torch.testing.assert_close(scores_of(model)([maps], SIDE), wanted, atol=1e-5, rtol=1e-4)


def test_the_mirrored_picture_counts_as_much_as_the_picture() -> None:
    of = patches(1)
    flipped = InMemory(of[0].bands[:, :, ::-1].copy(), of[0].ids[:, ::-1].copy())
    one, other = (
        run(judge((patch,), flip=True).steps(linear(), crf=False)) for patch in (of[0], flipped)
    )
    assert np.array_equal(one.scores.confusion, other.scores.confusion)


def test_the_crf_makes_labels_follow_colours() -> None:
    of = patches(1)
    at = judge(of, flip=False)
    before, after = (run(at.steps(linear(), crf=crf)).scores for crf in (False, True))
    assert not np.array_equal(before.confusion, after.confusion)


def test_labels_of_another_size_are_refused() -> None:
    patch = patches(1)[0]
    with pytest.raises(ImageContentError, match="expected labels of 50 x 50 pixels for patch"):
        run(judge((InMemory(patch.bands, patch.ids[1:]),), flip=False).steps(linear(), crf=False))


def test_patches_without_a_known_pixel_are_left_out() -> None:
    of = patches(2)
    nothing = InMemory(of[0].bands, np.full((50, 50), 255, np.uint8))
    judged = run(judge((of[0], nothing), flip=False).steps(linear(), crf=False))
    assert (judged.without, judged.scores.images) == (1, 1)
