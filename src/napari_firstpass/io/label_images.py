"""Reading labels to compare: rasters with one band of ids, and the drawings of BSDS500."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.warp import reproject
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from napari_firstpass.errors import GridMismatchError, ImageContentError, ImageReadError
from napari_firstpass.evaluation.label_image import LabelImage, Numbering
from napari_firstpass.grid import Grid
from napari_firstpass.io.gdal import (
    GDAL_ERRORS,
    check_readable,
    crs_of,
    crs_text,
    gdal,
    reading,
    reason,
)
from napari_firstpass.io.label_tags import TAXONOMY_TAG, taxonomy_in
from napari_firstpass.io.mat_file import whole_numbers
from napari_firstpass.io.sidecar import read_class_names

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

ENDINGS = (".tif", ".tiff", ".png", ".mat", ".vrt")
"""Files that are taken for labels in a folder."""

_ALMOST = 1e-2
"""Pixels by which corners of equal grids may differ: some programs round what they write."""


@dataclass(frozen=True, slots=True)
class LabelFileImages:
    """What a file holds.

    Attributes
    ----------
    path : Path
        As given.
    images : tuple of LabelImage
        One for each annotator; a raster has one.
    grid : Grid
        Size, and place where known.
    drawn : bool
        Whether ids are regions somebody drew (``.mat``), rather than classes.
    names : mapping of int to str
        Names of classes, as far as the file tells them.
    """

    path: Path
    images: tuple[LabelImage, ...]
    grid: Grid
    drawn: bool = False
    names: Mapping[int, str] = field(default_factory=dict)


def read_label_images(
    path: str | os.PathLike[str], *, ignore: Collection[int] = ()
) -> LabelFileImages:
    """Read a GeoTIFF or PNG of one band, or a ``.mat`` file as BSDS500 has them.

    Pixels that the file declares to be no data are not valid. Nothing else is taken for
    unlabelled: 0 may be a class.

    Parameters
    ----------
    path : path
        The file.
    ignore : collection of int
        Ids whose pixels are not valid either; they may be negative.

    Raises
    ------
    ImageReadError
        If the file cannot be read, or holds something else.
    ImageContentError
        If other ids are negative.
    """
    place = Path(path)
    if place.suffix.lower() == ".mat":
        return _read_drawings(place, ignore)
    return _read_raster(place, ignore)


def on_same_grid(truth: Grid, pred: Grid) -> bool:
    """Tell whether sizes are equal, and places too, where both are known."""
    return truth.shape == pred.shape and not _elsewhere(truth, pred)


def require_labels_of(image: Grid, labels: Grid) -> None:
    """Refuse labels that do not cover the pixels of an image; see `on_same_grid`.

    Raises
    ------
    GridMismatchError
        Naming both grids.
    """
    if on_same_grid(image, labels):
        return
    raise GridMismatchError(
        expected=f"labels on the grid of the image, {place_of(image)}",
        found=place_of(labels),
        remedy="give the labels of this image, or resample them to it first",
    )


def require_same_grid(truth: LabelFileImages, pred: LabelFileImages) -> None:
    """Refuse a pair that does not cover the same pixels; see `on_same_grid`.

    Raises
    ------
    GridMismatchError
        Naming both grids.
    """
    if on_same_grid(truth.grid, pred.grid):
        return
    can_resample = truth.grid.is_georeferenced and pred.grid.is_georeferenced
    raise GridMismatchError(
        expected=f"a prediction on the grid of the truth, {place_of(truth.grid)}",
        found=place_of(pred.grid),
        remedy="resample it (--resample)" if can_resample else "compare labels of the same image",
    )


def resampled(pred: LabelFileImages, grid: Grid) -> LabelFileImages:
    """Bring a prediction onto another grid, every pixel taking the id at its centre.

    Raises
    ------
    GridMismatchError
        If one of the two has no place on Earth, or they do not meet.
    """
    if not (pred.grid.is_georeferenced and grid.is_georeferenced):
        raise GridMismatchError(
            expected="labels with a place on Earth, to resample them",
            found=f"{place_of(pred.grid)}, and {place_of(grid)}",
            remedy="compare labels of the same size, or georeference them",
        )
    images = tuple(_warped(image, pred.grid, grid) for image in pred.images)
    if not any(image.valid.any() for image in images):
        raise GridMismatchError(
            expected=f"a prediction that meets the truth, {place_of(grid)}",
            found=place_of(pred.grid),
            remedy="check that the two show the same place",
        )
    return LabelFileImages(pred.path, images, grid, pred.drawn, pred.names)


def _read_raster(path: Path, ignore: Collection[int]) -> LabelFileImages:
    name = os.fspath(path)
    check_readable(name)
    with reading(name), rasterio.open(name) as dataset:
        _require_ids(dataset, name)
        grid = Grid(dataset.height, dataset.width, dataset.transform, crs_text(dataset.crs))
        ids, valid = dataset.read(1), dataset.read_masks(1) > 0
        taxonomy = taxonomy_in(dataset.tags()) if TAXONOMY_TAG in dataset.tags() else None
    names = {c.id: c.name for c in taxonomy.classes} if taxonomy else read_class_names(path)
    return LabelFileImages(path, (_labels(ids, valid, ignore, name),), grid, names=names)


def _labels(
    ids: NDArray[Any], valid: NDArray[np.bool_] | None, ignore: Collection[int], name: str
) -> LabelImage:
    """Wrap what a file holds, which an error names."""
    try:
        return LabelImage.of(ids, valid=valid, ignore=ignore)
    except ImageContentError as error:
        raise ImageContentError(
            expected=f"{error.expected} in {name}",
            found=error.found,
            remedy="declare such ids to be no data in the file, or ignore them in a truth",
        ) from error


def _require_ids(dataset: DatasetReader, name: str) -> None:
    if dataset.count != 1 or np.dtype(dataset.dtypes[0]).kind not in "iu":
        raise ImageReadError(
            expected="labels: one band of whole numbers",
            found=f"{dataset.count} of type {dataset.dtypes[0]} in {name}",
            remedy="give a file of class ids, not of colours or measurements",
        )


def _read_drawings(path: Path, ignore: Collection[int]) -> LabelFileImages:
    name = os.fspath(path)
    check_readable(name)
    try:
        content = loadmat(name, variable_names=["groundTruth"], simplify_cells=True)
    except (ValueError, TypeError, MatReadError, NotImplementedError, OSError) as error:
        raise ImageReadError(
            expected="a MATLAB file of version 5, as BSDS500 has them",
            found=f"{name}, which cannot be read ({error})",
            remedy="copy or download it again",
        ) from error
    drawings = _drawings(content.get("groundTruth"), name)
    images = tuple(_labels(ids, None, ignore, name) for ids in drawings)
    if len({image.shape for image in images}) > 1:
        raise ImageReadError(
            expected="drawings of one size", found=f"several in {name}", remedy="check the file"
        )
    return LabelFileImages(path, images, Grid(*images[0].shape), drawn=True)


def _drawings(content: object, name: str) -> list[NDArray[Any]]:
    """Return each annotator's map (H, W); one annotator is no list."""
    cells = content if isinstance(content, (list, np.ndarray)) else [content]
    maps = [cell.get("Segmentation") if isinstance(cell, dict) else None for cell in cells]
    drawn = [whole_numbers(np.atleast_2d(one)) for one in maps if isinstance(one, np.ndarray)]
    if not drawn or len(drawn) < len(maps) or any(one.dtype.kind not in "iu" for one in drawn):
        raise ImageReadError(
            expected="a variable groundTruth of cells with a Segmentation of whole numbers",
            found=f"none in {name}",
            remedy="give a ground truth file of BSDS500",
        )
    return drawn


