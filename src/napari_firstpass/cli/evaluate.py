"""``firstpass evaluate``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from napari_firstpass.cli.codes import DONE, exit_code, joint_code
from napari_firstpass.cli_progress import Reporter, complain, tell_result
from napari_firstpass.errors import OptionError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import Mapping

    from napari_firstpass.evaluate.config import EvaluateConfig
    from napari_firstpass.evaluate.saving import Savings
    from napari_firstpass.evaluate.steps import Evaluation, Result
    from napari_firstpass.evaluation.matching import ClassScore, ClassScores
    from napari_firstpass.evaluation.saving import Totals
    from napari_firstpass.evaluation.statement import Statement
    from napari_firstpass.pairing import Failure

_LISTED = 20
"""Failures that a person is told of one by one."""


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    from napari_firstpass.evaluation.statement import NOT_STATED, Protocol
    from napari_firstpass.pairing import DEFAULT_SUFFIX

    parser = commands.add_parser("evaluate", help="label maps against the truth")
    parser.set_defaults(command=_evaluate)
    add = parser.add_argument
    add("--truth", required=True, type=Path, help="GeoTIFF, PNG or BSDS .mat; or a folder of them")
    add("--pred", required=True, type=Path, help="the prediction; or a folder, paired by name")
    add(
        "--protocol",
        nargs="+",
        type=Protocol,
        choices=list(Protocol),
        default=[Protocol.SET],
        metavar="NAME",
        help="; ".join(f"{one}: {one.rule}" for one in Protocol) + " [set]",
    )
    add("--ignore", default="", metavar="IDS", help="ids of the truth to leave out: 0,255")
    add("--merge", type=Path, metavar="TABLE", help="YAML of class names with their ids")
    add("--regions", choices=("pieces", "ids"), default="pieces", help="of rasters [%(default)s]")
    add("--tolerance", type=float, help="of boundaries, in pixels [0.75 %% of the diagonal]")
    add("--resample", action="store_true", help="bring predictions onto the grid of the truth")
    add("--truth-suffix", default="", metavar="TEXT", help="truth files are called NAME + TEXT")
    add("--pred-suffix", default=DEFAULT_SUFFIX, metavar="TEXT", help="likewise [%(default)s]")
    add("--annotator", action="store_true", help="tell how much work the predictions save")
    add("--images", type=Path, help="with --annotator, to compare with superpixels; file or folder")
    add("--split", default=NOT_STATED, help="what the images are, for the record [%(default)s]")
    add(
        "--selection",
        default=NOT_STATED,
        help="what labels helped to choose, for the record [%(default)s]",
    )
    add("--json", action="store_true", help="print the figures as JSON")


def _evaluate(options: Namespace) -> int:
    from napari_firstpass.evaluate.saving import saving_steps
    from napari_firstpass.evaluate.steps import evaluate_steps
    from napari_firstpass.io.label_images import ENDINGS
    from napari_firstpass.pairing import IMAGE_ENDINGS, Failure, Suffixes, paired, with_images
    from napari_firstpass.progress import guarded

    if options.images and not options.annotator:
        raise OptionError(
            expected="--images together with --annotator",
            found="--images alone",
            remedy="add --annotator, or leave --images out",
        )
    config = _config(options)
    suffixes = Suffixes(options.truth_suffix, options.pred_suffix)
    pairs, unpaired = paired(options.truth, options.pred, ENDINGS, suffixes)
    to_annotate = pairs
    without_image: list[Failure] = []
    if options.images:
        to_annotate, without_image = with_images(pairs, options.images, IMAGE_ENDINGS)
    with Reporter("evaluate") as reporter:
        evaluation = reporter.drive(guarded(evaluate_steps(pairs, config)))
    failures = [*unpaired, *evaluation.failures]
    savings = None
    if options.annotator:
        try:
            with Reporter("annotate") as reporter:
                savings = reporter.drive(guarded(saving_steps(to_annotate, config)))
        except OptionError as error:  # figures that are there already are not lost with it
            failures.append(Failure("annotator", error))
    known = {failure.name for failure in failures}
    later = [*without_image, *(savings.failures if savings else ())]
    failures += [failure for failure in later if failure.name not in known]
    for failure in failures[:_LISTED]:
        complain(f"{failure.name}: {failure.error}")
    if len(failures) > _LISTED:
        complain(f"{len(failures) - _LISTED} more failed; --json lists all")
    code = joint_code(
        [*(DONE for _ in evaluation.results), *(exit_code(one.error) for one in failures)]
    )
    failed = [{"name": one.name, "error": str(one.error)} for one in failures]
    content = {**_content(evaluation, savings), "failures": failed, "exit_code": code}
    lines = _lines(evaluation, len(pairs) + len(unpaired))
    if savings and savings.savings:
        lines += _saving_lines(savings)
    tell_result(content, lines, as_json=options.json)
    return code


def _config(options: Namespace) -> EvaluateConfig:
    from napari_firstpass.evaluate.config import EvaluateConfig
    from napari_firstpass.io.class_table_file import read_class_table

    return EvaluateConfig(
        protocols=tuple(options.protocol),
        ignore=parse_ids(options.ignore),
        table=read_class_table(options.merge) if options.merge else None,
        regions=options.regions,
        tolerance=options.tolerance,
        resample=options.resample,
        split=options.split,
        selection=options.selection,
    )


def parse_ids(text: str) -> tuple[int, ...]:
    """Return the ids in ``"0,255"``, ascending; they may be negative.

    Raises
    ------
    OptionError
        If it is something else.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isascii() and part.removeprefix("-").isdigit() for part in parts):
        raise OptionError(
            expected="ids with commas between them, such as 0,255",
            found=repr(text),
            remedy="write whole numbers",
        )
    return tuple(sorted({int(part) for part in parts}))


