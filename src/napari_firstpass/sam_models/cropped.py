"""Masks of everything in an image and in enlarged parts of it, where small things are larger.

Kirillov et al., "Segment Anything" (arXiv 2304.02643), appendix B: layer n cuts the image into
2ⁿ × 2ⁿ parts that overlap, with a coarser grid of points in each. What touches a side of a part
that lies inside the image is left to other parts. Of nearly equal masks that from the smallest part
stays.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING

from napari_firstpass.found_masks import FoundMasks
from napari_firstpass.grid import Window
from napari_firstpass.progress import Span, relay
from napari_firstpass.sam_models.automatic import automatic_masks, different

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_firstpass.found_masks import FoundMask
    from napari_firstpass.progress import Steps
    from napari_firstpass.sam_models.automatic import AutomaticConfig
    from napari_firstpass.sam_models.prepared import SamImage

_SHARED = 512 / 1500
"""What neighbours share, of the shorter side of the image and by the number of parts."""
_NEAR = 20
"""Pixels from a side up to which a box touches it."""


def everything_steps(
    look: Callable[[Tensor, Tensor], Steps[SamImage]],
    picture: Tensor,
    valid: Tensor,
    config: AutomaticConfig,
    layers: int = 0,
) -> Steps[FoundMasks]:
    """Return masks of everything, the best score first.

    Parameters
    ----------
    look : callable
        Lets the model look at a picture and where it has data.
    picture : (3, H, W) float32 tensor
        In [0, 1].
    valid : (H, W) bool tensor
        Where there is data.
    config : AutomaticConfig
        Which masks are kept, and how many points the whole image has.
    layers : int
        Of enlarged parts; 0 for the whole image alone.
    """
    height, width = valid.shape
    parts = [
        (layer, part) for layer in range(layers + 1) for part in parts_of(height, width, layer)
    ]
    found: list[tuple[int, FoundMask]] = []
    for done, (layer, part) in enumerate(parts):
        rows, cols = part.slices
        if not bool(valid[rows, cols].any()):
            continue
        now = Span(done, done + 1, len(parts))
        image = yield from relay(look(picture[:, rows, cols], valid[rows, cols]), now)
        points = max(config.points_per_side >> layer, 1)
        asking = automatic_masks(image, replace(config, points_per_side=points))
        masks = (yield from relay(asking, Span(done + 1, done + 1, len(parts)))).masks
        moved = (mask.moved(part.row, part.col) for mask in masks)
        whole = Window(0, 0, height, width)
        found += [(part.height * part.width, m) for m in moved if not _is_cut(m, part, whole)]
    small_first = [mask for _, mask in sorted(found, key=lambda pair: pair[0])]
    boxes = FoundMasks(height, width, tuple(small_first)).boxes
    kept = [small_first[index] for index in different(boxes, config.overlap)]
    return FoundMasks(height, width, tuple(sorted(kept, key=lambda mask: -mask.score)))


def parts_of(height: int, width: int, layer: int) -> list[Window]:
    """Return the parts of a layer, row by row; layer 0 is the whole image."""
    count = 2**layer
    shared = int(_SHARED * min(height, width) * 2 / count)
    return [
        Window(top, left, bottom - top, right - left)
        for top, bottom in _cuts(height, count, shared)
        for left, right in _cuts(width, count, shared)
    ]


def _cuts(length: int, count: int, shared: int) -> list[tuple[int, int]]:
    """Return the first and last of equal pieces that share some pixels with the next."""
    if count == 1:
        return [(0, length)]
    side = ceil((length + shared * (count - 1)) / count)
    starts = (i * (side - shared) for i in range(count))
    return [(start, min(start + side, length)) for start in starts if start < length]


def _is_cut(mask: FoundMask, part: Window, whole: Window) -> bool:
    """Whether a mask touches a side of its part that is no side of the image."""
    box = mask.top, mask.left, mask.bottom, mask.right
    sides = part.row, part.col, part.bottom, part.right
    ends = whole.row, whole.col, whole.bottom, whole.right
    return any(
        abs(at - side) <= _NEAR < abs(at - end)
        for at, side, end in zip(box, sides, ends, strict=True)
    )
