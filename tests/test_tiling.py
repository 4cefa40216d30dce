from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.grid import Grid
from napari_firstpass.tiling import affordable, spread_windows, tiles


@pytest.mark.parametrize("shape", [(1, 1), (100, 70), (128, 128), (129, 300), (257, 65)])
def test_tiles_cover_every_pixel_once(shape: tuple[int, int]) -> None:
    covered = np.zeros(shape, dtype=int)
    for tile in tiles(Grid(*shape), window=64, overlap=16):
        covered[tile.core.slices] += 1
    assert (covered == 1).all()


def test_tiles_have_context_on_all_sides_but_the_border() -> None:
    middle = tiles(Grid(300, 300), window=96, overlap=32)[4]
    assert (middle.core.row, middle.core.col) == (96, 96)
    assert (middle.padded.row, middle.padded.col) == (64, 64)
    assert (middle.padded.bottom, middle.padded.right) == (224, 224)


def test_no_sliver_is_cut_at_the_far_border() -> None:
    heights = {tile.core.height for tile in tiles(Grid(64 * 3 + 5, 10), window=64, overlap=16)}
    assert heights == {64, 69}


def test_tiles_start_at_multiples_of_sixteen() -> None:
    cuts = tiles(Grid(1000, 900), window=256, overlap=48)
    assert all(t.padded.row % 16 == 0 and t.padded.col % 16 == 0 for t in cuts)


def test_an_image_of_few_whole_windows_is_sampled_completely() -> None:
    covered = np.zeros((512, 256), dtype=int)
    for window in spread_windows(Grid(512, 256), side=128, limit=100, seed=0):
        covered[window.slices] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize("shape", [(5000, 5000), (300, 90_000), (90_000, 300), (256, 256)])
def test_samples_of_a_large_image_are_few_and_inside(shape: tuple[int, int]) -> None:
    windows = spread_windows(Grid(*shape), side=256, limit=32, seed=1)
    assert 1 <= len(windows) <= 32
    assert all(w.bottom <= shape[0] and w.right <= shape[1] for w in windows)


def test_samples_are_spread_over_all_quarters() -> None:
    windows = spread_windows(Grid(8000, 8000), side=256, limit=32, seed=1)
    quarters = {(w.row // 4000, w.col // 4000) for w in windows}
    assert quarters == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_another_seed_draws_other_samples() -> None:
    one, other = (spread_windows(Grid(8000, 8000), side=256, limit=32, seed=s) for s in (1, 2))
    assert one != other


@pytest.mark.parametrize(("bands", "classes"), [(200, 8), (4, 1000)])
def test_many_bands_or_classes_are_computed_in_smaller_windows(bands: int, classes: int) -> None:
    assert affordable(1024, 64, bands=4, classes=8) == (1024, 64)
    window, overlap = affordable(1024, 512, bands=bands, classes=classes)
    assert window <= 512
    assert window % 16 == 0
    assert 64 <= overlap <= window // 2 or overlap == 64


@pytest.mark.parametrize("length", [257, 300, 383])
def test_no_place_is_sampled_twice(length: int) -> None:
    assert len(spread_windows(Grid(length, length), side=256, limit=32, seed=0)) == 1


@pytest.mark.parametrize(("dims", "stride"), [(67, 4), (384, 16), (1024, 16), (1024, 8)])
def test_backbones_and_networks_are_computed_in_windows_of_1024(dims: int, stride: int) -> None:
    window = affordable(1024, 64, bands=4, classes=8, features=dims / stride**2)
    assert window == (1024, 64)


@pytest.mark.parametrize("dims", [384, 768, 1024])
def test_finer_features_are_computed_in_smaller_windows(dims: int) -> None:
    window, overlap = affordable(1024, 64, bands=3, classes=8, features=dims / 16)
    pixels = (window + 2 * overlap) ** 2
    assert window >= 256
    # Features and two copies of them, in 32 bits.
    assert pixels / 16 * dims * 4 * 3 < 400 * 2**20