def _content(evaluation: Evaluation, savings: Savings | None) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    content: dict[str, Any] = {
        "results": [_result(result, evaluation.names) for result in evaluation.results]
    }
    if savings:
        saved = {name: asdict(saving) for name, saving in savings.savings.items()}
        content["annotator"] = {**said_of(savings.statement), "savings": saved}
    return content


def _result(result: Result, names: Mapping[int, str]) -> dict[str, Any]:
    content: dict[str, Any] = {**said_of(result.statement), "figures": dict(result.figures)}
    if result.scores:
        content["classes"] = [class_content(one, names) for one in result.scores.classes]
        content["confusion"] = result.scores.confusion.tolist()
        content["names_of_clusters"] = {str(k): v for k, v in result.scores.names.items()}
    return content


def said_of(statement: Statement) -> dict[str, Any]:
    """Return a statement for a program."""
    said = asdict(statement)
    return {"protocol": said.pop("title"), **said}


def class_content(score: ClassScore, names: Mapping[int, str]) -> dict[str, Any]:
    """Return what is known of a class for a program."""
    return {
        "id": score.id,
        "name": names.get(score.id),
        "truth_pixels": score.truth,
        "predicted_pixels": score.predicted,
        "iou": score.iou,
        "precision": score.precision,
        "recall": score.recall,
        "f1": score.f1,
    }


def _lines(evaluation: Evaluation, wanted: int) -> list[str]:
    """Return what a person reads."""
    judged = max((one.statement.images for one in evaluation.results), default=0)
    lines = [f"{judged} of {wanted} pairs compared"]
    for result in evaluation.results:
        lines += ["", *wrapped(result.statement)]
        lines += [f"  {name:<20} {number(value)}" for name, value in result.figures.items()]
        if result.scores:
            lines += ["", *class_lines(result.scores, evaluation.names)]
    return lines


def wrapped(statement: Statement) -> list[str]:
    """Return a statement, a line for each part."""
    first, *rest = statement.parts
    return [*wrap(first, 98, subsequent_indent="  "), *(f"  {part}" for part in rest)]


def number(value: float) -> str:
    """Return a figure as a person reads it."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"


def class_lines(scores: ClassScores, names: Mapping[int, str]) -> list[str]:
    """Return a table of the classes."""
    lines = [f"  {'class':<24} {'share':>7} {'IoU':>7} {'precision':>9} {'recall':>7} {'F1':>7}"]
    for one in scores.classes:
        name = f"{one.id} {names.get(one.id, '')}".strip()
        shares = (one.truth / scores.pixels, one.iou, one.precision, one.recall, one.f1)
        cells = ["–" if share is None else f"{share:.3f}" for share in shares]
        lines.append("  {:<24.24} {:>7} {:>7} {:>9} {:>7} {:>7}".format(name, *cells))
    return lines


def _saving_lines(savings: Savings) -> list[str]:
    """Return a table of the work, and of what is saved of it."""
    lines = ["", *wrapped(savings.statement), ""]
    lines.append(
        f"  {'start from':<14} {'saved':>6} {'95 % interval':>16} {'costs more':>10}"
        f" {'clicks':>7} {'strokes':>8} {'path px':>9} {'hours':>7}"
    )
    for name, saving in savings.savings.items():
        low, high = saving.interval or (None, None)
        interval = "–" if low is None else f"{low:.2f} to {high:.2f}"
        lines.append(
            f"  {name:<14} {saving.share:>6.2f} {interval:>16} {saving.negative:>10.1%}"
            f" {_work(saving.prelabelled)}"
        )
    scratch = next(iter(savings.savings.values()))
    return [*lines, f"  {'nothing':<14} {'':>6} {'':>16} {'':>10} {_work(scratch.scratch)}"]


def _work(done: Totals) -> str:
    return f"{done.clicks:>7,} {done.strokes:>8,} {done.path:>9,} {done.seconds / 3600:>7.2f}"
