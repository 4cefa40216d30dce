"""What is in a file, in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import hypot
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.windows import Window as GdalWindow

from napari_firstpass.grid import short_crs
from napari_firstpass.io.export_tags import codes_in
from napari_firstpass.io.gdal import reading
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.label_tags import provenance_in, taxonomy_in
from napari_firstpass.segmentation import id_counts
from napari_firstpass.taxonomy import MAX_CLASS_ID, UNLABELLED

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from affine import Affine
    from rasterio.crs import CRS
    from rasterio.io import DatasetReader

    from napari_firstpass.io.geotiff import RasterFile
    from napari_firstpass.io.layout import Layout
    from napari_firstpass.provenance import Provenance
    from napari_firstpass.taxonomy import LabelClass

_STRIP = 1024


@dataclass(frozen=True, slots=True)
class BandInfo:
    """One band of a file.

    Attributes
    ----------
    name : str
        Its description, else its role, else ``band 4``.
    role : str or None
        red, green, blue or nir; ``transparency`` for a band that only says what is valid;
        ``palette`` for indexes into a colour table.
    dtype : str
        Type of the values.
    nodata : float or None
        The value that stands for no data.
    """

    name: str
    role: str | None
    dtype: str
    nodata: float | None


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """One class of a label file, and how many pixels it has; of an export, ``id`` is its code."""

    id: int
    name: str
    color: str
    pixels: int


@dataclass(frozen=True, slots=True)
class RasterInfo:
    """What is in a file.

    Attributes
    ----------
    path : str
        As given.
    driver : str
        GDAL's name of the format.
    height, width : int
        Size in pixels.
    bands : tuple of BandInfo
        All bands of the file.
    crs : str or None
        Coordinate reference system as text.
    pixel_size : (float, float)
        Width and height of a pixel.
    pixel_unit : str
        metre, degree, the CRS's own unit, or ``unknown``.
    overviews : tuple of int
        Factors of the reduced copies.
    block : (int, int)
        Height and width of what is stored as one piece.
    tiled : bool
        Whether these are tiles; else strips of whole lines.
    compression : str or None
        How they are compressed.
    file_bytes : int or None
        Size on disk, None for what is no local file.
    classes : tuple of ClassInfo or None
        For our label files and exports.
    unlabelled : int
        Pixels without a class, in these.
    unlabelled_code : int
        What these pixels hold.
    provenance : Provenance or None
        For our label files: how they came about.
    """

    path: str
    driver: str
    height: int
    width: int
    bands: tuple[BandInfo, ...]
    crs: str | None
    pixel_size: tuple[float, float]
    pixel_unit: str
    overviews: tuple[int, ...]
    block: tuple[int, int]
    tiled: bool
    compression: str | None
    file_bytes: int | None
    classes: tuple[ClassInfo, ...] | None = None
    unlabelled: int = 0
    unlabelled_code: int = UNLABELLED
    provenance: Provenance | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain containers, fit for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return what a person reads, one fact on each line."""
        facts = {
            "file": f"{self.path} ({self.driver}{_megabytes(self.file_bytes)})",
            "size": f"{self.height} x {self.width} pixels (rows x columns)",
            "bands": f"{len(self.bands)}: {', '.join(_band_text(b) for b in self.bands)}",
            "no data": _nodata_text(self.bands),
            "CRS": short_crs(self.crs),
            "pixel": f"{self.pixel_size[0]:.6g} x {self.pixel_size[1]:.6g} {self.pixel_unit}",
            "stored": self._storage_text(),
            "overviews": ", ".join(f"1:{factor}" for factor in self.overviews) or "none",
        }
        return [f"{name:<10} {text}" for name, text in facts.items()] + self._class_lines()

    def _storage_text(self) -> str:
        pieces = "tiles" if self.tiled else "strips"
        return (
            f"{pieces} of {self.block[0]} x {self.block[1]}, {self.compression or 'uncompressed'}"
        )

    def _class_lines(self) -> list[str]:
        if self.classes is None:
            return []
        total = max(self.height * self.width, 1)
        shares = [(f"{c.id:>5} {c.name} {c.color}", c.pixels) for c in self.classes]
        shares.append((f"{self.unlabelled_code:>5} unlabelled", self.unlabelled))
        lines = [f"{name}: {pixels} pixels, {pixels / total:.1%}" for name, pixels in shares]
        return [f"{'classes':<10} {len(self.classes)}", *lines, *self._provenance_lines()]

    def _provenance_lines(self) -> list[str]:
        if self.provenance is None:
            return []
        source = self.provenance.source or "unknown"
        options = ", ".join(f"{k}={v}" for k, v in sorted(self.provenance.config.items()))
        made = f"napari-firstpass {self.provenance.version}"
        return [f"{'made from':<10} {source}", f"{'made by':<10} {made} {options}".rstrip()]


