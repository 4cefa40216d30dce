"""Borders by a dense conditional random field: every pixel is a neighbour of every other.

Krähenbühl and Koltun, "Efficient inference in fully connected CRFs with Gaussian edge potentials",
NIPS 2011. Pixels that are near, and pixels of the same colour that are not too far, should bear the
same label. The field is solved by mean-field iterations: our own, or in the refiner those of the
library pydensecrf2 where it is installed, which solves the same equations faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from napari_firstpass.config import DEFAULT_PRESET
from napari_firstpass.lattice import Lattice
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.refinement import Refinement, decided, lead_of, preset_of
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_firstpass.refinement import LabelGuide

_CUT = 6
"""Spreads beyond which a Gaussian is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseCRFConfig:
    """How strongly pixels pull at each other; the constants of STEGO, SmooSeg and PriMaPs.

    Attributes
    ----------
    iterations : int
        Mean-field iterations.
    near_weight, near_spread : float
        Weight and spread in pixels of the term of position alone.
    like_weight, like_spread, colour_spread : float
        Weight, spread in pixels, and spread of colours from 0 to 255, of the term of position and
        colour.
    least : float
        What a probability is at least.
    """

    iterations: int = 10
    near_weight: float = 3.0
    near_spread: float = 1.0
    like_weight: float = 4.0
    like_spread: float = 67.0
    colour_spread: float = 3.0
    least: float = 1e-5


PUBLISHED = DenseCRFConfig()


def dense_crf_steps(
    probabilities: Tensor, image: Tensor, config: DenseCRFConfig = PUBLISHED
) -> Steps[Tensor]:
    """Return class probabilities that agree with the colours of an image.

    Each iteration is Q ← softmax(ln P + Σ w k̃ Q) over the two terms, where k̃ is a Gaussian k
    divided by √(n_i n_j), n_i being the sum of k over all pixels, the pixel itself included.

    Parameters
    ----------
    probabilities : (K, H, W) float tensor
        P, of each pixel.
    image : (3, H, W) tensor
        Colours from 0 to 255.
    config : DenseCRFConfig
        The constants.

    Returns
    -------
    (K, H, W) float32 tensor
        Q. They sum to 1 over K.
    """
    shape = probabilities.shape
    said = probabilities.float().flatten(1).T.clamp(config.least, 1).log()
    comparing = Progress(0, config.iterations, "comparing colours")
    yield comparing
    near = _normalised(_near(shape[1], shape[2], config.near_spread), said)
    yield comparing
    lattice = Lattice.of(_places(image, config))
    yield comparing
    like = _normalised(lattice.sums, said)
    found = said.softmax(1)
    for done in range(config.iterations):
        yield (following := Progress(done, config.iterations, "following colours"))
        pulled = config.near_weight * near(found)
        yield following
        found = (said + (pulled + config.like_weight * like(found))).softmax(1)
    return found.T.reshape(shape)


def _places(image: Tensor, config: DenseCRFConfig) -> Tensor:
    """Return position and colour (n, 5) of each pixel, in spreads."""
    height, width = image.shape[1:]
    rows = torch.arange(height, device=image.device)[:, None].expand(height, width)
    cols = torch.arange(width, device=image.device).expand(height, width)
    position = torch.stack([rows, cols]).double() / config.like_spread
    colour = image.double() / config.colour_spread
    return torch.cat([position, colour]).flatten(1).T


def _normalised(sums: Callable[[Tensor], Tensor], like: Tensor) -> Callable[[Tensor], Tensor]:
    root = sums(torch.ones_like(like[:, :1])).clamp_min(1e-20).sqrt()
    return lambda values: sums(values / root) / root


