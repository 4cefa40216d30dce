"""Features in memory: computed once, found again while somebody works on the same pixels."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_firstpass.features import FeatureMap
    from napari_firstpass.grid import Grid


KEPT_BYTES = 192 * 2**20
"""As much as describes about 8000 × 8000 pixels, where no network does."""


class FeatureMemory:
    """Feature maps, of which those unused for the longest time make room for others.

    Several threads may use it.

    Parameters
    ----------
    limit : int
        Bytes of all together; what is larger is not kept.

    Attributes
    ----------
    maker : (str, object)
        What made features last, under a key that stands for all that it depends on.
    """

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._limit, self._lock = limit, Lock()
        self._kept: dict[str, FeatureMap] = {}
        self.maker: tuple[str, Any] = ("", None)

    def get(self, key: str, grid: Grid) -> FeatureMap | None:
        """Return the features kept under a key, on the CPU, None if there are none.

        Parameters
        ----------
        key : str
            Stands for all that they depend on.
        grid : Grid
            Of the image that they describe; others with the same pixels have the same.
        """
        with self._lock:
            found = self._kept.pop(key, None)
            if found is None:
                return None
            self._kept[key] = found
        return replace(found, grid=grid.coarsen(found.stride))

    def put(self, key: str, features: FeatureMap) -> None:
        """Keep features, on any device, under a key."""
        kept = replace(features, vectors=features.vectors.cpu(), valid=features.valid.cpu())
        with self._lock:
            self._kept[key] = kept
            sizes = {name: some.vectors.nbytes for name, some in self._kept.items()}
            held = sum(sizes.values())
            for name in list(self._kept):
                if held <= self._limit:
                    break
                held -= sizes[name]
                del self._kept[name]
