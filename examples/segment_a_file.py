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


class Show:
    """Print a line whenever something else begins."""

    def __init__(self) -> None:
        self.message = ""

    def __call__(self, progress: Progress) -> None:
        if progress.message != self.message:
            print(f"{progress.done / progress.total:4.0%} {progress.message}")
        self.message = progress.message


def main() -> None:
    """Segment the file that is named, or a made-up town."""
    if len(sys.argv) > 1:
        image = Path(sys.argv[1])
    else:
        image = write_raster("town.tif", make_scene(512, 512).raster, overwrite=True)
    config = SegmentConfig(method="primaps", classes=8)
    report = segment_file(
        image, f"{image.stem}_labels.tif", config, overwrite=True, on_progress=Show()
    )
    print(f"{report.labels}: {report.grid.describe()}")


if __name__ == "__main__":
    main()
