"""Vectors of regions by a tiny CLIP, against what it says of pictures made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch.nn import functional
from words import SIDE, save_clip

from napari_firstpass.costs import Costs
from napari_firstpass.errors import OptionError
from napari_firstpass.found_masks import FoundMask
from napari_firstpass.grid import Window
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.hub_text_model import HubTextModel, load_hub_text_model
from napari_firstpass.networks.viewing import ViewConfig, scaled
from napari_firstpass.progress import run
from napari_firstpass.region_vectors import CropConfig, cell_vectors, crop_vectors, words_steps

if TYPE_CHECKING:
    from torch import Tensor

ALONE = CropConfig(context="none")
EXACT = ViewConfig(side=64, overlap=16, dtype="float32")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> HubTextModel:
    folder = VisionFolder(save_clip(tmp_path_factory.mktemp("clip") / "model"))
    return load_hub_text_model(folder, torch.device("cpu"))


def picture(height: int = 64, width: int = 96) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(1))


def mask(row: int, col: int, height: int, width: int) -> FoundMask:
    box = Window(row, col, height, width)
    return FoundMask.of(np.ones((height, width), bool), box, score=1, stability=1, row=row, col=col)


def test_a_region_alone_is_what_the_model_sees_of_it(model: HubTextModel) -> None:
    shown = picture()
    costs = Costs()
    found = run(crop_vectors(model, shown, [mask(8, 16, SIDE, SIDE)], [10], ALONE, costs))
    own = model.see(shown[None, :, 8 : 8 + SIDE, 16 : 16 + SIDE])
    torch.testing.assert_close(found, functional.normalize(own, dim=1))
    assert (costs["crops"], costs["batches"]) == (1, 1)


def test_batches_make_no_difference_and_what_coincides_is_looked_at_once(
    model: HubTextModel,
) -> None:
    shown = picture()
    masks = [mask(0, 0, 20, 20), mask(0, 0, 20, 20), mask(30, 40, 8, 6)]
    few, many = Costs(), Costs()
    small = run(crop_vectors(model, shown, masks, [10, 10, 40], CropConfig(batch=2), few))
    large = run(crop_vectors(model, shown, masks, [10, 10, 40], CropConfig(batch=256), many))
    torch.testing.assert_close(small, large)
    assert few["crops"] == many["crops"] < 3 * 12
    assert few["batches"] == -(-few["crops"] // 2)
    assert many["batches"] == 1
    torch.testing.assert_close(small[0], small[1])


def test_surroundings_are_fused_with_the_region(model: HubTextModel) -> None:
    shown = picture()
    one = CropConfig(context="one")
    found = run(crop_vectors(model, shown, [mask(16, 32, SIDE, SIDE)], [5], one, Costs()))
    alone = functional.normalize(model.see(shown[None, :, 16:48, 32:64]), dim=1)[0]
    # 20 pixels more on each side: columns 12 to 84, and all 64 rows; no square of 72 fits.
    wide = shown[None, :, :, 12:84]
    wide = functional.interpolate(wide, (SIDE, SIDE), mode="bicubic", antialias=True).clamp(0, 1)
    around = functional.normalize(model.see(wide), dim=1)[0]
    alike = float(around @ alone)
    torch.testing.assert_close(found[0], alike * around + (1 - alike) * alone)


def test_cells_are_averaged_by_the_pixels_they_share(model: HubTextModel) -> None:
    shown = picture(64, 64)
    costs = Costs()
    regions = [mask(0, 0, 16, 16), mask(0, 8, 16, 16)]
    found = run(cell_vectors(model, shown, regions, EXACT, costs))
    # Patches of 8 pixels: the picture is made half as large, so that a cell has 16.
    half = functional.interpolate(shown[None], (32, 32), mode="bilinear", antialias=True)
    cells = functional.normalize(model.cells(scaled(half[0], model.scaling)[None])[0], dim=0)
    torch.testing.assert_close(found[0], cells[:, 0, 0])
    both = (cells[:, 0, 0] + cells[:, 0, 1]) / 2
    torch.testing.assert_close(found[1], functional.normalize(both, dim=0))
    assert costs["pictures looked at"] == 1


def test_phrases_are_read_once_and_averaged(model: HubTextModel) -> None:
    costs = Costs()
    phrases = {4: ("roof", "road"), 2: ("tree",)}
    found = run(words_steps(model, phrases, "a photo of {}", costs))
    assert list(found) == [4, 2]
    raw = model.read(["a photo of roof", "a photo of road", "a photo of tree"])
    torch.testing.assert_close(found[4], functional.normalize(raw[:2].mean(0), dim=0))
    torch.testing.assert_close(found[2], functional.normalize(raw[2], dim=0))
    assert costs["texts"] == 3
    assert costs.to_dict()["seconds"]["reading words"] > 0


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(OptionError, match="a context out of published, one, none"):
        CropConfig(context="two")
    with pytest.raises(OptionError, match="batch"):
        CropConfig(batch=0)
