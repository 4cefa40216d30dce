"""Features as colours: what the default backbone sees, beside the texture bank.

``python benchmarks/feature_pictures.py`` writes docs/images/features.jpg: six pieces of aerial
images, and under each the first three principal components of its features as red, green and blue.
Only pieces of the two NEON tiles (CC0) are published; ``--images`` takes others, ``--out`` says
where to.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from napari_firstpass.backbones import BACKBONES
from napari_firstpass.bands import RGB
from napari_firstpass.feature_scaling import FeatureScaler
from napari_firstpass.grid import Window
from napari_firstpass.io.geotiff import read_raster
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run
from napari_firstpass.raster import Raster
from rulers.datasets import DATA

OUT = Path(__file__).parents[1] / "docs" / "images" / "features.jpg"
NEON = ("neon_osbs_10cm_epsg32617.tif", "neon_sjer_10cm_epsg32611.tif")
SIDE = 200
SHOWN = 200


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    paths = options.images or [DATA / "georeferenced_samples" / name for name in NEON]
    pieces = [piece for path in paths for piece in cut(read_raster(path), 6 // len(paths) or 1)]
    rows = [np.hstack([photo(piece) for piece in pieces])]
    rows += [
        np.hstack([shown(piece, name) for piece in pieces]) for name in ("embedded", "texture")
    ]
    Image.fromarray(np.vstack(rows)).save(options.out, quality=85)
    print(f"wrote {options.out}")


def cut(raster: Raster, count: int) -> list[Raster]:
    """Return pieces along the diagonal of an image, three bands each."""
    rgb = Raster.from_array(raster.bands[:3], raster.grid, roles=RGB, valid=raster.valid)
    side = min(SIDE, *raster.grid.shape)
    tops = np.linspace(0, raster.grid.height - side, count + 2).astype(int)[1:-1]
    lefts = np.linspace(0, raster.grid.width - side, count + 2).astype(int)[1:-1]
    return [
        rgb.crop(Window(int(top), int(left), side, side))
        for top, left in zip(tops, lefts, strict=True)
    ]


def photo(piece: Raster) -> np.ndarray:
    """Return the piece as it looks."""
    return _enlarged(np.moveaxis(BandStats.of([piece]).stretch(piece.bands), 0, -1))


def shown(piece: Raster, backbone: str) -> np.ndarray:
    """Return the first three principal components of its features, each from dark to light."""
    made = BACKBONES.load(backbone)(BandStats.of([piece]), RGB, torch.device("cpu"))
    features = run(made.extract(piece))
    scaled = FeatureScaler.of([features], power=0.0).apply(features.vectors)[:3]
    flat = scaled.flatten(1)
    low, high = (torch.quantile(flat, q, dim=1)[:, None, None] for q in (0.02, 0.98))
    return _enlarged(((scaled - low) / (high - low)).clamp(0, 1).movedim(0, -1).numpy())


def _enlarged(picture: np.ndarray) -> np.ndarray:
    image = Image.fromarray((picture * 255).round().astype(np.uint8))
    return np.asarray(image.resize((SHOWN, SHOWN), Image.Resampling.BICUBIC))


if __name__ == "__main__":
    main()
