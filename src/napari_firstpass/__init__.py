"""A first pass for annotators: unsupervised segmentation of aerial and satellite images."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_firstpass.api import fit_files, label_file, segment_array, segment_file
    from napari_firstpass.suggesting import suggest_classes

__all__ = [
    "__version__",
    "fit_files",
    "label_file",
    "segment_array",
    "segment_file",
    "suggest_classes",
]

__version__ = version("napari-firstpass")


def __getattr__(name: str) -> object:
    # torch and rasterio take seconds to import: only those who segment pay for it.
    if name in ("fit_files", "label_file", "segment_array", "segment_file"):
        return getattr(import_module("napari_firstpass.api"), name)
    if name == "suggest_classes":
        return getattr(import_module("napari_firstpass.suggesting"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
