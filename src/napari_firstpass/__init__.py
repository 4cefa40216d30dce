"""A first pass for annotators: unsupervised segmentation of aerial and satellite images."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_firstpass.align_images import align_array, align_file
    from napari_firstpass.api import label_file, segment_array, segment_file
    from napari_firstpass.export_images import export_array, export_file
    from napari_firstpass.fit_images import fit_files
    from napari_firstpass.import_images import import_file
    from napari_firstpass.io.taxonomy_file import read_taxonomy, write_taxonomy
    from napari_firstpass.prompt_folders import word_file
    from napari_firstpass.prompt_images import prompt_array, prompt_file
    from napari_firstpass.refine_images import refine_array, refine_file
    from napari_firstpass.replaying import replay_file
    from napari_firstpass.suggesting import suggest_classes

__all__ = [
    "__version__",
    "align_array",
    "align_file",
    "export_array",
    "export_file",
    "fit_files",
    "import_file",
    "label_file",
    "prompt_array",
    "prompt_file",
    "read_taxonomy",
    "refine_array",
    "refine_file",
    "replay_file",
    "segment_array",
    "segment_file",
    "suggest_classes",
    "word_file",
    "write_taxonomy",
]

_WHERE = {
    "align_array": "align_images",
    "align_file": "align_images",
    "export_array": "export_images",
    "export_file": "export_images",
    "fit_files": "fit_images",
    "import_file": "import_images",
    "label_file": "api",
    "prompt_array": "prompt_images",
    "prompt_file": "prompt_images",
    "read_taxonomy": "io.taxonomy_file",
    "refine_array": "refine_images",
    "refine_file": "refine_images",
    "replay_file": "replaying",
    "segment_array": "api",
    "segment_file": "api",
    "suggest_classes": "suggesting",
    "word_file": "prompt_folders",
    "write_taxonomy": "io.taxonomy_file",
}

__version__ = version("napari-firstpass")


def __getattr__(name: str) -> object:
    # torch and rasterio take seconds to import: only those who segment pay for it.
    if name in _WHERE:
        return getattr(import_module(f"napari_firstpass.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
