"""The contact sheet: what each row makes of a few images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.optimize import linear_sum_assignment

from rulers.pictures import rgb_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rulers.cells import Outcome
    from rulers.pictures import Picture, Prediction

_SIDE = 150
_GAP = 4
_TITLES = 190
_HEAD = 18
_COLOURS = 128
_PALETTE = np.array(
    [
        (153, 153, 153), (213, 94, 0), (240, 228, 66), (0, 158, 115), (204, 121, 167),
        (230, 159, 0), (0, 114, 178), (86, 180, 233), (120, 60, 30), (90, 20, 110),
        (200, 220, 255), (20, 60, 40),
    ],
    dtype=np.uint8,
)  # fmt: skip
"""The built-in scene's own colours first."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One line of the sheet: a title and a small image, or None, for each column."""

    title: str
    tiles: tuple[NDArray[np.uint8] | None, ...]


def draw(path: Path, pictures: Sequence[Picture], outcomes: Sequence[Outcome], work: Path) -> None:
    """Write a sheet with a line for the images, one for truths, and one for each row."""
    strips = [Strip("image", tuple(_photo(picture) for picture in pictures))]
    if any(picture.truths for picture in pictures):
        strips.append(Strip("truth", tuple(_truth(picture) for picture in pictures)))
    references = [_truth_ids(picture) for picture in pictures]
    for outcome in outcomes:
        if outcome.failure:
            strips.append(Strip(f"{outcome.cell.row}: failed", (None,) * len(pictures)))
            continue
        with np.load(work / f"{outcome.cell.stem}.npz", allow_pickle=False) as kept:
            labels = [kept[picture.name] for picture in pictures]
        for column, one in enumerate(labels):
            # Where there is no truth, rows take their colours from the first one.
            references[column] = one if references[column] is None else references[column]
        tiles = [_coloured(one, ref) for one, ref in zip(labels, references, strict=True)]
        strips.append(Strip(outcome.cell.row, tuple(tiles)))
    path.parent.mkdir(parents=True, exist_ok=True)
    _sheet(strips, [picture.name for picture in pictures]).save(path, optimize=True)


def matched(labels: Prediction, reference: Prediction, colours: int) -> NDArray[np.int64]:
    """Return a colour for each id of ``labels``: that of the reference id it shares most with.

    Ids are matched one to one by pixels, so that no two look alike while there are colours; those
    left over take unused colours.
    """
    count = int(labels.max()) + 1
    shared = np.zeros((count, max(colours, count)))
    np.add.at(shared, (labels.ravel(), reference.ravel() % colours), 1)
    _, found = linear_sum_assignment(shared, maximize=True)
    matching: NDArray[np.int64] = found % colours
    return matching


def _coloured(labels: Prediction, reference: Prediction | None) -> NDArray[np.uint8]:
    reference = labels if reference is None else reference
    small: NDArray[np.uint8] = _nearest(_PALETTE[matched(labels, reference, len(_PALETTE))[labels]])
    return small


def _truth_ids(picture: Picture) -> Prediction | None:
    """Return the ids of a truth from 0, as its classes are coloured."""
    if not picture.truths:
        return None
    ids: Prediction = picture.truths[0].ids.astype(np.int32)
    ids -= ids.min()
    return ids


def _truth(picture: Picture) -> NDArray[np.uint8] | None:
    ids = _truth_ids(picture)
    return None if ids is None else _nearest(_PALETTE[ids % len(_PALETTE)])


def _photo(picture: Picture) -> NDArray[np.uint8]:
    image = Image.fromarray(np.ascontiguousarray(rgb_pixels(picture.raster)))
    return np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX))


def _nearest(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.NEAREST))


def _sheet(strips: Sequence[Strip], names: Sequence[str]) -> Image.Image:
    step = _SIDE + _GAP
    size = (_TITLES + len(names) * step, _HEAD + len(strips) * step)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for column, name in enumerate(names):
        pen.text((_TITLES + column * step, 2), name, "black", font)
    for line, strip in enumerate(strips):
        pen.text((_GAP, _HEAD + line * step + _SIDE // 2), strip.title, "black", font)
        for column, tile in enumerate(strip.tiles):
            if tile is not None:
                place = (_TITLES + column * step, _HEAD + line * step)
                sheet.paste(Image.fromarray(tile), place)
    # A palette keeps the file small; label colours are few and survive it.
    return sheet.quantize(_COLOURS, dither=Image.Dither.NONE)
