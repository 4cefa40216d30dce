"""Made-up patches and tiles in the forms that Potsdam comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rasters import NORTH_UP, UTM31, write_raster
from scipy import ndimage
from scipy.io import savemat

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ISPRS = np.array(
    [(255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0)]
)
"""Road, building, low vegetation, tree, car, clutter: what the benchmark's authors publish."""

_LOOKS = np.array([(120, 120, 125), (170, 90, 70), (110, 140, 80), (40, 80, 40), (200, 40, 40),
                   (90, 70, 60)])  # fmt: skip


def fine_ids(side: int = 200, seed: int = 0) -> NDArray[np.uint8]:
    """Return ids 0 … 5 in smooth areas, with a strip of 255."""
    rng = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(rng.normal(size=(6, 25, 25)), (0, 1.5, 1.5))
    at = np.arange(side) * 25 // side
    ids = fields.argmax(0).astype(np.uint8)[at[:, None], at]
    ids[: side // 50] = 255
    return ids


def picture_of(ids: NDArray[np.uint8], seed: int = 0, bands: int = 4) -> NDArray[np.uint8]:
    """Return what these classes look like (H, W, bands); near infrared is noise."""
    rng = np.random.default_rng(seed + 100)
    colours = _LOOKS[np.where(ids > 5, 0, ids)] + rng.normal(size=(*ids.shape, 3)) * 6
    whole = np.concatenate([colours, rng.uniform(0, 255, (*ids.shape, 1))], -1)
    return np.clip(whole[..., :bands], 0, 255).astype(np.uint8)


def write_mat(folder: Path, number: int, *, side: int = 200, apart: bool = False) -> Path:
    """Write a patch; its labels into the same file, or into a folder ``gt`` beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = fine_ids(side, number)
    file = folder / f"{number}.mat"
    own = {} if apart else {"gt": ids}
    savemat(file, {"img": picture_of(ids, number), **own}, do_compression=True)
    if apart:
        (folder.parent / "gt").mkdir(exist_ok=True)
        savemat(folder.parent / "gt" / file.name, {"gt": ids})
    return file


def write_tile(folder: Path, name: str, rows: int, cols: int, form: str = "RGB") -> Path:
    """Write a tile and its labels in colours, both of rows x cols pixels of 5 cm."""
    ids = fine_ids(max(rows, cols), 7)[:rows, :cols]
    ids[ids == 255] = 0
    bands = np.moveaxis(picture_of(ids, 7, len(form)), -1, 0)
    place = NORTH_UP @ NORTH_UP.scale(0.5)
    file = write_raster(folder / f"{name}_{form}.tif", bands, crs=UTM31, transform=place)
    colours = np.moveaxis(ISPRS[ids].astype(np.uint8), -1, 0)
    write_raster(folder / f"{name}_label.tif", colours, crs=UTM31, transform=place)
    return file


def hdf5_mat(path: Path) -> Path:
    """Write the start of a MATLAB file of version 7.3."""
    text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8)
    path.write_bytes(text + (0x0200).to_bytes(2, "little") + b"IM" + bytes(384) + b"\x89HDF\r\n")
    return path
