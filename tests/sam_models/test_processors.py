"""How SAM 2 and SAM 3 are shown images, beside what transformers does; theirs needs torchvision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models import HALF, IMAGENET
from official import needs_official

from napari_firstpass.networks.folder import PixelScaling
from napari_firstpass.sam_models.frame import Frame

SIZE = {"height": 64, "width": 64}


@needs_official
@pytest.mark.parametrize("shape", [(40, 72), (200, 96), (64, 64)])
@pytest.mark.parametrize("generation", [2, 3])
def test_images_and_masks_are_resized_as_their_makers_do(
    generation: int, shape: tuple[int, int]
) -> None:
    from transformers.models.sam2.image_processing_sam2 import Sam2ImageProcessor
    from transformers.models.sam3.image_processing_sam3 import Sam3ImageProcessor

    kind = Sam2ImageProcessor if generation == 2 else Sam3ImageProcessor
    processor = kind(size=SIZE, do_convert_rgb=False)
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8))
    theirs = processor(image, return_tensors="pt", input_data_format="channels_first")
    mean, std = IMAGENET if generation == 2 else HALF
    frame = Frame(*shape, 64, keeps_ratio=False)
    ours = frame.picture(image.float() / 255, PixelScaling(mean, std))
    # They round to whole numbers from 0 to 255 after resizing.
    atol = 1.01 / 255 / min(std)
    torch.testing.assert_close(ours, theirs["pixel_values"][0], atol=atol, rtol=0)
    said = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(0))
    masks = processor.post_process_masks([said[None]], [shape], binarize=False)
    torch.testing.assert_close(frame.logits(said), masks[0][0])
