"""What a linear classifier can read from features: how much of the classes is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.matching import named_scores
from napari_firstpass.evaluation.overlap import Overlap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_firstpass.features import FeatureMap
    from rulers.pictures import Picture

SHARE = 0.05
_DECAY = 1e-4
_ROUNDS = 60


def probe(pictures: Sequence[Picture], maps: Sequence[FeatureMap], seed: int) -> float:
    """Train on some pixels of half the pictures, test on the other half, and the other way round.

    Returns
    -------
    float
        Mean IoU over classes, averaged over the two ways.
    """
    both = list(zip(pictures, maps, strict=True))
    ways = [(both[half::2], both[1 - half :: 2]) for half in (0, 1)]
    return float(np.mean([_one_way(train, test, seed) for train, test in ways]))


def _one_way(
    train: Sequence[tuple[Picture, FeatureMap]],
    test: Sequence[tuple[Picture, FeatureMap]],
    seed: int,
) -> float:
    rng = np.random.default_rng(seed)
    drawn = [_some_pixels(picture, features, rng) for picture, features in train]
    vectors = torch.cat([one for one, _ in drawn])
    classes = np.concatenate([ids for _, ids in drawn])
    names, targets = np.unique(classes, return_inverse=True)
    mean, spread = vectors.mean(0), vectors.std(0).clamp_min(1e-6)
    weight, bias = _fitted((vectors - mean) / spread, torch.from_numpy(targets), len(names))
    pairs = []
    for picture, features in test:
        scaled = (features.vectors - mean[:, None, None]) / spread[:, None, None]
        scores = torch.einsum("kd,dhw->khw", weight, scaled) + bias[:, None, None]
        found = names[enlarged(scores, features, picture).argmax(0).numpy()]
        pairs.append(Overlap.of(picture.truths[0], LabelImage.of(found)))
    return named_scores(pairs).miou


def _some_pixels(
    picture: Picture, features: FeatureMap, rng: np.random.Generator
) -> tuple[Tensor, np.ndarray]:
    truth = picture.truths[0]
    at = rng.choice(truth.ids.size, round(SHARE * truth.ids.size), replace=False)
    at = at[truth.valid.ravel()[at]]
    rows, cols = np.unravel_index(at, truth.ids.shape)
    stride = features.stride
    return features.vectors[:, rows // stride, cols // stride].T, truth.ids.ravel()[at]


def _fitted(vectors: Tensor, targets: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Return weight (K, D) and bias (K,) of multinomial logistic regression."""
    weight = torch.zeros(classes, vectors.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    rule = torch.optim.LBFGS([weight, bias], max_iter=_ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        rule.zero_grad()
        value = functional.cross_entropy(vectors @ weight.T + bias, targets)
        value = value + _DECAY * weight.square().sum()
        value.backward()
        return value

    rule.step(loss)
    return weight.detach(), bias.detach()


def enlarged(scores: Tensor, features: FeatureMap, picture: Picture) -> Tensor:
    """Bring scores (K, h, w) of cells to the pixels of the picture, linearly."""
    fine = functional.interpolate(scores[None], scale_factor=features.stride, mode="bilinear")[0]
    height, width = picture.raster.grid.shape
    return fine[:, :height, :width]
