"""Classes named after places that somebody named: by the pixels they share, and by their looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_firstpass.aligning import AlignedWindow
from napari_firstpass.alignment import Decision
from napari_firstpass.class_lookup import ClassLookup
from napari_firstpass.errors import ImageContentError, OptionError
from napari_firstpass.hints import SILENT
from napari_firstpass.imagery import Imagery
from napari_firstpass.likeness import likeness_steps, seen_steps, told_steps
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.segmentation import SURE, label_dtype
from napari_firstpass.shared_pixels import paired, shared_pixels_steps
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_firstpass.aligning import AlignConfig, AlignJob, AlignView
    from napari_firstpass.alignment import Reason
    from napari_firstpass.hints import HintSet
    from napari_firstpass.pipeline import FittedModel
    from napari_firstpass.protocols import PreparedAligner
    from napari_firstpass.raster import Raster
    from napari_firstpass.sampling import OpenSource
    from napari_firstpass.segmentation import Labels

_LOOKS_COUNT = 1000
"""Looks of a whole class count as much as so many named pixels on it."""
_FEWEST = 2
_IDS = 2**16


@dataclass(frozen=True, slots=True)
class ReferenceAligner:
    """Names classes by the named pixels on them; with the images, regions by their looks too.

    Attributes
    ----------
    config : AlignConfig
        Of this, ``match``, ``level``, ``backbone``, ``seed`` and ``device`` count.
    """

    config: AlignConfig

    def prepared(self, job: AlignJob) -> Steps[PreparedAligner]:
        """Compare the labels with the reference."""
        hints, opens = self._required(job)
        if opens is not None:
            yield from relay(_one_kind_steps(job, opens), Span(0, 0, 100))
        counting = relay(shared_pixels_steps(job, hints), Span(0, 10, 100))
        shared = yield from counting
        if opens is None:
            if not shared.any():
                raise ImageContentError(
                    expected="a reference that lies on labelled pixels",
                    found="not one pixel with both",
                    remedy="name places that have labels",
                )
            return ClassLookup(paired(shared, job, self.config.match), job.target.max_id)
        fitting = relay(likeness_steps(opens, hints, self.config), Span(10, 60, 100))
        model = yield from fitting
        seen = yield from relay(seen_steps(model, job, opens), Span(60, 100, 100))
        beliefs = _beliefs(job, shared, seen)
        proposals = tuple(_proposals(job, shared, beliefs))
        if self.config.level == "classes":
            return ClassLookup(proposals, job.target.max_id)
        return LookingAligner(proposals, job, hints, model, beliefs)

    def _required(self, job: AlignJob) -> tuple[HintSet, Sequence[OpenSource] | None]:
        """Return the reference and, where looks are to count, what opens the images."""
        if job.hints is None:
            raise OptionError(
                expected="a reference: places whose classes are named",
                found="none",
                remedy="give a label file of some of them (--reference), or use another way",
            )
        opens = job.opens
        if self.config.level == "regions" and opens is None:
            raise OptionError(
                expected="the images of all labels, to decide on regions",
                found="none" if not any(image.open_image for image in job.images) else "some",
                remedy="give them (--image), or decide on whole classes",
            )
        # One class looks like everything, and one to one is about pixels that are shared.
        apart = len(set(job.goals)) >= _FEWEST and self.config.match == "majority"
        return job.hints, opens if apart else None


@dataclass(frozen=True, slots=True)
class LookingAligner:
    """What was found: how classes look, and what each class of the source is likely to be.

    Attributes
    ----------
    proposals : tuple of Decision
        What most of each class of the source is likely to be.
    job : AlignJob
        The labels.
    hints : HintSet
        The reference, of C classes.
    model : FittedModel
        Tells these by their looks.
    beliefs : (S, C) float64 array
        How likely the classes of the source that have pixels are each of them.
    """

    proposals: tuple[Decision, ...]
    job: AlignJob
    hints: HintSet
    model: FittedModel
    beliefs: NDArray[np.float64]

    @property
    def looks(self) -> bool:
        """True: windows come with pixels."""
        return True

    @property
    def outlines(self) -> bool:
        """False: what looks like a class is no region."""
        return False

    def align(self, view: AlignView) -> Steps[AlignedWindow]:
        """Name the pixels of a window; those that were named by somebody keep their name."""
        raster = cast("Raster", view.raster)
        table = np.full((_IDS, self.beliefs.shape[1]), 1 / self.beliefs.shape[1], np.float32)
        table[list(self.job.held)] = self.beliefs
        if not raster.valid.any():
            sure = np.zeros(view.labels.shape, np.uint8)
            none = np.zeros(sure.shape, label_dtype(self.job.target.max_id))
            return AlignedWindow(cast("Labels", none), sure)
        winner, sure = yield from told_steps(self.model, raster, view.labels, table)
        said = self._said(view)
        winner, sure = np.where(said == SILENT, winner, said), np.where(said == SILENT, sure, SURE)
        goals = np.array(self.job.goals, label_dtype(self.job.target.max_id))
        kept = (view.labels != UNLABELLED) & raster.valid
        labels = cast("Labels", goals[winner] * kept)
        return self._decided(view.labels, labels, (sure * kept).astype(np.uint8))

    def report(self) -> Mapping[str, Any]:
        """Return what else there is to report: nothing."""
        return {}

    def _said(self, view: AlignView) -> NDArray[np.int64]:
        """Return which class somebody named pixels of a window, `SILENT` where nobody did."""
        opens = self.hints.opens.get(view.image)
        if opens is None:
            return np.full(view.labels.shape, SILENT)
        with opens() as hints:
            return self.hints.indexes(hints.read(view.window))

    def _decided(self, before: Labels, labels: Labels, sure: NDArray[np.uint8]) -> AlignedWindow:
        """Tell what became of each class of the source in a window: one region for each pair."""
        pairs = before.astype(np.int64) * _IDS + labels
        keys, numbers = np.unique(pairs, return_inverse=True)
        numbers = numbers.reshape(pairs.shape)
        known = {entry.source: entry for entry in self.proposals}
        first = int(keys[0] == 0)
        sums = np.bincount(numbers.ravel(), sure.ravel().astype(np.float64), len(keys))
        sizes = np.bincount(numbers.ravel(), minlength=len(keys))
        decisions = []
        for index in range(first, len(keys)):
            source, target = divmod(int(keys[index]), _IDS)
            share = float(sums[index] / sizes[index] / SURE)
            whole = known.get(source)
            follows = whole is not None and whole.target == target and whole.reason == "overlap"
            reason: Reason = "overlap" if follows else "features" if target else "unknown"
            size = int(sizes[index])
            number = index - first + 1
            decisions.append(Decision(number, source, target, size, share, reason))
        regions = (numbers + 1 - first).astype(np.int32)
        return AlignedWindow(labels, sure, regions, tuple(decisions))


def _one_kind_steps(job: AlignJob, opens: Sequence[OpenSource]) -> Steps[None]:
    """Refuse images of other bands or another type than the first, before any is read.

    Raises
    ------
    ImageryError
        Naming the first of them.
    """
    kinds: list[Imagery] = []
    for done, (image, open_image) in enumerate(zip(job.images, opens, strict=True)):
        yield Progress(done, len(opens), "looking at the images")
        with open_image() as source:
            kinds.append(Imagery.of(source, None))
        kinds[0].require(kinds[-1], name=image.name, like=job.images[0].name)


def _beliefs(
    job: AlignJob, shared: NDArray[np.int64], seen: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how likely classes of the source are each class of the reference (S, C).

    Named pixels are counted, and looks as so many more.
    """
    place = {class_id: index for index, class_id in enumerate(job.target.ids)}
    cols = [place[goal] for goal in job.goals]
    alike = np.array([job.goals.count(goal) for goal in job.goals])
    counts = shared[:, cols] / alike + _LOOKS_COUNT * seen
    beliefs: NDArray[np.float64] = counts / counts.sum(1, keepdims=True)
    return beliefs


def _proposals(
    job: AlignJob, shared: NDArray[np.int64], beliefs: NDArray[np.float64]
) -> Iterator[Decision]:
    for row, source in enumerate(job.held):
        sums: dict[int, float] = {}
        for goal, belief in zip(job.goals, beliefs[row].tolist(), strict=True):
            sums[goal] = sums.get(goal, 0.0) + belief
        scores = tuple(sorted(sums.items(), key=lambda pair: -pair[1]))
        best, share = scores[0]
        most = job.target.ids[int(shared[row].argmax())] if shared[row].any() else None
        reason: Reason = "overlap" if best == most else "features"
        pixels = job.counts[source]
        yield Decision(row + 1, source, best, pixels, min(share, 1.0), reason, scores)


def reference_aligner(config: AlignConfig) -> ReferenceAligner:
    """Return what aligns by a reference; see `AlignConfig`."""
    return ReferenceAligner(config)
