"""Masks of everything in an image: a model is asked at each point of a grid.

Kirillov et al., "Segment Anything" (arXiv 2304.02643), section 4 and appendix B: of the masks at
all points those are kept that the model expects to be right and that change little with the
threshold; of masks with nearly the same box the one with the best score stays. Here the image is
looked at once, as a whole; for enlarged parts see `cropped`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_firstpass.config import check_number
from napari_firstpass.errors import OptionError
from napari_firstpass.found_masks import FoundMask, FoundMasks
from napari_firstpass.grid import Window
from napari_firstpass.progress import Progress
from napari_firstpass.sam_models.marks import Marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_firstpass.progress import Steps
    from napari_firstpass.sam_models.prepared import SamImage

_AT_ONCE = 2**24
"""Numbers of masks at the size of the image, while these are looked at: 64 MiB."""
_OFFSET = 1.0
"""Thresholds are moved up and down by this, to see how much a mask changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomaticConfig:
    """Which masks are kept.

    Attributes
    ----------
    points_per_side : int
        Rows and columns of the grid of points, 1 to 256.
    batch : int
        Points at once, 1 to 256: memory, and no other result but for the last digits of sums.
    score : float
        How much of a mask the model must expect to be right at least, in [0, 1].
    stability : float
        What share of a mask with a low threshold must be left with a high one, in [0, 1].
    overlap : float
        Boxes that overlap by more are those of one thing, in [0, 1].
    least_area : int
        Pixels of a mask.
    """

    points_per_side: int = 32
    batch: int = 16
    score: float = 0.88
    stability: float = 0.95
    overlap: float = 0.7
    least_area: int = 1

    def __post_init__(self) -> None:
        check_number("points_per_side", self.points_per_side, 1, 256)
        check_number("batch", self.batch, 1, 256)
        for name in ("score", "stability", "overlap"):
            _check_share(name, getattr(self, name))
        check_number("least_area", self.least_area, 1, 2**31)


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise OptionError(
            expected=f"{name} from 0 to 1", found=f"{value}", remedy="give another share"
        )


_DEFAULT = AutomaticConfig()


def automatic_masks(image: SamImage, config: AutomaticConfig = _DEFAULT) -> Steps[FoundMasks]:
    """Return masks of everything in an image.

    Masks are kept as bits of their boxes until the end, when those of the same thing go: an eighth
    of a byte for each pixel of a box, for three masks at each point at the most.

    Parameters
    ----------
    image : SamImage
        What the prompter ``sam`` returns of `prepare`.
    config : AutomaticConfig
        Which masks are kept.
    """
    points = _grid(image, config.points_per_side)
    found: list[FoundMask] = []
    for start in range(0, len(points), config.batch):
        yield Progress(start, len(points), "asking the network everywhere")
        found += _masks_at(image, points[start : start + config.batch], config)
    best = sorted(found, key=lambda mask: -mask.score)
    listed = FoundMasks(image.frame.height, image.frame.width, tuple(best))
    kept = different(listed.boxes, config.overlap)
    return FoundMasks(listed.height, listed.width, tuple(best[index] for index in kept))


def different(boxes: Tensor, overlap: float) -> list[int]:
    """Return which of some boxes stay: each that no earlier one that stays nearly covers.

    Parameters
    ----------
    boxes : (N, 4) tensor
        Top, left, bottom, right; the best first.
    overlap : float
        Intersection over union from above which two boxes are the same.
    """
    boxes = boxes.double()
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    stays = torch.ones(len(boxes), dtype=torch.bool)
    for index in range(len(boxes)):
        if stays[index]:
            later = slice(index + 1, None)
            low = torch.maximum(boxes[index, :2], boxes[later, :2])
            high = torch.minimum(boxes[index, 2:], boxes[later, 2:])
            shared = (high - low).clamp(min=0).prod(1)
            stays[later] &= shared <= overlap * (areas[index] + areas[later] - shared)
    return [int(index) for index in stays.nonzero()[:, 0]]


def _grid(image: SamImage, per_side: int) -> Tensor:
    """Return rows and columns (P, 2) of the middles of equal cells, where there is data."""
    share = (torch.arange(per_side) + 0.5) / per_side
    rows, cols = share * image.frame.height, share * image.frame.width
    points = torch.cartesian_prod(rows, cols)
    whole = points.long()
    return points[image.valid[whole[:, 0], whole[:, 1]]]


def _masks_at(image: SamImage, points: Tensor, config: AutomaticConfig) -> list[FoundMask]:
    """Return the masks at points (B, 2) that are worth keeping."""
    places = image.frame.places(points)[:, None]
    labels = torch.ones(places.shape[:2], dtype=torch.int64)
    logits, scores = image.ask(Marks(places, labels))
    which, number = (scores >= config.score).nonzero(as_tuple=True)
    frame = image.frame
    batch = max(_AT_ONCE // (frame.side**2 + frame.height * frame.width), 1)
    found: list[FoundMask] = []
    for start in range(0, len(which), batch):
        part = slice(start, start + batch)
        said = frame.logits(logits[which[part], number[part]]).cpu()
        rated = scores[which[part], number[part]].tolist()
        found += _worth_keeping(image, said, rated, points[which[part].cpu()], config)
    return found


def _worth_keeping(
    image: SamImage,
    said: Tensor,
    scores: Sequence[float],
    points: Tensor,
    config: AutomaticConfig,
) -> list[FoundMask]:
    """Return those of logits (N, H, W) that are stable and large enough, as masks."""
    stability = _stability(said).tolist()
    masks = (said > 0) & image.valid
    whole = Window(0, 0, image.frame.height, image.frame.width)
    return [
        FoundMask.of(mask.numpy(), whole, score=score, stability=stable, row=place[0], col=place[1])
        for mask, score, stable, place in zip(
            masks, scores, stability, points.tolist(), strict=True
        )
        if stable >= config.stability and int(mask.sum()) >= config.least_area
    ]


def _stability(said: Tensor) -> Tensor:
    """Return how much of masks with a low threshold is left with a high one, for each."""
    small = (said > _OFFSET).flatten(1).sum(1)
    large = (said > -_OFFSET).flatten(1).sum(1)
    return small / large.clamp(min=1)
