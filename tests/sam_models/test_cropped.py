"""Masks of everything, in an image and in enlarged parts of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from known_sam import SameColour

from napari_firstpass.found_masks import FoundMask, FoundMasks
from napari_firstpass.grid import Window
from napari_firstpass.progress import Progress, Steps, run
from napari_firstpass.sam_models.automatic import AutomaticConfig
from napari_firstpass.sam_models.cropped import everything_steps, parts_of
from napari_firstpass.sam_models.frame import Frame
from napari_firstpass.sam_models.prepared import SamImage

SHAPE = (200, 300)


def look(picture: torch.Tensor, valid: torch.Tensor) -> Steps[SamImage]:
    """Let the model that is known by heart look."""
    yield Progress(0, 1, "looking")
    model = SameColour(keeps_ratio=True)
    frame = Frame(picture.shape[1], picture.shape[2], model.side, True)
    embedding = model.embed(frame.picture(picture, model.scaling))
    return SamImage(model, embedding, frame, valid, torch.device("cpu"), "")


def found_in(picture: torch.Tensor, layers: int) -> FoundMasks:
    valid = torch.ones(SHAPE, dtype=torch.bool)
    config = AutomaticConfig(points_per_side=8, stability=0.5)
    return run(everything_steps(look, picture, valid, config, layers))


def has(found: FoundMasks, top: int, left: int, bottom: int, right: int) -> bool:
    """Whether a mask is about a rectangle."""
    boxes = found.boxes - torch.tensor([top, left, bottom, right])
    return bool((boxes.abs().amax(1) <= 4).any()) if len(found) else False


def test_parts_of_a_layer_overlap_and_cover_the_image() -> None:
    assert parts_of(*SHAPE, 0) == [Window(0, 0, *SHAPE)]
    for layer in (1, 2):
        parts = parts_of(*SHAPE, layer)
        assert len(parts) == 4**layer
        seen = np.zeros(SHAPE, int)
        for part in parts:
            seen[part.slices] += 1
        assert seen.min() == 1
        assert seen.max() == 4
    first, second = parts_of(1440, 1920, 1)[:2]
    assert first.right - second.col == int(1440 * 512 / 1500)


def test_small_things_are_found_in_enlarged_parts_and_large_ones_once() -> None:
    picture = torch.zeros(3, *SHAPE)
    picture[0] = 1.0
    picture[:, 60:160, 90:220] = torch.tensor([0.0, 1.0, 0.0])[:, None, None]  # across all parts
    picture[:, 44:57, 270:284] = torch.tensor([0.0, 0.0, 1.0])[:, None, None]
    once, twice = found_in(picture, 0), found_in(picture, 1)
    assert has(once, 60, 90, 160, 220)
    assert has(twice, 60, 90, 160, 220)
    assert not has(once, 44, 270, 57, 284)  # between the points of the whole image
    assert has(twice, 44, 270, 57, 284)
    for mask in twice.masks:  # nothing ends where a part does, but for what lies behind all
        box = mask.bottom - mask.top, mask.right - mask.left
        assert box == SHAPE or not {mask.right, mask.left} & {p.right for p in parts_of(*SHAPE, 1)}


@pytest.mark.parametrize("after", [(50, 75), (400, 450)])
def test_a_mask_keeps_its_place_in_an_image_of_another_size(after: tuple[int, int]) -> None:
    inside = np.zeros(SHAPE, bool)
    inside[40:120, 60:180] = True
    inside[60:80, 100:120] = False
    whole = Window(0, 0, *SHAPE)
    mask = FoundMask.of(inside, whole, score=0.5, stability=0.7, row=100.0, col=90.0)
    found = mask.resized(SHAPE, after)
    assert found is not None
    rows = ((np.arange(after[0]) + 0.5) * SHAPE[0] / after[0]).astype(int)
    cols = ((np.arange(after[1]) + 0.5) * SHAPE[1] / after[1]).astype(int)
    wanted = inside[np.ix_(rows, cols)]
    assert found.area == wanted.sum()
    assert np.array_equal(found.inside(), wanted[found.box.slices])
    assert (found.row, found.col) == (100 * after[0] / 200, 90 * after[1] / 300)
    dot = FoundMask.of(
        inside[99:100, 70:71], Window(0, 0, 1, 1), score=1, stability=1, row=0, col=0
    )
    assert dot.resized(SHAPE, (20, 30)) is None
