"""How much of known fine features upsamplers restore from their means over coarse cells.

``python benchmarks/upsampling_quality.py`` averages the features of our own backbones over cells of
8 and of 16 pixels, makes them finer again, and prints the share of the variance that comes back.
It looks at development data only: every eighth of the even-numbered chips of aerial_landcover.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_firstpass.backbones import BACKBONES
from napari_firstpass.bands import RGB
from napari_firstpass.feature_scaling import FeatureScaler
from napari_firstpass.features import FeatureMap
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run
from napari_firstpass.upsampling import UPSAMPLERS
from napari_firstpass.upsampling.upsampled import UpsampledBackbone
from rulers.datasets import DATA
from rulers.pictures import image_pixels, rgb_raster

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.progress import Steps
    from napari_firstpass.protocols import Backbone, Upsampler
    from napari_firstpass.raster import Raster

CPU = torch.device("cpu")
STRIDES = (8, 16)
EVERY = 8


@dataclass(frozen=True, slots=True)
class Averaged:
    """A backbone whose vectors are means over coarser cells, as if a network had made them."""

    backbone: Backbone
    stride: int

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        """See `Backbone`."""
        fine = yield from self.backbone.extract(raster)
        factor = self.stride // fine.stride
        height, width = fine.grid.shape
        rim = (0, -width % factor, 0, -height % factor)
        whole = functional.pad(fine.vectors[None], rim, mode="replicate")
        vectors = functional.avg_pool2d(whole, factor)[0]
        valid = torch.ones(vectors.shape[1:], dtype=torch.bool)
        return FeatureMap(vectors, valid, raster.grid.coarsen(self.stride), self.stride)


class Repeated:
    """Gives every fine cell the vector of its coarse one: what is compared with."""

    def finer(
        self, maps: torch.Tensor, picture: torch.Tensor, factor: int, shape: tuple[int, int]
    ) -> Steps[torch.Tensor]:
        """See `Upsampler`."""
        del picture
        yield from ()
        wide = maps.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
        return wide[:, : shape[0], : shape[1]]


def main() -> None:
    """Measure and print."""
    images = sorted((DATA / "aerial_landcover" / "images").glob("*.png"))[0::2][::EVERY]
    if not images:
        print(f"skipped: aerial_landcover is not in {DATA}")
        return
    rasters = [rgb_raster(image_pixels(path)) for path in images]
    kinds: dict[str, Upsampler] = {"none": Repeated()}
    kinds |= {name: UPSAMPLERS.load(name)() for name in UPSAMPLERS.built_in}
    print(f"| features of {len(rasters)} chips | cells | {' | '.join(kinds)} |")
    for name in BACKBONES.built_in:
        for stride in STRIDES:
            shares = restored(rasters, name, stride, tuple(kinds.values()))
            print(f"| {name} | {stride} | {' | '.join(f'{x:.3f}' for x in shares)} |", flush=True)


def restored(
    rasters: Sequence[Raster], name: str, stride: int, kinds: Sequence[Upsampler]
) -> list[float]:
    """Return the share of the variance of scaled features that each upsampler restores."""
    stats = BandStats.of(rasters)
    backbone = BACKBONES.load(name)(stats, RGB, CPU)
    known = [run(backbone.extract(raster)) for raster in rasters]
    scaler = FeatureScaler.of(known)
    truths = [scaler.apply(one.vectors) for one in known]
    variance = sum(float(truth.square().sum()) for truth in truths)
    shares = []
    for kind in kinds:
        finer = UpsampledBackbone(Averaged(backbone, stride), kind, stats, RGB, CPU)
        found = (scaler.apply(run(finer.extract(raster)).vectors) for raster in rasters)
        wrong = sum(
            float((one - truth).square().sum()) for one, truth in zip(found, truths, strict=True)
        )
        shares.append(1 - wrong / variance)
    return shares


if __name__ == "__main__":
    main()
