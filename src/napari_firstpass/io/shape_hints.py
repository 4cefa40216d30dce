"""Drawn shapes as hints: on every image under them, their classes told by an attribute."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio.features
from rasterio.warp import transform_geom

from napari_firstpass.errors import GridMismatchError, OptionError, TaxonomyError
from napari_firstpass.grid import Window, short_crs
from napari_firstpass.hints import MapHints, selected
from napari_firstpass.io.gdal import GDAL_ERRORS, crs_of, gdal
from napari_firstpass.io.shape_file import read_shapes
from napari_firstpass.segmentation import label_dtype
from napari_firstpass.taxonomy import (
    MAX_CLASS_ID,
    UNLABELLED,
    LabelClass,
    Taxonomy,
    color_of,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_firstpass.grid import Grid
    from napari_firstpass.hints import OpenHints
    from napari_firstpass.io.shape_file import Shapes
    from napari_firstpass.segmentation import Labels

USUAL = ("class", "label", "name", "category", "type", "code", "id")
"""Attributes that are looked for, in capitals or not, where nobody says which tells the class."""

_STRIP = 256


@dataclass(frozen=True, slots=True)
class ShapeHints:
    """Shapes over one image: a `HintSource`.

    Attributes
    ----------
    grid : Grid
        That of the image.
    taxonomy : Taxonomy
        Their classes.
    shapes : tuple of (mapping, int)
        Geometries as in GeoJSON, in the CRS of the image, and the id of each; later ones lie above.
    boxes : (S, 4) float64 array
        The least x and y, and the greatest, of each.
    """

    grid: Grid
    taxonomy: Taxonomy
    shapes: tuple[tuple[Mapping[str, Any], int], ...]
    boxes: NDArray[np.float64]

    def read(self, window: Window) -> Labels:
        """Return the ids under a window (h, w): those of pixels whose middles lie in a shape."""
        place = self.grid.crop(window)
        corners: Any = (np.array([0, place.width, 0, place.width]), np.repeat([0, place.height], 2))
        x, y = place.transform @ corners
        left, low, right, high = self.boxes.T
        near = (left <= x.max()) & (right >= x.min()) & (low <= y.max()) & (high >= y.min())
        dtype = label_dtype(self.taxonomy.max_id)
        if not near.any():
            return np.zeros(place.shape, dtype)
        with gdal():
            drawn: Labels = rasterio.features.rasterize(
                [self.shapes[at] for at in np.flatnonzero(near)],
                place.shape,
                fill=UNLABELLED,
                transform=place.transform,
                dtype=dtype,
            )
        return drawn

    def classes_of(self, ids: Collection[int]) -> tuple[LabelClass, ...]:
        """Return the classes with these ids; see `HintSource`."""
        return selected(self.taxonomy, ids)

    def says_anything(self) -> bool:
        """Whether any pixel is named."""
        height, width = self.grid.shape
        tops = range(0, height, _STRIP)
        return any(
            self.read(Window(top, 0, min(_STRIP, height - top), width)).any() for top in tops
        )


@dataclass(frozen=True, slots=True)
class _Drawing:
    """Shapes with ids, and where they lie in the coordinate systems that were asked for."""

    shapes: Shapes
    ids: tuple[int, ...]
    taxonomy: Taxonomy
    placed: dict[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)

    def on(self, grid: Grid) -> OpenHints | None:
        """Return what opens the hints on an image; None if they name nothing of it."""
        geometries = self._in_crs_of(grid)
        named = [pair for pair in zip(geometries, self.ids, strict=True) if pair[1] != UNLABELLED]
        boxes = np.array([rasterio.features.bounds(geometry) for geometry, _ in named])
        hints = ShapeHints(grid, self.taxonomy, tuple(named), boxes)
        return (lambda: nullcontext(hints)) if hints.says_anything() else None

    def _in_crs_of(self, grid: Grid) -> tuple[Mapping[str, Any], ...]:
        if grid.crs is None:
            raise GridMismatchError(
                expected=f"images with a CRS under {self.shapes.path.name}",
                found="one without",
                remedy="give the image its CRS, or paint the places in a label file",
            )
        if grid.crs not in self.placed:
            try:
                with gdal():
                    goal = crs_of(grid.crs)
                    moved = transform_geom(self.shapes.crs, goal, list(self.shapes.geometries))
                    ends = np.array([rasterio.features.bounds(entry) for entry in moved])
            except GDAL_ERRORS:
                ends = np.array([np.inf])
            if not np.isfinite(ends).all():
                raise GridMismatchError(
                    expected=f"shapes in {self.shapes.path.name} that exist in "
                    f"{short_crs(grid.crs)}",
                    found=f"positions that do not, in {short_crs(self.shapes.crs)}",
                    remedy="correct the coordinate system of the file",
                )
            self.placed[grid.crs] = tuple(moved)
        return self.placed[grid.crs]


def shape_hints(
    paths: Iterable[str | os.PathLike[str]], attribute: str | None = None
) -> tuple[MapHints, ...]:
    """Read files of shapes as hints under their own names.

    Parameters
    ----------
    paths : iterable of path
        See `shape_file.read_shapes`.
    attribute : str or None
        What tells the class of a shape: a name, or in all files together whole numbers, which are
        ids then. Shapes without it say nothing. None for the first of `USUAL` that a file has.

    Raises
    ------
    FirstPassError
        If a file cannot be read, has no such attribute, or has impossible ids.
    """
    files = [read_shapes(path) for path in paths]
    values = [_values(shapes, _attribute(shapes, attribute)) for shapes in files]
    taxonomy, ids = _numbered(sorted({text for texts in values for text in texts if text}))
    return tuple(
        MapHints(
            shapes.path.name,
            selected(taxonomy, {ids[text] for text in texts if ids[text] != UNLABELLED}),
            _Drawing(shapes, tuple(ids[text] for text in texts), taxonomy).on,
        )
        for shapes, texts in zip(files, values, strict=True)
    )


def _attribute(shapes: Shapes, wanted: str | None) -> str:
    columns = shapes.columns
    for name in USUAL if wanted is None else (wanted,):
        found = next((column for column in columns if column.casefold() == name.casefold()), None)
        if found is not None:
            return found
    raise OptionError(
        expected=f"an attribute of {shapes.path.name} that tells classes",
        found=f"{'none of that name' if wanted is None else repr(wanted)}; it has "
        f"{', '.join(columns) or 'no attributes'}",
        remedy="name the one that does (--attribute)",
    )


def _values(shapes: Shapes, column: str) -> list[str]:
    """Return what each shape is said to be, as text; empty for nothing."""
    return [_text(told.get(column)) for told in shapes.attributes]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():  # Shapefiles keep numbers so
        return str(int(value))
    return str(value).strip()


def _numbered(texts: Sequence[str]) -> tuple[Taxonomy, dict[str, int]]:
    """Return the classes that texts name, and the id of each text."""
    if all(text.isdecimal() for text in texts):
        ids = {text: int(text) for text in texts}
        names = {i: f"class {i}" for i in sorted(set(ids.values()))}
    else:
        ids = {text: i for i, text in enumerate(texts, start=1)}
        names = {i: text for text, i in ids.items()}
    if ids and not 0 <= max(ids.values()) <= MAX_CLASS_ID:
        raise TaxonomyError(
            expected=f"class ids in [0, {MAX_CLASS_ID}]",
            found=str(max(ids.values())),
            remedy="choose an attribute that tells classes (--attribute)",
        )
    classes = (LabelClass(i, name, color_of(i)) for i, name in names.items() if i != UNLABELLED)
    return Taxonomy(tuple(classes)), {**ids, "": UNLABELLED}
