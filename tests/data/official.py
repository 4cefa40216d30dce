"""Whether segment-anything, timm and open_clip can be imported: all need torchvision."""

from __future__ import annotations

from importlib import import_module

import pytest


def trouble(name: str) -> str:
    """Return why a package cannot be imported, nothing if it can."""
    try:
        import_module(name)
    # A torchvision made for another torch fails with the other two.
    except (ImportError, OSError, RuntimeError) as error:
        return f"{name} cannot be imported ({error}); make test runs these tests apart"
    return ""


OFFICIAL = trouble("segment_anything")
TIMM = trouble("timm")
OPEN_CLIP = trouble("open_clip")
needs_official = pytest.mark.skipif(bool(OFFICIAL), reason=OFFICIAL)
needs_timm = pytest.mark.skipif(bool(TIMM), reason=TIMM)
needs_open_clip = pytest.mark.skipif(bool(OPEN_CLIP), reason=OPEN_CLIP)
