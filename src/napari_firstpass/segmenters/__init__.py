"""Segmenters: methods that find classes in a sample of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.registry import Entry, Registry

if TYPE_CHECKING:
    from napari_firstpass.protocols import SegmenterFactory

SEGMENTERS: Registry[SegmenterFactory] = Registry(
    "method",
    "napari_firstpass.segmenters",
    {
        "primaps": Entry(
            "napari_firstpass.segmenters.primaps:PrimapsSegmenter",
            "finds coherent regions first, then groups them into classes",
        ),
        "primaps-em": Entry(
            "napari_firstpass.segmenters.primaps_em:PrimapsEMSegmenter",
            "primaps, its classes trained further on the regions; better, slower",
        ),
        "kmeans": Entry(
            "napari_firstpass.segmenters.kmeans:KMeansSegmenter",
            "groups pixels by colour and texture; the plain baseline",
        ),
        "smooseg": Entry(
            "napari_firstpass.segmenters.smooseg:SmooSegSegmenter",
            "learns which places should share a class from how alike they look; slower",
        ),
        "diffseg": Entry(
            "napari_firstpass.segmenters.diffseg:DiffSegSegmenter",
            "joins places that are like the same places; on Stable Diffusion, finds regions",
        ),
    },
)
