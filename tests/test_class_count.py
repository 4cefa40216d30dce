"""How many classes a sample holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from features import feature_map, rgb_raster, stripes, with_vectors
from mosaics import mosaic

from napari_firstpass.class_count import MOST, ClassCount, suggest_steps
from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import ImageContentError
from napari_firstpass.pipeline import fit_steps
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIG = SegmentConfig(method="kmeans", device="cpu")


def suggested(image: NDArray[np.uint8]) -> ClassCount:
    model = run(fit_steps(ArraySource(rgb_raster(image)), CONFIG, auto_classes=True))
    assert model.suggested is not None
    assert model.count == model.suggested.classes
    return model.suggested


@pytest.mark.parametrize(("count", "seed"), [(3, 1), (5, 0), (8, 1)])
def test_a_mosaic_has_as_many_classes_as_textures(count: int, seed: int) -> None:
    pixels, _ = mosaic(count, seed)
    assert suggested(pixels).classes == count


def test_clear_groups_are_counted_whatever_the_seed() -> None:
    window = feature_map(stripes(16, 16, 4))
    assert [run(suggest_steps([window], seed)).classes for seed in (3, 4)] == [4, 4]


def test_the_same_seed_gives_the_same_curve() -> None:
    window = feature_map(stripes(16, 16, 3), noise=0.4)
    one, again, other = (run(suggest_steps([window], seed)) for seed in (1, 1, 2))
    assert one == again
    assert one.curve != other.curve
    assert [classes for classes, _ in one.curve] == list(range(2, MOST + 1))


def test_cells_without_data_do_not_count() -> None:
    window = feature_map(stripes(32, 32, 3))
    outlier = window.vectors.clone()
    outlier[:, :8] = 50 * torch.randn(outlier[:, :8].shape, generator=torch.Generator())
    broken = with_vectors(outlier)
    broken.valid[:8] = False
    assert run(suggest_steps([broken], 0)).classes == 3


def test_places_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(ImageContentError, match="at least 2 places that differ"):
        run(suggest_steps([with_vectors(torch.ones(3, 16, 16))], 0))
    with pytest.raises(ImageContentError, match="an image whose values differ"):
        suggested(np.full((3, 64, 64), 7, np.uint8))


def test_two_values_make_two_classes() -> None:
    vectors = torch.zeros(3, 32, 32)
    vectors[:, :, 16:] = 1
    assert run(suggest_steps([with_vectors(vectors)], 0)).classes == 2
    vectors[:, :, 1:] = 0
    vectors[:, 1:] = 0  # one single cell differs
    vectors[:, 0, 0] = 1
    assert run(suggest_steps([with_vectors(vectors)], 0)).classes == 2


def test_the_fewest_classes_that_are_about_as_good_are_taken() -> None:
    found = ClassCount.best_of([0.1, 0.45, 0.49, 0.48, 0.5, 0.3])
    assert (found.classes, found.also) == (4, (6,))
    assert found.curve[0] == (2, 0.1)
    assert found.to_dict()["curve"][-1] == [7, 0.3]
    plateau = ClassCount.best_of([0.1, 0.49, 0.4, 0.5, 0.4, 0.48, 0.4, 0.495, 0.1])
    assert (plateau.classes, plateau.also) == (3, (5, 9))  # of three others, the best two
    assert ClassCount.best_of([0.1, 0.4, 0.3, 0.5, 0.2]).also == ()  # 3 is not high enough


def test_where_nothing_stands_apart_two_are_suggested() -> None:
    assert ClassCount.best_of([-0.3, -0.1, -0.2]).classes == 2
    assert ClassCount.best_of([]).classes == 2
