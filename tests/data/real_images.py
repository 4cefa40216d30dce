"""Real images on the development machines; none are in the repository."""

from __future__ import annotations

import os
from pathlib import Path

DATA = Path(os.environ.get("FIRSTPASS_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def georeferenced_images() -> list[Path]:
    """Return the georeferenced images, an empty list where they are missing."""
    folders = ("georeferenced_samples", "aerial_geotiff")
    return sorted(path for folder in folders for path in (DATA / folder).glob("*.tif"))
