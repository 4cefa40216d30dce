"""A GeoTIFF becomes a label map in the same place, with progress on the way.

Without an argument it makes its own scene: ``python examples/segment_a_file.py [scene.tif]``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass import segment_file
from napari_firstpass.config import SegmentConfig
from napari_firstpass.io.raster_file import write_raster
from napari_firstpass.scenes import make_scene

if TYPE_CHECKING:
    from napari_firstpass.progress import Progress


class Printer:
    """Prints a line whenever a further hundredth of the way is done."""

    def __init__(self) -> None:
        self.percent = -1

    def __call__(self, progress: Progress) -> None:
        """Take a report of `napari_firstpass.progress`."""
        percent = progress.done * 100 // progress.total
        if percent > self.percent:
            print(f"{percent:3}% {progress.message}")
        self.percent = percent


def main() -> None:
    """Segment the file that is named, or a made-up town."""
    if len(sys.argv) > 1:
        image = Path(sys.argv[1])
    else:
        image = write_raster("town.tif", make_scene(512, 512).raster, overwrite=True)
    config = SegmentConfig(method="primaps", classes=8)
    report = segment_file(
        image, f"{image.stem}_labels.tif", config, overwrite=True, on_progress=Printer()
    )
    print(f"{report.labels}: {report.grid.describe()}")


if __name__ == "__main__":
    main()
