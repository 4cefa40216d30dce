"""Label files as hints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio

from napari_firstpass.errors import ImageReadError, TaxonomyError
from napari_firstpass.grid import Grid, Window
from napari_firstpass.io.hint_file import hint_files, open_hints
from napari_firstpass.io.label_file import write_segmentation
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy, color_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def write(path: Path, values: NDArray[np.generic], nodata: float | None = None) -> Path:
    """Write a file that is not ours."""
    height, width = values.shape[-2:]
    bands = values.reshape(-1, height, width)
    profile = {"count": len(bands), "height": height, "width": width, "dtype": bands.dtype}
    place = rasterio.Affine.scale(2, -2)
    with rasterio.open(path, "w", driver="GTiff", nodata=nodata, transform=place, **profile) as out:
        out.write(bands)
    return path


def test_our_own_file_is_read_by_windows_with_names_and_colours(tmp_path: Path) -> None:
    labels = np.zeros((40, 30), np.uint16)
    labels[20:25, 10:12] = 400
    roof, tree = LabelClass(400, "roof", "#AA1100"), LabelClass(2, "tree", "#00AA00")
    segmentation = Segmentation(labels, Taxonomy((tree, roof)), Grid(40, 30))
    path = write_segmentation(tmp_path / "a_hints.tif", segmentation)
    (named,) = hint_files([path])
    assert named.name == "a_hints.tif"
    with named.open() as source:
        assert source.grid.shape == (40, 30)
        assert np.array_equal(source.read(Window(18, 8, 10, 6)), labels[18:28, 8:14])
        assert source.classes_of({400}) == (roof,)


def test_a_file_without_names_gives_numbered_classes_and_no_data_is_silence(
    tmp_path: Path,
) -> None:
    values = np.full((8, 8), 255, np.uint8)
    values[:2], values[2:4] = 3, 0
    with open_hints(write(tmp_path / "a.tif", values, nodata=255)) as source:
        read = source.read(Window(0, 0, 8, 8))
        assert (read[:2] == 3).all()
        assert not read[2:].any()
        assert source.classes_of([3]) == (LabelClass(3, "class 3", color_of(3)),)


def test_what_is_no_label_map_is_refused(tmp_path: Path) -> None:
    picture = write(tmp_path / "rgb.tif", np.zeros((3, 8, 8), np.uint8))
    with pytest.raises(ImageReadError, match="a label map: one band of whole numbers"):
        open_hints(picture)
    with pytest.raises(ImageReadError, match="no file at"):
        open_hints(tmp_path / "none.tif")
    negative = write(tmp_path / "negative.tif", np.full((8, 8), -1, np.int16))
    with (
        open_hints(negative) as source,
        pytest.raises(TaxonomyError, match=r"class ids in \[0, 65535\], found -1 to -1"),
    ):
        source.read(Window(0, 0, 8, 8))
