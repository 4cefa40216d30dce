from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from affine import Affine
from rasters import NORTH_UP, write_raster
from scipy.io import savemat

from napari_firstpass.errors import GridMismatchError, ImageContentError, ImageReadError
from napari_firstpass.grid import Grid
from napari_firstpass.io.label_file import write_segmentation
from napari_firstpass.io.label_images import read_label_images, require_same_grid, resampled
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

IDS = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)


def write_drawings(path: Path, maps: list[NDArray[Any]]) -> Path:
    """Write a ground truth as BSDS500 has them."""
    cells = np.empty((1, len(maps)), dtype=object)
    for place, one in enumerate(maps):
        cells[0, place] = {"Segmentation": one, "Boundaries": np.zeros(one.shape, bool)}
    savemat(path, {"groundTruth": cells})
    return path


def test_nodata_is_not_valid_and_zero_is_an_id(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", IDS, nodata=5)
    (labels,) = read_label_images(path).images
    assert labels.present().tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert not labels.valid[1, 1]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "uint32"])
def test_ids_of_any_integer_type_are_read(tmp_path: Path, dtype: str) -> None:
    path = write_raster(tmp_path / "a.tif", IDS.astype(dtype))
    assert read_label_images(path).images[0].ids.tolist() == IDS[0].tolist()


def test_png_is_read_without_a_place(tmp_path: Path) -> None:
    path = write_raster(
        tmp_path / "a.png", IDS, crs=None, transform=Affine.identity(), driver="PNG"
    )
    found = read_label_images(path)
    assert not found.grid.is_georeferenced
    assert found.images[0].ids.tolist() == IDS[0].tolist()


def test_a_palette_png_is_read_as_ids(tmp_path: Path) -> None:
    colors = {i: (i, 255 - i, 0, 255) for i in range(12)}
    path = write_raster(
        tmp_path / "a.png", IDS, crs=None, transform=Affine.identity(), driver="PNG", colors=colors
    )
    assert read_label_images(path).images[0].ids.tolist() == IDS[0].tolist()


def test_our_label_files_tell_their_names_and_what_is_unlabelled(tmp_path: Path) -> None:
    labels = np.array([[0, 1], [2, 1]], np.uint8)
    taxonomy = Taxonomy((LabelClass(1, "roof", "#FF0000"), LabelClass(2, "lawn", "#00FF00")))
    path = write_segmentation(tmp_path / "l.tif", Segmentation(labels, taxonomy, Grid(2, 2)))
    found = read_label_images(path)
    assert found.names == {1: "roof", 2: "lawn"}
    assert found.images[0].valid.tolist() == [[False, True], [True, True]]


def test_drawings_of_several_annotators_are_read(tmp_path: Path) -> None:
    maps = [np.ones((3, 4), np.uint16), np.arange(12, dtype=np.uint16).reshape(3, 4) + 1]
    found = read_label_images(write_drawings(tmp_path / "a.mat", maps))
    assert found.drawn
    assert [image.ids.tolist() for image in found.images] == [one.tolist() for one in maps]
    assert found.grid.shape == (3, 4)


def test_drawings_of_one_annotator_are_read(tmp_path: Path) -> None:
    found = read_label_images(write_drawings(tmp_path / "a.mat", [np.ones((3, 4), np.uint16)]))
    assert len(found.images) == 1


@pytest.mark.parametrize(
    ("name", "content"), [("other", 1), ("groundTruth", 1.0), ("groundTruth", {"a": 2})]
)
def test_another_mat_file_is_refused(tmp_path: Path, name: str, content: object) -> None:
    savemat(tmp_path / "a.mat", {name: content})
    with pytest.raises(ImageReadError, match="expected a variable groundTruth of cells"):
        read_label_images(tmp_path / "a.mat")


def test_drawings_of_different_sizes_are_refused(tmp_path: Path) -> None:
    path = write_drawings(tmp_path / "a.mat", [np.ones((3, 4), int), np.ones((4, 4), int)])
    with pytest.raises(ImageReadError, match="expected drawings of one size"):
        read_label_images(path)


@pytest.mark.parametrize("content", [b"no mat file", b"MATLAB 7.3 MAT-file" + bytes(600)])
def test_a_damaged_mat_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(ImageReadError, match=r"a MATLAB file of version 5.*cannot be read"):
        read_label_images(tmp_path / "a.mat")


def test_a_missing_mat_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="found no file at"):
        read_label_images(tmp_path / "a.mat")


@pytest.mark.parametrize("values", [np.zeros((3, 4, 4), np.uint8), np.zeros((1, 4, 4), np.float32)])
def test_colours_and_fractions_are_refused(tmp_path: Path, values: NDArray[Any]) -> None:
    path = write_raster(tmp_path / "a.tif", values)
    with pytest.raises(ImageReadError, match="expected labels: one band of whole numbers"):
        read_label_images(path)


def test_negative_ids_are_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", IDS.astype("int16") - 1)
    with pytest.raises(ImageContentError, match=r"ids of at least 0 .* in .*a.tif, found -1"):
        read_label_images(path)


