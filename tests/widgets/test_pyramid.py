"""Images too large to hold are read from the file where they are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QTimer
from rasters import write_raster
from tiny_scenes import utm_grid

from napari_firstpass.errors import ImageReadError
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.progress import run
from napari_firstpass.widgets.image_layers import subject_of
from napari_firstpass.widgets.pyramid import Level, overview_stride
from napari_firstpass.widgets.scene_layers import Unfinished, file_tuples, scene_info

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.viewer import Viewer
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

SIDE = 4100
"""Just more than twice the largest level in memory."""


@pytest.fixture(scope="module")
def bands() -> NDArray[np.uint8]:
    """A diagonal ramp: averages of it are known."""
    ramp = np.add.outer(np.arange(SIDE), np.arange(SIDE)) // 64
    return np.stack([ramp, 255 - ramp, ramp // 2]).astype(np.uint8)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, bands: NDArray[np.uint8]) -> Path:
    """A tiled file with overviews."""
    out = tmp_path_factory.mktemp("large") / "large.tif"
    return write_raster(out, bands, tiled=True, overviews=(2, 4, 8), photometric="RGB")


def levels_of(path: Path) -> list[Level | NDArray[np.uint8]]:
    data, keywords, _ = file_tuples(path, held_pixels=1_000_000)[0]
    assert keywords["multiscale"]
    return data


def test_levels_halve_down_to_a_thumbnail(path: Path) -> None:
    sides = [level.shape[0] for level in levels_of(path)]
    assert sides == [4100, 2050, 1025, 513, 257]


def test_only_small_levels_are_held(path: Path) -> None:
    assert [isinstance(level, Level) for level in levels_of(path)] == [True, True] + [False] * 3


def test_full_resolution_shows_the_pixels_of_the_file(path: Path, bands: NDArray[np.uint8]) -> None:
    shown = levels_of(path)[0][1000:1100, 4000:4100]
    np.testing.assert_array_equal(shown, bands[:, 1000:1100, 4000:].transpose(1, 2, 0))


def test_coarser_levels_show_the_same_place(path: Path, bands: NDArray[np.uint8]) -> None:
    level = levels_of(path)[1]
    expected = bands[:, 1001:1200:2, 3001:3200:2].transpose(1, 2, 0).astype(int)
    assert np.abs(level[500:600, 1500:1600] - expected).max() <= 1


def test_a_level_can_be_read_whole(path: Path) -> None:
    assert np.asarray(levels_of(path)[1]).shape == (2050, 2050, 3)


def test_opening_reads_nothing_but_overviews(path: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tif"
    content = bytearray(path.read_bytes())
    tenth = len(content) // 10  # overviews stand behind the pixels, which fill three quarters
    content[tenth : 5 * tenth] = bytes(4 * tenth)
    damaged.write_bytes(content)
    (sound, *_, small), (broken, *_, unharmed) = levels_of(path), levels_of(damaged)
    assert not broken[1000:1100, 0:100].any()
    assert sound[1000:1100, 0:100].any()
    np.testing.assert_array_equal(unharmed, small)


def test_napari_draws_a_pyramid(path: Path, viewer_model: ViewerModel) -> None:
    data, keywords, _ = file_tuples(path, held_pixels=1_000_000)[0]
    layer = viewer_model.add_image(data, **keywords)
    assert layer.multiscale
    assert layer.extent.data[1].tolist() == [SIDE - 1, SIDE - 1]
    assert layer.thumbnail[..., :3].any()


def test_a_run_reads_the_file_of_a_pyramid(path: Path, viewer_model: ViewerModel) -> None:
    data, keywords, _ = file_tuples(path, held_pixels=1_000_000)[0]
    assert subject_of(viewer_model.add_image(data, **keywords)).source == path


def test_a_file_that_went_away_is_said_to_be_missing(path: Path) -> None:
    level = levels_of(path)[0]
    assert isinstance(level, Level)
    gone = Level(path.with_name("gone.tif"), level.grid, level.look, 1, level.dtype)
    with pytest.raises(ImageReadError, match="no file at"):
        gone[0:10, 0:10]


@pytest.mark.parametrize(("side", "stride"), [(2048, 1), (2049, 2), (4097, 4), (40_000, 32)])
def test_the_overview_is_the_largest_level_that_is_held(side: int, stride: int) -> None:
    assert overview_stride(utm_grid(side, 100)) == stride


def test_a_window_shows_a_large_image_before_it_is_read(
    viewer: Viewer, path: Path, bands: NDArray[np.uint8], qtbot: QtBot
) -> None:
    found: list[object] = []

    def drop() -> None:
        (layer,) = viewer.open(path, plugin="napari-firstpass")
        found.extend([layer, layer.data.any()])

    QTimer.singleShot(0, drop)  # as when a user does it, not a script
    qtbot.waitUntil(lambda: len(found) == 2, timeout=20_000)
    layer, was_there = found
    assert not was_there
    qtbot.waitUntil(lambda: bool(layer.data[-1, -1].any()), timeout=60_000)
    np.testing.assert_array_equal(layer.data, bands.transpose(1, 2, 0))


def test_a_pyramid_is_filled_part_by_part_as_if_it_were_read_at_once(path: Path) -> None:
    with open_raster(path) as source:
        unfinished = Unfinished.of(source, scene_info(source), held_pixels=1_000_000)
    (data, keywords, _), *others = unfinished.tuples
    assert (keywords["rgb"], others) == (True, [])
    assert not data[-1].any()
    run(unfinished.fill_steps())
    for level, expected in zip(data[2:], levels_of(path)[2:], strict=True):
        assert np.abs(level.astype(int) - expected).max() <= 2  # of averages, parts meet


def test_of_a_file_without_overviews_all_but_full_resolution_is_kept(
    tmp_path: Path, bands: NDArray[np.uint8]
) -> None:
    plain = write_raster(tmp_path / "plain.tif", bands, tiled=True, photometric="RGB")
    with open_raster(plain) as source:
        unfinished = Unfinished.of(source, scene_info(source), held_pixels=1_000_000)
    data = unfinished.tuples[0][0]
    assert [isinstance(level, Level) for level in data] == [True] + [False] * 4
    run(unfinished.fill_steps())
    assert np.abs(data[1][1000:1900, 7].astype(int) - bands[:, 2000:3800:2, 14].T).max() <= 1
