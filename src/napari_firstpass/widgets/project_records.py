"""A labels layer as plain values and arrays for a project folder, and back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine

from napari_firstpass.errors import FirstPassError
from napari_firstpass.grid import Grid
from napari_firstpass.io.project_folder import SavedLayer
from napari_firstpass.io.scene_labels import SceneLabels, scene_behind
from napari_firstpass.io.tile_store import TileStore
from napari_firstpass.provenance import Provenance
from napari_firstpass.reviewed import Reviewed
from napari_firstpass.segmentation import present_ids
from napari_firstpass.taxonomy import Taxonomy
from napari_firstpass.widgets.label_layers import colormap_of, names_table, taxonomy_in
from napari_firstpass.widgets.runs import LabelsNow
from napari_firstpass.widgets.scene import KEY, Made, MadeTiles, MaskInfo, mask_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_firstpass.taxonomy import LabelClass
    from napari_firstpass.widgets.scene import LayerTuple

_REVIEWED, _TAKEN = "reviewed", "learned"
_MADE, _SURE = "made-labels", "made-confidence"
"""Of a large scene: names of the tiles of labels as they were made, and of how sure they are."""


@dataclass(frozen=True, slots=True)
class LayerNow:
    """A labels layer at the moment in which it is saved.

    Attributes
    ----------
    number : int
        See `SavedLayer`.
    name : str
        Of the layer.
    looks : dict
        How it is shown, as plain values.
    now : LabelsNow
        The pixels, of which there is no copy, and all that names them.
    removed : bool
        Whether somebody has removed it while the image stayed open.
    """

    number: int
    name: str
    looks: dict[str, Any]
    now: LabelsNow
    removed: bool = False

    @classmethod
    def of(cls, layer: Labels, number: int, grid: Grid) -> LayerNow:
        """Note a layer; takes less than a millisecond."""
        looks: dict[str, Any] = {"visible": bool(layer.visible), "opacity": float(layer.opacity)}
        looks["selected"] = int(layer.selected_label)
        scene = scene_behind(layer.data)
        pixels = layer.data if scene is None else scene.store
        if scene is None:  # else it lies where the part does that is shown
            looks["affine"] = _plain(layer)
        now = LabelsNow(pixels, dict(layer.metadata), layer.features.copy(), layer.colormap, grid)
        return cls(number, layer.name, looks, now)

    def saved(self) -> SavedLayer:
        """Return what is to be written; looks at all pixels."""
        info, grid = mask_of(self.now.metadata), self.now.grid
        if info is None:
            height, width = self.now.labels.shape
            info = MaskInfo(self.name, grid or Grid(height, width), Taxonomy(()), Provenance())
        arrays: dict[str, NDArray[Any] | TileStore] = {}
        about = {
            "name": self.name,
            "looks": self.looks,
            "scene": info.scene,
            "grid": grid_record(info.grid),
            "sources": [str(path) for path in info.sources],
            "taxonomy": self._classes(info).to_dict(),
            "retired": [_class_record(entry) for entry in info.retired],
            "provenance": info.provenance.to_json(),
            "made": [
                _made_record(made, arrays) for made in info.made if made.number <= info.at
            ],  # others were undone
            "tiles": None if info.tiles is None else _tiles_record(info.tiles, arrays),
            "at": info.at,
            "removed": self.removed,
        }
        seen = info.reviewed
        parts = {} if seen is None else {_REVIEWED: seen.to_bytes()}
        if info.tiles is not None and info.tiles.taken is not None:
            parts[_TAKEN] = info.tiles.taken.to_bytes()
        return SavedLayer(self.number, about, self.now.labels, arrays, parts)

    def _classes(self, info: MaskInfo) -> Taxonomy:
        """Return the classes as they are shown; the work is saved whatever they are called."""
        now = self.now
        try:
            present = [] if isinstance(now.labels, TileStore) else present_ids(now.labels)
            return taxonomy_in(
                present, metadata=now.metadata, features=now.features, colormap=now.colormap
            )[0]
        except (FirstPassError, ValueError):  # such as ids below 0
            return info.taxonomy


def labels_again(saved: SavedLayer, files: Sequence[Path]) -> LayerTuple:
    """Return the layer that was saved; ``files`` is the image, which may have moved."""
    about = saved.about
    height, width = saved.labels.shape[:2]
    grid = grid_of_record(about.get("grid")) or Grid(height, width)
    taxonomy = Taxonomy.from_dict(about.get("taxonomy", {"classes": []}))
    retired = tuple(_class_again(entry) for entry in about.get("retired", ()))
    info = MaskInfo(
        about.get("scene", "scene"),
        grid,
        taxonomy,
        _provenance(about.get("provenance", "{}")),
        tuple(files) or tuple(Path(path) for path in about.get("sources", ())),
        _made_again(about.get("made", ()), saved.arrays),
        retired,
        Reviewed.from_bytes(saved.parts[_REVIEWED]) if _REVIEWED in saved.parts else None,
        _tiles_again(about.get("tiles"), saved),
        int(about.get("at", 0)),
    )
    entries = [*retired, *taxonomy.classes]
    keywords: dict[str, Any] = {
        "name": str(about.get("name", f"labels {saved.number}")),
        "colormap": colormap_of(entries),
        "features": names_table(entries),
        "metadata": {KEY: info},
        **_looks_again(about.get("looks")),
    }
    keywords["visible"] = keywords["visible"] and not about.get("removed")
    if not isinstance(saved.labels, TileStore):
        return saved.labels.copy(), keywords, "labels"
    scene = SceneLabels(saved.labels)
    scene.look_at_all()
    return scene, keywords, "labels"


def _looks_again(told: object) -> dict[str, Any]:
    """Return how a layer is shown; what is damaged is as usual."""
    looks = told if isinstance(told, dict) else {}
    opacity, visible = looks.get("opacity"), looks.get("visible")
    found: dict[str, Any] = {
        "opacity": opacity if isinstance(opacity, float) and 0 <= opacity <= 1 else 0.5,
        "visible": visible if isinstance(visible, bool) else True,
    }
    with suppress(TypeError, ValueError):
        affine = np.array(looks.get("affine"), dtype=np.float64)
        if affine.shape == (3, 3) and np.isfinite(affine).all() and np.linalg.det(affine):
            found["affine"] = affine
    return found


def grid_record(grid: Grid) -> dict[str, Any]:
    """Return size and place as plain values."""
    place = {"transform": list(grid.transform)[:6], "crs": grid.crs}
    return {"height": grid.height, "width": grid.width, **place}


def grid_of_record(told: Mapping[str, Any] | None) -> Grid | None:
    """Return what `grid_record` wrote; None for nothing."""
    if not told:
        return None
    return Grid(told["height"], told["width"], Affine(*told["transform"]), told["crs"])


def _plain(layer: Labels) -> list[list[float]]:
    """Return where pixels of a layer lie in the viewer, as a matrix."""
    places = [np.array(layer.data_to_world(p))[-2:] for p in ((0, 0), (1, 0), (0, 1))]
    origin, down, across = places
    columns = np.stack([down - origin, across - origin, origin], axis=1)
    return [*columns.tolist(), [0.0, 0.0, 1.0]]


def _class_record(entry: LabelClass) -> dict[str, Any]:
    alone: dict[str, Any] = Taxonomy((replace(entry, parent=None),)).to_dict()["classes"][0]
    return alone


def _class_again(told: dict[str, Any]) -> LabelClass:
    return Taxonomy.from_dict({"classes": [told]}).classes[0]


def _provenance(text: str) -> Provenance:
    try:
        return Provenance.from_json(text)
    except FirstPassError:  # the labels can be used without their history
        return Provenance()


def _tiles_record(tiles: MadeTiles, arrays: dict[str, NDArray[Any] | TileStore]) -> dict[str, Any]:
    """Return labels of a large scene as they were made as plain values, and their tiles by name."""
    arrays[_MADE] = tiles.labels
    if tiles.confidence is not None:
        arrays[_SURE] = tiles.confidence
    return {"became": [list(pair) for pair in tiles.became]}


def _tiles_again(told: Mapping[str, Any] | None, saved: SavedLayer) -> MadeTiles | None:
    """Return what `_tiles_record` wrote; None for nothing, or if it was lost."""
    made, sure = saved.arrays.get(_MADE), saved.arrays.get(_SURE)
    if told is None or not isinstance(made, TileStore):
        return None
    became = tuple((int(old), int(new)) for old, new in told["became"])
    taken = Reviewed.from_bytes(saved.parts[_TAKEN]) if _TAKEN in saved.parts else None
    return MadeTiles(made, sure if isinstance(sure, TileStore) else None, became, taken)


def _made_record(made: Made, arrays: dict[str, NDArray[Any] | TileStore]) -> dict[str, Any]:
    """Return a state as plain values, and its arrays by name, each once."""

    def name_of(values: NDArray[Any] | None) -> str | None:
        if values is None:
            return None
        known = next((name for name, other in arrays.items() if other is values), None)
        name = known or f"array {len(arrays) + 1}"
        arrays[name] = values
        return name

    return {
        "labels": name_of(made.labels),
        "confidence": name_of(made.confidence),
        "became": [list(pair) for pair in made.became],
        "number": made.number,
    }


def _made_again(
    told: Sequence[Mapping[str, Any]], arrays: Mapping[str, NDArray[Any] | TileStore]
) -> tuple[Made, ...]:
    """Return the states whose arrays are there."""
    held = {name: values for name, values in arrays.items() if isinstance(values, np.ndarray)}
    return tuple(
        Made(
            held[entry["labels"]],
            held.get(entry["confidence"]),
            tuple((int(old), int(new)) for old, new in entry["became"]),
            int(entry["number"]),
        )
        for entry in told
        if entry["labels"] in held
    )