def describe(path: str | os.PathLike[str]) -> RasterInfo:
    """Find out what is in a file; the pixels of our own label files are counted.

    Raises
    ------
    ImageReadError
        If the file cannot be read as an image.
    """
    with open_raster(path) as source:
        return described(source)


def described(source: RasterFile) -> RasterInfo:
    """Find out what is in a file that is open; see `describe`."""
    with reading(source.path):
        dataset = source.dataset
        x_size, y_size, unit = _pixel_size(dataset.transform, dataset.crs)
        # A rendering of our labels in colour keeps the tags, but holds no ids any more.
        is_ids = dataset.dtypes in (("uint8",), ("uint16",))
        codes = _codes(dataset.tags()) if is_ids else None
        classes, unlabelled = (None, 0) if codes is None else _counted(dataset, codes)
        return RasterInfo(
            path=source.path,
            driver=dataset.driver,
            height=dataset.height,
            width=dataset.width,
            bands=_bands(dataset, source.layout),
            crs=source.grid.crs,
            pixel_size=(x_size, y_size),
            pixel_unit=unit,
            overviews=tuple(dataset.overviews(1)),
            block=dataset.block_shapes[0],
            tiled=dataset.block_shapes[0][1] < dataset.width or bool(dataset.profile["tiled"]),
            compression=dataset.profile.get("compress"),
            file_bytes=Path(source.path).stat().st_size if Path(source.path).is_file() else None,
            classes=classes,
            unlabelled=unlabelled,
            unlabelled_code=UNLABELLED if codes is None else codes.unlabelled,
            provenance=provenance_in(dataset.tags()),
        )


def _bands(dataset: DatasetReader, layout: Layout) -> tuple[BandInfo, ...]:
    roles: dict[int, str | None] = dict(zip(layout.indexes, layout.roles, strict=False))
    names = dict(zip(layout.indexes, layout.names, strict=False))
    if layout.alpha is not None:
        roles[layout.alpha], names[layout.alpha] = "transparency", "transparency"
    if layout.palette is not None:
        roles, names = {1: "palette"}, {1: dataset.descriptions[0] or "palette"}
    return tuple(
        BandInfo(
            name=names.get(i, f"band {i}"),
            role=roles.get(i),
            dtype=dataset.dtypes[i - 1],
            nodata=dataset.nodatavals[i - 1],
        )
        for i in dataset.indexes
    )


def _pixel_size(transform: Affine, crs: CRS | None) -> tuple[float, float, str]:
    """Return width, height and unit of a pixel, also where the image is rotated."""
    unit = "unknown" if not crs else "degree" if crs.is_geographic else str(crs.linear_units)
    return hypot(transform.a, transform.d), hypot(transform.b, transform.e), unit


@dataclass(frozen=True, slots=True)
class _Codes:
    """Classes by what their pixels hold, and what those without one do."""

    classes: dict[int, LabelClass]
    unlabelled: int


def _codes(tags: Mapping[str, str]) -> _Codes | None:
    """Return the classes of a label file of ours, or of an export; None for another file."""
    taxonomy = taxonomy_in(tags)
    if taxonomy is not None:
        return _Codes({entry.id: entry for entry in taxonomy.classes}, UNLABELLED)
    found = codes_in(tags)
    if found is None:
        return None
    classes = found.taxonomy.classes
    by_code = {e.id if e.export_code is None else e.export_code: e for e in classes}
    return _Codes(dict(sorted(by_code.items())), found.ignored[0])


def _counted(dataset: DatasetReader, codes: _Codes) -> tuple[tuple[ClassInfo, ...], int]:
    counts = np.zeros(MAX_CLASS_ID + 1, dtype=np.int64)
    for top in range(0, dataset.height, _STRIP):
        height = min(_STRIP, dataset.height - top)
        strip = id_counts(dataset.read(1, window=GdalWindow(0, top, dataset.width, height)))
        counts[: len(strip)] += strip
    classes = (
        ClassInfo(code, entry.name, entry.color, int(counts[code]))
        for code, entry in codes.classes.items()
    )
    return tuple(classes), int(counts[codes.unlabelled])


def _megabytes(size: int | None) -> str:
    return "" if size is None else f", {size / 1e6:.1f} MB"


def _band_text(band: BandInfo) -> str:
    role = f" ({band.role})" if band.role and band.role != band.name else ""
    return f"{band.name}{role} {band.dtype}"


def _nodata_text(bands: tuple[BandInfo, ...]) -> str:
    values = dict.fromkeys(f"{b.nodata:g}" for b in bands if b.nodata is not None)
    return ", ".join(values) or "none declared"
