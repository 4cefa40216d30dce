"""Regions found inside classes: kept beside the labels, for a person to decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from napari_firstpass.inner_regions import KINDS
from napari_firstpass.segmentation import label_dtype
from napari_firstpass.taxonomy import UNLABELLED, LabelClass, Taxonomy, color_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_firstpass.grid import Window
    from napari_firstpass.segmentation import Labels

PARTS = 256
"""A key is the class times this, and how a part of it differs, from 1; 0 is no part."""


class KeySink(Protocol):
    """Takes keys of parts window by window."""

    def write(self, window: Window, values: NDArray[Any]) -> None:
        """Store ``values`` (h, w) under ``window``."""
        ...


@dataclass(frozen=True, slots=True)
class KeyArray:
    """Keys of parts in memory.

    Attributes
    ----------
    keys : (H, W) uint16 or uint32 array
        0 until a window is written.
    """

    keys: NDArray[Any]

    def write(self, window: Window, values: NDArray[Any]) -> None:
        """Store ``values`` (h, w) under ``window``."""
        self.keys[window.slices] = values


def key_dtype(max_id: int) -> np.dtype[Any]:
    """Return the smallest type that holds keys of classes up to ``max_id``."""
    return np.dtype(np.uint16) if max_id < PARTS else np.dtype(np.uint32)


def keys_of(labels: Labels, parts: NDArray[np.uint8], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return keys (h, w) of the parts of classes, 0 where there is none."""
    keys: NDArray[Any] = labels.astype(dtype) * dtype.type(PARTS) + parts
    keys[(parts == 0) | (labels == UNLABELLED)] = 0
    return keys


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What the keys mean.

    Attributes
    ----------
    found : (n,) int array
        Keys that occur, ascending, without 0.
    taxonomy : Taxonomy
        A class for each, such as ``roof, lighter``: ids 1 to n.
    """

    found: NDArray[np.int64]
    taxonomy: Taxonomy

    @classmethod
    def of(cls, keys: Iterable[NDArray[Any]], classes: Taxonomy) -> Suggestions:
        """Look which parts occur in strips of keys.

        Parameters
        ----------
        keys : iterable of integer arrays
            Strips.
        classes : Taxonomy
            The classes that these are parts of.
        """
        seen = {int(key) for strip in keys for key in np.unique(strip)} - {0}
        names = {entry.id: entry.name for entry in classes.classes}
        found = sorted(seen)
        entries = (
            LabelClass(i, f"{names[key // PARTS]}, {KINDS[key % PARTS - 1]}", color_of(i))
            for i, key in enumerate(found, start=1)
        )
        return cls(np.array(found, np.int64), Taxonomy(tuple(entries)))

    def labels(self, keys: NDArray[Any]) -> Labels:
        """Return ids of `taxonomy` for keys, in the same shape; 0 for none."""
        ids = np.searchsorted(self.found, keys.astype(np.int64), side="right")
        return cast("Labels", ids.astype(label_dtype(len(self.found))))
