"""Label maps by DiffSeg on the attention of Stable Diffusion; see `attention_regions`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from napari_firstpass.attention_regions import (
    DEFAULT_REGIONS,
    LOOK,
    RegionConfig,
    by_size,
    regions_steps,
)
from napari_firstpass.device import torch_device
from napari_firstpass.diffusion.folder import INDEX, DiffusionFolder
from napari_firstpass.diffusion.provider import load_diffusion
from napari_firstpass.errors import ImageContentError, OptionError, or_without_weights
from napari_firstpass.networks.viewing import picture_of
from napari_firstpass.normalize import filled, usable
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.provenance import Provenance
from napari_firstpass.refiners import NO_REFINER
from napari_firstpass.refiners.small_regions import merge_small_regions
from napari_firstpass.sampling import band_stats_steps
from napari_firstpass.segmentation import label_dtype
from napari_firstpass.taxonomy import Taxonomy, numbered_taxonomy
from napari_firstpass.tiling import tiles
from napari_firstpass.weights.catalogue import KNOWN
from napari_firstpass.weights.folder import find, is_path

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.grid import Grid, Window
    from napari_firstpass.protocols import LabelSink
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.segmentation import Labels

METHOD = "diffseg"

_OTHERWISE = f"leave out the backbone: {METHOD} then works on features that need no weights"
"""What works without the weights."""
_MOST_REGIONS = 65535
_PLAIN = {"upsample": "none", "projection": "none", "runtime": "torch"}
"""Options that change features, of which there are none here."""


@dataclass(frozen=True, slots=True, eq=False)
class AttentionLabels:
    """Regions of an image.

    Attributes
    ----------
    labels : (H, W) uint8 or uint16 array
        Regions from 1, 0 where there is no data.
    confidence : (H, W) uint8 array
        See `Segmentation`.
    taxonomy : Taxonomy
        A class for each region.
    grid : Grid
        Size and place.
    record : Provenance
        How they came about, but for the image.
    """

    labels: Labels
    confidence: NDArray[np.uint8]
    taxonomy: Taxonomy
    grid: Grid
    record: Provenance

    def write_steps(self, sink: LabelSink, window: int) -> Steps[None]:
        """Hand labels and confidence on, in windows of a side."""
        cuts = tiles(self.grid, window=window, overlap=0)
        for done, tile in enumerate(cuts):
            yield Progress(done, len(cuts), "writing")
            part = tile.core.slices
            sink.write(tile.core, self.labels[part], self.confidence[part])


def attention_folder(config: SegmentConfig, *, auto_classes: bool) -> DiffusionFolder | None:
    """Return the model whose attention a run is about, None if it is about features.

    Parameters
    ----------
    config : SegmentConfig
        With the method ``diffseg``, and a backbone that makes images: a name of ``firstpass models
        list``, or a folder.
    auto_classes : bool
        Whether the number of classes is open.

    Raises
    ------
    WeightsError
        If the weights are not there; the message says how to get them, and what needs none.
    OptionError
        If a number of classes is asked for, or features are to be changed.
    """
    reference = config.backbone
    known = not is_path(reference) and reference in KNOWN
    if config.method != METHOD or not (is_path(reference) or known):
        return None
    if known and KNOWN[reference].task != "diffusion":
        return None
    with or_without_weights(_OTHERWISE):
        folder = find(reference)
    if not (folder / INDEX).is_file():
        return None
    _require_plain(config, auto_classes)
    return DiffusionFolder(folder)


def _require_plain(config: SegmentConfig, auto_classes: bool) -> None:
    changed = [f"--{name}" for name, plain in _PLAIN.items() if getattr(config, name) != plain]
    if changed:
        raise OptionError(
            expected="attention as it is",
            found=" and ".join(changed),
            remedy="leave them out: they are for features",
        )
    if config.refine != NO_REFINER:
        raise OptionError(
            expected="regions of attention without refining in the same run",
            found=f"--refine {config.refine}",
            remedy='leave it out, and give the labels to "firstpass refine"',
        )
    if not auto_classes:
        raise OptionError(
            expected="an open number of classes: how many regions there are emerges from attention",
            found=f"{config.classes} asked for",
            remedy="add --classes auto (in Python auto_classes=True), or choose a backbone with "
            "features",
        )


def attention_labels_steps(
    source: RasterSource,
    folder: DiffusionFolder,
    config: SegmentConfig,
    regions: RegionConfig = DEFAULT_REGIONS,
) -> Steps[AttentionLabels]:
    """Take an image apart by what Stable Diffusion attends to.

    Labels of the whole are held in memory, some 15 bytes for each pixel.

    Parameters
    ----------
    source : RasterSource
        The image.
    folder : DiffusionFolder
        The model.
    config : SegmentConfig
        Of this, ``min_region`` and ``device`` count, and ``seed`` (of the sample that the stretch
        is measured on).
    regions : RegionConfig
        How.

    Raises
    ------
    ImageContentError
        If the image holds no data, one value everywhere, or more than 65535 regions.
    WeightsError
        If the model, or a library, is missing or damaged.
    ComputeError
        If memory is too short for one square.
    """
    device = torch_device(config.device)
    stats = yield from relay(band_stats_steps(source, config.seed), Span(0, 2, 100))
    with or_without_weights(_OTHERWISE):
        digest = yield from relay(folder.sha256_steps(), Span(2, 4, 100), "checking the weights")
        provider = yield from relay(load_diffusion(folder.path, LOOK, device), Span(4, 8, 100))
    valid = torch.zeros(source.grid.shape, dtype=torch.bool)

    def read(window: Window) -> Tensor | None:
        raster = usable(source.read(window))
        valid[window.slices] = torch.from_numpy(raster.valid)
        if not raster.valid.any():
            return None
        return picture_of(filled(raster), stats, raster.roles, device, 1)

    finding = regions_steps(source.grid.shape, read, provider, regions)
    found = yield from relay(finding, Span(8, 98, 100))
    labels = _tidy(found.labels * valid, config.min_region)
    return AttentionLabels(
        labels,
        (found.confidence * valid * 255).round().byte().numpy(),
        numbered_taxonomy(int(labels.max()), "region"),
        source.grid,
        Provenance(config=_told(config, regions), weights_sha256=digest),
    )


def _tidy(labels: Tensor, min_region: int) -> Labels:
    """Merge small regions into their neighbours, and number what is left by size."""
    labels = by_size(labels)
    _require_few(int(labels.max()))
    merged = merge_small_regions(labels.numpy().astype(np.uint16), min_region)
    left = by_size(torch.from_numpy(merged.astype(np.int64))).numpy()
    return cast("Labels", left.astype(label_dtype(int(left.max()))))


def _require_few(count: int) -> None:
    if count > _MOST_REGIONS:
        raise ImageContentError(
            expected=f"at most {_MOST_REGIONS} regions, as many as a label file can tell apart",
            found=str(count),
            remedy="take a part of the image, or read it at coarser pixels with --resample",
        )


def _told(config: SegmentConfig, regions: RegionConfig) -> dict[str, object]:
    backbone = Path(config.backbone).name if is_path(config.backbone) else config.backbone
    return {
        "method": METHOD,
        "backbone": backbone,
        "min_region": config.min_region,
        "seed": config.seed,
        "timestep": LOOK.timestep,
        "regions": asdict(regions),
    }
