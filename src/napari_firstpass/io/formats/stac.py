"""A STAC item: the mask, with what a catalogue tells of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.errors import OptionError
from napari_firstpass.exporting.preview import Note
from napari_firstpass.io.files import writing
from napari_firstpass.io.formats.exported_regions import require_codes
from napari_firstpass.io.formats.geotiff import GeotiffExporter
from napari_firstpass.io.json_file import json_bytes
from napari_firstpass.io.lon_lat import decimals_of, outline
from napari_firstpass.io.taken import Moment, moment_of, taken

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.exporting.preview import ExportPreview
    from napari_firstpass.progress import Steps
    from napari_firstpass.provenance import Provenance

_NAME = "stac"
_VERSION = "1.1.0"
_URL = "https://stac-extensions.github.io"
SCHEMAS = {
    f"{_URL}/label/v1.0.1/schema.json": "label.json",
    f"{_URL}/classification/v2.0.0/schema.json": "classification.json",
    f"{_URL}/ml-aoi/v0.2.0/schema.json": "ml-aoi.json",
    f"{_URL}/projection/v2.0.0/schema.json": "projection.json",
}
"""Extensions, and the files in ``stac_schemas`` that say what our items promise of each."""

_EXTENSIONS = (
    *SCHEMAS,
    # The published schema of 1.0.1 asks for the name of the version before.
    f"{_URL}/label/v1.0.0/schema.json",
)
_SPLITS = ("", "train", "validate", "test")
_GEOTIFF = "image/tiff; application=geotiff"
_GEOJSON = "application/geo+json"

AUTOMATED, MANUAL = "automated", "manual"
"""What ``label:methods`` holds: the first if a method made the labels, the second if a person has
changed them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StacExporter:
    """An item with the extensions label, classification, ML-AOI and projection."""

    datetime: str = field(
        default="",
        metadata={
            "help": "when the image was taken, such as 2024-05-31; empty for what it tells itself"
        },
    )
    split: str = field(
        default="", metadata={"help": "what it is for: train, validate or test; empty for unknown"}
    )
    image_href: str = field(
        default="", metadata={"help": "where the image is, seen from the item; its name if empty"}
    )

    def __post_init__(self) -> None:
        if self.split not in _SPLITS:
            raise OptionError(
                expected="a split out of train, validate and test",
                found=repr(self.split),
                remedy="choose one of them, or leave it out",
            )
        if self.datetime and moment_of(self.datetime) is None:
            raise OptionError(
                expected="a date such as 2024-05-31, or 2024-05-31T10:00:00Z",
                found=repr(self.datetime),
                remedy="correct it",
            )

    def check(self, job: ExportJob) -> tuple[Note, ...]:
        """Refuse images without a place on Earth or a date; tell of a date that was found."""
        require_codes(job, _NAME)
        outline(job.grid, _NAME)
        when = self._when(job)
        notes = GeotiffExporter().check(job)
        if not self.datetime:
            notes = (*notes, Note(f"the image was taken {when.text}, as {when.source} says"))
        if not methods_of(job.provenance):
            return (*notes, Note("nobody knows how the labels came about: no label:methods"))
        return notes

    def write(self, job: ExportJob, preview: ExportPreview, folder: Path) -> Steps[None]:
        """Write ``NAME.tif``, its extent ``NAME_extent.geojson``, and the item ``NAME.json``."""
        yield from GeotiffExporter().write(job, preview, folder)
        extent = np.round(outline(job.grid, _NAME), decimals_of(job.grid))
        item = self._item(job, preview, extent)
        feature = {key: item[key] for key in ("type", "geometry", "bbox")}
        feature["properties"] = {"source": job.image_name}
        whole = {"type": "FeatureCollection", "features": [feature]}
        for name, content in ((f"{job.name}.json", item), (_extent_name(job), whole)):
            with writing(folder / name):
                (folder / name).write_bytes(json_bytes(content))

    def _when(self, job: ExportJob) -> Moment:
        """Return when the image was taken: as was said, or as the image tells.

        Raises
        ------
        OptionError
            If nobody knows.
        """
        said = moment_of(self.datetime)
        found = taken(job.image, job.image_name) if said is None else Moment(said, "the option")
        if found is None:
            raise OptionError(
                expected="when the image was taken, which each STAC item tells",
                found="no date",
                remedy="give one, such as -o datetime=2024-05-31",
            )
        return found

    def _item(
        self, job: ExportJob, preview: ExportPreview, extent: np.ndarray[Any, Any]
    ) -> dict[str, Any]:
        source = {"rel": "source", "href": self.image_href or job.image_name}
        return {
            "type": "Feature",
            "stac_version": _VERSION,
            "stac_extensions": list(_EXTENSIONS),
            "id": job.name,
            "geometry": {"type": "Polygon", "coordinates": [extent.tolist()]},
            "bbox": [*extent.min(axis=0).tolist(), *extent.max(axis=0).tolist()],
            "properties": {
                "datetime": self._when(job).text,
                **_label_properties(job, preview),
                **({"ml-aoi:split": self.split} if self.split else {}),
                **_projection(job),
                "firstpass:provenance": json.loads(job.provenance.to_json()),
            },
            "links": [{**source, "title": "the image", "ml-aoi:role": "feature"}],
            "assets": {
                "labels": {
                    "href": f"./{job.name}.tif",
                    "type": _GEOTIFF,
                    "title": "class of each pixel",
                    "roles": ["data", "labels", "labels-raster"],
                    "ml-aoi:role": "label",
                    "ml-aoi:reference-grid": True,
                    "classification:classes": classes_of(job),
                },
                "extent": {
                    "href": f"./{_extent_name(job)}",
                    "type": _GEOJSON,
                    "title": "what was labelled",
                    "roles": ["metadata"],
                },
            },
        }


