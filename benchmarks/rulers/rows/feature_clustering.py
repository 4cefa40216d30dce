"""Differentiable feature clustering: a network that is trained on its own labels.

Kim, Kanezaki and Tanaka, "Unsupervised learning of image segmentation based on differentiable
feature clustering", IEEE Transactions on Image Processing 2020 (arXiv 2007.09990), sections III-A
to III-C. Components of convolution, ReLU and batch normalisation make features; a linear layer
makes one response for each label, normalised over pixels; a pixel's label is its largest response.
The loss is the cross entropy of responses and labels, plus μ times the L1 norm of differences of
neighbouring responses. The paper trains 100 channels for 500 steps on one whole image; here all is
smaller, so that it fits on two cores, and a set of images takes turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rulers.pictures import rgb_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.raster import Raster
    from rulers.pictures import Prediction


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to train.

    Attributes
    ----------
    steps : int
        Steps of gradient descent.
    batch, side : int
        Windows that a step sees, and their largest side in pixels of the network.
    """

    steps: int
    batch: int
    side: int


ALONE = Effort(steps=40, batch=1, side=256)
TOGETHER = Effort(steps=200, batch=4, side=160)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureClustering:
    """Trains a network for each set of images.

    Attributes
    ----------
    width, blocks : int
        Channels, and components of convolution, ReLU and normalisation.
    shrink : int
        Image pixels per pixel of the network, along each axis.
    alone, together : Effort
        On one image, and on several.
    rate, momentum : float
        Of gradient descent, as in the paper.
    continuity : float
        μ of the paper, which takes 5 and more for 100 labels. With as few as there are clusters,
        5 let 5 of 12 die out on the chips for development.
    """

    width: int = 32
    blocks: int = 2
    shrink: int = 2
    alone: Effort = ALONE
    together: Effort = TOGETHER
    rate: float = 0.1
    momentum: float = 0.9
    continuity: float = 1.0

    def label(self, rasters: Sequence[Raster], clusters: int, seed: int) -> list[Prediction]:
        """See `rulers.rows.Labeller`."""
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        images = [_shrunk(raster, self.shrink) for raster in rasters]
        network = make_network(self.width, self.blocks, clusters)
        self._train(network, images, rng)
        # Running statistics, so that all images of a set are normalised the same way. For one image
        # its own, as in the paper, were no better on photographs for development.
        network.eval()
        return [
            _labels(network, image, raster.grid.shape)
            for image, raster in zip(images, rasters, strict=True)
        ]

    def _train(self, network: nn.Module, images: list[Tensor], rng: np.random.Generator) -> None:
        effort = self.alone if len(images) == 1 else self.together
        # Images of a set may differ in shape, the windows of a step may not.
        height = min(effort.side, *(image.shape[1] for image in images))
        width = min(effort.side, *(image.shape[2] for image in images))
        descent = torch.optim.SGD(network.parameters(), lr=self.rate, momentum=self.momentum)
        for _ in range(effort.steps):
            drawn = [images[rng.integers(len(images))] for _ in range(effort.batch)]
            windows = torch.stack([_window(image, height, width, rng) for image in drawn])
            descent.zero_grad()
            clustering_loss(network(windows), self.continuity).backward()
            descent.step()


def make_network(width: int, blocks: int, labels: int) -> nn.Sequential:
    """Return the network of section III-A: images (n, 3, h, w) to responses (n, labels, h, w)."""
    layers: list[nn.Module] = []
    for block in range(blocks):
        layers += [
            nn.Conv2d(3 if block == 0 else width, width, 3, padding=1),
            nn.ReLU(),
            nn.BatchNorm2d(width),
        ]
    # The paper normalises responses to mean 0 and variance 1 and learns neither: a label whose
    # responses may drift takes all pixels.
    even = nn.BatchNorm2d(labels, affine=False)
    return nn.Sequential(*layers, nn.Conv2d(width, labels, 1), even)


def clustering_loss(responses: Tensor, continuity: float) -> Tensor:
    """Return the loss of section III-C for responses (n, q, h, w)."""
    similarity = functional.cross_entropy(responses, responses.argmax(1))
    down = (responses[:, :, 1:] - responses[:, :, :-1]).abs().mean()
    right = (responses[:, :, :, 1:] - responses[:, :, :, :-1]).abs().mean()
    return similarity + continuity * (down + right)


def _shrunk(raster: Raster, factor: int) -> Tensor:
    """Return an image (3, h, w) in [0, 1], each pixel the mean of factor x factor pixels."""
    pixels = torch.from_numpy(np.ascontiguousarray(rgb_pixels(raster))).float() / 255
    return functional.avg_pool2d(pixels.movedim(-1, 0), factor, ceil_mode=True)


def _window(image: Tensor, height: int, width: int, rng: np.random.Generator) -> Tensor:
    """Cut a window at random."""
    top = int(rng.integers(image.shape[1] - height + 1))
    left = int(rng.integers(image.shape[2] - width + 1))
    return image[:, top : top + height, left : left + width]


@torch.no_grad()
def _labels(network: nn.Module, image: Tensor, shape: tuple[int, int]) -> Prediction:
    responses = network(image[None])
    large = functional.interpolate(responses, size=shape, mode="bilinear", align_corners=False)
    return large[0].argmax(0).numpy().astype(np.int32)  # type: ignore[no-any-return]
