"""Judging label files by others: files in, figures with their statements out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from napari_firstpass.errors import FirstPassError, OptionError
from napari_firstpass.evaluation.best_overlap import (
    BestOverlap,
    MergeScores,
    dfc_scores,
    merge_scores,
)
from napari_firstpass.evaluation.matching import (
    ClassScores,
    image_scores,
    many_to_one_scores,
    named_scores,
    set_scores,
)
from napari_firstpass.evaluation.overlap import Overlap
from napari_firstpass.evaluation.pieces import split
from napari_firstpass.evaluation.regions import RegionPair, RegionScores, region_scores
from napari_firstpass.evaluation.statement import (
    DFC_RULE,
    MANY_TO_ONE_RULE,
    NOT_STATED,
    Protocol,
    Statement,
)
from napari_firstpass.io.label_images import (
    read_label_images,
    require_same_grid,
    resampled,
)
from napari_firstpass.pairing import Failure
from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_firstpass.evaluation.class_table import ClassTable
    from napari_firstpass.evaluation.label_image import LabelImage
    from napari_firstpass.pairing import Pair


@dataclass(frozen=True, slots=True)
class EvaluateConfig:
    """How to compare.

    Attributes
    ----------
    protocols : tuple of Protocol
        Each gives figures of its own.
    ignore : tuple of int
        Ids of the truth that are left out, beside its no data.
    table : ClassTable or None
        Merges ids into classes.
    regions : {"pieces", "ids"}
        What a region is in a raster: connected pixels of one id, or all pixels of one id.
    tolerance : float or None
        Of boundaries, in pixels; None for 0.75 % of the image's diagonal.
    resample : bool
        Whether to bring a prediction onto the grid of its truth.
    split, selection : str
        What the user says of the data, see `Statement`.
    """

    protocols: tuple[Protocol, ...] = (Protocol.SET,)
    ignore: tuple[int, ...] = ()
    table: ClassTable | None = None
    regions: Literal["pieces", "ids"] = "pieces"
    tolerance: float | None = None
    resample: bool = False
    split: str = NOT_STATED
    selection: str = NOT_STATED

    def __post_init__(self) -> None:
        if not self.protocols or len(set(self.protocols)) < len(self.protocols):
            raise OptionError(
                expected="different protocols, at least one",
                found=", ".join(self.protocols) or "none",
                remedy=f"choose from {', '.join(Protocol)}",
            )
        if self.tolerance is not None and not self.tolerance >= 0:
            raise OptionError(
                expected="a tolerance of at least 0 pixels",
                found=str(self.tolerance),
                remedy="enlarge it",
            )


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one rule.

    Attributes
    ----------
    statement : Statement
        What must be known to read them.
    figures : mapping of str to float
        By name; the docstrings of `ClassScores`, `RegionScores`, `DfcScores` and `MergeScores`
        say what they are.
    scores : ClassScores or None
        Details by class.
    """

    statement: Statement
    figures: Mapping[str, float]
    scores: ClassScores | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `evaluate_steps` returns.

    Attributes
    ----------
    results : tuple of Result
        Over all pairs that could be compared; empty if none could.
    failures : tuple of Failure
        The other pairs.
    names : mapping of int to str
        Names of classes, as far as known.
    """

    results: tuple[Result, ...]
    failures: tuple[Failure, ...]
    names: Mapping[int, str] = field(default_factory=dict)


def evaluate_steps(pairs: Sequence[Pair], config: EvaluateConfig) -> Steps[Evaluation]:
    """Compare predictions with truths; a pair that cannot be compared does not stop the others.

    Holds one pair in memory at a time.
    """
    found: dict[Protocol, list[Any]] = {protocol: [] for protocol in config.protocols}
    failures: list[Failure] = []
    names: dict[int, str] = {}
    for done, pair in enumerate(pairs):
        yield Progress(done, len(pairs), pair.name)
        try:
            case = _Case.read(pair, config)
            # All before any is kept: a pair counts under every protocol or under none.
            measured = {protocol: _MEASURES[protocol](case) for protocol in found}
        except FirstPassError as error:
            failures.append(Failure(pair.name, error))
            continue
        for protocol, one in measured.items():
            found[protocol].append(one)
        names = {**case.names, **names}
    yield Progress(len(pairs), len(pairs), "compared")
    results = tuple(
        result
        for protocol, measured in found.items()
        for result in (_results(protocol, measured, config) if measured else ())
    )
    return Evaluation(results, tuple(failures), names)


@dataclass(frozen=True)
class _Case:
    """A pair as the protocols see it: with ids ignored and merged, and cut into regions."""

    truths: tuple[LabelImage, ...]
    pred: LabelImage
    drawn: bool
    names: Mapping[int, str]
    config: EvaluateConfig

    @classmethod
    def read(cls, pair: Pair, config: EvaluateConfig) -> _Case:
        truth, pred = read_label_images(pair.truth), read_label_images(pair.pred)
        if len(pred.images) > 1:
            raise OptionError(
                expected="a prediction of one map",
                found=f"{len(pred.images)} in {pair.pred}",
                remedy="give it as --truth, if people drew it",
            )
        if config.resample and truth.grid != pred.grid:
            pred = resampled(pred, truth.grid)
        require_same_grid(truth, pred)
        truths = tuple(image.ignoring(config.ignore) for image in truth.images)
        names = truth.names
        if config.table:
            truths = tuple(config.table.of_truth(image) for image in truths)
            names = dict(enumerate(config.table.names))
        return cls(truths, pred.images[0], truth.drawn, names, config)

    @cached_property
    def overlap(self) -> Overlap:
        return Overlap.of(self._only_truth, self.pred)

    @property
    def named_overlap(self) -> Overlap:
        table, truth = self.config.table, self._only_truth
        if table is None:
            return self.overlap
        judged = replace(self.pred, valid=self.pred.valid & truth.valid)
        return Overlap.of(truth, table.of_prediction(judged))

    @property
    def _only_truth(self) -> LabelImage:
        if len(self.truths) == 1:
            return self.truths[0]
        raise OptionError(
            expected="one truth of classes",
            found=f"regions that {len(self.truths)} people drew",
            remedy=f"compare them with --protocol {Protocol.REGIONS}",
        )

    @cached_property
    def pieces(self) -> tuple[RegionPair, ...]:
        return self._paired(split(self.pred))

    @cached_property
    def regions(self) -> tuple[RegionPair, ...]:
        return self.pieces if self.config.regions == "pieces" else self._paired(self.pred)

    def _paired(self, pred: LabelImage) -> tuple[RegionPair, ...]:
        return tuple(RegionPair.of(truth, pred) for truth in self._drawn)

    @cached_property
    def _drawn(self) -> tuple[LabelImage, ...]:
        """Regions of the truth; what people drew stays as it is."""
        as_given = self.drawn or self.config.regions == "ids"
        return self.truths if as_given else tuple(split(truth) for truth in self.truths)


_MEASURES: Mapping[Protocol, Callable[[_Case], Any]] = {
    Protocol.SET: lambda case: case.overlap,
    Protocol.IMAGE: lambda case: case.overlap,
    Protocol.NAMED: lambda case: case.named_overlap,
    Protocol.REGIONS: lambda case: (
        region_scores(case.regions, tolerance=case.config.tolerance),
        BestOverlap.of(case.pieces),
    ),
    Protocol.MERGE: lambda case: merge_scores(case.regions),
}


def _results(protocol: Protocol, measured: list[Any], config: EvaluateConfig) -> list[Result]:
    """Sum up what was measured of each image under one protocol."""
    statement = Statement(
        protocol, protocol.rule, len(measured), config.ignore, config.split, config.selection
    )
    if protocol is Protocol.MERGE:
        return [Result(statement, MergeScores.mean(measured).figures)]
    if protocol is Protocol.REGIONS:
        scores, best = zip(*measured, strict=True)
        return [
            Result(
                replace(statement, rule=_region_rule(config)), RegionScores.mean(scores).figures
            ),
            Result(replace(statement, rule=DFC_RULE), dfc_scores(best).figures),
        ]
    return [
        Result(replace(statement, rule=rule), scores.figures, scores)
        for rule, scores in _class_scores(protocol, measured)
    ]


def _class_scores(protocol: Protocol, overlaps: list[Overlap]) -> list[tuple[str, ClassScores]]:
    if protocol is Protocol.IMAGE:
        return [(protocol.rule, image_scores(overlaps))]
    if protocol is Protocol.NAMED:
        return [(protocol.rule, named_scores(overlaps))]
    scores = set_scores(overlaps)
    both = [(protocol.rule, scores)]
    if scores.clusters > len(scores.classes):
        both.append((MANY_TO_ONE_RULE, many_to_one_scores(overlaps)))
    return both


def _region_rule(config: EvaluateConfig) -> str:
    regions = "connected pixels of one id" if config.regions == "pieces" else "pixels of one id"
    reach = "0.75 % of the diagonal" if config.tolerance is None else f"{config.tolerance:g} px"
    return (
        f"{Protocol.REGIONS.rule}, averaged over annotators, then images; a region is {regions}; "
        f"edges may be off by {reach}"
    )
