"""When an image was taken, as far as its file tells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from napari_firstpass.io.gdal import gdal
from napari_firstpass.io.geotiff import RasterFile

if TYPE_CHECKING:
    from napari_firstpass.raster import RasterSource

_TAGS = (("IMAGERY", "ACQUISITIONDATETIME"), (None, "EXIF_DateTimeOriginal"))
"""Domain and name of tags that tell it for certain."""

_WRITTEN = (None, "TIFFTAG_DATETIME")
"""May as well be when the file was written: what its name says goes first."""

_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d\d)(-?)(\d\d)\2(\d\d)(?!\d)")
_IN_TAG = re.compile(r"^(\d{4}):(\d\d):(\d\d) ")


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment, and what told it.

    Attributes
    ----------
    text : str
        As STAC has it, such as ``2024-05-31T10:00:00Z``.
    source : str
        For messages.
    """

    text: str
    source: str


def taken(source: RasterSource, name: str) -> Moment | None:
    """Return when an image was taken; None where neither its tags nor its name tell.

    Tags without a time zone count as UTC.
    """
    for place in _TAGS:
        if (moment := _tagged(source, *place)) is not None:
            return moment
    for year, _, month, day in _IN_NAME.findall(name):
        if (text := moment_of(f"{year}-{month}-{day}")) is not None:
            return Moment(text, f"the name {name}")
    return _tagged(source, *_WRITTEN)


def moment_of(text: str) -> str | None:
    """Return a date in the form of ISO 8601, with a time or without, as STAC has it; or None."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='seconds')}Z"


def _tagged(source: RasterSource, domain: str | None, name: str) -> Moment | None:
    if not isinstance(source, RasterFile):
        return None
    with gdal():
        value = source.dataset.tags(ns=domain).get(name, "")
    text = moment_of(_IN_TAG.sub(r"\1-\2-\3 ", value.strip()))
    return None if text is None else Moment(text, f"the tag {name}")
