from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from features import agreement, landscape, rgb_raster
from sources import WatchedSource

from napari_firstpass.api import segment_source_steps
from napari_firstpass.config import SegmentConfig
from napari_firstpass.describing import _sample_features
from napari_firstpass.errors import ImageContentError, UnknownNameError
from napari_firstpass.features import FeatureMap
from napari_firstpass.grid import Grid
from napari_firstpass.progress import Progress, Steps, run
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.segmenters import SEGMENTERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.segmentation import Segmentation

CONFIG = SegmentConfig(classes=4)

every_method = pytest.mark.parametrize("method", SEGMENTERS.names)


def segment(raster: Raster, config: SegmentConfig = CONFIG) -> Segmentation:
    return run(segment_source_steps(ArraySource(raster), config, name="test"))


def two_fields(height: int = 128, width: int = 160) -> tuple[Raster, NDArray[np.uint8]]:
    """A green and a grey field, and which is which."""
    rng = np.random.default_rng(0)
    truth = np.zeros((height, width), np.uint8)
    truth[:, 70:] = 1
    colours = np.array([[60, 120, 50], [130, 130, 140]])[truth]
    image = np.moveaxis(colours, -1, 0) + rng.normal(size=(3, height, width)) * 5
    return rgb_raster(image.astype(np.uint8)), truth


@every_method
def test_two_fields_are_told_apart_with_a_sharp_border(method: str) -> None:
    raster, truth = two_fields()
    found = segment(raster, SegmentConfig(classes=2, method=method))
    assert agreement(found.labels, truth) > 0.995


@pytest.mark.parametrize(
    ("method", "window"), [*((name, 128) for name in SEGMENTERS.names), ("kmeans", 176)]
)
def test_the_window_size_does_not_change_the_labels(method: str, window: int) -> None:
    # The stated seam tolerance: one pixel in a thousand.
    raster = rgb_raster(landscape(400, 360))
    config = SegmentConfig(classes=6, method=method)
    whole = segment(raster, replace(config, window=1024))
    tiled = segment(raster, replace(config, window=window))
    assert float((tiled.labels != whole.labels).mean()) < 0.001


def test_without_overlap_the_window_size_shows() -> None:
    # Otherwise the test above would prove nothing.
    raster = rgb_raster(landscape(400, 360))
    whole = segment(raster, SegmentConfig(classes=6))
    tiled = segment(raster, SegmentConfig(classes=6, window=128, overlap=0))
    assert float((tiled.labels != whole.labels).mean()) > 0.002


@every_method
def test_the_same_input_and_seed_give_the_same_bytes(method: str) -> None:
    raster = rgb_raster(landscape(128, 160))
    one, other = (segment(raster, SegmentConfig(classes=5, method=method)) for _ in range(2))
    assert one.labels.tobytes() == other.labels.tobytes()
    assert one.confidence is not None
    assert other.confidence is not None
    assert one.confidence.tobytes() == other.confidence.tobytes()


def test_labels_have_the_place_and_classes_asked_for() -> None:
    found = segment(rgb_raster(landscape()))
    assert found.labels.dtype == np.uint8
    assert found.taxonomy.ids == (1, 2, 3, 4)
    assert set(np.unique(found.labels)) == {1, 2, 3, 4}


def test_more_than_255_classes_need_two_bytes() -> None:
    found = segment(
        rgb_raster(landscape()), SegmentConfig(classes=300, method="kmeans", min_region=0)
    )
    assert found.labels.dtype == np.uint16
    assert int(found.labels.max()) > 255


def test_no_data_is_unlabelled_without_confidence() -> None:
    valid = np.ones((256, 320), dtype=bool)
    valid[40:90, 100:200] = False
    found = segment(rgb_raster(landscape(), valid))
    assert found.confidence is not None
    assert ((found.labels == 0) == ~valid).all()
    assert (found.confidence[~valid] == 0).all()


def test_what_hides_under_no_data_changes_nothing() -> None:
    valid = np.ones((256, 320), dtype=bool)
    valid[:, :64] = False
    image = landscape()
    other = image.copy()
    other[:, :, :64] = 255
    one, two = (segment(rgb_raster(i, valid)).labels for i in (image, other))
    np.testing.assert_array_equal(one, two)


def test_a_little_data_in_a_corner_is_found() -> None:
    image = np.zeros((3, 2600, 2600), np.uint8)
    valid = np.zeros((2600, 2600), dtype=bool)
    image[:, -40:, -40:], valid[-40:, -40:] = landscape(40, 40), True
    source = ArraySource(rgb_raster(image, valid))
    found = run(segment_source_steps(source, SegmentConfig(classes=2), name="corner"))
    assert int((found.labels > 0).sum()) == 1600


def test_scattered_data_is_collected_from_the_whole_image() -> None:
    rng = np.random.default_rng(0)
    image = np.tile(landscape(180, 180), (1, 10, 10))  # 64 windows, of which 32 are a sample
    valid = rng.random((1800, 1800)) < 2e-4
    source = ArraySource(rgb_raster(image, valid))
    found = run(segment_source_steps(source, SegmentConfig(classes=4), name="sparse"))
    assert set(np.unique(found.labels[valid])) == {1, 2, 3, 4}


