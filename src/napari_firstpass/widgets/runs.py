"""What the panel computes in threads."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.backbones import keeps_features
from napari_firstpass.feature_cache import KEPT
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.label_file import write_segmentation
from napari_firstpass.io.scene_labels import scene_behind
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.raster import PartSource
from napari_firstpass.widgets.label_layers import mask_from
from napari_firstpass.widgets.scene import KEY, mask_of
from napari_firstpass.widgets.tile_keeping import TileKeeper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.layers import Labels
    from napari.utils.colormaps import LabelColormap
    from pandas import DataFrame

    from napari_firstpass.class_count import ClassCount
    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.feature_cache import FeatureCache, KeptFeatures
    from napari_firstpass.fit_images import NamedSource
    from napari_firstpass.grid import Grid, Window
    from napari_firstpass.progress import Steps
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.widgets.image_layers import Subject
    from napari_firstpass.widgets.model_runs import ModelFacts
    from napari_firstpass.widgets.tile_keeping import Found, Part


def find_classes(
    subject: Subject,
    config: SegmentConfig,
    kept: KeptFeatures = KEPT,
    part: Part | None = None,
    keeper: TileKeeper | None = None,
) -> Steps[Found]:
    """Segment what was chosen, and count what was found.

    Parameters
    ----------
    subject : Subject
        The image.
    config : SegmentConfig
        The options.
    kept : KeptFeatures
        Where the user wants features to be kept, and in how much room.
    part : Part or None
        The only part that is looked at; None for all.
    keeper : TileKeeper or None
        Takes the labels of the part, for somebody who may ask for what is ready.
    """
    from napari_firstpass.api import segment_into_steps

    leave_a_core()
    cache, keeper = feature_cache(config.backbone, kept), keeper or TileKeeper(part)
    work = partial(segment_into_steps, config=config, begin=keeper.begin, cache=cache)
    yield from _opened(subject, work, part)
    return (yield from _found(keeper, cache))


def apply_model(
    subject: Subject,
    model: ModelFacts,
    config: SegmentConfig,
    kept: KeptFeatures = KEPT,
    part: Part | None = None,
    keeper: TileKeeper | None = None,
) -> Steps[Found]:
    """Label what was chosen with the classes of a model, whose file is read here.

    Parameters
    ----------
    subject : Subject
        The image.
    model : ModelFacts
        The model.
    config : SegmentConfig
        The options; of a backbone, only its folder counts.
    kept, part, keeper
        As in `find_classes`.
    """
    yield Progress(0, 100)
    from napari_firstpass.api import label_into_steps
    from napari_firstpass.own_classes import load_model_steps

    leave_a_core()
    model.require_network(config.backbone)
    cache, keeper = feature_cache(model.backbone, kept), keeper or TileKeeper(part)
    loading = load_model_steps(str(model.path), config, cache=cache)
    ready = yield from relay(loading, Span(0, 10, 100))
    work = partial(label_into_steps, model=ready, config=config, begin=keeper.begin)
    yield from relay(_opened(subject, work, part), Span(10, 100, 100))
    return (yield from _found(keeper, cache))


def _found(keeper: TileKeeper, cache: FeatureCache | None) -> Steps[Found]:
    """Return what was collected, and why features could not be kept if so."""
    found = yield from keeper.found_steps()
    return replace(found, trouble=None if cache is None else cache.trouble)


@dataclass(frozen=True, slots=True)
class Suggested:
    """How many classes an image has.

    Attributes
    ----------
    classes : int
        The number.
    text : str
        A sentence about it.
    curve : str
        How well each number fits.
    """

    classes: int
    text: str
    curve: str

    @classmethod
    def of(cls, found: ClassCount, name: str) -> Suggested:
        """Put a suggestion for the image ``name`` into words."""
        others = f", but so can {' or '.join(map(str, found.also))}" if found.also else ""
        text = f"{found.classes} classes of {name} can be told apart{others}. Run finds them."
        scores = ", ".join(f"{classes}: {score:.2f}" for classes, score in found.curve)
        return cls(found.classes, text, f"Of {name}, {found.criterion}: {scores}.")


def suggest_number(
    subject: Subject, config: SegmentConfig, kept: KeptFeatures = KEPT
) -> Steps[Suggested]:
    """Suggest how many classes there are in what was chosen; for arguments see `find_classes`."""
    yield Progress(0, 1)
    from napari_firstpass.fit_options import FitOptions
    from napari_firstpass.suggesting import suggest_sources_steps

    leave_a_core()
    cache = feature_cache(config.backbone, kept)
    steps = suggest_sources_steps([named_source(subject)], config, FitOptions(cache=cache))
    return Suggested.of((yield from steps), subject.name)


def named_source(image: Path | Subject) -> NamedSource:
    """Return a file under its own name, as ``firstpass fit`` does, or an open image."""
    from napari_firstpass.fit_images import NamedSource

    source = image if isinstance(image, Path) else image.source
    if isinstance(source, Path):
        return NamedSource(source.name, partial(open_raster, source))
    name = image.name
    return NamedSource(name, lambda: nullcontext(source))


def feature_cache(backbone: str, kept: KeptFeatures) -> FeatureCache | None:
    """Return where features are kept, None for those that are quickly computed."""
    return kept.opened() if keeps_features(backbone) else None


def _opened(subject: Subject, work: Callable[..., Steps[None]], part: Part | None) -> Steps[None]:
    """Work on a file, which is opened here, in the thread that reads it, or on an open source."""
    from napari_firstpass.image_work import file_sha256

    path = subject.source
    if not isinstance(path, Path):
        yield from work(_part_of(path, part), name=subject.name)
        return
    with open_raster(path) as source:
        digest = yield from relay(file_sha256(path), Span(0, 2, 100), "reading the file")
        steps = work(_part_of(source, part), name=path.name, digest=digest)
        yield from relay(steps, Span(2, 100, 100))


def _part_of(source: RasterSource, part: Part | None) -> RasterSource:
    return source if part is None else PartSource(source, part.window)


def leave_a_core() -> None:
    """Keep torch, in this thread, from using the core that draws the window.

    If another plugin imported torch first, its threads spin while they wait (see `threads`); with
    every core taken and one of them drawing, a run on two cores then took 5 to 20 times as long.
    """
    import torch

    torch.set_num_threads(min(torch.get_num_threads(), max(1, (os.cpu_count() or 2) - 1)))


@dataclass(frozen=True, slots=True)
class LabelsNow:
    """A labels layer as it was when the user chose to save it.

    Attributes
    ----------
    labels : (H, W) integer array or SceneLabels
        A copy: the user may paint on.
    metadata, features, colormap
        Attributes of the layer.
    grid : Grid or None
        Place of a layer that we did not make.
    """

    labels: Any
    metadata: Mapping[str, Any]
    features: DataFrame
    colormap: LabelColormap
    grid: Grid | None = None

    @classmethod
    def of(cls, layer: Labels, grid: Grid | None) -> LabelsNow:
        """Copy what is needed of a layer."""
        metadata, features = dict(layer.metadata), layer.features.copy()
        pixels = layer.data[0] if layer.multiscale else layer.data
        scene = scene_behind(pixels)  # of which the thread reads what there is by then
        return cls(
            np.array(pixels) if scene is None else scene, metadata, features, layer.colormap, grid
        )

    def part(self, window: Window) -> LabelsNow:
        """Return the same of a window alone, of which the labels are read here."""
        info, metadata = mask_of(self.metadata), dict(self.metadata)
        if info is not None:
            metadata[KEY] = info.part(window)
        grid = None if self.grid is None else self.grid.crop(window)
        labels = np.array(self.labels[window.slices])
        return replace(self, labels=labels, metadata=metadata, grid=grid)


@dataclass(frozen=True, slots=True)
class Saved:
    """A mask that was written.

    Attributes
    ----------
    path : Path
        The file.
    grid : Grid
        Its size and place.
    added : tuple of str
        Names given to classes that had none.
    """

    path: Path
    grid: Grid
    added: tuple[str, ...]


def save_labels(
    now: LabelsNow, path: Path, *, overwrite: bool, forbid: tuple[Path, ...]
) -> Steps[Saved]:
    """Write labels as a georeferenced mask; see `mask_from` and `write_segmentation`."""
    yield Progress(0, 2, "reading the labels")
    segmentation, added = mask_from(
        now.labels,
        metadata=now.metadata,
        features=now.features,
        colormap=now.colormap,
        grid=now.grid,
    )
    yield Progress(1, 2, "writing")
    written = write_segmentation(path, segmentation, overwrite=overwrite, forbid=forbid)
    return Saved(written, segmentation.grid, added)
