"""What masks become: their class in the source, what they may be, the verdict, and the painting.

As DynAlign (arXiv 2501.16410) has it; that the source may be doubted, and that masks may be left to
their default, is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_firstpass.errors import OptionError
from napari_firstpass.segmentation import SURE, label_dtype
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_firstpass.alignment import Reason
    from napari_firstpass.candidates import Choices
    from napari_firstpass.found_masks import FoundMask
    from napari_firstpass.region_words import RuleConfig
    from napari_firstpass.segmentation import Labels

Scores = tuple[tuple[int, float], ...]
"""Ids of the target with how likely each is, the likeliest first."""

Evidence = Literal["pixels", "confidence", "probabilities"]
"""What tells how much of a mask is for a class: pixels alone, weighed by the confidence of the
labels, or all probabilities of the network that made them."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a mask holds of the source.

    Attributes
    ----------
    source : int
        Id of the class that most of its pixels have; 0 if most have none.
    share : float
        How much of the belief in it is for that class, in [0, 1].
    runner_up : int or None
        The class with the next largest share; None where there is no other.
    evidence : Evidence
        What the shares were taken from.
    """

    source: int
    share: float
    runner_up: int | None
    evidence: Evidence = "pixels"

    @classmethod
    def of(cls, ids: NDArray[np.integer], sure: NDArray[np.uint8] | None, classes: int) -> Held:
        """Count what a mask holds.

        Parameters
        ----------
        ids : (n,) integer array
            Classes of its pixels in the source, 0 for none.
        sure : (n,) uint8 array or None
            How sure the source is of each, 0 to 255: of K classes, what is left is shared evenly by
            all. None where nobody knows: then each pixel counts as wholly its class.
        classes : int
            How many the source has.
        """
        found, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
        belief = counts / len(ids)
        if sure is not None:
            own = np.bincount(inverse.ravel(), sure / SURE) / len(ids)
            belief = own + (1 - own.sum()) / max(classes, 1)
        best = int(np.argmax(counts))
        others = [i for i in np.argsort(-belief, kind="stable").tolist() if i != best]
        runner_up = int(found[others[0]]) if others else None
        evidence: Evidence = "pixels" if sure is None else "confidence"
        return cls(int(found[best]), float(belief[best]), runner_up, evidence)

    @classmethod
    def believed(cls, ids: NDArray[np.integer], belief: Mapping[int, float]) -> Held:
        """Count pixels for the class, and ask the network that made the labels how sure it is.

        Parameters
        ----------
        ids : (n,) integer array
            As in `of`.
        belief : mapping of int to float
            Means of the probabilities in the mask, by class; a class that is not there has none.
        """
        found, counts = np.unique(ids, return_counts=True)
        source = int(found[np.argmax(counts)])
        others = sorted(belief.keys() - {source}, key=lambda key: (-belief[key], key))
        runner_up = others[0] if others else None
        return cls(source, belief.get(source, 0.0), runner_up, "probabilities")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskConfig:
    """Which masks are compared with what.

    Attributes
    ----------
    veto : float
        Up to which share of the belief in it the source is doubted, in [0, 1]: then a mask may also
        be what its runner-up may be. 0 never doubts, as published.
    skip_decided : bool
        Whether a class that may be one thing only, beside what every class may be, keeps its
        default without a look. As published, it is compared nevertheless.
    least_share : float
        Masks that cover less of the window keep their default without a look, in [0, 1).
    """

    veto: float = 0.5
    skip_decided: bool = True
    least_share: float = 0.0005

    def __post_init__(self) -> None:
        for name in ("veto", "least_share"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise OptionError(
                    expected=f"{name} from 0 to 1", found=f"{value}", remedy="give another share"
                )

    def doubts(self, held: Held) -> bool:
        """Tell whether a mask may also be what its runner-up may be."""
        return self.veto > 0 and held.share <= self.veto and held.runner_up is not None

    def candidates(self, choices: Choices, held: Held, pixels: int, window: int) -> tuple[int, ...]:
        """Return what a mask is compared with; nothing where it keeps its default.

        Parameters
        ----------
        choices : Choices
            What may be what.
        held : Held
            What the mask holds of the source.
        pixels, window : int
            Of the mask, and of the window.
        """
        if pixels < self.least_share * window:
            return ()
        sources = (held.source, held.runner_up) if self.doubts(held) else (held.source,)
        own = tuple(one for key in sources if key is not None for one in choices.of(key))
        if self.skip_decided and len(set(own) - set(choices.always)) < 2:
            return ()
        # What is always a candidate comes last, as where there is one source.
        first = [one for one in own if one not in choices.always]
        return tuple(dict.fromkeys([*first, *own]))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a mask becomes.

    Attributes
    ----------
    held : Held
        What it holds of the source.
    target : int
        Id of its class now; 0 where nothing is known of it.
    confidence : float
        In [0, 1]: the lead of the best class where words decided, else `Held.share`.
    reason : {"clip", "default", "unknown"}
        What decided.
    scores : tuple of (int, float)
        What it was compared with, the likeliest first.
    doubted : bool
        Whether it was compared with what its runner-up may be, too.
    """

    held: Held
    target: int
    confidence: float
    reason: Reason
    scores: Scores = ()
    doubted: bool = False

    @classmethod
    def of(cls, held: Held, scores: Scores, default: int, rule: RuleConfig) -> Verdict:
        """Decide: what is likeliest if that is enough, else what the source class stands for."""
        likely = [share for _, share in scores]
        if rule.decides(likely):
            lead = likely[0] - (likely[1] if len(likely) > 1 else 0.0)
            return cls(held, scores[0][0], min(max(lead, 0.0), 1.0), "clip", scores)
        if default == UNLABELLED:
            return cls(held, UNLABELLED, 0.0, "unknown", scores)
        return cls(held, default, min(held.share, 1.0), "default", scores)