def _elsewhere(truth: Grid, pred: Grid) -> bool:
    """Tell whether two grids of the same size lie in different places, as far as both tell."""
    if not (truth.is_georeferenced and pred.is_georeferenced):
        return False
    if truth.crs and pred.crs and crs_of(truth.crs) != crs_of(pred.crs):
        return True
    corners = [(0, 0), (truth.width, 0), (0, truth.height)]
    moved = [~truth.transform @ (pred.transform @ corner) for corner in corners]
    return bool(np.abs(np.subtract(moved, corners)).max() > _ALMOST)


def place_of(grid: Grid) -> str:
    """Describe a grid in a message, precisely enough to see two differ."""
    if not grid.is_georeferenced:
        return f"{grid.height} x {grid.width} pixels without a place"
    t = grid.transform
    corner, size = f"({t.c:.10g}, {t.f:.10g})", f"{t.a:.6g} x {t.e:.6g}"
    return f"{grid.describe()} from {corner} with pixels of {size}"


def _warped(image: LabelImage, source: Grid, target: Grid) -> LabelImage:
    """Take the id at each centre; ids are numbered, because GDAL knows no more than 32 bits."""
    numbering = Numbering(image)
    found = np.zeros(target.shape, np.int32)  # 0 is what lies outside or has no id
    try:
        with gdal():
            reproject(
                numbering.index(slice(None)) + 1,
                found,
                src_transform=source.transform,
                src_crs=crs_of(source.crs or target.crs),
                dst_transform=target.transform,
                dst_crs=crs_of(target.crs or source.crs),
                resampling=Resampling.nearest,
            )
    except GDAL_ERRORS as error:
        raise GridMismatchError(
            expected=f"a prediction that can be brought to {place_of(target)}",
            found=f"{place_of(source)} ({reason(error)})",
            remedy="resample it with a GIS first",
        ) from error
    ids = np.append(numbering.ids, 0)[found - 1]
    return LabelImage(ids, found > 0)
