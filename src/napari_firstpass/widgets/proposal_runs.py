"""What clusters may be, found in a thread: a class for each, and crops that show it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.example_crops import example_windows_steps
from napari_firstpass.grid import Window
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.label_changes import Replacement, relabelled
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.taxonomy import Taxonomy
from napari_firstpass.taxonomy_edits import is_cluster
from napari_firstpass.widgets.label_layers import mask_from
from napari_firstpass.widgets.looks import look_at, scene_bands
from napari_firstpass.widgets.runs import leave_a_core

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_firstpass.aligning import AlignConfig
    from napari_firstpass.alignment import Decision
    from napari_firstpass.progress import Steps
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.segmentation import Segmentation
    from napari_firstpass.widgets.image_layers import Subject
    from napari_firstpass.widgets.runs import LabelsNow

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


def propose_classes(
    subject: Subject | None, now: LabelsNow, config: AlignConfig, reference: LabelsNow | None
) -> Steps[Proposed]:
    """Propose one of the named classes of a layer for each of its clusters.

    Parameters
    ----------
    subject : Subject or None
        The image, for crops and for ways that look at it.
    now, reference : LabelsNow
        The layer, and one in which some pixels have their class, if there is one.
    config : AlignConfig
        How.
    """
    yield Progress(0, 100, "reading the labels")
    from napari_firstpass.align_images import propose_steps

    leave_a_core()
    labels = _segmentation(now)
    target = _without(labels.taxonomy, clusters=True)
    hints = None if reference is None else _named_after(_segmentation(reference), target)
    path = None if subject is None else subject.source
    opening = open_raster(path) if isinstance(path, Path) else nullcontext(path)
    with opening as source:
        clusters = _only_clusters(labels)
        proposing = propose_steps(clusters, target, config, source=source, reference=hints)
        _, prepared = yield from relay(proposing, Span(1, 70, 100))
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
