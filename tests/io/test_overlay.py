"""Pictures of labels over their image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from rasters import NORTH_UP, UTM31

from napari_firstpass.errors import OptionError, OutputError
from napari_firstpass.grid import Grid
from napari_firstpass.io.geotiff import read_raster
from napari_firstpass.io.overlay import overlay, write_overlay
from napari_firstpass.raster import Raster
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RED = Taxonomy((LabelClass(1, "roof", "#FF0000"),))


def grey_scene(height: int = 40, width: int = 60) -> Raster:
    """Left half black, right half white, in three bands."""
    bands = np.zeros((3, height, width), np.uint16)
    bands[..., width // 2 :] = 4000
    grid = Grid(height, width, NORTH_UP, UTM31)
    return Raster.from_array(bands, grid, roles=("red", "green", "blue"))


def labelled(labels: NDArray[np.uint8]) -> Segmentation:
    return Segmentation(labels, RED, Grid(*labels.shape, NORTH_UP, UTM31))


def test_a_class_is_blended_over_the_image() -> None:
    picture = overlay(grey_scene(), labelled(np.ones((40, 60), np.uint8)), opacity=0.5)
    assert picture[:, 0, 0].tolist() == [128, 0, 0, 255]
    assert picture[:, 0, 59].tolist() == [255, 128, 128, 255]


def test_unlabelled_pixels_show_the_plain_image() -> None:
    picture = overlay(grey_scene(), labelled(np.zeros((40, 60), np.uint8)))
    assert picture[:, 0, 0].tolist() == [0, 0, 0, 255]
    assert picture[:, 0, 59].tolist() == [255, 255, 255, 255]


def test_pixels_without_data_are_transparent_and_do_not_count() -> None:
    scene = grey_scene()
    scene.bands[:, 0, 0] = 65535
    scene.valid[0, 0] = False
    picture = overlay(scene, labelled(np.ones((40, 60), np.uint8)), opacity=0.0)
    assert picture[:, 0, 0].tolist() == [0, 0, 0, 0]
    assert picture[:, 0, 59].tolist() == [255, 255, 255, 255]


def test_bands_are_shown_by_their_roles() -> None:
    bands = np.zeros((4, 2, 2), np.uint8)
    bands[3] = 200
    grid = Grid(2, 2, NORTH_UP, UTM31)
    scene = Raster.from_array(bands, grid, roles=("nir", "blue", "green", "red"))
    picture = overlay(scene, labelled(np.zeros((2, 2), np.uint8)))
    assert picture[:, 0, 0].tolist() == [255, 0, 0, 255]


def test_one_band_is_shown_in_grey() -> None:
    scene = Raster.from_array(np.array([[[0.0, 1.0]]]), Grid(1, 2))
    picture = overlay(scene, labelled(np.zeros((1, 2), np.uint8)))
    assert picture[:, 0].T.tolist() == [[0, 0, 0, 255], [255, 255, 255, 255]]


@pytest.mark.parametrize("value", [0, 77])
def test_an_image_of_one_value_or_no_data_still_gives_a_picture(value: int) -> None:
    scene = Raster.from_array(
        np.full((3, 4, 4), value, np.uint8), Grid(4, 4), valid=np.full((4, 4), value > 0)
    )
    picture = overlay(scene, labelled(np.ones((4, 4), np.uint8)))
    assert (picture[3] == (255 if value else 0)).all()


def test_image_and_labels_of_different_reduction_fit_together() -> None:
    labels = np.kron(np.array([[0, 1], [1, 0]], np.uint8), np.ones((200, 300), np.uint8))
    picture = overlay(grey_scene(), labelled(labels), opacity=1.0, max_side=30)
    assert picture.shape == (4, 20, 30)
    assert picture[:3, 0, 29].tolist() == [255, 0, 0]
    assert picture[:3, 0, 0].tolist() == [0, 0, 0]
    assert picture[:3, 19, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("opacity", [-0.1, 1.1])
def test_opacity_out_of_range_is_refused(opacity: float) -> None:
    with pytest.raises(OptionError, match="opacity in"):
        overlay(grey_scene(), labelled(np.ones((40, 60), np.uint8)), opacity=opacity)


def test_the_picture_is_written_whole(tmp_path: Path) -> None:
    segmentation = labelled(np.ones((40, 60), np.uint8))
    path = write_overlay(tmp_path / "a.png", grey_scene(), segmentation)
    expected = overlay(grey_scene(), segmentation)
    np.testing.assert_array_equal(read_raster(path).bands, expected[:3])
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_picture_is_not_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("old")
    with pytest.raises(OutputError, match="ask to overwrite it"):
        write_overlay(tmp_path / "a.png", grey_scene(), labelled(np.ones((40, 60), np.uint8)))


def test_a_picture_ends_in_png(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"ends in \.png"):
        write_overlay(tmp_path / "a.jpg", grey_scene(), labelled(np.ones((40, 60), np.uint8)))


def test_a_full_disk_leaves_no_picture(small_disk: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 400, 400), dtype=np.uint8)
    scene = Raster.from_array(noise, Grid(400, 400))
    with pytest.raises(OutputError, match="free some space"):
        write_overlay(small_disk / "a.png", scene, labelled(np.zeros((400, 400), np.uint8)))
    assert list(small_disk.iterdir()) == []
