"""What clusters may be, found in a thread: a class for each, and crops that show it."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.example_crops import example_windows_steps
from napari_firstpass.grid import Grid, Window
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.scene_labels import SceneLabels
from napari_firstpass.label_changes import Replacement, relabelled
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.raster import StackedSource
from napari_firstpass.segmentation import id_counts
from napari_firstpass.taxonomy import UNLABELLED, Taxonomy
from napari_firstpass.taxonomy_edits import is_cluster
from napari_firstpass.tiling import spread_windows
from napari_firstpass.widgets.label_layers import mask_from
from napari_firstpass.widgets.looks import look_at, scene_bands
from napari_firstpass.widgets.runs import leave_a_core
from napari_firstpass.widgets.scene import KEY, mask_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_firstpass.aligning import AlignConfig
    from napari_firstpass.alignment import Decision
    from napari_firstpass.progress import Steps
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.segmentation import LabelPixels, Segmentation
    from napari_firstpass.widgets.image_layers import Subject
    from napari_firstpass.widgets.runs import LabelsNow

_SAMPLE_SIDE, _SAMPLES, _SAMPLE_PIXELS = 1024, 8, 10_000
"""Of a large scene: side and number of the windows that are looked at, and pixels of each class in
them that are enough."""

CROPS = 3
SIDE = 64
"""Of a crop, in pixels."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one cluster may be.

    Attributes
    ----------
    decision : Decision
        The class that is proposed, and how sure that is.
    crops : tuple of (h, w, 3) uint8 array
        What the cluster looks like.
    """

    decision: Decision
    crops: tuple[NDArray[np.uint8], ...]


@dataclass(frozen=True, slots=True)
class Proposed:
    """What the clusters of a layer may be, the largest first, and the classes there are."""

    proposals: tuple[Proposal, ...]
    target: Taxonomy


@dataclass(frozen=True, slots=True)
class Merged:
    """Classes that are to become others, and the labels then.

    Attributes
    ----------
    mapping : mapping of int to int
        Ids before and after.
    replacement : Replacement
        What that changes, ready to be written.
    """

    mapping: Mapping[int, int]
    replacement: Replacement


def merge_classes(labels: NDArray[Any], mapping: Mapping[int, int]) -> Steps[Merged]:
    """Find what labels (H, W), which nobody changes, become."""
    yield Progress(0, 2, "replacing classes")
    after = relabelled(labels, mapping)
    yield Progress(1, 2, "comparing")
    whole = Window(0, 0, *labels.shape)
    return Merged(mapping, Replacement.of(whole, labels, after))


def sample_steps(*labels: LabelPixels) -> Steps[tuple[Window, ...]]:
    """Choose windows of one size that stand for labels of one large scene, and show their classes.

    They are spread over it; for a class of which these hold little, there is one where it has most.

    Parameters
    ----------
    labels : (H, W) integer arrays
        Class ids, and perhaps others that name places.
    """
    height, width = labels[0].shape
    grid = Grid(height, width)
    chosen = list(spread_windows(grid, side=_SAMPLE_SIDE, limit=_SAMPLES, seed=0))
    first = chosen[0]
    corners = list(product(range(0, height, first.height), range(0, width, first.width)))
    for part in labels:
        fullest: dict[int, tuple[int, Window]] = {}
        shown = sum((_counts(part, window) for window in chosen), Counter[int]())
        for done, (row, col) in enumerate(corners):
            yield Progress(done, len(corners), "looking for the classes")
            top, left = min(row, height - first.height), min(col, width - first.width)
            place = replace(first, row=top, col=left)
            for class_id, count in _counts(part, place).items():
                if count > fullest.get(class_id, (0, place))[0]:
                    fullest[class_id] = count, place
        for class_id, (count, place) in sorted(fullest.items()):
            if class_id != UNLABELLED and shown[class_id] < min(count, _SAMPLE_PIXELS):
                chosen.append(place)
    return tuple(dict.fromkeys(chosen))


def _counts(labels: LabelPixels, window: Window) -> Counter[int]:
    """Return how many pixels of a window each class has."""
    counts = id_counts(labels[window.slices])
    return Counter({int(i): int(counts[i]) for i in np.flatnonzero(counts)})


def _stacked(now: LabelsNow, windows: tuple[Window, ...]) -> LabelsNow:
    """Return the labels of some windows, one below the other."""
    info, metadata = mask_of(now.metadata), dict(now.metadata)
    labels = np.concatenate([now.labels[window.slices] for window in windows])
    if info is not None:
        part = replace(info, made=(), tiles=None).part(windows[0])
        metadata[KEY] = replace(part, grid=replace(part.grid, height=len(labels)), reviewed=None)
    return replace(now, labels=labels, metadata=metadata)


def propose_classes(
    subject: Subject | None, now: LabelsNow, config: AlignConfig, reference: LabelsNow | None
) -> Steps[Proposed]:
    """Propose one of the named classes of a layer for each of its clusters.

    Parameters
    ----------
    subject : Subject or None
        The image, for crops and for ways that look at it.
    now, reference : LabelsNow
        The layer, and one in which some pixels have their class, if there is one. Of a large
        scene, some windows are looked at; see `sample_steps`.
    config : AlignConfig
        How.
    """
    yield Progress(0, 100, "reading the labels")
    from napari_firstpass.align_images import propose_steps

    leave_a_core()
    scene, windows = now.labels, None
    if isinstance(scene, SceneLabels):
        fits = reference is not None and reference.labels.shape == scene.shape
        named = [reference.labels] if reference is not None and fits else []
        windows = yield from relay(sample_steps(scene, *named), Span(0, 10, 100))
        now = _stacked(now, windows)
        if reference is not None and fits:
            reference = _stacked(reference, windows)
    labels = _segmentation(now)
    target = _without(labels.taxonomy, clusters=True)
    hints = None if reference is None else _named_after(_segmentation(reference), target)
    path = None if subject is None else subject.source
    opening = open_raster(path) if isinstance(path, Path) else nullcontext(path)
    with opening as opened:
        source = opened
        if opened is not None and windows is not None:
            source = StackedSource(opened, windows)
        clusters = _only_clusters(labels)
        proposing = propose_steps(clusters, target, config, source=source, reference=hints)
        _, prepared = yield from relay(proposing, Span(10, 70, 100))
        told = sorted(prepared.proposals, key=lambda decision: -decision.pixels)
        ids = [decision.source for decision in told]
        looking = example_windows_steps(labels.labels, ids, side=SIDE, each=CROPS)
        places = yield from relay(looking, Span(70, 90, 100))
        found = []
        for decision in told:
            yield Progress(95, 100, "cutting out examples")
            crops = tuple(_crop(source, place) for place in places[decision.source] if source)
            found.append(Proposal(decision, crops))
    return Proposed(tuple(found), target)


def _segmentation(now: LabelsNow) -> Segmentation:
    return mask_from(
        now.labels,
        metadata=now.metadata,
        features=now.features,
        colormap=now.colormap,
        grid=now.grid,
    )[0]


def _without(taxonomy: Taxonomy, *, clusters: bool) -> Taxonomy:
    """Return the classes that are no clusters, or those that are."""
    kept = [entry for entry in taxonomy.classes if is_cluster(entry) != clusters]
    ids = {entry.id for entry in kept}
    return Taxonomy(tuple(replace(e, parent=e.parent if e.parent in ids else None) for e in kept))


def _only_clusters(labels: Segmentation) -> Segmentation:
    """Return labels without the pixels that have a named class already."""
    taxonomy = _without(labels.taxonomy, clusters=False)
    kept = np.zeros(max(labels.taxonomy.max_id, 1) + 1, labels.labels.dtype)
    kept[list(taxonomy.ids)] = list(taxonomy.ids)
    return replace(labels, labels=kept[labels.labels], taxonomy=taxonomy, confidence=None)


def _named_after(reference: Segmentation, target: Taxonomy) -> Segmentation:
    """Return a reference whose ids without a name of their own mean those of the target."""
    entries = tuple(
        replace(entry, name=target[entry.id].name)
        if entry.name == f"class {entry.id}" and entry.id in target
        else entry
        for entry in reference.taxonomy.classes
    )
    return replace(reference, taxonomy=Taxonomy(entries))


def _crop(source: RasterSource, place: Window) -> NDArray[np.uint8]:
    """Return what is seen at a place, (h, w, 3)."""
    raster = source.read(place)
    look = look_at(raster, scene_bands(raster.roles))
    seen: NDArray[Any] = look.paint(raster)
    if look.is_colour:
        return np.ascontiguousarray(seen[..., :3])
    grey = (seen.astype(np.float32) - look.low) * (255.0 / (look.high - look.low))
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
