"""Where images lie in the pictures of models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models import IMAGENET
from torch.nn import functional
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

from napari_firstpass.networks.folder import PixelScaling
from napari_firstpass.sam_models.frame import Frame

SHAPES = [(40, 72), (72, 40), (200, 96), (64, 64), (30, 31)]
every_shape = pytest.mark.parametrize("shape", SHAPES)
both_ways = pytest.mark.parametrize("keeps_ratio", [True, False])
PLAIN = PixelScaling()


def disc(height: int, width: int) -> torch.Tensor:
    """A mask in the lower right of an image, touching no side."""
    rows, cols = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    radius = min(height, width) / 4
    return (rows - 0.6 * height) ** 2 + (cols - 0.65 * width) ** 2 < radius**2


def overlap(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_the_longer_side_fills_the_picture_and_the_other_is_in_proportion() -> None:
    assert Frame(40, 72, 1024, keeps_ratio=True).shown == (569, 1024)  # 40 / 72 · 1024 = 568.9
    assert Frame(72, 40, 1024, keeps_ratio=True).shown == (1024, 569)
    assert Frame(5000, 2, 64, keeps_ratio=True).shown == (64, 1)
    assert Frame(40, 72, 1024, keeps_ratio=False).shown == (1024, 1024)


@every_shape
def test_what_is_shown_to_sam_is_what_its_makers_show_it(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    sizes = {"longest_edge": 64}
    processor = SamImageProcessorPil(size=sizes, pad_size={"height": 64, "width": 64})
    theirs = processor(image, return_tensors="pt", input_data_format="channels_first")
    frame = Frame(*shape, 64, keeps_ratio=True)
    ours = frame.picture(torch.from_numpy(image).float() / 255, PixelScaling(*IMAGENET))
    assert tuple(theirs["reshaped_input_sizes"][0].tolist()) == frame.shown
    # They round to whole numbers from 0 to 255 after resizing, along each axis.
    torch.testing.assert_close(ours, theirs["pixel_values"][0], atol=1.5 / 255 / 0.224, rtol=0)


@every_shape
def test_masks_of_sam_are_brought_to_the_image_as_its_makers_do(shape: tuple[int, int]) -> None:
    said = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(0))
    frame = Frame(*shape, 64, keeps_ratio=True)
    processor = SamImageProcessorPil(pad_size={"height": 64, "width": 64})
    theirs = processor.post_process_masks([said[None]], [shape], [frame.shown], binarize=False)
    torch.testing.assert_close(frame.logits(said), theirs[0][0], atol=1e-5, rtol=0)


@both_ways
@every_shape
def test_a_thing_in_the_picture_is_where_it_was_in_the_image(
    shape: tuple[int, int], keeps_ratio: bool
) -> None:
    mask, frame = disc(*shape), Frame(*shape, 64, keeps_ratio)
    picture = frame.picture(mask.float().expand(3, -1, -1), PLAIN)
    assert overlap(frame.logits(picture[:1] - 0.5)[0] > 0, mask) > 0.9
    assert overlap(frame.logits(frame.start(mask, 64)[None])[0] > 0, mask) > 0.9


@both_ways
@every_shape
def test_a_place_leads_to_the_pixel_that_shows_it(
    shape: tuple[int, int], keeps_ratio: bool
) -> None:
    row, col = shape[0] * 3 // 4, shape[1] // 3
    image = torch.zeros(3, *shape)
    image[:, row - 4 : row + 5, col - 4 : col + 5] = 1  # its middle is (row + ½, col + ½)
    frame = Frame(*shape, 64, keeps_ratio)
    seen = frame.picture(image, PLAIN)[0]
    rows, cols = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    middle = torch.stack([(cols * seen).sum(), (rows * seen).sum()]) / seen.sum()
    found = frame.places(torch.tensor([[row + 0.5, col + 0.5]]))[0]
    torch.testing.assert_close(found, middle, atol=0.1, rtol=0)


def test_the_corners_of_an_image_are_those_of_what_shows_it() -> None:
    frame = Frame(40, 80, 64, keeps_ratio=True)
    corners = frame.places(torch.tensor([[0.0, 0.0], [40.0, 80.0]]))
    # Models count from the centre of the first pixel, half a pixel from the corner.
    assert corners.tolist() == [[-0.5, -0.5], [63.5, 31.5]]


def test_beside_the_image_the_picture_is_empty() -> None:
    picture = Frame(40, 80, 64, keeps_ratio=True).picture(torch.ones(3, 40, 80), PLAIN)
    assert picture[:, :32].gt(0.999).all()
    assert picture[:, 32:].eq(0).all()


def test_a_start_is_sure_inside_and_outside_and_empty_where_there_is_no_image() -> None:
    mask = torch.zeros(40, 80, dtype=torch.bool)
    mask[:, 40:] = True
    start = Frame(40, 80, 64, keeps_ratio=True).start(mask, 16)
    assert start[:8, 9:].gt(5).all()
    assert start[:8, :7].lt(-5).all()
    assert start[9:].lt(-5).all()
    assert functional.avg_pool2d(start[None], 16).item() < 0