@dataclass(frozen=True, slots=True)
class Painted:
    """Labels of a window after the painting.

    Attributes
    ----------
    labels : (h, w) uint8 or uint16 array
        Ids of the target.
    confidence : (h, w) uint8 array
        How sure they are.
    regions : (h, w) int32 array
        Number of the mask that each pixel follows, from 1 in the order given; 0 for none.
    """

    labels: Labels
    confidence: NDArray[np.uint8]
    regions: NDArray[np.int32]


def painting_order(masks: Sequence[FoundMask]) -> list[int]:
    """Return indices of masks, the largest first; of equal ones the upper, then the left one."""
    keys = [(-mask.area, mask.top, mask.left) for mask in masks]
    return sorted(range(len(masks)), key=keys.__getitem__)


def painted(
    labels: Labels,
    sure: NDArray[np.uint8] | None,
    defaults: Callable[[int], int],
    masks: Sequence[FoundMask],
    verdicts: Sequence[Verdict],
    highest: int,
) -> Painted:
    """Give every pixel the default of its class, then paint masks over it, the largest first.

    A mask without a verdict (unknown) changes nothing.

    Parameters
    ----------
    labels : (h, w) integer array
        Ids of the source.
    sure : (h, w) uint8 array or None
        How sure they are.
    defaults : callable
        From an id of the source to that of its default, 0 for none.
    masks : sequence of N FoundMask
        In pixels of the window.
    verdicts : sequence of N Verdict
        Theirs.
    highest : int
        The highest id of the target.
    """
    ids, inverse = np.unique(labels, return_inverse=True)
    table = np.full(len(ids), UNLABELLED, label_dtype(highest))
    table[:] = [defaults(one) for one in ids.tolist()]
    found = table[inverse.reshape(labels.shape)]
    confidence = np.full(labels.shape, SURE, np.uint8) if sure is None else sure.copy()
    regions = np.zeros(labels.shape, np.int32)
    for index in painting_order(masks):
        verdict = verdicts[index]
        if verdict.reason == "unknown":
            continue
        inside, place = masks[index].inside(), masks[index].box.slices
        found[place][inside] = verdict.target
        confidence[place][inside] = round(verdict.confidence * SURE)
        regions[place][inside] = index + 1
    confidence[found == UNLABELLED] = 0
    return Painted(found, confidence, regions)
