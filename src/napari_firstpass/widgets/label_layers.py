"""From a segmentation to an editable labels layer, and back with the user's edits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from napari_firstpass.errors import LayerError
from napari_firstpass.grid import Grid
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import SURE, Segmentation, present_ids
from napari_firstpass.taxonomy import MAX_CLASS_ID, UNLABELLED, LabelClass, Taxonomy, color_of
from napari_firstpass.taxonomy_edits import joined
from napari_firstpass.widgets.scene import KEY, Made, MaskInfo, mask_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from napari.utils.colormaps import LabelColormap
    from numpy.typing import NDArray
    from pandas import DataFrame

    from napari_firstpass.widgets.scene import LayerTuple

_OPACITY = 0.5
_COLOURED_IDS = 255
_NO_CLASS = "#FF00FF"


def labels_tuple(
    segmentation: Segmentation, *, name: str, scene: str, sources: tuple[Path, ...] = ()
) -> LayerTuple:
    """Return an editable labels layer that carries names, colours and place.

    Parameters
    ----------
    segmentation : Segmentation
        Its labels are copied: painting must not change a value that others hold. With its
        confidence, they are kept as `Made`.
    name : str
        Name of the layer.
    scene : str
        Name of the scene.
    sources : tuple of Path
        The files of the image, which `MaskInfo` remembers so that nothing overwrites them.
    """
    taxonomy = segmentation.taxonomy
    history = segmentation.provenance
    made = Made(segmentation.labels, segmentation.confidence)
    info = MaskInfo(scene, segmentation.grid, taxonomy, history, sources, (made,))
    return segmentation.labels.copy(), labels_keywords(info, name), "labels"


def labels_keywords(info: MaskInfo, name: str) -> dict[str, Any]:
    """Return what makes a layer of labels that we made."""
    return {
        "name": name,
        "opacity": _OPACITY,
        "colormap": colormap_of(info.taxonomy.classes),
        "features": names_table(info.taxonomy.classes),
        "metadata": {KEY: info},
    }


def mask_from(
    labels: NDArray[Any],
    *,
    metadata: Mapping[str, Any],
    features: DataFrame,
    colormap: LabelColormap,
    grid: Grid | None = None,
) -> tuple[Segmentation, tuple[str, ...]]:
    """Return the labels of a layer as they are now, with the user's edits.

    Parameters
    ----------
    labels : (H, W) integer array
        Data of the layer; copied.
    metadata : mapping
        Metadata of the layer; ours gives taxonomy, place and history.
    features : data frame
        Table of the layer; its columns ``index`` and ``name``, if any, name the classes.
    colormap : LabelColormap
        Colours of the layer.
    grid : Grid, optional
        Place of a layer that we did not make.

    Returns
    -------
    segmentation : Segmentation
        Ready to write. Of what the user painted, it is sure.
    added : tuple of str
        Names given to ids that had none.

    Raises
    ------
    LayerError
        If the labels are not a single two-dimensional map with ids in [0, 65535].
    TaxonomyError
        If two classes have the same name.
    """
    ids = _checked_labels(labels)
    info = mask_of(metadata)
    taxonomy, added = taxonomy_in(
        present_ids(ids), metadata=metadata, features=features, colormap=colormap
    )
    place = grid or Grid(*ids.shape)
    if info is not None and (info.grid.is_georeferenced or grid is None):
        place = info.grid
    made = info.state_of(ids) if info is not None else None
    history = info.provenance if info is not None else Provenance()
    if made is not None:
        history = _edited(history, made, ids)
    narrow = ids.astype(np.uint8) if taxonomy.max_id <= 255 else ids.astype(np.uint16)
    return Segmentation(narrow, taxonomy, place, _confidence_of(ids, made), history), added


def taxonomy_in(
    present: Collection[int],
    *,
    metadata: Mapping[str, Any],
    features: DataFrame,
    colormap: LabelColormap,
) -> tuple[Taxonomy, tuple[str, ...]]:
    """Return the classes of a layer as they are now; for the other arguments see `mask_from`.

    Parameters
    ----------
    present : collection of int
        Ids other than 0 that pixels hold. A class that was merged or deleted counts if it is
        among them: then that was undone.

    Returns
    -------
    taxonomy : Taxonomy
        Names and colours are those that the layer shows.
    added : tuple of str
        Names given to ids that had none.

    Raises
    ------
    TaxonomyError
        If two classes have the same name.
    """
    info, names = mask_of(metadata), _names_in(features)
    known, retired = ((), ()) if info is None else (info.taxonomy.classes, info.retired)
    taxonomy = Taxonomy(
        tuple(replace(entry, name=names.get(entry.id, entry.name)) for entry in known)
    )
    taxonomy = joined(taxonomy, [entry for entry in retired if entry.id in present])
    missing = [i for i in sorted(present) if i not in taxonomy]
    fresh = [LabelClass(i, names.get(i, f"class {i}"), color_of(i)) for i in missing]
    taxonomy = joined(taxonomy, fresh)
    colors = colors_in(colormap, taxonomy.ids)
    shown = (replace(entry, color=colors[entry.id]) for entry in taxonomy.classes)
    return Taxonomy(tuple(shown)), tuple(taxonomy[i].name for i in missing if i not in names)


def _edited(history: Provenance, made: Made, ids: NDArray[np.uint16]) -> Provenance:
    """Return how labels came about, with the share of pixels that a person has changed."""
    share = np.count_nonzero(made.labels != ids) / ids.size
    return replace(history, edited=min(history.edited + share, 1.0))


def _confidence_of(ids: NDArray[np.uint16], made: Made | None) -> NDArray[np.uint8] | None:
    """Return how sure labels are: as the method was, and where they were painted, wholly."""
    if made is None or made.confidence is None:
        return None
    painted = (ids != made.labels_now) & (ids != UNLABELLED)
    return np.where(painted, SURE, made.confidence)


def names_table(entries: Iterable[LabelClass]) -> dict[str, list[Any]]:
    """Return the table from which napari takes the names that its status bar shows."""
    pairs = [(UNLABELLED, "unlabelled"), *((entry.id, entry.name) for entry in entries)]
    return {"index": [i for i, _ in pairs], "name": [name for _, name in pairs]}


def colormap_of(entries: Iterable[LabelClass], hidden: Collection[int] = ()) -> DirectLabelColormap:
    """Return the colours of classes, and one for every id that a user may paint besides.

    Hidden ones keep theirs, but nothing is seen of them.
    """
    free: dict[int, str] = {i: color_of(i) for i in range(1, _COLOURED_IDS + 1)}
    named = {entry.id: entry.color + ("00" if entry.id in hidden else "FF") for entry in entries}
    fixed: dict[int | None, str] = {None: _NO_CLASS, UNLABELLED: "transparent"}
    return DirectLabelColormap(color_dict=fixed | free | named)


def colors_in(colormap: LabelColormap, ids: Sequence[int]) -> dict[int, str]:
    """Return the colours of classes as text; all at once: each look takes milliseconds."""
    if not ids:
        return {}
    rgb = np.rint(255 * colormap.map(np.array(ids))[:, :3]).astype(int)
    return {
        class_id: f"#{red:02X}{green:02X}{blue:02X}"
        for class_id, (red, green, blue) in zip(ids, rgb, strict=True)
    }


def _names_in(features: DataFrame) -> dict[int, str]:
    if not {"index", "name"} <= set(features.columns):
        return {}
    rows = zip(features["index"], features["name"], strict=True)
    return {int(i): name for i, name in rows if int(i) != UNLABELLED and isinstance(name, str)}


def _checked_labels(labels: NDArray[Any]) -> NDArray[np.uint16]:
    array = np.asarray(labels)
    if array.ndim != 2 or array.dtype.kind not in "ui" or not array.size:
        raise LayerError(
            expected="labels of shape (height, width) with whole numbers",
            found=f"shape {array.shape} of {array.dtype}",
            remedy="save a single-scale, two-dimensional labels layer",
        )
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > MAX_CLASS_ID:
        raise LayerError(
            expected=f"class ids in [0, {MAX_CLASS_ID}]",
            found=f"{low} to {high}",
            remedy="repaint the pixels with other ids; nothing was written",
        )
    return array.astype(np.uint16)