def methods_of(provenance: Provenance) -> list[str]:
    """Return what ``label:methods`` says of labels; empty if nobody knows."""
    made = [AUTOMATED] if provenance.config else []
    return made + ([MANUAL] if provenance.edited else [])


def classes_of(job: ExportJob) -> list[dict[str, Any]]:
    """Return the classes as the extension ``classification`` has them, and what is ignored."""
    slugs = [_slug(entry.name) for entry in job.coding.classes]
    several = Counter(slugs)
    told: list[dict[str, Any]] = [
        {
            "value": entry.code,
            "name": slug if slug and several[slug] == 1 else f"{slug or 'class'}-{entry.code}",
            "title": entry.name,
            "description": " / ".join((*entry.parents, entry.name)),
            "color_hint": entry.color[1:].upper(),
        }
        for slug, entry in zip(slugs, job.coding.classes, strict=True)
    ]
    nothing = {"value": job.coding.ignore, "name": "_ignored", "title": "ignored", "nodata": True}
    return [*told, nothing]


def _label_properties(job: ExportJob, preview: ExportPreview) -> dict[str, Any]:
    counts = [
        {"name": entry.name, "count": preview.after.get(entry.code, 0)}
        for entry in job.coding.classes
    ]
    methods = methods_of(job.provenance)
    return {
        "label:type": "raster",
        "label:properties": None,
        "label:classes": [{"name": None, "classes": [entry.name for entry in job.coding.classes]}],
        "label:description": f"classes of the pixels of {job.image_name}",
        "label:tasks": ["segmentation"],
        **({"label:methods": methods} if methods else {}),
        "label:overviews": [{"property_key": "class", "counts": counts}],
    }


def _projection(job: ExportJob) -> dict[str, Any]:
    grid = job.grid
    crs = grid.crs or ""
    is_code = crs.startswith("EPSG:")
    return {
        "proj:code": crs if is_code else None,
        **({} if is_code else {"proj:wkt2": crs}),
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform)[:6],
    }


def _slug(name: str) -> str:
    """Return a name in the letters that names of classes may have."""
    return re.sub(r"[^0-9A-Za-z]+", "-", name).strip("-").lower()


def _extent_name(job: ExportJob) -> str:
    return f"{job.name}_extent.geojson"
