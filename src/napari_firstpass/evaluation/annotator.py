"""A simulated annotator: turns a pre-label into the truth and counts the work.

It first relabels: one click gives a region, or all regions of a cluster, another class. Then it
paints over what is still wrong, and finally it is done when enough pixels are right (Kiser et al.
2021 for the length of the paths drawn, RootPainter for the times). If drawing everything from
scratch is faster than the painting, it does that instead.

The pre-label carries ids of the truth's classes. Clusters with numbers of their own must be named
first, at a click for each cluster of a whole set of images whose class differs from its number.
Whoever knows the set adds these clicks (`naming`): they do not belong to one image.

This annotator knows the truth, sees every error at once and never misses a pixel: quote shares of
its times, not the times. It also clicks as long as a click removes enough, even where drawing would
be faster, so pre-labels that need many clicks come off badly.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil
from typing import TYPE_CHECKING

from napari_firstpass.errors import GridMismatchError, OptionError
from napari_firstpass.evaluation.judging import Judging
from napari_firstpass.evaluation.pointer import Pointer, middle_pixels, tour_length
from napari_firstpass.evaluation.prelabel import Prelabel
from napari_firstpass.evaluation.relabelling import Counts, relabel
from napari_firstpass.evaluation.strokes import paint

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_firstpass.evaluation.label_image import LabelImage


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatorConfig:
    """When the simulated annotator is satisfied, and what its work costs.

    Attributes
    ----------
    target : float
        Share of judged pixels that are to be right, above 0 and at most 1.
    band : int
        Pixels at each side of a truth boundary that are never judged, at least 0. RootPainter: 2.
    min_error : int
        A click or stroke must remove more wrong judged pixels than this, at least 0. Our choice:
        50 pixels are a square of 7 x 7, about what one sees at a glance. Smaller errors are painted
        only where the result would otherwise be worse than one drawn from scratch.
    pointer : Pointer
        Speeds and delays.
    """

    target: float = 0.95
    band: int = 2
    min_error: int = 50
    pointer: Pointer = field(default_factory=Pointer)

    def __post_init__(self) -> None:
        if not 0 < self.target <= 1:
            raise _out_of_range("a target above 0 and at most 1", self.target)
        if type(self.band) is not int or self.band < 0:
            raise _out_of_range("a band of a whole number of pixels, at least 0", self.band)
        if type(self.min_error) is not int or self.min_error < 0:
            raise _out_of_range("min_error, a whole number of at least 0", self.min_error)


def _out_of_range(expected: str, found: object) -> OptionError:
    return OptionError(expected=expected, found=repr(found), remedy="change the annotator's config")


DEFAULT_CONFIG = AnnotatorConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What it took to turn a pre-label into the truth.

    Attributes
    ----------
    clicks, strokes : int
        Regions or groups relabelled, and pieces painted.
    path : int
        Pixel edges drawn.
    travel : float
        Way between the places of clicks, and between those of strokes, in pixels.
    seconds : float
        All of it, by the pointer of the config.
    accuracy_before, accuracy_after : float
        Share of judged pixels that are right, 0 to 1.
    redrawn : bool
        Whether the annotator gave up on the pre-label after its clicks and drew from scratch.
    """

    clicks: int
    strokes: int
    path: int
    travel: float
    seconds: float
    accuracy_before: float
    accuracy_after: float
    redrawn: bool = False

    def then(self, later: Work) -> Work:
        """Return both after each other: their sums, from the first accuracy to the last."""
        return Work(
            clicks=self.clicks + later.clicks,
            strokes=self.strokes + later.strokes,
            path=self.path + later.path,
            travel=self.travel + later.travel,
            seconds=self.seconds + later.seconds,
            accuracy_before=self.accuracy_before,
            accuracy_after=later.accuracy_after,
            redrawn=self.redrawn or later.redrawn,
        )


