"""Writing, reducing and checking one-band GeoTIFFs, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.shutil import copy
from rasterio.windows import Window as GdalWindow

from napari_firstpass.errors import OutputError
from napari_firstpass.grid import short_crs
from napari_firstpass.io.files import check_growth, writing
from napari_firstpass.io.gdal import color_table, crs_of, crs_text, gdal_writing
from napari_firstpass.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rasterio.io import DatasetReader, DatasetWriter

    from napari_firstpass.grid import Grid
    from napari_firstpass.io.scratch import Scratch
    from napari_firstpass.progress import Steps

STRIP = 512
"""Rows compressed at once: a multiple of every block height, so that no block is written twice."""

_PIECE = 4096
"""Columns compressed between two reports of progress: a multiple of every block width."""

_SMALL = 512
"""Side up to which an image needs no overviews and has smaller blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandStyle:
    """What a one-band file is, besides its pixels and its place.

    Attributes
    ----------
    dtype : dtype
        Type of the values.
    description : str
        Name of the band.
    overviews : Resampling
        How the reduced copies are made.
    nodata : int or None
        The value that stands for no data.
    colors : mapping of int to (red, green, blue, 255)
        The colour table; empty for none. uint8 and uint16 only: GDAL drops others in silence.
    tags, band_tags : mapping of str to str
        Free text for the file and for the band.
    compress : str
        How blocks are packed: ``"deflate"``, ``"zstd"`` or ``"lzw"``.
    is_cloud_optimised : bool
        Whether parts of the file can be read over a network with few requests: overviews first.
    """

    dtype: np.dtype[Any]
    description: str
    overviews: Resampling = Resampling.average
    nodata: int | None = None
    colors: Mapping[int, tuple[int, int, int, int]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    band_tags: Mapping[str, str] = field(default_factory=dict)
    compress: str = "deflate"
    is_cloud_optimised: bool = False


def compress_steps(partial: Path, path: Path, scratch: Scratch, style: BandStyle) -> Steps[None]:
    """Write the pixels and everything about them; overviews follow.

    Parameters
    ----------
    partial : Path
        The file that is written.
    path : Path
        The file that errors are about: what ``partial`` will become.
    scratch : Scratch
        The pixels.
    style : BandStyle
        The rest.

    Raises
    ------
    OutputError
        If the disk is full.
    """
    with gdal_writing(path):
        dataset = rasterio.open(partial, "w", **_profile(scratch.grid, style))
    try:
        with gdal_writing(path):
            _write_header(dataset, style)
        for top, rows in scratch.strips(STRIP):
            for left in range(0, scratch.grid.width, _PIECE):
                piece = rows[:, left : left + _PIECE]
                area = GdalWindow(left, top, piece.shape[1], piece.shape[0])
                with gdal_writing(path):
                    dataset.write(piece, 1, window=area)
                yield Progress(top, scratch.grid.height, "compressing")
    finally:
        with gdal_writing(path):
            dataset.close()


def overview_steps(partial: Path, path: Path, scratch: Scratch, style: BandStyle) -> Steps[None]:
    """Add reduced copies to what `compress_steps` wrote; parameters and errors as there."""
    factors = _overview_factors(scratch.grid)
    if not factors:
        return
    # GDAL 3.10 breaks down, and Python with it, if the disk is full while it makes overviews.
    with writing(path):
        check_growth(partial, _overview_bytes(scratch.grid, style))
    with gdal_writing(path):
        dataset = rasterio.open(partial, "r+")
    try:
        for index, factor in enumerate(factors, start=1):
            with gdal_writing(path):
                dataset.build_overviews([factor], style.overviews)
            yield Progress(index, len(factors), "making overviews")
    finally:
        with gdal_writing(path):
            dataset.close()


def _overview_bytes(grid: Grid, style: BandStyle) -> int:
    """Return what the overviews take at most: incompressible pixels, and a header for each."""
    levels = [grid.coarsen(factor) for factor in _overview_factors(grid)]
    values = sum(level.height * level.width for level in levels)
    blocks = sum(-(-level.height // 512) * -(-level.width // 512) for level in levels)
    header = 2**20 if style.dtype.itemsize > 1 and style.colors else 2**14
    return int(values * style.dtype.itemsize * 1.01) + blocks * 1024 + len(levels) * header


def _profile(grid: Grid, style: BandStyle) -> dict[str, Any]:
    side = _block_side(grid)
    return {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": 1,
        "dtype": style.dtype.name,
        "crs": crs_of(grid.crs),
        "transform": grid.transform,
        "nodata": style.nodata,
        "tiled": True,
        "blockxsize": side,
        "blockysize": side,
        # What is put into another order afterwards is packed then.
        "compress": None if style.is_cloud_optimised else style.compress,
        "BIGTIFF": "IF_SAFER",
    }


def _block_side(grid: Grid) -> int:
    return 512 if max(grid.shape) > _SMALL else 256


def _write_header(dataset: DatasetWriter, style: BandStyle) -> None:
    dataset.set_band_description(1, style.description)
    dataset.update_tags(**style.tags)
    dataset.update_tags(1, **style.band_tags)
    if style.colors:
        dataset.write_colormap(1, dict(style.colors))


def _overview_factors(grid: Grid) -> list[int]:
    factors = []
    factor = 2
    while max(grid.shape) > _SMALL * factor // 2:
        factors.append(factor)
        factor *= 2
    return factors


def reorder_steps(partial: Path, path: Path, scratch: Scratch, style: BandStyle) -> Steps[None]:
    """Make a finished file a cloud-optimised one if it is to be; GDAL does it in one step.

    Parameters and errors as for `compress_steps`.
    """
    if not style.is_cloud_optimised:
        return
    yield Progress(0, 1, "ordering")
    ordered = partial.with_name(f"{partial.name}.cog")
    try:
        with gdal_writing(path):
            copy(
                partial,
                ordered,
                driver="COG",
                COMPRESS=style.compress.upper(),
                BLOCKSIZE=_block_side(scratch.grid),
                OVERVIEWS="FORCE_USE_EXISTING",
                BIGTIFF="IF_SAFER",
                NUM_THREADS="ALL_CPUS",
            )
        with writing(path):
            ordered.replace(partial)
    finally:
        ordered.unlink(missing_ok=True)
    yield Progress(1, 1, "ordering")


def check_steps(partial: Path, path: Path, scratch: Scratch, style: BandStyle) -> Steps[None]:
    """Compare the finished file with what was meant; rasterio does not report every failed write.

    Parameters as for `compress_steps`.

    Raises
    ------
    OutputError
        If anything differs or cannot be read.
    """
    for level in (None, *range(len(_overview_factors(scratch.grid)))):
        with gdal_writing(path):
            dataset = rasterio.open(partial, **({} if level is None else {"OVERVIEW_LEVEL": level}))
        try:
            if level is None:
                with gdal_writing(path):
                    _check_header(dataset, path, scratch.grid, style)
            for top in range(0, dataset.height, STRIP):
                with gdal_writing(path):
                    _check_rows(dataset, path, top, scratch if level is None else None)
                yield Progress(top, dataset.height, "checking")
        finally:
            dataset.close()


def _check_header(dataset: DatasetReader, path: Path, grid: Grid, style: BandStyle) -> None:
    tags: dict[str, str] = dataset.tags()
    band_tags: dict[str, str] = dataset.tags(1)
    expected = {
        "size": grid.shape,
        "transform": tuple(grid.transform),
        "CRS": short_crs(crs_text(crs_of(grid.crs))),
        "type": style.dtype.name,
        "nodata": style.nodata,
        "band name": style.description,
        "tags": tags | dict(style.tags),
        "band tags": band_tags | dict(style.band_tags),
        "colours": dict(style.colors),
    }
    table = color_table(dataset)
    found = {
        "size": dataset.shape,
        "transform": tuple(dataset.transform),
        "CRS": short_crs(crs_text(dataset.crs)),
        "type": dataset.dtypes[0],
        "nodata": dataset.nodata,
        "band name": dataset.descriptions[0],
        "tags": tags,
        "band tags": band_tags,
        "colours": {key: table.get(key) for key in style.colors},
    }
    for what, value in expected.items():
        if found[what] != value:
            raise unlike(path, f"{what} {value}"[:120], f"{found[what]}"[:120])


def _check_rows(dataset: DatasetReader, path: Path, top: int, scratch: Scratch | None) -> None:
    """Read rows back; where there is something to compare them with, compare."""
    bottom = min(top + STRIP, dataset.height)
    rows = dataset.read(1, window=GdalWindow(0, top, dataset.width, bottom - top))
    if scratch is not None and not np.array_equal(rows, scratch.rows(top, bottom)):
        raise unlike(path, f"rows {top} to {bottom} as computed", "other values")


def unlike(path: Path, expected: str, found: str) -> OutputError:
    """Return what to say of a file that is not what was written."""
    return OutputError(
        expected=f"{path} to read back with {expected}",
        found=found,
        remedy="nothing was written; try another disk, and report this if it stays",
    )
