"""Refiners: methods that clean up labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.registry import Entry, Registry

if TYPE_CHECKING:
    from napari_firstpass.protocols import RefinerFactory

NO_REFINER = "none"

REFINERS: Registry[RefinerFactory] = Registry(
    "way to refine",
    "napari_firstpass.refiners",
    {
        "guided": Entry(
            "napari_firstpass.refiners.guided_filter:guided_refiner",
            "moves borders to edges of the image nearby; quick",
            ("fast", "wide"),
        ),
        "superpixels": Entry(
            "napari_firstpass.refiners.superpixel_vote:superpixel_refiner",
            "gives every patch of one colour the class of most of its pixels",
            ("fast",),
        ),
        "crf": Entry(
            "napari_firstpass.refiners.dense_crf:crf_refiner",
            "lets pixels of one colour pull each other to one class; slow",
            ("fast", "paper"),
        ),
        "dynaguide": Entry(
            "napari_firstpass.refiners.dynaguide:DynaGuideRefiner",
            "trains a small network on the image itself, guided by the labels",
            (
                "fast",
                "photographs",
                "paper",
                "bsd500",
                "pascal_voc",
                "coco",
                "shared-skip",
                "repo",
            ),
        ),
        "regions": Entry(
            "napari_firstpass.refiners.small_regions:regions_refiner",
            "gives specks to what surrounds them; borders stay",
            ("fast",),
        ),
    },
)
