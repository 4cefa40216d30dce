"""Classes from a few examples and a whole sample."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_firstpass.errors import ImageContentError
from napari_firstpass.features import FeatureMap
from napari_firstpass.grid import Grid
from napari_firstpass.pinning import Examples, pinned_steps
from napari_firstpass.progress import run
from napari_firstpass.segmenters.kmeans import KMeansSegmenter

CENTRES = torch.tensor([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0], [6.0, 6.0]])


def drawn(classes: Tensor, seed: int, shift: float = 0.0, wide: float = 3.0) -> Tensor:
    """Return vectors (n, 2) around `CENTRES`; their first number varies more than the second."""
    noise = torch.randn(len(classes), 2, generator=torch.Generator().manual_seed(seed))
    return CENTRES[classes] * torch.tensor([1.0, 1.0]) + noise * torch.tensor([wide, 0.5]) + shift


def sample(classes: Tensor, wide: float = 3.0) -> FeatureMap:
    side = int(len(classes) ** 0.5)
    vectors = drawn(classes, 1, wide=wide).T.reshape(2, side, side)
    return FeatureMap(vectors, torch.ones(side, side, dtype=torch.bool), Grid(side, side), 4)


def right(model_says: Tensor, truth: Tensor) -> float:
    return float((model_says.argmax(0).flatten() == truth).float().mean())


def test_the_sample_corrects_examples_that_are_off() -> None:
    truth = torch.tensor([0, 2]).repeat_interleave(1800)
    window = sample(truth)
    said = torch.tensor([0, 1]).repeat_interleave(6)
    # Both classes were painted where they are alike: by themselves they divide at 4.5, not at 3.
    examples = Examples(drawn(said * 2, 2, shift=1.5), said, ("low", "high"))
    segmenter = KMeansSegmenter(classes=2, seed=0)
    model = run(pinned_steps([window], examples, segmenter, 2))
    assert right(model.scores(window.vectors), truth // 2) > 0.99
    alone = torch.stack([examples.vectors[said == i].mean(0) for i in range(2)])
    nearest = torch.cdist(window.vectors.flatten(1).T, alone).argmin(1)
    assert (nearest == truth // 2).float().mean() < 0.97


def test_classes_without_examples_come_after_the_named_the_frequent_first() -> None:
    counts = torch.tensor([1000, 400, 300, 800])
    truth = torch.arange(4).repeat_interleave(counts)
    window = sample(truth, wide=0.5)
    named = torch.tensor([2, 1]).repeat_interleave(5)
    examples = Examples(drawn(named, 3, wide=0.5), (named == 1).long(), ("c", "b"))
    model = run(pinned_steps([window], examples, KMeansSegmenter(classes=4, seed=0), 4))
    in_model = torch.tensor([2, 1, 0, 3])
    assert right(model.scores(window.vectors), in_model[truth]) > 0.99


def test_a_class_with_two_looks_gets_two_parts() -> None:
    truth = torch.arange(4).repeat_interleave(400)
    window = sample(truth, wide=0.5)
    said = torch.arange(4).repeat_interleave(8)
    crossed = torch.tensor([0, 1, 1, 0])
    examples = Examples(drawn(said, 4, wide=0.5), crossed[said], ("ends", "others"))
    model = run(pinned_steps([window], examples, KMeansSegmenter(classes=2, seed=0), 2))
    assert len(model.offsets) > model.count == 2
    assert right(model.scores(window.vectors), crossed[truth]) > 0.98


def test_examples_of_one_class_within_another_are_refused_by_name() -> None:
    window = sample(torch.arange(4).repeat_interleave(400), wide=0.5)
    vectors = CENTRES[[0, 0, 0, 0, 0, 0, 1, 1]]
    examples = Examples(vectors, torch.tensor([0, 0, 0, 1, 1, 1, 2, 2]), ("a", "b", "c"))
    with pytest.raises(ImageContentError, match=r"that differ from all others, found none"):
        run(pinned_steps([window], examples, KMeansSegmenter(classes=3, seed=0), 3))
    with pytest.raises(ImageContentError, match="hints on 'lost' where there is data"):
        Examples(vectors, torch.zeros(8, dtype=torch.int64), ("a", "lost"))
