"""Tiles of a scene before and after a change of all of it: exchanged without looking at a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass.packed_pixels import Packed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from napari_firstpass.io.tile_store import Place


@dataclass(frozen=True, slots=True)
class TileState:
    """A tile at one time.

    Attributes
    ----------
    digest : bytes
        Tells it from others.
    packed : bytes
        The labels, as a store keeps them.
    picture : bytes
        What is seen of them from afar; not compressed, as a window waits for it.
    """

    digest: bytes
    packed: bytes
    picture: bytes


@dataclass(frozen=True, slots=True)
class SwappedTile:
    """A tile before and after, and how many of its pixels differ."""

    place: Place
    before: TileState
    after: TileState
    pixels: int


@dataclass(frozen=True, slots=True)
class TileSwap:
    """A change of many tiles that can be made and taken back; to a history it is one step.

    Attributes
    ----------
    tiles : tuple of (Place, bytes, bytes, int)
        Where each is, its digests before and after, and how many pixels differ.
    before, after : Packed
        Two pieces for each: the labels, and what is seen of them from afar.
    """

    tiles: tuple[tuple[Place, bytes, bytes, int], ...]
    before: Packed
    after: Packed

    @classmethod
    def of(cls, tiles: Sequence[SwappedTile]) -> TileSwap:
        """Join tiles."""
        return cls(
            tuple((t.place, t.before.digest, t.after.digest, t.pixels) for t in tiles),
            Packed(tuple(part for t in tiles for part in (t.before.packed, t.before.picture))),
            Packed(tuple(part for t in tiles for part in (t.after.packed, t.after.picture))),
        )

    @property
    def pixels(self) -> int:
        """How many pixels differ."""
        return sum(pixels for *_, pixels in self.tiles)

    @property
    def packed(self) -> tuple[Packed, ...]:
        """All that is kept of it."""
        return self.before, self.after

    def swapped(self) -> Iterator[SwappedTile]:
        """Yield each tile; none once they were given up."""
        first, then = self.before.parts, self.after.parts
        if not first or not then:
            return
        for index, (place, was, becomes, pixels) in enumerate(self.tiles):
            pieces = slice(2 * index, 2 * index + 2)
            before, after = TileState(was, *first[pieces]), TileState(becomes, *then[pieces])
            yield SwappedTile(place, before, after, pixels)

    def with_others(self, places: Collection[Place], tiles: Sequence[SwappedTile]) -> TileSwap:
        """Return the same with other tiles at some places."""
        kept = [tile for tile in self.swapped() if tile.place not in places]
        return TileSwap.of([*kept, *tiles])
