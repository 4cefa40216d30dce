"""What holds for every registered segmenter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from features import agreement, feature_map, stripes, with_vectors

from napari_firstpass.errors import ImageContentError
from napari_firstpass.progress import run
from napari_firstpass.segmenters import SEGMENTERS

every_segmenter = pytest.mark.parametrize("name", SEGMENTERS.names)


@every_segmenter
def test_separate_areas_become_classes(name: str) -> None:
    window = feature_map(stripes(32, 32, 4))
    model = run(SEGMENTERS.load(name)(classes=4, seed=0).fit([window, window]))
    found = model.scores(window.vectors).argmax(0).numpy()
    assert agreement(found, stripes(32, 32, 4)) > 0.98


@every_segmenter
def test_scores_are_probabilities(name: str) -> None:
    window = feature_map(stripes(16, 20, 3))
    model = run(SEGMENTERS.load(name)(classes=5, seed=0).fit([window]))
    scores = model.scores(window.vectors)
    assert scores.shape == (5, 16, 20)
    assert model.count == 5
    torch.testing.assert_close(scores.sum(0), torch.ones(16, 20))


@every_segmenter
def test_the_most_frequent_class_comes_first(name: str) -> None:
    ids = np.repeat([0, 1, 1, 1, 2, 2], 4)[None].repeat(24, axis=0)
    window = feature_map(ids)
    model = run(SEGMENTERS.load(name)(classes=3, seed=0).fit([window]))
    found = model.scores(window.vectors).argmax(0)
    assert torch.bincount(found.flatten()).tolist() == sorted(
        torch.bincount(found.flatten()).tolist(), reverse=True
    )


@every_segmenter
def test_the_same_seed_gives_the_same_classes(name: str) -> None:
    window = feature_map(stripes(), noise=0.5)
    one, other = (run(SEGMENTERS.load(name)(classes=4, seed=1).fit([window])) for _ in range(2))
    assert torch.equal(one.scores(window.vectors), other.scores(window.vectors))


@every_segmenter
def test_cells_without_data_are_not_used(name: str) -> None:
    window = feature_map(stripes(24, 24, 2))
    broken = window.vectors.clone()
    broken[:, :4] = 1e6
    outlier = with_vectors(broken)
    outlier.valid[:4] = False
    model = run(SEGMENTERS.load(name)(classes=2, seed=0).fit([outlier]))
    found = model.scores(window.vectors).argmax(0).numpy()
    assert agreement(found, stripes(24, 24, 2)) > 0.98


@every_segmenter
def test_more_classes_than_different_cells_are_refused(name: str) -> None:
    flat = with_vectors(torch.ones(3, 8, 8))
    with pytest.raises(ImageContentError, match="ask for fewer classes"):
        run(SEGMENTERS.load(name)(classes=2, seed=0).fit([flat]))
