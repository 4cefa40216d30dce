"""A first pass for annotators: unsupervised segmentation of aerial and satellite images."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_firstpass.api import label_file, segment_array, segment_file

__all__ = ["__version__", "label_file", "segment_array", "segment_file"]

__version__ = version("napari-firstpass")


def __getattr__(name: str) -> object:
    # torch and rasterio take seconds to import: only those who segment pay for it.
    if name in ("label_file", "segment_array", "segment_file"):
        return getattr(import_module("napari_firstpass.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
