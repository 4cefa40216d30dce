"""Borders by a dense conditional random field: every pixel is a neighbour of every other.

Krähenbühl and Koltun, "Efficient inference in fully connected CRFs with Gaussian edge potentials",
NIPS 2011. Pixels that are near, and pixels of the same colour that are not too far, should bear the
same label. The field is solved by mean-field iterations: our own, or in the refiner those of the
library pydensecrf2 where it is installed, which solves the same equations faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from math import ceil
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from napari_firstpass.config import DEFAULT_PRESET
from napari_firstpass.lattice import Lattice, pieces
from napari_firstpass.progress import Progress, Span, Steps, relay
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
    shape, count = probabilities.shape, config.iterations
    beginning = relay(_begun_steps(probabilities, image, config), Span(0, 2, count + 2))
    field, found = yield from beginning
    for done in range(count):
        span = Span(done + 2, done + 3, count + 2)
        found = yield from relay(field.followed_steps(found), span, "following colours")
    return found.T.reshape(shape)


def _begun_steps(
    probabilities: Tensor, image: Tensor, config: DenseCRFConfig
) -> Steps[tuple[_Field, Tensor]]:
    """Return the field, and Q (n, K) before the first iteration."""
    said = torch.empty_like(probabilities, dtype=torch.float32).flatten(1).T
    for done, chances in enumerate(probabilities):
        yield Progress(done, 10 * len(probabilities), "comparing colours")
        said[:, done] = chances.float().flatten().clamp(config.least, 1).log()
    making = _Field.of_steps(said, image, config)
    field = yield from relay(making, Span(1, 9, 10), "comparing colours")
    return field, (yield from relay(_softmax_steps(said), Span(9, 10, 10), "comparing colours"))


def _softmax_steps(scores: Tensor) -> Steps[Tensor]:
    """Return probabilities (n, K)."""
    found = torch.empty(scores.shape, dtype=scores.dtype, device=scores.device)
    for rows in pieces(*scores.shape):
        yield Progress(rows.start, len(scores))
        found[rows] = scores[rows].softmax(1)
    return found


@dataclass(frozen=True, slots=True)
class _Field:
    """What pixels say (n, K), and what pulls at them: two terms, each with its weight."""

    said: Tensor
    near: Sums
    like: Sums
    near_weight: float
    like_weight: float

    @classmethod
    def of_steps(cls, said: Tensor, image: Tensor, config: DenseCRFConfig) -> Steps[_Field]:
        """Compare the pixels of an image (3, H, W)."""
        height, width = image.shape[1:]
        position = partial(_near_steps, height, width, config.near_spread)
        near = yield from relay(_normalised_steps(position, said), Span(0, 1, 10))
        places = yield from relay(_places_steps(image, config), Span(1, 2, 10))
        lattice = yield from relay(Lattice.of_steps(places), Span(2, 8, 10))
        like = yield from relay(_normalised_steps(lattice.sums_steps, said), Span(8, 10, 10))
        return cls(said, near, like, config.near_weight, config.like_weight)

    def followed_steps(self, found: Tensor) -> Steps[Tensor]:
        """Return Q (n, K) after another iteration."""
        near = yield from relay(self.near(found), Span(0, 15, 100))
        like = yield from relay(self.like(found), Span(15, 90, 100))
        after = torch.empty_like(found)
        for rows in pieces(*found.shape):
            yield Progress(900 + 100 * rows.start // len(found), 1000)
            pulled = self.near_weight * near[rows] + self.like_weight * like[rows]
            after[rows] = (self.said[rows] + pulled).softmax(1)
        return after


def _places_steps(image: Tensor, config: DenseCRFConfig) -> Steps[Tensor]:
    """Return position and colour (n, 5) of each pixel, in spreads."""
    height, width = image.shape[1:]
    rows = torch.arange(height, device=image.device)[:, None].expand(height, width)
    cols = torch.arange(width, device=image.device).expand(height, width)
    spreads = (*[config.like_spread] * 2, *[config.colour_spread] * len(image))
    places = torch.empty(len(spreads), height, width, dtype=torch.float64, device=image.device)
    for axis, (values, spread) in enumerate(zip((rows, cols, *image), spreads, strict=True)):
        yield Progress(axis, len(spreads))
        torch.div(values.double(), spread, out=places[axis])
    return places.flatten(1).T


Sums: TypeAlias = "Callable[[Tensor], Steps[Tensor]]"
"""Adds up values (n, k) of all pixels for each pixel, by how alike the two are."""


def _normalised_steps(sums: Sums, like: Tensor) -> Steps[Sums]:
    """Return the same sums, divided by how much there is to add up."""
    ones = yield from sums(torch.ones_like(like[:, :1]))
    root = ones.clamp_min(1e-20).sqrt()

    def normalised(values: Tensor) -> Steps[Tensor]:
        shares = yield from relay(_divided_steps(values, root), Span(0, 1, 20))
        summed = yield from relay(sums(shares), Span(1, 19, 20))
        return (yield from relay(_divided_steps(summed, root), Span(19, 20, 20)))

    return normalised


def _divided_steps(values: Tensor, root: Tensor) -> Steps[Tensor]:
    found = torch.empty_like(values)
    for rows in pieces(*values.shape):
        yield Progress(rows.start, len(values))
        torch.div(values[rows], root[rows], out=found[rows])
    return found


def _near_steps(height: int, width: int, spread: float, values: Tensor) -> Steps[Tensor]:
    """Add up values (n, k) of pixels by their distance alone."""
    reach = torch.arange(-round(_CUT * spread), round(_CUT * spread) + 1).to(values)
    wave = (-reach.square() / (2 * spread**2)).exp()
    half = len(wave) // 2
    found = torch.empty_like(values.T, memory_format=torch.contiguous_format)
    for done, (one, sums) in enumerate(zip(values.T, found.view(-1, height, width), strict=True)):
        whole = functional.pad(one.reshape(1, 1, height, width), (0, 0, half, half))
        for rows in pieces(height, width):
            yield Progress(height * done + rows.start, height * len(found))
            near = whole[:, :, rows.start : rows.stop + 2 * half]
            tall = functional.conv2d(near, wave[None, None, :, None])
            sums[rows] = functional.conv2d(tall, wave[None, None, None, :], padding=(0, half))[0, 0]
    return found.T


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
        solving = solve(guide.probabilities(ids), picture * 255, self.config)
        found = yield from relay(solving, Span(0, 98, 100))
        winner, lead = torch.empty_like(guide.labels), found.new_empty(guide.labels.shape)
        for rows in pieces(len(winner), found[:, 0].numel()):
            yield Progress(98, 100, "comparing classes")
            best, lead[rows] = lead_of(found[:, rows])
            winner[rows] = ids[best]
        # From pixel to pixel, a class would flood any field of one colour.
        for rows in pieces(*winner.shape):
            yield Progress(99, 100, "comparing classes")
            lead[rows].masked_fill_(_beyond(guide.labels, rows, self.config.like_spread), 0.0)
        return decided(winner, lead, valid, guide)

    def record(self) -> dict[str, Any]:
        """Return what solves the field: their results differ a little."""
        return {"solver": "pydensecrf2" if self.library else "own"}


def _beyond(labels: Tensor, rows: slice, reach: float) -> Tensor:
    """Return where in some rows of labels (H, W) no pixel has a class that is within reach."""
    context = ceil(reach) + 1
    top = max(0, rows.start - context)
    unlabelled = (labels[top : rows.stop + context] == UNLABELLED).cpu().numpy()
    if unlabelled.all() or not unlabelled.any():
        far = unlabelled
    else:
        far = ndimage.distance_transform_edt(unlabelled) > reach
    inside = far[rows.start - top : rows.stop - top]
    return torch.from_numpy(inside).to(labels.device)


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
