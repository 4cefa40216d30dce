"""What corrections teach: where a class looks like the places that became another one.

For each kind of correction, of one class into another, a line is drawn between the places that were
corrected and the rest of the class they were taken out of: logistic regression, in which what
somebody has looked at and left counts more than what nobody has. The rest holds places that are
wrong, too, so its answers are no chances. What they are worth is therefore tried out: places are
left out and looked for again, all of one region at a time. Only what is found by a threshold that
finds them far more often than the rest of the class, and than what was looked at and left, is
proposed. How the constants were chosen is in docs/research/learning.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import ndimage

from napari_firstpass.progress import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.progress import Steps

LEAST_REGIONS = 5
"""Of one kind of correction, from which on it is learned from."""

_LEAST_CELLS, _SMALL = 12, 4
"""Cells of all regions together; of a region that counts, if larger ones are enough."""

_FOUND = 0.25
"""A region is found again if so many of its cells are; at least half of all must be."""

_RECALL = 0.3, 0.4
"""Which share of what was corrected is found again by a threshold that must hold: the surest."""

_LIFT, _LEAST_LIFT = 16.0, 1.0
"""How much more often what was corrected is found than the rest: 16 over the number of regions."""

_OVER_LEFT = 3.0
"""How much more often it is found than what was looked at and left."""

_ENOUGH_LEFT = 30
"""Cells that were looked at and left, from which on these are asked."""

_FOLDS, _BLOCK = 5, 16
_RIDGE, _ROUNDS = 0.02, 15
_LEFT_WEIGHT, _FEW_LEFT = 0.3, 10
_FARTHEST = 5.0
"""Spreads from the mean of a class, beyond which a feature counts no more."""

_FIT, _JUDGED = 6000, 20_000
"""Cells of the rest of a class, at most: to draw the line, and to try thresholds on."""

_THRESHOLDS = np.linspace(0.02, 0.95, 40)

Verdict = Literal["few", "small", "alone", "alike", "learned"]


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of an image, described.

    Attributes
    ----------
    vectors : (n, D) float array
        What they look like.
    places : (n, 2) int array
        Row and column, counted in cells.
    """

    vectors: NDArray[np.float32]
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.vectors)

    def some(self, count: int, seed: int) -> Cells:
        """Return at most so many, drawn."""
        if len(self) <= count:
            return self
        drawn = np.sort(np.random.default_rng(seed).permutation(len(self))[:count])
        return Cells(self.vectors[drawn], self.places[drawn])


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of correction, and what there is to compare it with.

    Attributes
    ----------
    before, after : int
        The class that it was, and the one that it was made.
    corrected : Cells
        Where that was done.
    left : Cells
        Of the class ``before``, what was looked at and left.
    rest : Cells
        Of the same, what nobody has looked at, or a sample of it.
    most : float
        Which share of the rest is proposed at most.
    """

    before: int
    after: int
    corrected: Cells
    left: Cells
    rest: Cells
    most: float


@dataclass(frozen=True, slots=True)
class Line:
    """Tells cells that look corrected: those above 0.

    Attributes
    ----------
    weights : (D,) float array
        For features, which are cut off at ``middle`` ± ``spread`` · 5.
    offset : float
        Added to their sum.
    middle, spread : (D,) float array
        Of the class that the line divides.
    """

    weights: NDArray[np.float64]
    offset: float
    middle: NDArray[np.float64]
    spread: NDArray[np.float64]

    def above(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how far vectors (n, D) lie above it."""
        scores: NDArray[np.float64] = self._scaled(vectors) @ self.weights + self.offset
        return scores

    def _scaled(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        return _scaled(vectors, self.middle, self.spread)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one kind of correction taught.

    Attributes
    ----------
    before, after : int
        The class that it was, and the one that it was made.
    regions, found : int
        How many were corrected, and how many of them are found again when they are left out.
    verdict : str
        ``few`` regions, or ``small`` ones; they are ``alone``, with nothing left of their class;
        they look ``alike`` the rest of it; or it was ``learned``.
    line : Line or None
        What tells places to propose; None unless it was learned.
    lift : float
        How much more often the line finds what was corrected than the rest.
    """

    before: int
    after: int
    regions: int
    found: int = 0
    verdict: Verdict = "few"
    line: Line | None = None
    lift: float = 0.0


def learn_kind_steps(kind: Kind, seed: int) -> Steps[Lesson]:
    """Learn from one kind of correction.

    Parameters
    ----------
    kind : Kind
        The corrections.
    seed : int
        Drives which cells of very many are looked at.
    """
    region = _regions(kind.corrected.places)
    kept = np.bincount(region)[region] >= _SMALL
    if np.count_nonzero(kept) >= _LEAST_CELLS:
        region = np.unique(region[kept], return_inverse=True)[1]
        corrected = Cells(kind.corrected.vectors[kept], kind.corrected.places[kept])
    else:
        corrected = kind.corrected
    count = int(region.max(initial=-1)) + 1
    unlearned = Lesson(kind.before, kind.after, count)
    rest = kind.rest.some(_JUDGED, seed)
    if not len(rest):
        return replace(unlearned, verdict="alone")
    if count < LEAST_REGIONS or len(corrected) < _LEAST_CELLS:
        return unlearned if count < LEAST_REGIONS else replace(unlearned, verdict="small")
    trial = _Trial(corrected, region, kind.left.some(_FIT, seed), rest, seed)
    tried = yield from trial.tried_steps()
    return tried.lesson(unlearned, kind.most)


def _regions(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the region of each of some places: those that touch, at corners too."""
    if not len(places):
        return np.zeros(0, np.int64)
    low = places.min(0)
    mask = np.zeros(tuple(np.ptp(places, axis=0) + 1), np.bool_)
    at = tuple((places - low).T)
    mask[at] = True
    numbers, _ = ndimage.label(mask, np.ones((3, 3)))
    found: NDArray[np.int64] = np.unique(numbers[at], return_inverse=True)[1]
    return found


@dataclass(frozen=True, slots=True)
class _Tried:
    """How far cells lie above lines that were drawn without them, and the line drawn with all.

    ``above`` says how far the rest lies above that.
    """

    corrected: NDArray[np.float64]
    region: NDArray[np.int64]
    left: NDArray[np.float64]
    rest: NDArray[np.float64]
    above: NDArray[np.float64]
    line: Line

    def lesson(self, unlearned: Lesson, most: float) -> Lesson:
        """Choose the most generous threshold that holds; return what was learned by it."""
        tried = [self._at(float(t)) for t in np.unique(np.quantile(self.corrected, _THRESHOLDS))]
        regions, (low, high) = int(self.region.max()) + 1, _RECALL
        surest = [
            one
            for one in tried
            if low <= one.recall <= high
            and one.found >= regions / 2
            and one.lift >= max(_LIFT / regions, _LEAST_LIFT)
            and one.is_over_left
        ]
        if not surest:
            return replace(unlearned, verdict="alike")
        first = surest[0]
        # Where a class falls into two, more is found and nothing else: as far as that goes.
        wider = [one for one in tried if one.is_over_left and one.lift >= first.lift]
        best = min((first, *wider), key=_threshold)
        if most < 1:
            best = max(best, self._at(float(np.quantile(self.above, 1 - most))), key=_threshold)
        if not best.found:
            return replace(unlearned, verdict="alike")
        line = replace(self.line, offset=self.line.offset - best.threshold)
        return replace(unlearned, verdict="learned", found=best.found, line=line, lift=best.lift)

    def _at(self, threshold: float) -> _Threshold:
        over, sizes = self.corrected >= threshold, np.bincount(self.region)
        shares = np.bincount(self.region, over, minlength=len(sizes)) / sizes
        recall = min(float(shares.mean()), float(over.mean()))
        rest = max(float((self.rest >= threshold).mean()), 1 / len(self.rest))
        left = float((self.left >= threshold).mean()) if len(self.left) >= _ENOUGH_LEFT else 0.0
        found = int(np.count_nonzero(shares >= _FOUND))
        return _Threshold(threshold, recall, found, recall / rest, recall >= _OVER_LEFT * left)


@dataclass(frozen=True, slots=True)
class _Threshold:
    """What cells above a threshold are worth.

    Attributes
    ----------
    threshold : float
        How far above the line.
    recall : float
        Which share of what was corrected lies there, of cells or of regions on average.
    found : int
        How many regions are found again.
    lift : float
        How much larger that share is than that of the rest.
    is_over_left : bool
        Whether it is much larger than that of what was looked at and left, as far as one knows.
    """

    threshold: float
    recall: float
    found: int
    lift: float
    is_over_left: bool


def _threshold(tried: _Threshold) -> float:
    return tried.threshold


@dataclass(frozen=True, slots=True)
class _Trial:
    """Cells to draw a line between, and to leave out in turn."""

    corrected: Cells
    region: NDArray[np.int64]
    left: Cells
    rest: Cells
    seed: int

    def tried_steps(self) -> Steps[_Tried]:
        """Leave out regions in turn, and with them blocks of the rest."""
        middle = self.rest.vectors.mean(0, dtype=np.float64)
        spread = self.rest.vectors.std(0, dtype=np.float64) + 1e-6
        parts = [_scaled(c.vectors, middle, spread) for c in (self.corrected, self.left, self.rest)]
        turns = [self._turns(), _turns(self.left.places), _turns(self.rest.places)]
        drawn = np.random.default_rng(self.seed).permutation(len(self.rest))[:_FIT]
        fit = np.zeros(len(self.rest), np.bool_)
        fit[drawn] = True
        scores = [np.zeros(len(part)) for part in parts]
        for turn in range(_FOLDS):
            yield Progress(turn, _FOLDS + 1, "trying it out")
            kept = [turns[0] != turn, turns[1] != turn, fit & (turns[2] != turn)]
            weights, offset = self._drawn(parts, kept)
            for part, own, score in zip(parts, turns, scores, strict=True):
                score[own == turn] = part[own == turn] @ weights + offset
        yield Progress(_FOLDS, _FOLDS + 1, "learning")
        all_of = [np.ones(len(parts[0]), np.bool_), np.ones(len(parts[1]), np.bool_), fit]
        line = Line(*self._drawn(parts, all_of), middle, spread)
        above = parts[2] @ line.weights + line.offset
        return _Tried(scores[0], self.region, scores[1], scores[2], above, line)

    def _turns(self) -> NDArray[np.int64]:
        """Return the turn of each corrected cell: that of its region, the largest first."""
        order = np.argsort(-np.bincount(self.region), kind="stable")
        turn = np.empty(len(order), np.int64)
        turn[order] = np.arange(len(order)) % _FOLDS
        found: NDArray[np.int64] = turn[self.region]
        return found

    def _drawn(
        self, parts: list[NDArray[np.float64]], kept: list[NDArray[np.bool_]]
    ) -> tuple[NDArray[np.float64], float]:
        """Draw the line between some of the cells: corrected ones, and left ones with the rest."""
        corrected, left, rest = (part[some] for part, some in zip(parts, kept, strict=True))
        region = self.region[kept[0]]
        # A large region says more than a small one, but not as much more as it has cells.
        own = 1 / np.sqrt(np.bincount(region)[region])
        share = _LEFT_WEIGHT if len(left) >= _FEW_LEFT else 0.0
        weights = np.concatenate(
            [
                own / own.sum() / 2,
                np.full(len(left), share / 2 / max(len(left), 1)),
                np.full(len(rest), (1 - share) / 2 / max(len(rest), 1)),
            ]
        )
        is_corrected = np.arange(len(weights)) < len(corrected)
        return _logistic(np.concatenate([corrected, left, rest]), is_corrected, weights)


def _turns(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the turn of each of some cells: that of its block."""
    rows, cols = places.T // _BLOCK
    turns: NDArray[np.int64] = (rows * 7 + cols * 13) % _FOLDS
    return turns


def _scaled(
    vectors: NDArray[np.float32], middle: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = ((vectors - middle) / spread).clip(-_FARTHEST, _FARTHEST)
    return scaled


def _logistic(
    vectors: NDArray[np.float64], is_one: NDArray[np.bool_], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Fit logistic regression to weighted vectors (n, D) by Newton's method; ridge on the slope."""
    whole = np.concatenate([vectors, np.ones((len(vectors), 1))], 1)
    found = np.zeros(whole.shape[1])
    ridge = np.full(len(found), _RIDGE)
    ridge[-1] = 1e-9
    for _ in range(_ROUNDS):
        chances = 1 / (1 + np.exp(-np.clip(whole @ found, -30, 30)))
        slope = whole.T @ (weights * (is_one - chances)) - ridge * found
        curve = (whole * (weights * chances * (1 - chances))[:, None]).T @ whole + np.diag(ridge)
        step = np.linalg.solve(curve, slope)
        found = found + step
        if np.abs(step).max() < 1e-6:
            break
    return found[:-1], float(found[-1])
