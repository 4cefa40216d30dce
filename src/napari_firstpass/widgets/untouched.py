"""Where labels of a large scene are as they were made: each state of a tile is looked at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.label_changes import chained, relabelled

if TYPE_CHECKING:
    from napari_firstpass.grid import Window
    from napari_firstpass.io.class_steps import Place
    from napari_firstpass.io.tile_store import TileStore
    from napari_firstpass.widgets.scene import MadeTiles


@dataclass(frozen=True, slots=True)
class Untouched:
    """Tells where labels are as they were made.

    Attributes
    ----------
    known : dict of Place to (states, bool)
        What was found before: whether a tile was the same, and in which states of both.
    """

    known: dict[Place, tuple[Any, bool]] = field(default_factory=dict)

    def within(self, made: MadeTiles, now: TileStore, window: Window) -> bool:
        """Tell whether no pixel of the tiles that a window touches is another."""
        return all(self._at(made, now, place) for place in now.places_in(window))

    def _at(self, made: MadeTiles, now: TileStore, place: Place) -> bool:
        states = made.labels.state_at(place), made.became, now.state_at(place)
        known = self.known.get(place)
        if known is None or known[0] != states:
            self.known[place] = known = states, _is_same(made, now, place)
        return known[1]


def _is_same(made: MadeTiles, now: TileStore, place: Place) -> bool:
    """Compare a tile; as it is packed first, which tells nothing if classes became others in it."""
    becomes = dict(chained(made.labels.state_at(place)[2], dict(made.became)))
    if becomes == dict(now.state_at(place)[2]):
        packed = now.packed_at(place)
        if packed is not None and packed == made.labels.packed_at(place):
            return True
    window = now.window_at(place)
    wanted = relabelled(made.labels.read(window), dict(made.became))
    return np.array_equal(wanted, now.read(window))
