"""Regions of a picture as vectors that can be compared with words: of crops, or of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from napari_firstpass.config import check_choice, check_number
from napari_firstpass.context_crops import (
    cut_out,
    published_rings,
    seen_through,
    single_ring,
    squared,
)
from napari_firstpass.errors import OptionError
from napari_firstpass.networks.viewing import ViewConfig, Viewer, scaled
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.region_words import class_vectors, fused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from napari_firstpass.context_crops import Ring
    from napari_firstpass.costs import Costs
    from napari_firstpass.found_masks import FoundMask
    from napari_firstpass.grid import Window
    from napari_firstpass.networks.text_model import TextModel

Context = Literal["published", "one", "none"]

_CONTEXTS: tuple[Context, ...] = ("published", "one", "none")
_WORDS_AT_ONCE = 64
_STRIDE = 16
"""Image pixels of a cell; pictures are resized so that a patch of the network covers it."""
_LEAST_SHARE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class CropConfig:
    """How regions are shown to a model.

    Attributes
    ----------
    context : {"published", "one", "none"}
        What is shown beside the region alone: both rings of `published_rings`, one window, nothing.
    square : bool
        Whether shapes are kept; else boxes are stretched to the square that models take, as
        published.
    batch : int
        Pictures at once, 1 to 1024: memory, and no other result but for the last digits of sums.
    """

    context: Context = "published"
    square: bool = True
    batch: int = 32

    def __post_init__(self) -> None:
        check_choice("context", self.context, _CONTEXTS)
        check_number("batch", self.batch, 1, 1024)

    def rings(self, box: Window, padding: int, shape: tuple[int, int]) -> tuple[Ring, ...]:
        """Return where to look around a box in a picture of a shape."""
        height, width = shape
        if self.context == "none":
            return ()
        make = published_rings if self.context == "published" else single_ring
        rings = make(box, padding, height=height, width=width)
        if not self.square:
            return rings
        return tuple(
            tuple(squared(one, height=height, width=width) for one in ring) for ring in rings
        )


def words_steps(
    model: TextModel, phrases: Mapping[int, tuple[str, ...]], sentence: str, costs: Costs
) -> Steps[dict[int, Tensor]]:
    """Return a vector (D,) of length 1 for each class, by its id, on the CPU; see `class_vectors`.

    Parameters
    ----------
    model : TextModel
        Reads.
    phrases : mapping of int to tuple of str
        What each class is called; at least one phrase for each.
    sentence : str
        What phrases are put into, such as ``"a photo of {}"``.
    costs : Costs
        Gets the time, and how many sentences were read.

    Raises
    ------
    PromptError
        If a phrase is too long for the model.
    """
    told = [sentence.format(phrase) for listed in phrases.values() for phrase in listed]
    parts = []
    for start in range(0, len(told), _WORDS_AT_ONCE):
        yield Progress(start, len(told), "reading the phrases")
        with costs.timed("reading words"):
            parts.append(model.read(told[start : start + _WORDS_AT_ONCE]).float().cpu())
    costs.count("texts", len(told))
    vectors = class_vectors(torch.cat(parts), [len(listed) for listed in phrases.values()])
    return dict(zip(phrases, vectors, strict=True))


def crop_vectors(
    model: TextModel,
    picture: Tensor,
    masks: Sequence[FoundMask],
    paddings: Sequence[int],
    config: CropConfig,
    costs: Costs,
) -> Steps[Tensor]:
    """Return (N, D): a vector for each mask, from crops of a picture; see `fused`.

    Windows that several looks share, as at the sides of a picture, are looked at once.

    Parameters
    ----------
    model : TextModel
        Sees.
    picture : (3, H, W) float32 tensor
        In [0, 1].
    masks : sequence of N FoundMask
        In pixels of the picture.
    paddings : sequence of N int
        See `published_rings`.
    config : CropConfig
        How.
    costs : Costs
        Gets times, and how many pictures were made and looked at.
    """
    shape = (picture.shape[1], picture.shape[2])
    rings = [config.rings(m.box, p, shape) for m, p in zip(masks, paddings, strict=True)]
    windows = list(dict.fromkeys(one for looks in rings for ring in looks for one in ring))
    total = len(windows) + len(masks)

    def shown(index: int) -> Tensor:
        if index < len(windows):
            return seen_through(picture, windows[index], model.side)
        mask = masks[index - len(windows)]
        return cut_out(picture, mask.box, mask.inside(), model.side, square=config.square)

    parts = []
    for start in range(0, total, config.batch):
        yield Progress(start, total, "looking at regions")
        with costs.timed("cutting crops"):
            batch = [shown(i) for i in range(start, min(start + config.batch, total))]
            pictures = torch.stack(batch)
        with costs.timed("looking at crops"):
            parts.append(functional.normalize(model.see(pictures).float(), dim=1).cpu())
        costs.count("batches")
    costs.count("crops", total)
    if not masks:
        return torch.zeros(0, 0)
    seen = torch.cat(parts)
    place = {window: index for index, window in enumerate(windows)}
    around = [
        seen[torch.tensor([[place[one] for one in looks[number]] for looks in rings])]
        for number in range(len(rings[0]))
    ]
    return fused(seen[len(windows) :], around)


def cell_vectors(
    model: TextModel,
    picture: Tensor,
    masks: Sequence[FoundMask],
    view: ViewConfig,
    costs: Costs,
) -> Steps[Tensor]:
    """Return (N, D): for each mask the mean of what its cells show, at length 1.

    The picture is looked at once, window by window, however many masks there are.

    Parameters
    ----------
    model, picture, masks, costs
        See `crop_vectors`.
    view : ViewConfig
        How to look through the network.

    Raises
    ------
    OptionError
        If the model tells nothing of cells.
    """
    if model.patch is None:
        raise OptionError(
            expected="a model that tells what each place shows, for dense features",
            found="one that tells it of whole pictures only",
            remedy='choose the preset "crops", or another model',
        )
    height, width = picture.shape[1:]
    rows, cols = -(-height // _STRIDE), -(-width // _STRIDE)
    pads = (0, cols * _STRIDE - width, 0, rows * _STRIDE - height)
    whole = functional.pad(picture[None], pads, mode="replicate")
    if model.patch != _STRIDE:
        size = (rows * model.patch, cols * model.patch)
        whole = functional.interpolate(whole, size, mode="bilinear", antialias=True)
    pixels = scaled(whole[0].to(model.device), model.scaling)
    viewer = Viewer(model.network, model.cells, _STRIDE, model.patch, model.device, view)
    seen = yield from costs.timing("looking at cells", viewer.look(pixels))
    cells = functional.normalize(seen, dim=0).cpu()
    costs.count("pictures looked at")
    with costs.timed("pooling cells"):
        pooled = [_pooled(cells, mask) for mask in masks]
    return functional.normalize(torch.stack(pooled), dim=1) if pooled else torch.zeros(0, 0)


def _pooled(cells: Tensor, mask: FoundMask) -> Tensor:
    """Return (D,): the mean of cells (D, h, w), each by the pixels that it shares with a mask."""
    top, left = mask.top // _STRIDE, mask.left // _STRIDE
    bottom, right = -(-mask.bottom // _STRIDE), -(-mask.right // _STRIDE)
    pads = (
        mask.left - left * _STRIDE, right * _STRIDE - mask.right,
        mask.top - top * _STRIDE, bottom * _STRIDE - mask.bottom,
    )  # fmt: skip
    inside = functional.pad(torch.from_numpy(mask.inside())[None].float(), pads)
    share = functional.avg_pool2d(inside, _STRIDE)[0]
    total = (cells[:, top:bottom, left:right] * share).sum((1, 2))
    return total / share.sum().clamp_min(_LEAST_SHARE)
