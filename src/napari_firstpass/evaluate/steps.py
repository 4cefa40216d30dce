"""Comparing many pairs and summing up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_firstpass.errors import FirstPassError
from napari_firstpass.evaluate.case import Case
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
from napari_firstpass.evaluation.regions import RegionScores, region_scores
from napari_firstpass.evaluation.statement import (
    DFC_RULE,
    MANY_TO_ONE_RULE,
    Protocol,
)
from napari_firstpass.pairing import Failure
from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_firstpass.evaluate.config import EvaluateConfig
    from napari_firstpass.evaluation.overlap import Overlap
    from napari_firstpass.evaluation.statement import Statement
    from napari_firstpass.pairing import Pair


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
            measured, known = _measured(pair, config)
        except FirstPassError as error:
            failures.append(Failure(pair.name, error))
            continue
        for protocol, one in measured.items():
            found[protocol].append(one)
        names = {**known, **names}
    yield Progress(len(pairs), len(pairs), "compared")
    results = tuple(
        result
        for protocol, measured in found.items()
        for result in (_results(protocol, measured, config) if measured else ())
    )
    return Evaluation(results, tuple(failures), names)


def _measured(pair: Pair, config: EvaluateConfig) -> tuple[dict[Protocol, Any], Mapping[int, str]]:
    """Measure a pair under every protocol, so that it counts under all or under none."""
    case = Case.read(pair, config)
    return {protocol: _MEASURES[protocol](case) for protocol in config.protocols}, case.names


_MEASURES: Mapping[Protocol, Callable[[Case], Any]] = {
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
    statement = config.statement(protocol, protocol.rule, protocol.labels_used, len(measured))
    if protocol is Protocol.MERGE:
        statement = replace(statement, rule=f"{protocol.rule}; {_cut(config)}")
        return [Result(statement, MergeScores.mean(measured).figures)]
    if protocol is Protocol.REGIONS:
        scores, best = zip(*measured, strict=True)
        return [
            Result(
                replace(statement, rule=_region_rule(config)), RegionScores.mean(scores).figures
            ),
            Result(
                replace(statement, title="regions, DFC rule", rule=DFC_RULE),
                dfc_scores(best).figures,
            ),
        ]
    return [
        Result(replace(statement, title=scores.rule, rule=rule), scores.figures, scores)
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
    reach = "0.75 % of the diagonal" if config.tolerance is None else f"{config.tolerance:g} px"
    return (
        f"{Protocol.REGIONS.rule}, averaged over annotators, then images; {_cut(config)}; "
        f"edges may be off by {reach}"
    )


def _cut(config: EvaluateConfig) -> str:
    """Say what a region is."""
    regions = "connected pixels of one id" if config.regions == "pieces" else "pixels of one id"
    return f"a region is {regions}, or what a person drew"
