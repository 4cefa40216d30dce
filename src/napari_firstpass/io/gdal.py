"""The border to GDAL: its memory limit, its warnings, its errors, its coordinate systems."""

from __future__ import annotations

import os
import re
import shutil
import warnings
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

import rasterio
from rasterio._err import CPLE_BaseError  # some calls let it through; it has no public name
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import (
    CRSError,
    NodataShadowWarning,
    NotGeoreferencedWarning,
    RasterioError,
)

from napari_firstpass.errors import ImageReadError, OutputError
from napari_firstpass.grid import short_crs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rasterio.io import DatasetReader

CACHE_BYTES = 192 * 2**20
"""Memory for decoded blocks. GDAL's own default, 5 % of the machine's, is too much for a large one.

It holds one row of 1024-pixel windows of an RGB image 64,000 pixels wide, so that an image stored
in whole lines is decoded once, not once for every window.
"""

GDAL_ERRORS = (RasterioError, CRSError, CPLE_BaseError)

_FULL = 2**20
"""Free bytes below which a failed write is put down to the disk; GDAL does not say why."""

# Subdatasets (NETCDF:"a.nc":b), URLs, GDAL's virtual file systems; one letter is a Windows drive.
_NOT_LOCAL = re.compile(r"^(/vsi|[A-Za-z][A-Za-z0-9_+.]+:)")


_ALONE = RLock()
"""Filters of warnings belong to the whole process: threads must not take turns in changing them."""


@contextmanager
def gdal() -> Iterator[None]:
    """Run GDAL with bounded memory, and without warnings about things we handle ourselves.

    Enter it around single calls, never around a ``yield``: it changes settings, and other threads
    wait.
    """
    # The fast way of reading whole PNG files returns garbage, not an error, for a truncated one.
    with (
        _ALONE,
        rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES, GDAL_PNG_WHOLE_IMAGE_OPTIM="NO"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        warnings.simplefilter("ignore", NodataShadowWarning)
        yield


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Run GDAL on an input file, turning its errors into `ImageReadError`."""
    try:
        with gdal():
            yield
    except GDAL_ERRORS as error:
        raise _read_error(path, error) from error


@contextmanager
def gdal_writing(path: Path) -> Iterator[None]:
    """Run GDAL on an output file, turning its errors into `OutputError`."""
    try:
        with gdal():
            yield
    except GDAL_ERRORS as error:
        raise not_written(path, reason(error)) from error


def not_written(path: Path, told: str) -> OutputError:
    """Return the error for a failed write, of which a library has told something."""
    is_full = shutil.disk_usage(path.parent).free < _FULL
    return OutputError(
        expected=f"to write {path}",
        found="a full disk" if is_full else repr(told),
        remedy="free some space or choose another disk",
    )


def check_readable(path: str) -> None:
    """Refuse what cannot be an image before GDAL is asked; other than local files pass.

    Raises
    ------
    ImageReadError
        If there is no file at ``path``, or it is a folder, empty, or may not be read.
    """
    if _NOT_LOCAL.match(path):
        return
    found, remedy = None, "check the path"
    if not _exists(path):
        found = f"no file at {path}"
    elif not Path(path).is_file():
        found, remedy = f"a folder or device at {path}", "give the images inside it"
    elif not os.access(path, os.R_OK):
        found, remedy = f"{path}, which you may not read", "change its permissions"
    elif not Path(path).stat().st_size:
        found, remedy = f"an empty file at {path}", "copy or download it again"
    if found:
        raise ImageReadError(expected="an image file", found=found, remedy=remedy)


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # a name too long, a disk that went away
        return False


def crs_text(crs: CRS | None) -> str | None:
    """Return ``EPSG:code`` where that says exactly the same, else WKT, None for none."""
    if not crs:
        return None
    code = crs.to_epsg()
    # to_epsg() also returns the nearest code, for a system that differs in its datum shift.
    if code is not None and CRS.from_epsg(code) == crs:
        return f"EPSG:{code}"
    text: str = crs.to_wkt()
    return text


def crs_of(text: str | None) -> CRS | None:
    """Return the CRS that a text names, None for None.

    Raises
    ------
    OutputError
        If GDAL does not know it.
    """
    try:
        return CRS.from_user_input(text) if text else None
    except CRSError as error:
        raise OutputError(
            expected="a coordinate reference system such as EPSG:32631 or WKT",
            found=repr(short_crs(text)),
            remedy="correct or remove it",
        ) from error


def color_table(dataset: DatasetReader) -> dict[int, tuple[int, int, int, int]]:
    """Return the colours (red, green, blue, opacity) of the first band, empty for none."""
    if dataset.colorinterp[0] != ColorInterp.palette:
        return {}
    try:
        return dict(dataset.colormap(1))
    except ValueError:  # a 32-bit file that was meant to have one
        return {}


def reason(error: BaseException) -> str:
    """Return what GDAL said first; rasterio's own text only points to it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next(iter(str(error).splitlines()), type(error).__name__)


def _read_error(path: str, error: BaseException) -> ImageReadError:
    said = reason(error)
    if "not recognized as being in a supported file format" in said:
        return ImageReadError(
            expected="an image (GeoTIFF, VRT, JPEG 2000, PNG, JPEG, …)",
            found=f"{path}, which is none",
            remedy="export it as GeoTIFF",
        )
    return ImageReadError(
        expected="an image that can be read to its end",
        found=f"{path}, damaged or cut short ({said})",
        remedy="copy or download it again",
    )
