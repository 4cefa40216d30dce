"""Photographs with the regions that several people drew."""

from __future__ import annotations

from napari_firstpass.io.label_images import read_label_images
from rulers.datasets import DATA, DataSet
from rulers.pictures import Picture, image_pixels, rgb_raster
from rulers.protocols.regions import Regions


def _photographs() -> tuple[Picture, ...]:
    folder = DATA / "bsds500"
    return tuple(
        Picture(
            path.stem,
            rgb_raster(image_pixels(path)),
            read_label_images(folder / "groundTruth" / "val" / f"{path.stem}.mat").images,
        )
        for path in sorted((folder / "images" / "val").glob("*.jpg"))
    )


PHOTOGRAPHS = DataSet(
    name="bsds500",
    folder="bsds500",
    load=_photographs,
    split="val",
    about="100 photographs of 321 × 481, several annotators each. One fit for each; 6 clusters for "
    "rows that need a number. The predictions of all rows are split into connected pieces.",
    ignored="none",
    joint=False,
    rulers=(Regions(6),),
    regions=True,
)
