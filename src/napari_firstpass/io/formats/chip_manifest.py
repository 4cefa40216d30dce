"""Which chips were written, and what they hold."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from io import StringIO
from typing import TYPE_CHECKING

from napari_firstpass.io.files import writing
from napari_firstpass.io.json_file import json_bytes

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_firstpass.exporting.blocks import Chip
    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.io.formats.chip_files import Written

MANIFEST, CLASSES = "manifest.csv", "classes.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A list that grows with the chips.

    Attributes
    ----------
    job : ExportJob
        What is written.
    chips : list of (Chip, pixels of each class, Written)
        In order.
    """

    job: ExportJob
    chips: list[tuple[Chip, NDArray[np.int64], Written]] = field(default_factory=list)

    def add(self, chip: Chip, pixels: NDArray[np.int64], written: Written) -> None:
        """Note a chip, with the pixels of each class in their order."""
        self.chips.append((chip, pixels, written))

    def write(self, folder: Path) -> None:
        """Write ``manifest.csv`` and ``classes.json``.

        Cells of the table are numbers, hashes and paths that begin with a folder: none can be taken
        for a formula, whatever images and classes are called. The names are in the other file.
        """
        text = StringIO()
        table = csv.writer(text, lineterminator="\n")
        place = ("row", "col", "height", "width", "west", "south", "east", "north")
        pixels = [f"pixels_{entry.code}" for entry in self.job.coding.classes]
        table.writerow(("image", "mask", "split", *place, *pixels, "image_sha256", "mask_sha256"))
        for chip, counts, files in self.chips:
            window = chip.window
            inside = (window.row, window.col, window.height, window.width)
            hashes = (files.image_sha256, files.mask_sha256)
            row = (files.image, files.mask, chip.split, *inside, *self._bounds(chip))
            table.writerow((*row, *counts.tolist(), *hashes))
        with writing(folder / MANIFEST):
            (folder / MANIFEST).write_bytes(text.getvalue().encode(errors="surrogateescape"))
            (folder / CLASSES).write_bytes(json_bytes(self._classes()))

    def _bounds(self, chip: Chip) -> tuple[str, ...]:
        """Return west, south, east and north of a chip's pixels; empty texts without a place."""
        if not self.job.grid.is_georeferenced:
            return ("",) * 4
        grid = self.job.grid.crop(chip.window)
        corners = [(0, 0), (grid.width, 0), (0, grid.height), (grid.width, grid.height)]
        xs, ys = zip(*(grid.transform @ corner for corner in corners), strict=True)
        return tuple(repr(float(v)) for v in (min(xs), min(ys), max(xs), max(ys)))

    def _classes(self) -> dict[str, object]:
        coding = self.job.coding
        return {
            "classes": [
                {
                    "code": entry.code,
                    "name": entry.name,
                    "color": entry.color,
                    "parents": list(entry.parents),
                    "aliases": list(entry.aliases),
                }
                for entry in coding.classes
            ],
            "ignore": coding.ignore,
            "unlabelled": 0 if coding.keep_unlabelled else coding.ignore,
            "reduce_zero_label": coding.reduce_zero_label,
            "as_colors": coding.as_colors,
            "crs": self.job.grid.crs,
        }
