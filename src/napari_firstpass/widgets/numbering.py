"""Labels whose ids make room for a list of classes: a copy, numbered anew in a thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_firstpass.grid import Window
from napari_firstpass.io.scene_labels import SceneLabels
from napari_firstpass.io.tile_store import TileStore
from napari_firstpass.label_changes import relabelled
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.segmentation import label_dtype

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_firstpass.progress import Steps
    from napari_firstpass.taxonomy_edits import TakenOver
    from napari_firstpass.widgets.scene import MadeTiles, MaskInfo


@dataclass(frozen=True, slots=True)
class Numbered:
    """Labels (H, W), or those of a large scene, and what is noted of them."""

    labels: NDArray[Any] | SceneLabels
    info: MaskInfo


def number_steps(
    labels: NDArray[Any] | SceneLabels, info: MaskInfo, name: str, taken: TakenOver
) -> Steps[Numbered]:
    """Give labels the ids that a list of classes leaves them.

    Parameters
    ----------
    labels : (H, W) integer array or SceneLabels
        Not changed; of a scene, what it is while this goes on.
    info : MaskInfo
        What is noted of them.
    name : str
        That of the list.
    taken : TakenOver
        Which ids become which, and the classes afterwards.
    """
    yield Progress(0, 100, "numbering classes")
    dtype = label_dtype(taken.taxonomy.max_id)
    told = info.reassigned(taken.mapping, {"classes": name, "became": "renumbered"})
    made = () if told.state is None else (told.state,)
    fresh = replace(told, taxonomy=taken.taxonomy, made=made, retired=())
    if not isinstance(labels, SceneLabels):
        return Numbered(relabelled(labels.astype(dtype, copy=False), taken.mapping), fresh)
    copying = _copied_steps(labels.store, dtype, taken.mapping)
    scene = SceneLabels((yield from relay(copying, Span(0, 40, 100), "numbering classes")))
    if fresh.tiles is not None:
        # Each layer's project keeps tiles of its own.
        tiles = yield from relay(_own_tiles_steps(fresh.tiles), Span(40, 90, 100))
        fresh = replace(fresh, tiles=tiles)
    yield Progress(90, 100, "looking from afar")
    scene.look_at_all()
    return Numbered(scene, fresh)


def _own_tiles_steps(tiles: MadeTiles) -> Steps[MadeTiles]:
    """Return labels as they were made, in tiles that nobody else has."""
    copying = _copied_steps(tiles.labels, tiles.labels.dtype, {})
    labels, sure = (yield from relay(copying, Span(0, 50, 100))), tiles.confidence
    if sure is not None:
        sure = yield from relay(_copied_steps(sure, sure.dtype, {}), Span(50, 100, 100))
    return replace(tiles, labels=labels, confidence=sure)


def _copied_steps(
    store: TileStore, dtype: np.dtype[Any], mapping: Mapping[int, int]
) -> Steps[TileStore]:
    """Return what a store holds, with some ids in place of others, in a store of its own."""
    other = TileStore(None, store.shape, dtype, store.tile)
    height, width = store.shape
    for top in range(0, height, store.tile):
        yield Progress(top, height, "copying labels")
        rows = store[top : top + store.tile].astype(dtype, copy=False)
        window = Window(top, 0, len(rows), width)
        other.write(window, relabelled(rows, mapping) if mapping else rows)
    return other
