from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import torch
from features import RGB, landscape, rgb_raster
from torch.nn import functional

from napari_firstpass import descriptors
from napari_firstpass.backbones.embedded import EmbeddedBackbone
from napari_firstpass.backbones.texture import TextureBackbone
from napari_firstpass.errors import OptionError, UnknownNameError
from napari_firstpass.features import FeatureMap
from napari_firstpass.grid import Grid
from napari_firstpass.networks.viewing import picture_of
from napari_firstpass.normalize import BandStats, filled
from napari_firstpass.progress import run
from napari_firstpass.raster import Raster
from napari_firstpass.upsampling import UPSAMPLERS, upsampler_of
from napari_firstpass.upsampling.bilinear import Bilinear
from napari_firstpass.upsampling.guided import Guided
from napari_firstpass.upsampling.upsampled import UpsampledBackbone

if TYPE_CHECKING:
    from napari_firstpass.progress import Steps
    from napari_firstpass.protocols import Upsampler

CPU = torch.device("cpu")
UNIT = BandStats((0.0,) * 3, (255.0,) * 3)
every_upsampler = pytest.mark.parametrize("upsampler", [Bilinear(), Guided()])


@dataclass(frozen=True)
class MeanColours:
    """A coarse backbone with known features: the mean colours of cells, under a linear map."""

    stride: int
    mix: torch.Tensor

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        yield from ()
        picture = picture_of(raster, UNIT, RGB, CPU, self.stride)
        cells = functional.avg_pool2d(picture, self.stride)
        vectors = torch.einsum("dc,chw->dhw", self.mix, cells)
        valid = descriptors.any_valid(raster, CPU, self.stride)
        grid, groups = raster.grid.coarsen(self.stride), (1, len(vectors) - 1)
        return FeatureMap(vectors, valid, grid, self.stride, groups)


def mixing(dims: int) -> torch.Tensor:
    return torch.randn(dims, 3, generator=torch.Generator().manual_seed(0))


def upsampled(raster: Raster, upsampler: Upsampler, stride: int = 16, dims: int = 5) -> FeatureMap:
    inner = MeanColours(stride, mixing(dims))
    return run(UpsampledBackbone(inner, upsampler, UNIT, RGB, CPU).extract(raster))


def truth(raster: Raster, dims: int = 5) -> torch.Tensor:
    return run(MeanColours(4, mixing(dims)).extract(raster)).vectors


@every_upsampler
@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("size", [(64, 96), (61, 70), (5, 40), (3, 2)])
def test_cells_are_of_four_pixels_and_cover_the_image(
    upsampler: Upsampler, stride: int, size: tuple[int, int]
) -> None:
    raster = rgb_raster(landscape(*size))
    found = upsampled(raster, upsampler, stride)
    assert found.stride == 4
    assert found.grid == raster.grid.coarsen(4)
    assert found.groups == (1, 4)
    assert bool(found.vectors.isfinite().all())


@every_upsampler
def test_features_that_are_the_same_everywhere_stay(upsampler: Upsampler) -> None:
    maps = torch.tensor([2.0, -7.0])[:, None, None].expand(2, 4, 5).contiguous()
    picture = torch.rand(3, 64, 80, generator=torch.Generator().manual_seed(0))
    found = run(upsampler.finer(maps, picture, 4, (16, 20)))
    torch.testing.assert_close(found, maps[:, :1, :1].expand(2, 16, 20), atol=1e-4, rtol=0)


def test_a_ramp_goes_on_through_the_centres_of_fine_cells() -> None:
    centres = 16 * torch.arange(6) + 8.0
    maps = centres.expand(1, 4, 6).contiguous()
    found = run(Bilinear().finer(maps, torch.zeros(3, 64, 96), 4, (16, 24)))
    fine = 4 * torch.arange(24) + 2.0
    torch.testing.assert_close(found[0, 7, 2:-2], fine[2:-2])
    assert all(float(a) <= float(b) for a, b in pairwise(found[0, 7]))


