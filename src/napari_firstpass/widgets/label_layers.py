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
from napari_firstpass.widgets.scene import KEY, Made, MaskInfo, mask_of

if TYPE_CHECKING:
    from collections.abc import Mapping
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
    made = Made(segmentation.labels, segmentation.confidence, history)
    info = MaskInfo(scene, segmentation.grid, taxonomy, history, sources, (made,))
    names = ["unlabelled", *(entry.name for entry in taxonomy.classes)]
    keywords = {
        "name": name,
        "opacity": _OPACITY,
        "colormap": _colormap(taxonomy),
        "features": {"index": [UNLABELLED, *taxonomy.ids], "name": names},
        "metadata": {KEY: info},
    }
    return segmentation.labels.copy(), keywords, "labels"


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
    known = {} if info is None else {entry.id: entry for entry in info.taxonomy.classes}
    names = _names_in(features)
    missing = [i for i in present_ids(ids) if i not in known]
    added = tuple(f"class {i}" for i in missing if i not in names)
    fresh = {i: LabelClass(i, names.get(i, f"class {i}"), color_of(i)) for i in missing}
    entries = [
        replace(entry, name=names.get(entry.id, entry.name), color=_hex_of(colormap, entry.id))
        for entry in (known | fresh).values()
    ]
    place = info.grid if info is not None else grid or Grid(*ids.shape)
    made = info.nearest(ids) if info is not None else None
    history = info.provenance if info is not None else Provenance()
    if made is not None:
        history = made.provenance
    taxonomy = Taxonomy(tuple(entries))
    narrow = ids.astype(np.uint8) if taxonomy.max_id <= 255 else ids.astype(np.uint16)
    return Segmentation(narrow, taxonomy, place, _confidence_of(ids, made), history), added


def _confidence_of(ids: NDArray[np.uint16], made: Made | None) -> NDArray[np.uint8] | None:
    """Return how sure labels are: as the method was, and where they were painted, wholly."""
    if made is None or made.confidence is None:
        return None
    painted = (ids != made.labels) & (ids != UNLABELLED)
    return np.where(painted, SURE, made.confidence)


def _colormap(taxonomy: Taxonomy) -> DirectLabelColormap:
    """Return the taxonomy's colours, and one for every id that a user may paint besides."""
    free = {i: color_of(i) for i in range(1, _COLOURED_IDS + 1)}
    named = {entry.id: entry.color for entry in taxonomy.classes}
    fixed: dict[int | None, str] = {None: _NO_CLASS, UNLABELLED: "transparent"}
    return DirectLabelColormap(color_dict=fixed | free | named)


def _hex_of(colormap: LabelColormap, class_id: int) -> str:
    red, green, blue, _ = (round(255 * float(c)) for c in colormap.map(np.array([class_id]))[0])
    return f"#{red:02X}{green:02X}{blue:02X}"


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
