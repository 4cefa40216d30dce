"""What a way to align takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np

from napari_firstpass.config import DEFAULT_PRESET, WINDOW_STEP
from napari_firstpass.errors import GridMismatchError, OptionError
from napari_firstpass.segmentation import SURE
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from napari_firstpass.alignment import Decision
    from napari_firstpass.candidates import CandidateTable
    from napari_firstpass.config import Device
    from napari_firstpass.grid import Grid, Window
    from napari_firstpass.hints import HintSet
    from napari_firstpass.name_table import NameTable
    from napari_firstpass.raster import Raster, RasterSource
    from napari_firstpass.sampling import OpenSource
    from napari_firstpass.segmentation import Labels, Segmentation
    from napari_firstpass.source_belief import SourceBelief
    from napari_firstpass.taxonomy import Taxonomy

Match: TypeAlias = Literal["majority", "hungarian"]
"""How classes that share pixels are paired: each with the one it shares most with, or one to one so
that as many pixels as possible are shared."""

Level: TypeAlias = Literal["auto", "classes", "regions"]
"""What is decided on: whole classes of the source, regions, or what suits (``auto``)."""


_LEVELS: tuple[Level, ...] = ("auto", "classes", "regions")
_MATCHES: tuple[Match, ...] = ("majority", "hungarian")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignConfig:
    """How to align; each way takes what it needs.

    Attributes
    ----------
    way : str
        A registered way to align: ``table`` or ``reference``.
    table : NameTable or None
        Which class becomes which; for ``table``, which without one goes by common names.
    match : Match
        How classes are paired by shared pixels.
    level : Level
        What is decided on.
    backbone : str
        Describes pixels, for ways that compare descriptions.
    window : int
        Side of the windows that are aligned at once, in pixels: a multiple of 16 from 64 to 8192.
    overlap : int
        Context around them, for ways that look at the image: a multiple of 16, at most the window.
    seed : int
        Drives random choices.
    device : Device
        Where to compute.
    preset : str
        Settings of the way, for those that have some.
    model : str or None
        Name or folder of weights that compare words with pictures, for ways that do.
    masks : str or None
        Name, folder or file of a Segment Anything model that finds regions, for ways that look for
        some; None for regions of one colour each.
    candidates : CandidateTable or None
        What each class may become, and what to call it; None for all classes of the target.
    source_model : str or None
        Name or folder of the network that made the labels, for `dynalign`: all that it believes
        tells which masks are in doubt. None: the labels tell it.
    veto : float or None
        For `dynalign`: see `MaskConfig`; None for that of the preset.
    least : float
        In [0, 1]: labels that are less sure stay unlabelled. What is left may serve as hints.
    """

    way: str = "table"
    table: NameTable | None = None
    match: Match = "majority"
    level: Level = "auto"
    backbone: str = "embedded"
    window: int = 1024
    overlap: int = 64
    seed: int = 0
    device: Device = "auto"
    preset: str = DEFAULT_PRESET
    model: str | None = None
    masks: str | None = None
    candidates: CandidateTable | None = None
    source_model: str | None = None
    veto: float | None = None
    least: float = 0.0

    def __post_init__(self) -> None:
        choices = {"match": (self.match, _MATCHES), "level": (self.level, _LEVELS)}
        for name, (value, known) in choices.items():
            if value not in known:
                raise OptionError(
                    expected=f"a {name} out of {', '.join(known)}",
                    found=repr(value),
                    remedy="choose one of them",
                )
        sizes = self.window % WINDOW_STEP == self.overlap % WINDOW_STEP == 0
        if not (sizes and 64 <= self.window <= 8192 and 0 <= self.overlap <= self.window):
            raise OptionError(
                expected=f"a window from 64 to 8192 and an overlap up to it, in {WINDOW_STEP}s",
                found=f"{self.window} and {self.overlap}",
                remedy="choose other sizes",
            )
        if not 0 <= self.least <= 1:
            raise OptionError(
                expected="a least confidence in [0, 1]", found=f"{self.least:g}", remedy="scale it"
            )

    def record(self) -> dict[str, Any]:
        """Return what a provenance tells of this, as plain values."""
        names = ("way", "match", "level", "backbone", "window", "overlap", "seed", "least")
        plain = {name: getattr(self, name) for name in names}
        if self.table is not None:
            plain["table"] = [list(pair) for pair in self.table.pairs]
        return plain


DEFAULT_ALIGNING = AlignConfig()


class LabelWindows(Protocol):
    """Labels of one image, handed out by windows: an open file, or an array in memory."""

    @property
    def grid(self) -> Grid:
        """Size and place, those of the image."""
        ...

    def read(self, window: Window) -> Labels:
        """Return the ids (h, w) under a window."""
        ...

    def read_confidence(self, window: Window) -> NDArray[np.uint8] | None:
        """Return how sure they are (h, w), None where nobody knows."""
        ...


@dataclass(frozen=True, slots=True)
class ArrayLabels:
    """`LabelWindows` over labels in memory."""

    segmentation: Segmentation

    @property
    def grid(self) -> Grid:
        """Size and place."""
        return self.segmentation.grid

    def read(self, window: Window) -> Labels:
        """Return the ids under a window."""
        return self.segmentation.labels[window.slices]

    def read_confidence(self, window: Window) -> NDArray[np.uint8] | None:
        """Return how sure they are."""
        sure = self.segmentation.confidence
        return None if sure is None else sure[window.slices]


@dataclass(frozen=True, slots=True)
class AlignImage:
    """One of the images whose labels are aligned.

    Attributes
    ----------
    name : str
        What to call it in messages and records.
    open_labels : callable
        Opens the labels; it may be called several times.
    open_image : callable or None
        Opens the image; None where none was given.
    """

    name: str
    open_labels: Callable[[], AbstractContextManager[LabelWindows]]
    open_image: OpenSource | None = None

    def pixels(self) -> AbstractContextManager[RasterSource]:
        """Open the image.

        Raises
        ------
        OptionError
            If none was given.
        """
        if self.open_image is None:
            raise OptionError(
                expected=f"the image of {self.name}",
                found="none",
                remedy="give it (--image), or choose a way that needs none",
            )
        return self.open_image()


@dataclass(frozen=True, slots=True)
class AlignJob:
    """Labels that are to be brought to other classes.

    Attributes
    ----------
    images : tuple of AlignImage
        One or several; an id means the same in all of them.
    source, target : Taxonomy
        The classes that the labels have, and those that they are to have.
    counts : mapping of int to int
        Pixels of each id of the source that occurs, over all images.
    hints : HintSet or None
        Places of some of the images whose classes somebody named.
    goals : tuple of int
        Ids of the target that the classes of the hints are, in their order.
    """

    images: tuple[AlignImage, ...]
    source: Taxonomy
    target: Taxonomy
    counts: Mapping[int, int]
    hints: HintSet | None = None
    goals: tuple[int, ...] = ()

    @property
    def held(self) -> tuple[int, ...]:
        """Ids of the source that have pixels, ascending."""
        return tuple(i for i in sorted(self.counts) if i != UNLABELLED and self.counts[i])

    @property
    def opens(self) -> tuple[OpenSource, ...] | None:
        """What opens the images, None unless there is one for all labels."""
        found = tuple(image.open_image for image in self.images if image.open_image is not None)
        return found if len(found) == len(self.images) else None


@dataclass(frozen=True, slots=True)
class AlignView:
    """A window that is to be aligned, with context around it.

    Attributes
    ----------
    image : int
        Which of the images of the job, from 0.
    window : Window
        Where it lies.
    labels : (h, w) uint8 or uint16 array
        Ids of the source; 0 has no class.
    confidence : (h, w) uint8 array or None
        How sure they are; None where nobody knows.
    raster : Raster or None
        The image there, without gaps (`normalize.filled`); None for ways that do not look at it.
    core : Window or None
        The part of ``window`` that is kept; None for all of it.
    size : (int, int) or None
        Rows and columns of the whole image; None where the window is all of it.
    belief : SourceBelief or None
        How likely each class of the source is, in all places; None where nobody was asked.
    """

    image: int
    window: Window
    labels: Labels
    confidence: NDArray[np.uint8] | None = None
    raster: Raster | None = None
    core: Window | None = None
    size: tuple[int, int] | None = None
    belief: SourceBelief | None = None

    @property
    def pixels(self) -> Raster:
        """The image there.

        Raises
        ------
        OptionError
            If there is none.
        """
        if self.raster is None:
            raise OptionError(
                expected="a window with pixels of the image",
                found="labels alone",
                remedy="pass the image too",
            )
        return self.raster

    @property
    def kept(self) -> Window:
        """The part that is kept, in pixels of the whole image."""
        return self.core or self.window

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the whole image."""
        return self.size or (self.window.bottom, self.window.right)


