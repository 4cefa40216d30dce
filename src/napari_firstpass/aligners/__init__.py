"""Aligners: ways to bring labels to the classes of another list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.registry import Entry, Registry

if TYPE_CHECKING:
    from napari_firstpass.protocols import AlignerFactory

ALIGNERS: Registry[AlignerFactory] = Registry(
    "way to align",
    "napari_firstpass.aligners",
    {
        "table": Entry(
            "napari_firstpass.aligners.table:table_aligner",
            "as a table says, or by common names",
        ),
        "reference": Entry(
            "napari_firstpass.aligners.reference:reference_aligner",
            "after places that somebody named; with the images, by looks too",
        ),
        "text": Entry(
            "napari_firstpass.aligners.text:text_aligner",
            "by words, with a model such as CLIP, class by class",
            ("fast", "crops"),
        ),
        "dynalign": Entry(
            "napari_firstpass.aligners.dynalign:dynalign_aligner",
            "by words, mask by mask, out of what each class may be",
            ("fast", "quick", "dense", "paper"),
        ),
    },
)
