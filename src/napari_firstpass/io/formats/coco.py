"""Regions as instances in COCO's form."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.errors import OptionError
from napari_firstpass.exporting.preview import Note
from napari_firstpass.io.files import writing
from napari_firstpass.io.formats.exported_regions import parent_of, regions_of, require_codes
from napari_firstpass.outlines.bridges import bridged
from napari_firstpass.outlines.runs import run_lengths
from napari_firstpass.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.exporting.preview import ExportPreview
    from napari_firstpass.exporting.rules import WrittenClass
    from napari_firstpass.outlines.regions import Regions
    from napari_firstpass.progress import Steps

IMAGE = 1
"""Id of the one image in a file."""

_TOGETHER = 512
"""Annotations between two reports of progress."""

_MASKS = ("polygons", "rle")


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoExporter:
    """One annotation for each region, in an image as large as it is."""

    masks: str = field(
        default="polygons",
        metadata={"help": "polygons, where lines without width lead to holes; or rle"},
    )
    min_pixels: int = field(default=1, metadata={"help": "leaves out regions of fewer pixels"})

    def __post_init__(self) -> None:
        if self.masks not in _MASKS:
            raise OptionError(
                expected=f"masks as one of {', '.join(_MASKS)}",
                found=repr(self.masks),
                remedy="choose one of them",
            )
        require_min_pixels(self.min_pixels)

    def check(self, job: ExportJob) -> tuple[Note, ...]:
        """Refuse colours; warn of the category 0, which many readers take for the background."""
        require_codes(job, "coco")
        return told_of_zero(job)

    def write(self, job: ExportJob, _: ExportPreview, folder: Path) -> Steps[None]:
        """Write ``instances.json``, one annotation a line; the image stays where it is."""
        path = folder / "instances.json"
        numbers = count(1)
        with writing(path), path.open("w", encoding="utf-8", newline="\n") as file:
            head = json.dumps({**described(job), "categories": categories(job)}, ensure_ascii=False)
            file.write(f'{head[:-1]}, "annotations": [')
            separator = "\n"
            for batch in regions_of(job):
                progress = Progress(batch.rows, job.grid.height, "outlining regions")
                for annotation in annotations_of(
                    job, batch, numbers, job.grid.shape, masks=self.masks
                ):
                    if annotation["id"] % _TOGETHER == 0:
                        yield progress
                    if annotation["area"] < self.min_pixels:
                        continue
                    file.write(separator + json.dumps(annotation))
                    separator = ",\n"
                yield progress
            file.write("\n]}\n")


def described(job: ExportJob) -> dict[str, Any]:
    """Return what COCO's files say of themselves and of the image; there is no date."""
    return {**about(job), "images": [image_entry(IMAGE, job.image_name, job.grid.shape)]}


def image_entry(number: int, name: str, shape: tuple[int, int]) -> dict[str, Any]:
    """Return what COCO's files say of an image."""
    height, width = shape
    return {"id": number, "file_name": name, "height": height, "width": width}


def about(job: ExportJob) -> dict[str, Any]:
    """Return what COCO's files say of themselves."""
    return {
        "info": {
            "description": f"labels of {job.image_name}",
            "version": job.provenance.version,
            "contributor": "napari-firstpass",
        },
        "licenses": [],
    }


def categories(job: ExportJob) -> list[dict[str, Any]]:
    """Return the classes; each has its parent's name above it, or its own at the top."""
    return [category(entry) for entry in job.coding.classes]


def category(entry: WrittenClass) -> dict[str, Any]:
    """Return a class."""
    above = parent_of(entry) or entry.name
    return {"id": entry.code, "name": entry.name, "supercategory": above}


def told_of_zero(job: ExportJob) -> tuple[Note, ...]:
    """Return a note where a class has the code 0."""
    return tuple(
        Note(f"{entry.name!r} has the id 0, which some readers of COCO take for the background")
        for entry in job.coding.classes
        if entry.code == 0
    )


def require_min_pixels(pixels: int) -> None:
    """Refuse a smallest size below 1.

    Raises
    ------
    OptionError
        If it is.
    """
    if pixels < 1:
        raise OptionError(
            expected="a min_pixels of at least 1", found=str(pixels), remedy="correct it"
        )


def annotations_of(
    job: ExportJob,
    batch: Regions,
    numbers: Iterator[int],
    shape: tuple[int, int],
    *,
    image: int = IMAGE,
    masks: str = "polygons",
) -> Iterator[dict[str, Any]]:
    """Yield an annotation for each region of an image.

    Parameters
    ----------
    job : ExportJob
        The classes.
    batch : Regions
        Regions of it; values are places in the list of classes, from 1.
    numbers : iterator of int
        Gives each annotation its id.
    shape : (int, int)
        Height and width of the image.
    image : int
        Its id.
    masks : str
        ``polygons`` or ``rle``.
    """
    drawn = _polygons(batch) if masks == "polygons" else _runs(batch, shape)
    told = zip(batch.value, batch.pixels, batch.box, drawn, strict=True)
    for value, pixels, (row, col, height, width), mask in told:
        yield {
            "id": next(numbers),
            "image_id": image,
            "category_id": job.coding.classes[value - 1].code,
            "segmentation": mask,
            "area": int(pixels),
            "bbox": [int(col), int(row), int(width), int(height)],
            "iscrowd": 0,
        }


def _polygons(batch: Regions) -> Iterator[list[list[int]]]:
    rings = bridged(batch.rings)
    corners = rings.points[:, ::-1].astype(np.int64)
    for start, stop in zip(rings.starts[:-1], rings.starts[1:], strict=True):
        yield [corners[start:stop].ravel().tolist()]


def _runs(batch: Regions, shape: tuple[int, int]) -> Iterator[dict[str, Any]]:
    return (runs.to_dict() for runs in run_lengths(batch, *shape))
