"""Reading label files: ours with all they know, others as far as they go."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from rasterio.enums import Resampling

from napari_firstpass.errors import ImageReadError, TaxonomyError
from napari_firstpass.grid import Grid
from napari_firstpass.io.export_tags import EXPORT_TAG, codes_in
from napari_firstpass.io.gdal import check_readable, color_table, crs_text, reading
from napari_firstpass.io.geotiff import reduced_grid
from napari_firstpass.io.label_tags import TAXONOMY_TAG, provenance_in, taxonomy_in
from napari_firstpass.io.sidecar import read_class_names
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import Segmentation, present_ids
from napari_firstpass.taxonomy import MAX_CLASS_ID, UNLABELLED, LabelClass, Taxonomy, color_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from rasterio.io import DatasetReader


def is_label_file(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is a label map: one integer band whose classes have names.

    Raises
    ------
    ImageReadError
        If the file cannot be read.
    """
    name = os.fspath(path)
    check_readable(name)
    with reading(name), rasterio.open(name) as dataset:
        if dataset.count != 1 or np.dtype(dataset.dtypes[0]).kind not in "iu":
            return False
        tags = dataset.tags()
    return bool({TAXONOMY_TAG, EXPORT_TAG} & set(tags)) or bool(read_class_names(Path(name)))


def read_segmentation(path: str | os.PathLike[str], *, max_side: int | None = None) -> Segmentation:
    """Read a label file as a whole.

    Classes come from our own tags, and codes of an export become ids again. In other files names
    come from the ``.aux.xml`` sidecar and colours from the colour table, and classes without a name
    are numbered.

    In other files a nodata value other than 0 becomes 0, unlabelled. Where 0 is used as well, the
    two are not thrown together: the nodata value stays a class called ``no data``, and 0 is
    unlabelled, as everywhere.

    Parameters
    ----------
    path : path
        A file of one integer band with ids in [0, 65535].
    max_side : int or None
        Largest side of the result in pixels; a larger map is reduced, by overviews if it has any.

    Raises
    ------
    ImageReadError
        If the file cannot be read, or has several bands or fractions.
    TaxonomyError
        If an id lies outside [0, 65535].
    """
    name = os.fspath(path)
    check_readable(name)
    with reading(name), rasterio.open(name) as dataset:
        require_labels(dataset)
        full = Grid(dataset.height, dataset.width, dataset.transform, crs_text(dataset.crs))
        grid = full if max_side is None else reduced_grid(full, max_side)
        values = dataset.read(1, out_shape=grid.shape, resampling=Resampling.nearest)
        colors, nodata, tags = hex_colors(dataset), dataset.nodata, dataset.tags()
    if (codes := codes_in(tags)) is not None:
        history = provenance_in(tags) or Provenance(source=Path(name).name)
        labels = codes.known_labels_of(values[None], name)
        return Segmentation(labels, codes.taxonomy, grid, None, history)
    names = read_class_names(Path(name))
    if nodata is not None and nodata != UNLABELLED:
        values, names = _without_nodata(values, nodata, names)
    labels = narrowed(values, name)
    classes = taxonomy_in(tags) or taxonomy_of(names, colors)
    provenance = provenance_in(tags) or Provenance(source=Path(name).name)
    taxonomy = completed(classes, present_ids(labels), colors)
    return Segmentation(labels, taxonomy, grid, None, provenance)


def read_classes(path: str | os.PathLike[str]) -> Taxonomy:
    """Return the classes that a label file names, without a look at its pixels.

    Raises
    ------
    ImageReadError
        If the file cannot be read, or is no label map.
    TaxonomyError
        If it names no classes.
    """
    name = os.fspath(path)
    check_readable(name)
    with reading(name), rasterio.open(name) as dataset:
        require_labels(dataset)
        codes, found = codes_in(dataset.tags()), taxonomy_in(dataset.tags())
        colors = hex_colors(dataset)
    if codes is not None:
        return codes.taxonomy
    if found is None:
        found = taxonomy_of(read_class_names(Path(name)), colors)
    if not found.classes:
        raise TaxonomyError(
            expected=f"names of classes in {name} or in its .aux.xml",
            found="none",
            remedy="give a list of classes instead",
        )
    return found


def require_labels(dataset: DatasetReader) -> None:
    """Refuse several bands, or fractions.

    Raises
    ------
    ImageReadError
        If the file is no label map.
    """
    if dataset.count != 1 or np.dtype(dataset.dtypes[0]).kind not in "iu":
        raise ImageReadError(
            expected="a label map: one band of whole numbers",
            found=f"{dataset.count} of type {dataset.dtypes[0]} in {dataset.name}",
            remedy="open it as an image, or convert it first",
        )


def hex_colors(dataset: DatasetReader) -> dict[int, str]:
    """Return the colours of a colour table by id, none for want of one."""
    table = color_table(dataset)
    return {key: f"#{red:02X}{green:02X}{blue:02X}" for key, (red, green, blue, _) in table.items()}


def _without_nodata(
    values: NDArray[Any], nodata: float, names: dict[int, str]
) -> tuple[NDArray[Any], dict[int, str]]:
    """Turn nodata into 0, or into a class of its own if 0 is taken."""
    empty = values == nodata
    if (values == UNLABELLED).any():
        return values, {int(nodata): "no data", **names} if empty.any() else names
    return np.where(empty, values.dtype.type(UNLABELLED), values), names


def narrowed(values: NDArray[Any], name: str) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return values as labels of the smallest type.

    Raises
    ------
    TaxonomyError
        If one lies outside [0, 65535]; ``name`` is that of the file.
    """
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > MAX_CLASS_ID:
        raise TaxonomyError(
            expected=f"class ids in [0, {MAX_CLASS_ID}]",
            found=f"{low} to {high} in {name}",
            remedy="renumber the classes first",
        )
    if high <= np.iinfo(np.uint8).max:
        return values.astype(np.uint8, copy=False)
    return values.astype(np.uint16, copy=False)


def taxonomy_of(names: dict[int, str], colors: dict[int, str]) -> Taxonomy:
    """Return the classes of a file that is not ours; names that repeat get their number."""
    ids = [i for i in sorted(names) if 1 <= i <= MAX_CLASS_ID]
    texts = [names[i].strip() for i in ids]
    unique = [
        text if texts.count(text) == 1 else f"{text} ({i})"
        for i, text in zip(ids, texts, strict=True)
    ]
    return Taxonomy(
        tuple(
            LabelClass(i, text, colors.get(i, color_of(i)))
            for i, text in zip(ids, unique, strict=True)
        )
    )


def completed(taxonomy: Taxonomy, ids: Iterable[int], colors: dict[int, str]) -> Taxonomy:
    """Add a numbered class for every one of ``ids``, in order, that has no name."""
    missing = sorted(set(ids) - set(taxonomy.ids))
    if not missing:
        return taxonomy
    added = (LabelClass(i, f"class {i}", colors.get(i, color_of(i))) for i in missing)
    return Taxonomy((*taxonomy.classes, *added))
