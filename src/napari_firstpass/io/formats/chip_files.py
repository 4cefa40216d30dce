"""One chip as files: image and mask, whole or not there."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

from napari_firstpass.bands import visible_bands
from napari_firstpass.errors import ImageContentError
from napari_firstpass.grid import Grid
from napari_firstpass.io.files import writing
from napari_firstpass.io.gdal import crs_of, gdal_writing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from affine import Affine
    from numpy.typing import NDArray

    from napari_firstpass.exporting.blocks import Chip
    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.io.formats.chip_layouts import Layout
    from napari_firstpass.raster import Raster
    from napari_firstpass.segmentation import Labels

T = TypeVar("T")

TIF, PNG = "tif", "png"

AT_ONCE = min(4, os.cpu_count() or 1)
"""Chips that are compressed side by side: most of the time goes there."""

_PARTIAL = ".partial"
_WORLD = ".pgw"
"""Beside a PNG: where its pixels lie."""

_DRIVERS = {
    # Level 1 takes a third of the time of level 6 and one tenth more room.
    TIF: {"driver": "GTiff", "compress": "deflate", "zlevel": 1, "predictor": 2},
    PNG: {"driver": "PNG", "zlevel": 1},
}


_COMPRESSION = ("compress", "zlevel", "predictor")


@dataclass(frozen=True, slots=True)
class Piece:
    """A chip, and what lies under its window."""

    chip: Chip
    raster: Raster
    codes: Labels


@dataclass(frozen=True, slots=True)
class _File:
    """A file relative to the folder, what it covers with its padding, and what makes its bytes."""

    name: str
    grid: Grid
    encoded: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Written:
    """The files of a chip, relative to the folder, and their hashes."""

    image: str
    mask: str
    image_sha256: str
    mask_sha256: str


def written_bands(job: ExportJob, form: str) -> list[int]:
    """Return the places of the bands that are written: all, but for PNG the visible ones of many.

    Raises
    ------
    ImageContentError
        If PNG cannot hold the image: two bands, or more without red, green and blue, or values of
        more than 16 bits. Four bands would be taken for transparency.
    """
    count, dtype = len(job.image.names), job.image.dtype
    if form != PNG or (count in (1, 3) and dtype in (np.uint8, np.uint16)):
        return list(range(count))
    visible = visible_bands(job.image.roles)
    if len(visible) != 3 or dtype not in (np.uint8, np.uint16):
        raise ImageContentError(
            expected="1 band, or red, green and blue, of 8 or 16 bits for chips in PNG",
            found=f"{count} of type {dtype}",
            remedy="set form=tif, or say which bands are which (--bands r,g,b,-)",
        )
    return visible


def chip_names(job: ExportJob, layout: Layout, form: str, chip: Chip) -> tuple[str, str]:
    """Return the names of the image and the mask of a chip, relative to the folder."""
    image, mask = (f"{place}/{job.name}_{chip.key}.{form}" for place in layout.places(chip.split))
    return image, mask


class ChipWriter:
    """Writes chips into a folder; those that are there stay as they are. To be closed.

    Parameters
    ----------
    folder : Path
        Where to.
    job : ExportJob
        What is written.
    layout : Layout
        Which file goes where.
    form : str
        `TIF` or `PNG`.
    size : int
        Side of a chip in pixels.
    compress : bool
        Whether images in GeoTIFFs are.
    """

    def __init__(
        self,
        folder: Path,
        job: ExportJob,
        layout: Layout,
        form: str,
        size: int,
        *,
        compress: bool = True,
    ) -> None:
        self._folder = folder
        self._job = job
        self._layout = layout
        self._form = form
        self._size = size
        self._compress = compress
        self._bands = written_bands(job, form)
        self._crs = crs_of(job.grid.crs)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="firstpass")
        for leftover in folder.rglob(f".*{_PARTIAL}"):  # of a process that was killed
            leftover.unlink()

    def written(
        self, pieces: Sequence[Piece], meanwhile: Callable[[], T]
    ) -> tuple[list[Written], T]:
        """Write images and masks of chips, side by side, and do something else at the same time.

        Returns what was written, and what ``meanwhile`` returns.

        Raises
        ------
        OutputError
            If the disk is full. What was written before stays.
        """
        places = [self._places(piece) for piece in pieces]
        # Filters of warnings belong to the process: they are set here, for all threads.
        with gdal_writing(self._folder):
            # Images first, which take longer: so that all threads end at about the same time.
            images = self._threads.map(self._kept, [image for image, _ in places])
            masks = self._threads.map(self._kept, [mask for _, mask in places])
            other = meanwhile()
            hashes = [*zip(images, masks, strict=True)]
        pairs = zip(places, hashes, strict=True)
        return [Written(image.name, mask.name, *both) for (image, mask), both in pairs], other

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _places(self, piece: Piece) -> tuple[_File, _File]:
        image, mask = chip_names(self._job, self._layout, self._form, piece.chip)
        grid = Grid(self._size, self._size)
        if self._job.grid.is_georeferenced:
            grid = replace(piece.raster.grid, height=self._size, width=self._size)
        return (
            _File(image, grid, lambda: self._image(piece.raster, grid)),
            _File(mask, grid, lambda: self._mask(piece.codes, grid)),
        )

    def _kept(self, file: _File) -> str:
        """Write a file unless it is there; return its hash."""
        path = self._folder / file.name
        if path.is_file():
            return hashlib.sha256(path.read_bytes()).hexdigest()
        content = file.encoded()
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if self._form == PNG and file.grid.is_georeferenced:
                _put(path.with_suffix(_WORLD), _world(file.grid.transform).encode())
            _put(path, content)
        return hashlib.sha256(content).hexdigest()

    def _image(self, raster: Raster, grid: Grid) -> bytes:
        shape = (len(self._bands), *grid.shape)
        roles = [raster.roles[i] for i in self._bands]
        names = tuple(raster.names[i] for i in self._bands)
        colors = [
            ColorInterp[role] if role in ("red", "green", "blue") else ColorInterp.undefined
            for role in roles
        ]
        return self._encoded(_padded(raster.bands[self._bands], shape, 0), grid, names, colors)

    def _mask(self, codes: Labels, grid: Grid) -> bytes:
        coding = self._job.coding
        values = _padded(codes, grid.shape, coding.ignore)
        if coding.as_colors:
            meant = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
            return self._encoded(coding.colors_of(values), grid, (), meant)
        return self._encoded(values[None], grid, (), [])

    def _encoded(
        self, bands: NDArray[Any], grid: Grid, names: tuple[str, ...], colors: list[ColorInterp]
    ) -> bytes:
        profile: dict[str, Any] = {
            **_DRIVERS[self._form],
            "height": grid.height,
            "width": grid.width,
            "count": len(bands),
            "dtype": bands.dtype.name,
        }
        coding = self._job.coding
        is_mask = not names and not coding.as_colors
        if self._form == TIF:
            profile |= {"crs": self._crs, "transform": grid.transform, "interleave": "pixel"}
            profile |= {"predictor": 1} if is_mask else {}
            profile |= {"nodata": coding.ignore} if is_mask else {}
            profile |= {"predictor": 3} if bands.dtype.kind == "f" else {}
        if self._form == TIF and not (self._compress or is_mask):
            profile = {key: v for key, v in profile.items() if key not in _COMPRESSION}
        with MemoryFile() as memory:
            with memory.open(**profile) as dataset:
                dataset.write(bands)
                if is_mask and self._form == TIF:
                    dataset.write_colormap(1, {c.code: (*c.rgb, 255) for c in coding.classes})
                elif self._form == TIF:
                    dataset.colorinterp = colors
                    dataset.descriptions = names or ("red", "green", "blue")
            return bytes(memory.getbuffer())


def _padded(values: NDArray[Any], shape: tuple[int, ...], fill: int) -> NDArray[Any]:
    if values.shape == shape:
        return values
    padded = np.full(shape, fill, values.dtype)
    padded[..., : values.shape[-2], : values.shape[-1]] = values
    return padded


def _put(path: Path, content: bytes) -> None:
    """Write a file that is there only when it is complete."""
    partial = path.with_name(f".{path.name}{_PARTIAL}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _world(transform: Affine) -> str:
    """Return a world file: the transform, but for the centre of the first pixel."""
    x, y = transform @ (0.5, 0.5)
    numbers = (transform.a, transform.d, transform.b, transform.e, x, y)
    return "".join(f"{number!r}\n" for number in numbers)
