"""The classes of a labels layer: read from it, written back, and exchanged in its pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.errors import LayerError
from napari_firstpass.grid import Grid
from napari_firstpass.provenance import Provenance
from napari_firstpass.taxonomy import MAX_CLASS_ID, UNLABELLED, Taxonomy
from napari_firstpass.widgets.label_history import extent_of
from napari_firstpass.widgets.label_layers import colormap_of, colors_in, names_table, taxonomy_in
from napari_firstpass.widgets.scene import KEY, MaskInfo, mask_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari.layers import Labels


def require_paintable(layer: Labels | None) -> Labels:
    """Return a layer whose pixels can be changed.

    Raises
    ------
    LayerError
        If there is none, or it is a pyramid, lazy, or no single map.
    """
    if layer is None or layer.multiscale or not isinstance(layer.data, np.ndarray):
        raise LayerError(
            expected="a labels layer that can be painted on",
            found="none" if layer is None else f"a pyramid or a lazy array in {layer.name!r}",
            remedy="run first, or select another one",
        )
    if layer.ndim != 2:
        raise LayerError(
            expected="labels of one image",
            found=f"a stack of {layer.ndim} axes in {layer.name!r}",
            remedy="select a two-dimensional labels layer",
        )
    return layer


def classes_of(layer: Labels, present: Collection[int]) -> Taxonomy:
    """Return the classes of a layer as they are now; see `taxonomy_in`."""
    taxonomy, _ = taxonomy_in(
        present, metadata=layer.metadata, features=layer.features, colormap=layer.colormap
    )
    return taxonomy


def info_of(layer: Labels, grid: Grid | None) -> MaskInfo:
    """Return what is noted about a layer, or what to note about one that was drawn by hand."""
    info = mask_of(layer.metadata)
    if info is not None:
        return info
    height, width = extent_of(layer)
    return MaskInfo(layer.name, grid or Grid(height, width), Taxonomy(()), Provenance())


def put_classes(layer: Labels, info: MaskInfo, hidden: Collection[int]) -> None:
    """Give a layer classes: their names in its table, their colours, and what is noted of it."""
    layer.metadata[KEY] = info
    # What was merged or deleted keeps name and colour, for the moment it comes back.
    entries = [*info.retired, *info.taxonomy.classes]
    layer.features = names_table(entries)
    ids = [entry.id for entry in entries]
    colors = {entry.id: entry.color for entry in entries}
    if colors_in(layer.colormap, ids) != colors or hidden_in(layer, ids) != set(hidden):
        layer.colormap = colormap_of(entries, hidden)  # which draws the whole layer anew


def hidden_in(layer: Labels, ids: Collection[int]) -> set[int]:
    """Return those of some classes that a layer does not show."""
    wanted = sorted(ids)
    alpha = layer.colormap.map(np.array(wanted, dtype=np.int64))[:, 3] if wanted else ()
    return {class_id for class_id, seen in zip(wanted, alpha, strict=True) if not seen}


def require_room(layer: Labels, ids: Collection[int]) -> None:
    """Refuse ids that the pixels of a layer cannot hold.

    Raises
    ------
    LayerError
        If the largest is too large for their type.
    """
    largest = max(ids, default=UNLABELLED)
    most = min(int(np.iinfo(layer.data.dtype).max), MAX_CLASS_ID)
    if largest > most:
        raise LayerError(
            expected=f"class ids up to {most} in {layer.name!r}",
            found=str(largest),
            remedy="convert it first: right click on the layer, Convert data type, uint16",
        )


def with_taxonomy(info: MaskInfo, shown: Taxonomy, edited: Taxonomy) -> MaskInfo:
    """Return what is noted of a layer after its classes were edited.

    Those that are left out are remembered, for the moment an undo brings their pixels back.
    """
    gone = [entry for entry in shown.classes if entry.id not in edited]
    ids = {*edited.ids, *(entry.id for entry in gone)}
    kept = [entry for entry in info.retired if entry.id not in ids]
    return replace(info, taxonomy=edited, retired=(*kept, *gone))


def copy_keywords(layer: Labels, info: MaskInfo, name: str) -> dict[str, Any]:
    """Return what makes a copy of a layer with other pixels look and lie as it does."""
    return {
        "name": name,
        "opacity": layer.opacity,
        "colormap": colormap_of(info.taxonomy.classes),
        "features": names_table(info.taxonomy.classes),
        "metadata": {KEY: info},
        "affine": layer.affine.affine_matrix,
        "scale": layer.scale,
        "translate": layer.translate,
    }
