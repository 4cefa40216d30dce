from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_firstpass.errors import ImageContentError, OptionError
from napari_firstpass.evaluation.annotator import AnnotatorConfig, annotate
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.prelabel import Prelabel
from napari_firstpass.superpixels import felzenszwalb_regions, slic_regions

Method = Callable[[np.ndarray], np.ndarray]
both = pytest.mark.parametrize("method", [slic_regions, felzenszwalb_regions])


def fields(*channels: int, dtype: type = np.uint8) -> np.ndarray:
    """Squares of 20 pixels, each of its own colour."""
    values = np.random.default_rng(2).integers(0, 256, (3, 4, *channels), dtype=np.uint8)
    image = values.repeat(20, axis=0).repeat(20, axis=1)
    return image if dtype is np.uint8 else (image / 255).astype(dtype)


@both
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_regions_cover_all_pixels_and_are_numbered_without_gaps(
    method: Method, channels: tuple[int, ...], dtype: type
) -> None:
    regions = method(fields(*channels, dtype=dtype))
    assert (regions.shape, regions.dtype) == ((60, 80), np.int32)
    np.testing.assert_array_equal(np.unique(regions), np.arange(regions.max() + 1))
    assert regions.max() > 0


@both
@pytest.mark.parametrize("channels", [(), (3,)])
def test_regions_do_not_cross_a_sharp_edge(method: Method, channels: tuple[int, ...]) -> None:
    image = np.zeros((40, 60, *channels), dtype=np.uint8)
    image[:, 30:] = 255
    regions = method(image)
    # The smoothing of Felzenszwalb may shift the edge.
    assert not np.intersect1d(regions[:, :28], regions[:, 32:]).size


def test_slic_makes_about_as_many_regions_as_asked() -> None:
    # 120 x 160 pixels hold 48 squares of 20 x 20, and 192 of 10 x 10.
    image = np.linspace(0, 1, 120 * 160).reshape(120, 160)
    assert 36 <= slic_regions(image).max() + 1 <= 60
    assert 144 <= slic_regions(image, pixels_per_segment=100).max() + 1 <= 240


def test_felzenszwalb_makes_one_region_of_a_plain_image() -> None:
    assert felzenszwalb_regions(np.full((30, 30, 3), 90, np.uint8)).max() == 0


@both
def test_the_same_image_gives_the_same_regions(method: Method) -> None:
    image = np.random.default_rng(0).random((50, 60, 3))
    np.testing.assert_array_equal(method(image), method(image))


@both
def test_a_single_pixel_is_one_region(method: Method) -> None:
    assert method(np.zeros((1, 1, 3), np.uint8)).tolist() == [[0]]


@both
def test_a_truth_made_of_superpixels_costs_clicks_only(method: Method) -> None:
    regions = method(fields(3))
    truth = LabelImage.of(regions % 3)
    config = AnnotatorConfig(target=1.0, band=0, min_error=0)
    work = annotate(truth, Prelabel.of_regions(regions), config)
    assert work.clicks > 1
    assert (work.strokes, work.path, work.accuracy_after, work.redrawn) == (0, 0, 1, False)


@both
@pytest.mark.parametrize(
    "image",
    [
        np.zeros(5, np.uint8),
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((4, 4, 3), np.uint16),
        np.full((4, 4), 1.5),
        np.full((4, 4), np.nan),
    ],
)
def test_other_images_are_refused(method: Method, image: np.ndarray) -> None:
    with pytest.raises(ImageContentError, match="of uint8, or of floats in"):
        method(image)


@pytest.mark.parametrize("options", [{"pixels_per_segment": 0}, {"compactness": 0}])
def test_slic_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="at least 1 pixel a segment"):
        slic_regions(np.zeros((4, 4)), **options)


@pytest.mark.parametrize("options", [{"scale": 0}, {"sigma": -1}, {"min_size": 0}])
def test_felzenszwalb_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="a scale above 0"):
        felzenszwalb_regions(np.zeros((4, 4)), **options)
