"""What the tool for regions computes in a thread: what is selected, and what edits change."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_firstpass.errors import LayerError
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.scene_labels import SceneLabels
from napari_firstpass.label_regions import (
    joined_regions,
    region_at_steps,
    regions_inside_steps,
)
from napari_firstpass.progress import Progress, Span, relay

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_firstpass.label_changes import Replacement
    from napari_firstpass.label_regions import Region
    from napari_firstpass.progress import Steps
    from napari_firstpass.region_pictures import Pictures
    from napari_firstpass.segmentation import LabelPixels
    from napari_firstpass.widgets.image_layers import Subject

EditName = Literal["smooth", "fill", "specks", "snap"]

SQUARE = 2048
"""Of a region of a large scene that goes further than so many pixels, a square is taken."""


@dataclass(frozen=True, slots=True)
class Selected:
    """What is selected.

    Attributes
    ----------
    parts : tuple of Region
        The first is meant; of a region that was taken apart, the others may be meant instead.
    """

    parts: tuple[Region, ...]

    @property
    def region(self) -> Region:
        """What is meant."""
        return self.parts[0]

    @property
    def turned(self) -> Selected:
        """The same with the next part in the first place."""
        return Selected((*self.parts[1:], self.parts[0]))


@dataclass(frozen=True, slots=True)
class Edited:
    """An edit that is to be written.

    Attributes
    ----------
    kind : str
        ``relabel``, ``merge``, ``brush``, or the name of a button.
    edit : Replacement
        What changes.
    region : Region
        What was selected.
    then : Selected or None
        What is selected afterwards.
    """

    kind: str
    edit: Replacement
    region: Region
    then: Selected | None


class RegionImage:
    """The image below labels, for edits that look at it; made in one thread, used in another.

    Parameters
    ----------
    subject : Subject
        The image.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._pictures: Pictures | None = None

    def pictures(self) -> Pictures:
        """Return what looks at it."""
        from napari_firstpass.region_pictures import Pictures

        if self._pictures is None:
            source = self._subject.source
            if isinstance(source, Path):
                self._pictures = Pictures(partial(open_raster, source))
            else:
                self._pictures = Pictures(lambda: nullcontext(source))
        return self._pictures


def click_steps(
    labels: LabelPixels, row: int, col: int, before: Selected | None
) -> Steps[Selected]:
    """Select the region of a pixel, besides what was selected ``before``."""
    found = yield from region_at_steps(labels, row, col, square_for(labels))
    return Selected((found if before is None else joined_regions(before.region, found),))


def lasso_steps(labels: LabelPixels, outline: NDArray[np.float64]) -> Steps[Selected]:
    """Select the regions inside an outline."""
    return Selected(((yield from regions_inside_steps(labels, outline, square_for(labels))),))


def square_for(labels: LabelPixels) -> int | None:
    """Return the side of the squares in which regions are taken, None for whole ones."""
    return SQUARE if isinstance(labels, SceneLabels) else None


def split_steps(selected: Selected, stroke: NDArray[np.float64]) -> Steps[Selected]:
    """Take what is selected apart along a line."""
    yield Progress(0, 1, "splitting")
    from napari_firstpass.region_edits import split_along

    return Selected(split_along(selected.region, stroke))


def split_looks_steps(selected: Selected, image: RegionImage) -> Steps[Selected]:
    """Take what looks different out of what is selected."""
    yield Progress(0, 100, "looking at the region")
    from napari_firstpass.region_edits import split_by_looks

    region = selected.region
    picture = yield from relay(image.pictures().read_steps(region.window), Span(0, 60, 100))
    return Selected(split_by_looks(region, picture))


def relabel_steps(labels: LabelPixels, selected: Selected, class_id: int | None) -> Steps[Edited]:
    """Give what is selected a class; None for that of the neighbour it shares most border with."""
    yield Progress(0, 1, "relabelling")
    from napari_firstpass.region_edits import given_class, neighbour_of

    region = selected.region
    given = neighbour_of(labels, region) if class_id is None else class_id
    edit = given_class(labels, region, given)
    kind = "merge" if class_id is None else "relabel"
    then = Selected((replace(region, class_id=given), *selected.parts[1:]))
    return Edited(kind, edit, region, then)


def edit_steps(
    name: EditName, labels: LabelPixels, region: Region, pixels: int, image: RegionImage | None
) -> Steps[Edited]:
    """Change what is selected as a button says.

    Parameters
    ----------
    name : str
        Which button.
    labels : (H, W) integer array
        Class ids; not changed.
    region : Region
        What is selected.
    pixels : int
        How large holes and specks are at most.
    image : RegionImage or None
        What snapping looks at.

    Raises
    ------
    LayerError
        If there is no image to look at.
    """
    yield Progress(0, 100, "changing the region")
    from napari_firstpass import region_edits

    if name == "snap":
        pictures = require_image(image).pictures()
        height, width = labels.shape
        margin = region_edits.SNAP_MARGIN
        window = region.window.grown(margin, height=height, width=width)
        picture = yield from relay(pictures.read_steps(window), Span(0, 60, 100))
        edit = region_edits.snapped(labels, region, picture, window)
    elif name == "smooth":
        edit = region_edits.smoothed(labels, region)
    elif name == "fill":
        edit = region_edits.holes_filled(labels, region, pixels)
    else:
        edit = region_edits.specks_removed(labels, region, pixels + 1)
    left = region_edits.region_after(edit, region)
    return Edited(name, edit, region, None if left is None else Selected((left,)))


def brush_steps(
    labels: LabelPixels, path: NDArray[np.float64], class_id: int, image: RegionImage
) -> Steps[Edited | None]:
    """Give the superpixels under a stroke a class; None for a stroke outside the image."""
    from napari_firstpass.region_edits import given_class

    height, width = labels.shape
    pictures = image.pictures()
    touched = yield from pictures.superpixels_steps(path, (height, width))
    if touched is None:
        return None
    return Edited("brush", given_class(labels, touched, class_id), touched, None)


def require_image(image: RegionImage | None) -> RegionImage:
    """Return the image below labels.

    Raises
    ------
    LayerError
        If there is none.
    """
    if image is None:
        raise LayerError(
            expected="the image that these labels lie on",
            found="none of their size",
            remedy="choose it above, under Image",
        )
    return image
