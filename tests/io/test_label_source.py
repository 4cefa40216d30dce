"""Label files read by windows, and the confidence beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rasters import checkerboard, pixels, write_raster, write_rgb
from tiny_scenes import utm_grid

from napari_firstpass.errors import ImageReadError, TaxonomyError
from napari_firstpass.grid import Window
from napari_firstpass.io.label_file import LabelFile, read_segmentation
from napari_firstpass.io.label_source import LabelSource
from napari_firstpass.progress import run
from napari_firstpass.provenance import Provenance
from napari_firstpass.taxonomy import numbered_taxonomy

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RECORD = Provenance(config={"method": "kmeans"}, source="scene.tif")
SURE = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64).astype(np.uint8)


def write_labels(path: Path, labels: NDArray[np.uint8], record: Provenance = RECORD) -> Path:
    """Write labels with their confidence."""
    with LabelFile(
        path,
        grid=utm_grid(*labels.shape),
        taxonomy=numbered_taxonomy(4),
        provenance=record,
        confidence_path=path.with_name(f"{path.stem}_confidence.tif"),
        overwrite=True,
    ) as file:
        file.write(Window(0, 0, *labels.shape), labels, SURE)
    return path


def test_windows_and_what_a_file_tells_are_those_of_the_whole(tmp_path: Path) -> None:
    path, labels = tmp_path / "a.tif", checkerboard()
    write_labels(path, labels)
    whole = read_segmentation(path)
    with LabelSource(path) as source:
        run(source.look_steps())
        assert source.grid == whole.grid
        assert source.taxonomy == whole.taxonomy == numbered_taxonomy(4)
        assert source.provenance == RECORD
        assert source.counts == {i: int((labels == i).sum()) for i in range(4)}
        found = source.read(Window(5, 7, 20, 30))
    np.testing.assert_array_equal(found, labels[5:25, 7:37])


def test_the_confidence_beside_labels_is_found(tmp_path: Path) -> None:
    path = write_labels(tmp_path / "a.tif", checkerboard())
    with LabelSource(path) as source:
        assert source.confidence_path == tmp_path / "a_confidence.tif"
        found = source.read_confidence(Window(5, 7, 20, 30))
        assert source.confidence_path in source.files
    np.testing.assert_array_equal(found, SURE[5:25, 7:37])


def test_the_confidence_of_other_labels_is_left_alone(tmp_path: Path) -> None:
    path = write_labels(tmp_path / "a.tif", checkerboard())
    other = write_labels(tmp_path / "b.tif", checkerboard(), replace(RECORD, source="b"))
    other.with_name("b_confidence.tif").replace(tmp_path / "a_confidence.tif")
    with LabelSource(path) as source:
        assert source.confidence_path is None
        assert source.read_confidence(Window(0, 0, 2, 2)) is None


@pytest.mark.parametrize("used", [False, True])
def test_nodata_of_other_programs_is_as_in_the_whole(tmp_path: Path, used: bool) -> None:
    labels = checkerboard()
    labels[labels == 0] = 0 if used else 1
    labels[20:30] = 255
    path = write_raster(tmp_path / "a.tif", labels[None], nodata=255)
    whole = read_segmentation(path)
    with LabelSource(path) as source:
        run(source.look_steps())
        found = source.read(source.grid.window)
        assert source.taxonomy == whole.taxonomy
    np.testing.assert_array_equal(found, whole.labels)
    assert (255 in np.unique(found)) == used


def test_what_is_no_label_file_is_refused(tmp_path: Path) -> None:
    for path in (
        write_rgb(tmp_path / "rgb.tif"),
        write_raster(tmp_path / "real.tif", pixels(1, dtype="float32")),
    ):
        with pytest.raises(ImageReadError, match="one band of whole numbers"), LabelSource(path):
            pass
    with pytest.raises(ImageReadError), LabelSource(tmp_path / "missing.tif"):
        pass


def test_ids_out_of_range_are_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.array([[[1, 70_000]]], np.int32))
    with LabelSource(path) as source, pytest.raises(TaxonomyError, match="1 to 70000"):
        run(source.look_steps())
