from __future__ import annotations

import pytest
import torch
from features import agreement, feature_map, stripes

from napari_firstpass.clustering import KMeansConfig, kmeans, squared_distances
from napari_firstpass.errors import ImageContentError
from napari_firstpass.progress import run


def blobs() -> torch.Tensor:
    return feature_map(stripes(40, 40, 4)).vectors.flatten(1).T


def test_separate_groups_are_found() -> None:
    centres = run(kmeans(blobs(), 4, seed=0))
    found = squared_distances(blobs(), centres).argmin(1).numpy()
    assert agreement(found, stripes(40, 40, 4).ravel()) > 0.99


def test_centres_are_the_means_of_their_groups() -> None:
    vectors = blobs()
    centres = run(kmeans(vectors, 4, seed=0, config=KMeansConfig(iterations=100)))
    nearest = squared_distances(vectors, centres).argmin(1)
    means = torch.stack([vectors[nearest == k].mean(0) for k in range(4)])
    torch.testing.assert_close(centres, means, atol=1e-4, rtol=0)


def test_the_same_seed_gives_the_same_centres() -> None:
    assert torch.equal(run(kmeans(blobs(), 5, seed=3)), run(kmeans(blobs(), 5, seed=3)))


def test_the_most_populous_group_comes_first() -> None:
    vectors = torch.cat([torch.zeros(10, 2), torch.ones(30, 2), 5 * torch.ones(20, 2)])
    centres = run(kmeans(vectors, 3, seed=0))
    assert centres[:, 0].tolist() == [1, 5, 0]


def test_weights_count_like_copies() -> None:
    vectors = torch.tensor([[0.0], [1.0], [9.0]])
    weights = torch.tensor([3.0, 1.0, 2.0])
    centres = run(kmeans(vectors, 2, seed=0, weights=weights))
    assert centres[:, 0].tolist() == [0.25, 9.0]


def test_distances_are_euclidean() -> None:
    vectors, centres = blobs()[:50], blobs()[7:12]
    exact = torch.cdist(vectors, centres).square()
    torch.testing.assert_close(squared_distances(vectors, centres), exact, atol=1e-4, rtol=0)


def test_more_classes_than_different_vectors_are_refused() -> None:
    vectors = torch.tensor([[0.0], [1.0]]).repeat(100, 1)
    with pytest.raises(ImageContentError, match=r"at least 3 places that differ.*found 2; ask for"):
        run(kmeans(vectors, 3, seed=0))


def test_control_comes_back_every_round() -> None:
    assert sum(1 for _ in kmeans(blobs(), 4, seed=0)) >= 4
