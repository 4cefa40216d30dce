"""Classes that became others in all tiles of a store at once: noted now, in the tiles later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_firstpass.label_changes import chained
from napari_firstpass.packed_pixels import Packed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Place = tuple[int, int]
"""Row and column of a tile, counted in tiles."""

_MOST_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class KeptTile:
    """A tile before a step was brought into it.

    Attributes
    ----------
    packed : bytes
        Its labels, as a store keeps them.
    level : int
        How many steps these know of.
    before, after : int
        Which writing it was, and which brought the step into it; -1 for one that did more.
    """

    packed: bytes
    level: int
    before: int
    after: int


class KeptTiles(Packed):
    """Tiles as they were before a step was brought into them, until they are given up."""

    __slots__ = ("tiles",)

    def __init__(self) -> None:
        super().__init__((b"alive",))
        self.tiles: dict[Place, KeptTile] = {}

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return super().nbytes + sum(len(tile.packed) for tile in list(self.tiles.values()))

    def give_up(self) -> None:
        """Keep nothing from now on: the step cannot be taken back any more."""
        super().give_up()
        self.tiles = {}


@dataclass(slots=True, eq=False)
class ClassStep:
    """Classes that became others in all tiles.

    Attributes
    ----------
    mapping : dict of int to int
        Ids before and since then.
    kept : KeptTiles
        What is needed to take it back.
    """

    mapping: dict[int, int]
    kept: KeptTiles = field(default_factory=KeptTiles)

    @property
    def can_be_taken_back(self) -> bool:
        """Whether nobody has given it up."""
        return not self.kept.is_given_up


class ClassSteps:
    """All steps of a store, the newest last; a tile knows of the first few."""

    def __init__(self, steps: Iterable[ClassStep] = ()) -> None:
        self._steps = list(steps)
        self._composed: dict[int, dict[int, int]] = {}

    def __len__(self) -> int:
        return len(self._steps)

    def __contains__(self, step: ClassStep) -> bool:
        return step in self._steps

    @property
    def newest(self) -> ClassStep | None:
        """The newest step, None for none."""
        return self._steps[-1] if self._steps else None

    def add(self, step: ClassStep) -> None:
        """Add the newest."""
        self._steps.append(step)
        self._composed.clear()

    def remove_newest(self) -> None:
        """Forget the newest."""
        self._steps.pop()
        self._composed.clear()

    def since(self, level: int) -> Mapping[int, int]:
        """Return what ids have become in steps that a tile of this level does not know of."""
        if level not in self._composed:
            became: dict[int, int] = {}
            for step in self._steps[level:]:
                became = dict(chained(became.items(), step.mapping))
            self._composed[level] = became
        return self._composed[level]

    def copy(self) -> ClassSteps:
        """Return the same for another store, which takes none of them back."""
        return ClassSteps(_for_good(step.mapping) for step in self._steps)

    def told(self, levels: Mapping[Place, int], places: int) -> dict[str, Any] | None:
        """Return, for JSON, what is not in all of so many tiles yet; None for nothing.

        Parameters
        ----------
        levels : mapping of Place to int
            How many steps tiles know of, if any.
        places : int
            How many tiles there are.
        """
        low = 0 if len(levels) < places else min(levels.values(), default=0)
        if low == len(self):
            return None
        ahead = {f"{r}.{c}": level - low for (r, c), level in sorted(levels.items())}
        return {
            "replaced": [sorted(step.mapping.items()) for step in self._steps[low:]],
            "in_tiles": {name: level for name, level in ahead.items() if level},
        }

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> tuple[ClassSteps, dict[Place, int]]:
        """Return the steps and levels that `told` tells.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is nothing of that kind.
        """
        mappings = [{int(old): int(new) for old, new in step} for step in told["replaced"]]
        levels: dict[Place, int] = {}
        for name, level in dict(told["in_tiles"]).items():
            row, col = (int(part) for part in name.split("."))
            levels[row, col] = int(level)
        if len(mappings) > _MOST_STEPS or not all(0 <= n <= len(mappings) for n in levels.values()):
            raise ValueError("tiles that know of steps which there are not")
        return cls(map(_for_good, mappings)), levels


def _for_good(mapping: Mapping[int, int]) -> ClassStep:
    """Return a step that nobody takes back."""
    step = ClassStep(dict(mapping))
    step.kept.give_up()
    return step
