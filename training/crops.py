"""Crops of mosaics, described by formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from skimage.transform import resize

from napari_firstpass import descriptors
from napari_firstpass.backbones.embedded import described
from napari_firstpass.bands import RGB
from napari_firstpass.grid import Window
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from training.config import Area, Config


def vectors_of_crops(folder: Path, config: Config) -> Iterator[Tensor]:
    """Draw crops and describe them.

    Parameters
    ----------
    folder : Path
        Holds the mosaics.
    config : Config
        The recipe; the crops held out are the last.

    Yields
    ------
    (n, 22) tensor
        Descriptions of the cells of one crop. Those at its border are described from what is
        inside, as they are where a user's tile ends: without them there are no words for the
        borders of tiles, and whole classes form there.
    """
    rng = np.random.default_rng(config.seed)
    stats = {area.mosaic: _stats(folder, area.mosaic) for area in config.areas}
    extent = [np.ptp(area.rows) * np.ptp(area.cols) for area in config.areas]
    chances = np.sqrt(extent) / np.sqrt(extent).sum()
    for index in range(config.crops + config.held_out):
        area = config.areas[rng.choice(len(config.areas), p=chances)]
        shrink = config.shrink[index % len(config.shrink)]
        window = _window(area, round(config.side * shrink), rng)
        crop = stats[area.mosaic].stretch(_pixels(folder, area.mosaic, window))
        yield _described(_rebanded(_resized(crop, config.side), config, rng))


def _stats(folder: Path, mosaic: str) -> BandStats:
    """Measure the bands of a whole mosaic: where its values lie, not what it shows."""
    with open_raster(folder / f"{mosaic}.tif") as source:
        whole = source.read(Window(0, 0, *source.grid.shape))
    return BandStats.of([whole])


def _pixels(folder: Path, mosaic: str, window: Window) -> NDArray[np.generic]:
    with open_raster(folder / f"{mosaic}.tif") as source:
        return source.read(window).bands


def _window(area: Area, side: int, rng: np.random.Generator) -> Window:
    row = int(rng.integers(area.rows[0], area.rows[1] - side + 1))
    col = int(rng.integers(area.cols[0], area.cols[1] - side + 1))
    return Window(row, col, side, side)


def _resized(crop: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    if crop.shape[1] == side:
        return crop
    small: NDArray[np.float32] = resize(crop, (len(crop), side, side), anti_aliasing=True)
    return small.astype(np.float32)


def _rebanded(
    crop: NDArray[np.float32], config: Config, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the crop, or what a grey or a false-colour camera might have seen."""
    fate, order = rng.random(), rng.permutation(len(crop))
    if fate < config.grey:
        return np.broadcast_to(crop.mean(axis=0), crop.shape).copy()
    return crop[order] if fate < config.grey + config.shuffled else crop


def _described(crop: NDArray[np.float32]) -> Tensor:
    bands = torch.from_numpy(np.ascontiguousarray(crop))
    rough = run(descriptors.textures(descriptors.luminance(bands, RGB)))
    vectors = described(descriptors.look(bands), rough)
    return vectors.flatten(1).T