@dataclass(frozen=True, slots=True)
class AlignedWindow:
    """A window whose labels were aligned.

    Attributes
    ----------
    labels : (h, w) uint8 or uint16 array
        Ids of the target; 0 where nothing fits.
    confidence : (h, w) uint8 array
        How sure they are; 0 where the label is 0.
    regions : (h, w) int32 array or None
        Which of ``decisions`` each pixel follows, from 1; 0 for none. None where whole classes were
        decided on beforehand.
    decisions : tuple of Decision
        One for each region, in order; sizes and windows may be those of the whole window.
    """

    labels: Labels
    confidence: NDArray[np.uint8]
    regions: NDArray[np.int32] | None = None
    decisions: tuple[Decision, ...] = ()

    def __post_init__(self) -> None:
        shapes = {self.labels.shape, self.confidence.shape}
        if self.regions is not None:
            shapes.add(self.regions.shape)
        if len(shapes) > 1:
            raise GridMismatchError(
                expected="labels, confidence and regions of one shape",
                found=", ".join(map(str, sorted(shapes))),
                remedy="return what covers the window that was given",
            )

    def surer(self, least: float) -> AlignedWindow:
        """Return the same without labels that are less sure than ``least``, in [0, 1]."""
        kept = self.confidence >= least * SURE
        labels = np.where(kept, self.labels, self.labels.dtype.type(UNLABELLED))
        return replace(self, labels=labels, confidence=self.confidence * kept)

    def crop(self, inner: Window, place: Window, first: int) -> AlignedWindow:
        """Return the part of a window that counts.

        Parameters
        ----------
        inner : Window
            That part, in pixels of this window.
        place : Window
            The same part in the image.
        first : int
            Number of its first region.

        Returns
        -------
        AlignedWindow
            Its decisions tell sizes and places of what lies inside; regions that do not are gone,
            and so is the map of regions.
        """
        rows, cols = inner.slices
        labels, sure = self.labels[rows, cols], self.confidence[rows, cols]
        if self.regions is None:
            return replace(self, labels=labels, confidence=sure)
        told = tuple(_placed(self.regions[rows, cols], self.decisions, place, first))
        return AlignedWindow(labels, sure, None, told)


def _placed(
    regions: NDArray[np.int32], decisions: tuple[Decision, ...], place: Window, first: int
) -> Iterator[Decision]:
    from scipy import ndimage  # half a second: the command line's other commands need none

    sizes = np.bincount(regions.ravel(), minlength=len(decisions) + 1)
    number = first
    for index, box in enumerate(ndimage.find_objects(regions, len(decisions)), start=1):
        if box is None:
            continue
        rows, cols = box
        window = replace(
            place,
            row=place.row + rows.start,
            col=place.col + cols.start,
            height=rows.stop - rows.start,
            width=cols.stop - cols.start,
        )
        size = int(sizes[index])
        yield replace(decisions[index - 1], region=number, pixels=size, window=window)
        number += 1