def test_the_same_grid_and_one_without_a_place_are_accepted(tmp_path: Path) -> None:
    truth = read_label_images(write_raster(tmp_path / "a.tif", IDS))
    png = write_raster(tmp_path / "b.png", IDS, crs=None, transform=Affine.identity(), driver="PNG")
    require_same_grid(truth, truth)
    require_same_grid(truth, read_label_images(png))


def test_a_hair_of_rounding_is_the_same_grid(tmp_path: Path) -> None:
    truth = read_label_images(write_raster(tmp_path / "a.tif", IDS))
    near = NORTH_UP @ Affine.translation(1e-4, 0)
    require_same_grid(
        truth, read_label_images(write_raster(tmp_path / "b.tif", IDS, transform=near))
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"transform": NORTH_UP @ Affine.translation(1, 0)}, r"from \(500000.1, 5000000\)"),
        ({"transform": NORTH_UP @ Affine.scale(2)}, "pixels of 0.2 x -0.2"),
        ({"crs": "EPSG:32632"}, "EPSG:32632"),
    ],
)
def test_another_grid_is_refused_with_both_named(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    truth = read_label_images(write_raster(tmp_path / "a.tif", IDS))
    pred = read_label_images(write_raster(tmp_path / "b.tif", IDS, **options))
    with pytest.raises(GridMismatchError, match=f"{said}.*--resample") as caught:
        require_same_grid(truth, pred)
    assert "3 x 4 pixels in EPSG:32631 from (500000, 5000000)" in caught.value.expected


def test_another_size_without_a_place_cannot_be_resampled(tmp_path: Path) -> None:
    truth = read_label_images(write_raster(tmp_path / "a.tif", IDS))
    pred = read_label_images(write_drawings(tmp_path / "a.mat", [np.ones((4, 3), int)]))
    with pytest.raises(GridMismatchError, match="found 4 x 3 pixels without a place"):
        require_same_grid(truth, pred)
    with pytest.raises(GridMismatchError, match="expected labels with a place on Earth"):
        resampled(pred, truth.grid)


def test_resampling_takes_the_id_at_the_centre_and_leaves_the_rest_without(tmp_path: Path) -> None:
    # Half the pixel size, and one fine pixel further right: coarse pixel centres fall on ids.
    grid = Grid(2, 3, NORTH_UP, "EPSG:32631")
    fine = np.arange(1, 17, dtype=np.uint8).reshape(1, 4, 4)
    moved = NORTH_UP @ Affine.translation(1, 0) @ Affine.scale(0.5)
    pred = read_label_images(write_raster(tmp_path / "b.tif", fine, transform=moved, nodata=16))
    (labels,) = resampled(pred, grid).images
    # The centre of a coarse pixel is the corner of four fine ones, of which GDAL takes the lower
    # right; the first column lies left of the prediction, and id 16 is no data.
    assert labels.valid.tolist() == [[False, True, True], [False, True, False]]
    assert labels.ids[labels.valid].tolist() == [6, 8, 14]


def test_resampling_reprojects(tmp_path: Path) -> None:
    from rasterio.warp import transform_bounds

    truth = Grid(64, 64, NORTH_UP @ Affine.scale(10), "EPSG:32631")
    west, south, east, north = transform_bounds(
        truth.crs, "EPSG:4326", 500_000, 5_000_000 - 64, 500_000 + 64, 5_000_000
    )
    degrees = Affine((east - west) / 80, 0, west, 0, (south - north) / 80, north)
    values = np.full((1, 80, 80), 3, np.uint8)
    path = write_raster(tmp_path / "b.tif", values, transform=degrees, crs="EPSG:4326")
    (labels,) = resampled(read_label_images(path), truth).images
    inner = labels.valid[4:-4, 4:-4]
    assert inner.all()
    assert set(labels.ids[labels.valid].tolist()) == {3}


def test_no_meeting_is_refused(tmp_path: Path) -> None:
    truth = read_label_images(write_raster(tmp_path / "a.tif", IDS))
    far = NORTH_UP @ Affine.translation(1000, 0)
    pred = read_label_images(write_raster(tmp_path / "b.tif", IDS, transform=far))
    with pytest.raises(GridMismatchError, match="expected a prediction that meets the truth"):
        resampled(pred, truth.grid)


def test_ids_of_64_bits_survive_resampling(tmp_path: Path) -> None:
    ids = np.array([[[0, 1], [2**32, 2**32 + 1]]], np.int64)
    pred = read_label_images(write_raster(tmp_path / "b.tif", ids))
    grid = Grid(4, 4, NORTH_UP @ Affine.scale(0.5), "EPSG:32631")
    (labels,) = resampled(pred, grid).images
    assert labels.ids[::2, ::2].tolist() == ids[0].tolist()


def test_a_place_that_gdal_cannot_reach_is_refused(tmp_path: Path) -> None:
    local = 'ENGCRS["works",EDATUM["gate"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],'
    local += 'LENGTHUNIT["metre",1]]'
    pred = read_label_images(write_raster(tmp_path / "m.tif", IDS, crs=local))
    with pytest.raises(GridMismatchError, match="expected a prediction that can be brought to"):
        resampled(pred, Grid(3, 4, NORTH_UP, "EPSG:32631"))
