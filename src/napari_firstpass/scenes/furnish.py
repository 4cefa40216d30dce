"""What stands on a block, by the kind of block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.scenes.estates import furnish_flats, furnish_park, furnish_trade
from napari_firstpass.scenes.gardens import furnish_houses
from napari_firstpass.scenes.streetside import furnish_street
from napari_firstpass.scenes.terraces import furnish_terraces
from napari_firstpass.scenes.things import Furnishing

if TYPE_CHECKING:
    from napari_firstpass.scenes.streets import Block, Town

_FURNISHERS = {
    "houses": furnish_houses,
    "terraces": furnish_terraces,
    "flats": furnish_flats,
    "trade": furnish_trade,
    "park": furnish_park,
}


def furnish(town: Town, block: Block) -> Furnishing:
    """Return everything on a block and in the streets above and below it."""
    things = Furnishing()
    rows = block.row, block.row + 1
    for frame, row in zip(block.frames(town.warp), rows, strict=True):
        furnish_street(things, block, frame, town.street(row))
        _FURNISHERS[block.kind](things, block, frame)
    return things
