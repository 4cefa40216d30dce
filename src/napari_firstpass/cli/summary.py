"""What commands that write label maps say about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_firstpass.cli.codes import DONE
from napari_firstpass.cli.options import suggestion_lines
from napari_firstpass.cli_progress import peak_memory
from napari_firstpass.pairing import EXTRAS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence
    from pathlib import Path

    from napari_firstpass.image_work import SegmentReport
    from napari_firstpass.taxonomy import Taxonomy

_MOST_SHOWN = 12


def extras(labels: Path) -> tuple[Path, Path]:
    """Return where the confidence and the overlay of a label file go."""
    confidence, overlay, _ = (f"{labels.stem}{extra}" for extra in EXTRAS)
    return labels.with_name(f"{confidence}.tif"), labels.with_name(f"{overlay}.png")


def suggestions_of(labels: Path) -> Path:
    """Return where the suggestions of a label file go."""
    return labels.with_name(f"{labels.stem}{EXTRAS[2]}.tif")


def add_qml(parser: ArgumentParser) -> None:
    """Describe ``--qml`` to a parser, for `Style`."""
    told = "also write NAME.qml: names and colours of the classes, for QGIS"
    parser.add_argument("--qml", action="store_true", help=told)


@dataclass(frozen=True, slots=True)
class Style:
    """The style of a label file, if it gets one: if asked for, or where one would be out of date.

    Raises
    ------
    OutputError
        If it is asked for and may not be written.
    """

    labels: Path
    options: Namespace

    def __post_init__(self) -> None:
        from napari_firstpass.io.files import check_output

        if self.options.qml:
            check_output(self._path, overwrite=self.options.overwrite)

    @property
    def _path(self) -> Path:
        from napari_firstpass.io.formats.raster_style import style_path

        return style_path(self.labels)

    def write(self, taxonomy: Taxonomy) -> str | None:
        """Write it; return its path, None if there is none."""
        from napari_firstpass.io.files import whole_file
        from napari_firstpass.io.formats.raster_style import label_style

        path = self._path
        is_outdated = self.options.overwrite and path.is_file()
        if not self.options.qml and not is_outdated:
            return None
        with whole_file(path, overwrite=self.options.overwrite) as partial:
            partial.write_bytes(label_style(taxonomy))
        return str(path)


def write_overlay_of(report: SegmentReport, path: Path, options: Namespace) -> Path:
    """Write a picture of new labels over their image; ``--bands`` and ``--overwrite`` count."""
    return write_overlay_on(report.image, report.labels, path, options)


def write_overlay_on(image: Path, labels: Path, path: Path, options: Namespace) -> Path:
    """Write a picture of a label file over its image; see `write_overlay_of`."""
    from napari_firstpass.io.geotiff import read_overview
    from napari_firstpass.io.label_file import read_segmentation
    from napari_firstpass.io.overlay import write_overlay

    side = 2048
    return write_overlay(
        path,
        read_overview(image, side, bands=options.bands),
        read_segmentation(labels, max_side=side),
        max_side=side,
        overwrite=options.overwrite,
        forbid=[image],
    )


def result_of(report: SegmentReport, overlay: Path | None, seconds: float) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    pixels = report.grid.height * report.grid.width
    return {
        "image": str(report.image),
        "labels": str(report.labels),
        "confidence": None if report.confidence is None else str(report.confidence),
        "overlay": None if overlay is None else str(overlay),
        "height": report.grid.height,
        "width": report.grid.width,
        "crs": report.grid.crs,
        "georeferenced": report.grid.is_georeferenced,
        "classes": [
            {
                "id": entry.id,
                "name": entry.name,
                "color": entry.color,
                "share": round(report.counts.get(entry.id, 0) / pixels, 6),
            }
            for entry in report.taxonomy.classes
        ],
        "suggested": None if report.suggested is None else report.suggested.to_dict(),
        "unlabelled_share": round(report.counts.get(0, 0) / pixels, 6),
        "seconds": round(seconds, 2),
        "peak_memory_mb": peak_memory(),
        "exit_code": DONE,
    }


def summary_of(result: dict[str, Any], notes: Sequence[str] = ()) -> list[str]:
    """Return what a person reads, with lines of notes before the last."""
    place = result["crs"] or "no CRS"
    classes = result["classes"]
    if len(classes) > _MOST_SHOWN:  # those of a model come in an order of its own
        classes = sorted(classes, key=lambda c: -c["share"])[:_MOST_SHOWN]
    shares = "  ".join(f"{c['name']} {c['share']:.0%}" for c in classes)
    lines = [
        f"{result['image']}: {result['height']} x {result['width']} pixels, {place}",
        f"  labels      {result['labels']}",
        *(
            f"  {key:<11} {result[key]}"
            for key in ("confidence", "overlay", "style")
            if result.get(key)
        ),
        f"  classes     {shares}",
        *suggestion_lines(result["suggested"]),
    ]
    if result["unlabelled_share"]:
        lines.append(f"  no data     {result['unlabelled_share']:.1%}")
    if not result["georeferenced"]:
        lines.append("  note        the image has no georeference, so the labels have none")
    memory = f", {result['peak_memory_mb']} MB at most" if result["peak_memory_mb"] else ""
    return [*lines, *notes, f"  took        {result['seconds']:.1f} s{memory}"]