def test_values_that_stand_for_no_data_undeclared_are_no_data() -> None:
    bands = np.concatenate([landscape(128, 128), landscape(128, 128, seed=1)[:1]]).astype(
        np.float32
    )
    bands[:, :20] = np.finfo(np.float32).min
    raster = Raster.from_array(bands, Grid(128, 128), roles=("red", "green", "blue", "nir"))
    found = segment(raster)
    assert (found.labels[:20] == 0).all()
    assert set(np.unique(found.labels[20:])) == {1, 2, 3, 4}


def test_confidence_is_higher_inside_than_at_borders() -> None:
    raster, _ = two_fields()
    confidence = segment(raster, SegmentConfig(classes=2)).confidence
    assert confidence is not None
    assert confidence[:, :50].mean() > confidence[:, 66:74].mean() + 20


def test_no_window_larger_than_asked_is_read() -> None:
    source = WatchedSource(rgb_raster(landscape(700, 500)))
    config = SegmentConfig(classes=3, window=256, overlap=64)
    run(segment_source_steps(source, config, name="test"))
    assert max(max(w.height, w.width) for w in source.windows) <= 256 + 64 + 2 * 64


def test_progress_grows_to_the_end_and_comes_often() -> None:
    seen: list[Progress] = []
    source = ArraySource(rgb_raster(landscape(400, 400)))
    run(
        segment_source_steps(source, SegmentConfig(classes=4, window=256), name="test"), seen.append
    )
    shares = [p.done / p.total for p in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(seen) > 50


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        (np.full((3, 64, 64), np.nan), "valid pixels, found none"),
        (np.full((1, 64, 64), 5, np.uint8), "found the one value 5 everywhere"),
        (np.zeros((1, 1, 1), np.uint8), "found the one value 0 everywhere"),
        (np.kron([[[0, 9]]], np.ones((1, 8, 8))).astype(np.uint8), "ask for fewer classes"),
    ],
    ids=["NaN everywhere", "constant", "one pixel", "fewer places than classes"],
)
def test_an_image_with_nothing_to_segment_is_refused(bands: np.ndarray, message: str) -> None:
    raster = Raster.from_array(bands, Grid(*bands.shape[1:]))
    with pytest.raises(ImageContentError, match=message):
        segment(raster, SegmentConfig(classes=20))


@pytest.mark.parametrize("shape", [(1, 40), (3, 5), (40, 1), (17, 33)])
def test_slim_and_tiny_images_are_labelled(shape: tuple[int, int]) -> None:
    found = segment(
        rgb_raster(landscape(64, 64)[:, : shape[0], : shape[1]]), SegmentConfig(classes=2)
    )
    assert found.labels.shape == shape
    assert (found.labels > 0).all()


def test_one_network_is_trained_for_all_windows_before_the_first() -> None:
    raster, truth = two_fields()
    config = SegmentConfig(classes=2, refine="dynaguide", window=64, overlap=16)
    told: list[str] = []
    steps = segment_source_steps(ArraySource(raster), config, name="test")
    found = run(steps, lambda progress: told.append(progress.message))
    first = next(at for at, message in enumerate(told) if message.startswith("window "))
    assert "training" in told[:first]
    assert "training" not in told[first:]
    assert agreement(found.labels, truth) > 0.99


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("refiner", ["guided", "superpixels", "dynaguide"])
def test_windows_refined_side_by_side_give_the_same_bytes(refiner: str) -> None:
    raster = rgb_raster(landscape(200, 200))
    config = SegmentConfig(classes=3, refine=refiner, window=96, overlap=16)
    found = []
    for count in (2, 1):
        torch.set_num_threads(count)
        found.append(segment(raster, config))
    np.testing.assert_array_equal(found[0].labels, found[1].labels)


def test_an_unknown_method_lists_the_known_ones() -> None:
    known = "a method out of diffseg, kmeans, primaps, primaps-em, smooseg, found"
    with pytest.raises(UnknownNameError, match=known):
        segment(rgb_raster(landscape(64, 64)), SegmentConfig(method="magic"))


class _ManyNumbers:
    """A backbone whose vectors are long: 128 MB for a window of 64 x 64 pixels, but one number."""

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        yield from ()
        grid = raster.grid.coarsen(4)
        vectors = torch.zeros(1, 1, 1).expand(2**17, *grid.shape)
        return FeatureMap(vectors, torch.ones(grid.shape, dtype=torch.bool), grid, 4)


def test_of_long_vectors_fewer_windows_are_sampled() -> None:
    # 400 MB hold three of the nine.
    rasters = [rgb_raster(np.full((3, 64, 64), value, np.uint8)) for value in range(9)]
    sample = [(raster, raster.grid.window) for raster in rasters]
    assert len(run(_sample_features(_ManyNumbers(), sample))) == 3
    assert len(run(_sample_features(_ManyNumbers(), sample[:2]))) == 2