def test_what_lies_beyond_the_image_is_left_out_and_changes_nothing_else() -> None:
    maps = torch.rand(2, 4, 5, generator=torch.Generator().manual_seed(0))
    picture = torch.rand(3, 64, 80, generator=torch.Generator().manual_seed(1))
    for upsampler in (Bilinear(), Guided()):
        whole = run(upsampler.finer(maps, picture, 4, (16, 20)))
        part = run(upsampler.finer(maps, picture, 4, (13, 18)))
        torch.testing.assert_close(part, whole[:, :13, :18])


def test_features_that_are_linear_in_colour_are_restored() -> None:
    raster = rgb_raster(landscape(128, 128))
    expected = truth(raster)
    errors = {
        kind: float((upsampled(raster, kind).vectors - expected).square().mean())
        for kind in (Bilinear(), Guided(smoothness=1e-6))
    }
    bilinear, guided = errors.values()
    assert guided < 0.02 * bilinear


def test_without_colour_guided_is_bilinear() -> None:
    maps = torch.rand(3, 6, 6, generator=torch.Generator().manual_seed(0))
    grey = torch.full((3, 96, 96), 0.4)
    guided, plain = (run(one.finer(maps, grey, 4, (24, 24))) for one in (Guided(), Bilinear()))
    torch.testing.assert_close(guided, plain)


@every_upsampler
def test_what_is_three_cells_away_changes_nothing(upsampler: Upsampler) -> None:
    # With cells of 16 pixels that is less than the context of 64 around windows.
    draw = torch.Generator().manual_seed(0)
    maps, picture = torch.rand(2, 8, 12, generator=draw), torch.rand(3, 128, 192, generator=draw)
    before = run(upsampler.finer(maps, picture, 4, (32, 48)))
    maps[:, :, 8:] += 1
    picture[:, :, 128:] *= 0.5
    after = run(upsampler.finer(maps, picture, 4, (32, 48)))
    torch.testing.assert_close(after[..., :20], before[..., :20])
    assert not torch.allclose(after[..., 30:], before[..., 30:])


@every_upsampler
def test_every_channel_is_made_finer_by_itself(upsampler: Upsampler) -> None:
    # More channels than are computed at once, and not a multiple of that.
    maps = torch.rand(37, 4, 4, generator=torch.Generator().manual_seed(0))
    picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))
    found = run(upsampler.finer(maps, picture, 2, (8, 8)))
    for channel in (0, 16, 36):
        alone = run(upsampler.finer(maps[channel : channel + 1], picture, 2, (8, 8)))
        torch.testing.assert_close(found[channel], alone[0])


def test_fine_cells_without_data_are_marked() -> None:
    bands = landscape(64, 64)
    valid = torch.ones(64, 64, dtype=torch.bool)
    valid[:, 20:40] = False
    raster = filled(Raster.from_array(bands, Grid(64, 64), roles=RGB, valid=valid.numpy()))
    found = upsampled(raster, Guided())
    assert not bool(found.valid[:, 5:10].any())
    assert bool(found.valid[:, :5].all())
    assert bool(found.valid[:, 10:].all())


@pytest.mark.parametrize("kind", [EmbeddedBackbone, TextureBackbone])
def test_a_backbone_that_is_fine_already_is_refused(
    kind: type[EmbeddedBackbone | TextureBackbone],
) -> None:
    raster = rgb_raster(landscape(64, 64))
    fine = UpsampledBackbone(kind(UNIT, RGB, CPU), Bilinear(), UNIT, RGB, CPU)
    with pytest.raises(OptionError, match="found cells of 4 pixels, which upsampling cannot"):
        run(fine.extract(raster))


def test_upsamplers_are_found_by_name() -> None:
    assert upsampler_of("none") is None
    assert [type(upsampler_of(name)) for name in UPSAMPLERS.built_in] == [Bilinear, Guided]
    with pytest.raises(UnknownNameError, match="out of none, bilinear, guided, anyup, or"):
        upsampler_of("blurry")