def _near(height: int, width: int, spread: float) -> Callable[[Tensor], Tensor]:
    """Return what adds up values (n, k) of pixels by their distance alone."""

    def sums(values: Tensor) -> Tensor:
        maps = values.T.reshape(-1, 1, height, width)
        reach = torch.arange(-round(_CUT * spread), round(_CUT * spread) + 1).to(maps)
        wave = (-reach.square() / (2 * spread**2)).exp()
        half = len(wave) // 2
        tall = functional.conv2d(maps, wave[None, None, :, None], padding=(half, 0))
        both = functional.conv2d(tall, wave[None, None, None, :], padding=(0, half))
        return both.flatten(1).T

    return sums


_MODULE = "pydensecrf.densecrf"


def library_steps(
    probabilities: Tensor, image: Tensor, config: DenseCRFConfig = PUBLISHED
) -> Steps[Tensor]:
    """Do the work of `dense_crf_steps` with pydensecrf2, on one core of the processor.

    Its sums are those of another lattice, so a few pixels in a hundred differ. Arguments and result
    are the same; the library takes colours in whole numbers.
    """
    crf = import_module(_MODULE)
    count, height, width = probabilities.shape
    yield Progress(0, config.iterations, "comparing colours")
    said = -probabilities.float().clamp(config.least, 1).log().flatten(1)
    colours = image.round().clamp(0, 255).byte().movedim(0, -1)
    field = crf.DenseCRF2D(width, height, count)
    field.setUnaryEnergy(np.ascontiguousarray(said.cpu().numpy()))
    field.addPairwiseGaussian(sxy=config.near_spread, compat=config.near_weight)
    field.addPairwiseBilateral(
        sxy=config.like_spread,
        srgb=config.colour_spread,
        rgbim=np.ascontiguousarray(colours.cpu().numpy()),
        compat=config.like_weight,
    )
    found, *scratch = field.startInference()
    for done in range(config.iterations):
        yield Progress(done, config.iterations, "following colours")
        field.stepInference(found, *scratch)
    values = np.array(found, dtype=np.float32).reshape(count, height, width)
    return torch.from_numpy(values).to(probabilities.device)


@dataclass(frozen=True, slots=True, kw_only=True)
class CRFRefiner:
    """Solves the field over labels and image; every pixel of a window counts for every other.

    Attributes
    ----------
    config : DenseCRFConfig
        The constants.
    library : bool
        Whether pydensecrf2 solves it.
    """

    config: DenseCRFConfig
    library: bool

    def refine(self, picture: Tensor, valid: Tensor, guide: LabelGuide) -> Steps[Refinement]:
        """Return labels that agree with the colours; see `Refiner`."""
        ids = guide.present
        solve = library_steps if self.library else dense_crf_steps
        found = yield from solve(guide.probabilities(ids), picture * 255, self.config)
        best, lead = lead_of(found)
        # From pixel to pixel, a class would flood any field of one colour.
        lead = lead.masked_fill(_beyond(guide, self.config.like_spread), 0.0)
        return decided(ids[best], lead, valid, guide)

    def record(self) -> dict[str, Any]:
        """Return what solves the field: their results differ a little."""
        return {"solver": "pydensecrf2" if self.library else "own"}


def _beyond(guide: LabelGuide, reach: float) -> Tensor:
    """Return where (H, W) no label is within reach."""
    unlabelled = (guide.labels == UNLABELLED).cpu().numpy()
    far = ndimage.distance_transform_edt(unlabelled) > reach
    return torch.from_numpy(far).to(guide.labels.device)


_PRESETS = {DEFAULT_PRESET: PUBLISHED, "paper": PUBLISHED}


def crf_refiner(*, preset: str, seed: int, device: torch.device) -> CRFRefiner:
    """Return the refiner ``crf``; see `RefinerFactory`. It draws nothing.

    The library computes on the processor, so it is left out where there is a graphics card.
    """
    del seed
    library = device.type == "cpu" and _is_installed()
    return CRFRefiner(config=preset_of("crf", _PRESETS, preset), library=library)


def _is_installed() -> bool:
    try:
        return find_spec(_MODULE) is not None
    except ModuleNotFoundError:
        return False