def annotate(
    truth: LabelImage,
    prelabel: Prelabel,
    config: AnnotatorConfig = DEFAULT_CONFIG,
    *,
    scratch: Work | None = None,
) -> Work:
    """Correct a pre-label until it is as right as wanted, or as right as drawing makes it.

    Parameters
    ----------
    truth : LabelImage
        Pixels that are not valid are never judged, and nothing is drawn along them.
    prelabel : Prelabel
        Of the same size. Regions are cut where the truth is not valid.
    config : AnnotatorConfig
        When it is right, and what the work costs.
    scratch : Work, optional
        What `from_scratch` returned for the same truth and config; computed if missing.

    Returns
    -------
    Work
        Exactly 0 in every count if the pre-label meets the target. Never more seconds than from
        scratch plus those of the clicks made before giving up.

    Raises
    ------
    GridMismatchError
        If truth and pre-label differ in size.
    ImageContentError
        If no pixel of the truth is valid.
    """
    _check_size(truth, prelabel)
    judging = Judging.of(truth, config.band)
    session = _Session(judging, prelabel, config)
    clicks = session.click()
    if session.is_done:
        return clicks
    if scratch is None:
        scratch = _drawn(judging, config)
    strokes = session.paint(at_least=scratch.accuracy_after)
    if scratch.seconds < strokes.seconds:
        return replace(clicks.then(scratch), redrawn=True)
    return clicks.then(strokes)


def from_scratch(truth: LabelImage, config: AnnotatorConfig = DEFAULT_CONFIG) -> Work:
    """Draw a truth without any pre-label: fill all with one class, then paint the others."""
    return _drawn(Judging.of(truth, config.band), config)


def _drawn(judging: Judging, config: AnnotatorConfig) -> Work:
    session = _Session(judging, Prelabel.blank(judging.shape), config)
    return session.click().then(session.paint(at_least=0))


def _check_size(truth: LabelImage, prelabel: Prelabel) -> None:
    if prelabel.regions.shape != truth.shape:
        raise GridMismatchError(
            expected=f"a pre-label as large as the truth, {truth.shape[0]} x {truth.shape[1]}",
            found=" x ".join(str(side) for side in prelabel.regions.shape),
            remedy="compare labels of the same image",
        )


def naming(names: Mapping[int, int], config: AnnotatorConfig = DEFAULT_CONFIG) -> Work:
    """Name clusters: a click for each whose class differs from its number."""
    clicks = sum(cluster != name for cluster, name in names.items())
    return Work(
        clicks=clicks,
        strokes=0,
        path=0,
        travel=0.0,
        seconds=config.pointer.seconds(clicks=clicks, strokes=0, travel=0, path=0),
        accuracy_before=0.0,
        accuracy_after=0.0,
    )


class _Session:
    """An annotator at work on one image."""

    def __init__(self, judging: Judging, prelabel: Prelabel, config: AnnotatorConfig) -> None:
        self._judging, self._config = judging, config
        self._prelabel = prelabel.within(judging.valid)
        self._numbers = judging.numbers_of(self._prelabel.classes)
        self._counts = Counts.of(self._prelabel.regions, len(self._numbers), judging)
        self._total = int(judging.judged.sum())
        self._right = int(self._counts.right(self._numbers).sum())

    @property
    def is_done(self) -> bool:
        return self._right >= self._pixels(self._config.target)

    def _pixels(self, accuracy: float) -> int:
        """Return how many judged pixels must be right; a share of whole numbers is not exact."""
        return ceil(accuracy * self._total - 1e-6)

    def click(self) -> Work:
        before = self._right
        relabelled = relabel(
            self._counts,
            self._numbers,
            self._prelabel.groups,
            enough=self._pixels(self._config.target),
            min_error=self._config.min_error,
        )
        self._numbers, self._right = relabelled.numbers, relabelled.right
        places = middle_pixels(self._prelabel.regions, relabelled.clicked)
        return self._work(before, places, clicks=len(places))

    def paint(self, *, at_least: float) -> Work:
        before, target = self._right, self._config.target
        strokes = paint(
            self._numbers[self._prelabel.regions],
            self._judging,
            min_error=self._config.min_error,
            wanted=self._pixels(target) - before,
            demanded=self._pixels(min(target, at_least)) - before,
        )
        self._right += strokes.gained
        places = strokes.places
        return self._work(before, places, strokes=len(places), path=strokes.path)

    def _work(
        self,
        before: int,
        places: NDArray[np.int64],
        *,
        clicks: int = 0,
        strokes: int = 0,
        path: int = 0,
    ) -> Work:
        travel = tour_length(places)
        return Work(
            clicks=clicks,
            strokes=strokes,
            path=path,
            travel=travel,
            seconds=self._config.pointer.seconds(
                clicks=clicks, strokes=strokes, travel=travel, path=path
            ),
            accuracy_before=before / self._total,
            accuracy_after=self._right / self._total,
        )
