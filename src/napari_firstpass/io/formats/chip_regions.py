"""Layouts of chips whose readers want regions instead of masks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio

from napari_firstpass.exporting.blocks import SPLITS
from napari_firstpass.io.files import writing
from napari_firstpass.io.formats.chip_files import PNG
from napari_firstpass.io.formats.coco import about, annotations_of, categories, image_entry
from napari_firstpass.io.formats.exported_regions import place_table, require_codes
from napari_firstpass.io.gdal import gdal
from napari_firstpass.io.json_file import json_bytes
from napari_firstpass.outlines.bridges import bridged
from napari_firstpass.outlines.regions import regions_by_strips
from napari_firstpass.progress import Progress, Span, relay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.io.formats.chip_files import Written
    from napari_firstpass.io.formats.chip_manifest import Manifest
    from napari_firstpass.outlines.regions import Regions
    from napari_firstpass.progress import Steps
    from napari_firstpass.segmentation import Labels

LISTING, OUTLINING = "listing chips", "outlining regions"


@dataclass(frozen=True)
class CocoLayout:
    """``images/train`` and so on, with ``annotations/instances_train.json``."""

    form: str = PNG

    def check(self, job: ExportJob) -> None:
        """Refuse colours."""
        require_codes(job, "coco")

    def places(self, split: str) -> tuple[str, str]:
        """Return the folders of images and masks of a split."""
        return f"images/{split}", f"masks/{split}"

    def finish(self, folder: Path, job: ExportJob, manifest: Manifest) -> Steps[None]:
        """Write the manifest, and the regions of each split; all of a region in a chip is one."""
        yield Progress(0, 1, LISTING)
        manifest.write(folder)
        for place, split in enumerate(SPLITS):
            chips = list(_chips(manifest, split))
            if not chips:
                continue
            steps = _split_steps(folder, job, chips)
            found = yield from relay(steps, Span(place, place + 1, len(SPLITS)))
            told = {**about(job), "categories": categories(job), **found}
            path = folder / "annotations" / f"instances_{split}.json"
            with writing(path):
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(json_bytes(told, indent=None))


@dataclass(frozen=True)
class YoloLayout(CocoLayout):
    """``images/train`` and ``labels/train`` and so on, with ``data.yaml``."""

    def check(self, job: ExportJob) -> None:
        """Refuse colours."""
        require_codes(job, "yolo-seg")

    def finish(self, folder: Path, job: ExportJob, manifest: Manifest) -> Steps[None]:
        """Write the manifest, a file of regions for each chip, and what names the classes."""
        yield Progress(0, 1, LISTING)
        manifest.write(folder)
        chips = [files for split in SPLITS for files in _chips(manifest, split)]
        for done, files in enumerate(chips):
            yield Progress(done, len(chips), OUTLINING)
            places = _places(folder, job, files)
            name = files.image.replace("images/", "labels/", 1).rpartition(".")[0]
            path = folder / f"{name}.txt"
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                lines = [line for b in _regions(places) for line in _lines(b, places.shape)]
                path.write_bytes("".join(lines).encode())
        with writing(folder / "data.yaml"):
            (folder / "data.yaml").write_bytes(_data(job, manifest).encode())


def _chips(manifest: Manifest, split: str) -> Iterator[Written]:
    return (files for chip, _, files in manifest.chips if chip.split == split)


def _split_steps(folder: Path, job: ExportJob, chips: list[Written]) -> Steps[dict[str, Any]]:
    images: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    numbers = count(1)
    for number, files in enumerate(chips, start=1):
        yield Progress(number - 1, len(chips), OUTLINING)
        places = _places(folder, job, files)
        images.append(image_entry(number, files.image.rpartition("/")[2], places.shape))
        for batch in _regions(places):
            found.extend(annotations_of(job, batch, numbers, places.shape, image=number))
    return {"images": images, "annotations": found}


def _places(folder: Path, job: ExportJob, files: Written) -> Labels:
    """Return the place in the list of classes, from 1, of each pixel of a chip; 0 for none."""
    with gdal(), rasterio.open(folder / files.mask) as dataset:
        codes: Labels = dataset.read(1)
    places: Labels = place_table(job, codes.dtype)[codes]
    return places


def _regions(places: Labels) -> Iterator[Regions]:
    height, width = places.shape
    return regions_by_strips(height, width, lambda window: places[window.slices])


def _lines(batch: Regions, shape: tuple[int, int]) -> Iterator[str]:
    """Yield one line for each region: class from 0, then x and y as shares of the chip."""
    rings = bridged(batch.rings)
    shares = np.round(rings.points[:, ::-1] / (shape[1], shape[0]), 6)
    for region, value in enumerate(batch.value):
        points = shares[rings.starts[region] : rings.starts[region + 1]].ravel()
        yield f"{value - 1} {' '.join(f'{share:g}' for share in points)}\n"


def _data(job: ExportJob, manifest: Manifest) -> str:
    """Return the file that names classes and folders; texts of JSON are texts of YAML."""
    used = {chip.split for chip, _, _ in manifest.chips}
    # Readers want a folder to validate on.
    folders = {name: name for name in SPLITS if name in used} or {SPLITS[0]: SPLITS[0]}
    folders.setdefault(SPLITS[1], SPLITS[0])
    lines = ["path: .", *(f"{name}: images/{place}" for name, place in folders.items()), "names:"]
    lines += [f"  {i}: {json.dumps(entry.name)}" for i, entry in enumerate(job.coding.classes)]
    return "\n".join(lines) + "\n"
