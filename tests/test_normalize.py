from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from features import feature_map, rgb_raster, stripes, with_vectors

from napari_firstpass.errors import GridMismatchError, ImageContentError
from napari_firstpass.feature_scaling import FeatureScaler, fixed_sign, valid_vectors
from napari_firstpass.grid import Grid
from napari_firstpass.normalize import BandStats, filled
from napari_firstpass.raster import Raster


def ramp() -> Raster:
    bands = np.arange(1000, dtype=np.uint16).reshape(1, 20, 50)
    return Raster.from_array(bands, Grid(20, 50))


def test_percentiles_are_those_of_the_values() -> None:
    stats = BandStats.of([ramp()])
    assert stats.low == pytest.approx((4.995,))
    assert stats.high == pytest.approx((994.005,))


def test_pixels_without_data_do_not_count() -> None:
    bands = np.full((1, 10, 10), 60_000, dtype=np.uint16)
    bands[0, :5] = np.arange(50).reshape(5, 10)
    valid = np.zeros((10, 10), dtype=bool)
    valid[:5] = True
    stats = BandStats.of([Raster.from_array(bands, Grid(10, 10), valid=valid)])
    assert stats.high[0] < 50


def test_stretched_values_lie_between_zero_and_one() -> None:
    stretched = BandStats((10.0,), (20.0,)).stretch(np.array([[[5, 10, 15, 20, 99]]]))
    assert stretched.tolist() == [[[0, 0, 0.5, 1, 1]]]


def test_a_constant_band_beside_others_becomes_zero() -> None:
    bands = np.stack([np.full((4, 4), 7.0), np.arange(16.0).reshape(4, 4)])
    raster = Raster.from_array(bands, Grid(4, 4))
    assert (BandStats.of([raster]).stretch(bands)[0] == 0).all()


def test_a_few_bright_pixels_on_a_flat_image_are_a_range() -> None:
    bands = np.zeros((1, 100, 100))
    bands[0, 3, 3] = 8
    assert BandStats.of([Raster.from_array(bands, Grid(100, 100))]).high == (8.0,)


def test_a_constant_image_is_refused() -> None:
    raster = Raster.from_array(np.full((3, 8, 8), 9, np.uint8), Grid(8, 8))
    with pytest.raises(ImageContentError, match="found the one value 9 everywhere"):
        BandStats.of([raster])


@pytest.mark.parametrize("sample", [[], [np.nan]], ids=["no window", "only NaN"])
def test_an_image_without_valid_pixels_is_refused(sample: list[float]) -> None:
    rasters = [Raster.from_array(np.full((1, 4, 4), value), Grid(4, 4)) for value in sample]
    with pytest.raises(ImageContentError, match="valid pixels, found none"):
        BandStats.of(rasters)


def test_gaps_take_the_value_of_the_nearest_pixel() -> None:
    image = np.zeros((3, 1, 6), np.uint8)
    image[:, 0] = [10, 10, 0, 0, 0, 50]
    valid = np.array([[True, True, False, False, False, True]])
    assert filled(rgb_raster(image, valid)).bands[0, 0].tolist() == [10, 10, 10, 10, 50, 50]
    assert image[0, 0, 2] == 0


def test_nothing_to_fill_copies_nothing() -> None:
    raster = ramp()
    assert filled(raster) is raster


def test_fully_scaled_features_are_white() -> None:
    sample = [feature_map(stripes(), dims=6)]
    scaler = FeatureScaler.of(sample, keep=1.0, power=1.0)
    vectors = scaler.apply(sample[0].vectors).flatten(1)
    covariance = vectors @ vectors.T / vectors.shape[1]
    torch.testing.assert_close(covariance, torch.eye(6), atol=1e-3, rtol=0)


def test_scaling_ignores_the_units_of_features() -> None:
    window = feature_map(stripes())
    other = with_vectors(window.vectors * torch.logspace(-3, 3, 6)[:, None, None] + 5)
    one = FeatureScaler.of([window]).apply(window.vectors)
    torch.testing.assert_close(
        one, FeatureScaler.of([other]).apply(other.vectors), atol=1e-2, rtol=1e-2
    )


def test_groups_of_channels_count_alike_however_many_each_has() -> None:
    draw = torch.Generator().manual_seed(0)
    window = with_vectors(torch.randn(6, 24, 24, generator=draw))
    grouped = replace(window, groups=(1, 5))
    projection = FeatureScaler.of([grouped], keep=1.0, power=0.0).projection
    spread = window.vectors.flatten(1).std(1, correction=0)
    # Of independent channels each weight is the length of its column: the projection only turns.
    variances = (projection.norm(dim=0) * spread).square()
    torch.testing.assert_close(variances, torch.tensor([3.0, *(5 * [0.6])]))


def test_groups_must_hold_every_channel() -> None:
    with pytest.raises(GridMismatchError, match="groups of 6 channels together, found \\(1, 4\\)"):
        replace(feature_map(stripes()), groups=(1, 4))


def test_a_feature_without_spread_does_no_harm() -> None:
    window = feature_map(stripes())
    flat = with_vectors(torch.cat([window.vectors, torch.full((1, 24, 24), 3.0)]))
    assert FeatureScaler.of([flat]).apply(flat.vectors).isfinite().all()


def test_an_axis_points_to_its_largest_entry() -> None:
    axes = fixed_sign(torch.tensor([[0.1, -0.9], [0.8, 0.2]]))
    torch.testing.assert_close(axes, torch.tensor([[-0.1, 0.9], [0.8, 0.2]]))


def test_only_valid_cells_are_collected() -> None:
    window = feature_map(stripes(4, 6))
    window.valid[0] = False
    assert valid_vectors([window, window]).shape == (2 * 18, 6)
