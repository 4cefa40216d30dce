"""``firstpass export``."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from napari_firstpass.cli.codes import DONE
from napari_firstpass.cli.options import table
from napari_firstpass.cli_progress import Reporter, peak_memory, tell_result

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from napari_firstpass.export_images import ExportReport
    from napari_firstpass.exporting.rules import ExportRules

_MOST_SHOWN = 30


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    from napari_firstpass.exporting.presets import PRESETS
    from napari_firstpass.io.formats import EXPORTERS

    parser = commands.add_parser("export", help="labels in a form that others read")
    parser.set_defaults(command=_export)
    add = parser.add_argument
    add("--image", required=True, type=Path, help="GeoTIFF, VRT, JP2, PNG or JPEG")
    add("--labels", required=True, type=Path, help="a label file of this image")
    add("--format", required=True, metavar="NAME", help=table(EXPORTERS))
    add("--out", required=True, type=Path, metavar="DIR", help="a folder that is to be made")
    told = "an option of the format; see docs/export.md; may be repeated"
    add(
        "-o", "--option", action="append", default=[], type=_option, metavar="NAME=VALUE", help=told
    )
    told = "names, colours, tree and codes: a file, or a built-in name (firstpass taxonomy)"
    add("--taxonomy", metavar="NAME", help=told)
    presets = "; ".join(f"{name}: {preset.summary}" for name, preset in PRESETS.items())
    add("--preset", metavar="NAME", help=f"a fixed list of classes; {presets}")
    told = "the code of a class, instead of its id; may be repeated"
    add("--code", action="append", default=[], type=_code, metavar="CLASS=CODE", help=told)
    add("--level", type=int, help="level of the tree that classes are written on, 1 for the top")
    add(
        "--ignore",
        type=int,
        metavar="CODE",
        help="the code of ignored pixels [255, or the preset's]",
    )
    add("--renumber", action="store_true", help="codes 0, 1, 2 and so on, in order")
    told = "write unlabelled pixels as 0 instead of ignoring them"
    add("--keep-unlabelled", action="store_true", help=told)
    told = "ignore labels less sure than this, 0 to 255"
    add("--min-confidence", type=int, default=0, metavar="N", help=told)
    told = "ignore pixels where this file holds 0: those that nobody has looked at"
    add("--reviewed", type=Path, metavar="FILE", help=told)
    told = "ignore classes for which there is no code"
    add("--allow-loss", action="store_true", help=told)
    add("--bands", metavar="r,g,b,n", help="what the image's bands are; - leaves one out")
    add("--dry-run", action="store_true", help="only say what would be written")
    add("--overwrite", action="store_true", help="replace what an export has written there")
    add("--json", action="store_true", help="print the result as JSON")


def _export(options: Namespace) -> int:
    from napari_firstpass.export_images import (
        ExportFiles,
        export_file_steps,
        preview_file_steps,
    )
    from napari_firstpass.io.taxonomy_file import read_taxonomy
    from napari_firstpass.progress import guarded

    start = perf_counter()
    files = ExportFiles(
        image=options.image,
        labels=options.labels,
        bands=options.bands,
        reviewed=options.reviewed,
        taxonomy=None if options.taxonomy is None else read_taxonomy(options.taxonomy),
    )
    rules, given = _rules(options), dict(options.option)
    steps = (
        preview_file_steps(files, options.format, rules, given, options.out)
        if options.dry_run
        else export_file_steps(
            files, options.out, options.format, rules, given, overwrite=options.overwrite
        )
    )
    with Reporter(options.image.name) as reporter:
        report = reporter.drive(guarded(steps))
    result = _result(report, options, perf_counter() - start)
    tell_result(result, _lines(result), as_json=options.json)
    return DONE


def _rules(options: Namespace) -> ExportRules:
    from napari_firstpass.exporting.rules import ExportRules

    return ExportRules(
        preset=options.preset,
        codes=tuple(options.code),
        level=options.level,
        ignore=options.ignore,
        renumber=options.renumber,
        keep_unlabelled=options.keep_unlabelled,
        min_confidence=options.min_confidence,
        reviewed_only=options.reviewed is not None,
        allow_loss=options.allow_loss,
    )


def _result(report: ExportReport, options: Namespace, seconds: float) -> dict[str, Any]:
    coding, preview = report.job.coding, report.preview
    pixels = report.job.grid.height * report.job.grid.width
    return {
        "image": str(options.image),
        "format": report.format,
        "folder": None if options.dry_run else str(report.folder),
        "classes": [
            {
                "code": entry.code,
                "name": entry.name,
                "color": entry.color,
                "from": [report.job.taxonomy[i].name for i in entry.sources],
                "pixels": preview.after.get(entry.code, 0),
                "share": round(preview.after.get(entry.code, 0) / pixels, 6),
            }
            for entry in coding.classes
        ],
        "ignore": coding.ignore,
        "ignored_share": {key: round(n / pixels, 6) for key, n in preview.ignored.items()},
        "notes": [note.text for note in preview.notes],
        "losses": [note.text for note in preview.losses],
        "seconds": round(seconds, 2),
        "peak_memory_mb": peak_memory(),
        "exit_code": DONE,
    }


def _lines(result: dict[str, Any]) -> list[str]:
    """Return what a person reads."""
    goal = result["folder"] or "nothing yet: this was a dry run"
    lines = [f"{result['image']}: {result['format']}, {goal}"]
    shown = result["classes"][:_MOST_SHOWN]
    for entry in shown:
        made_of = [name for name in entry["from"] if name != entry["name"]]
        origin = f"  from {', '.join(made_of)}" if made_of else ""
        lines.append(f"  {entry['code']:>5}  {entry['share']:>6.1%}  {entry['name']}{origin}")
    if len(result["classes"]) > len(shown):
        lines.append(f"         and {len(result['classes']) - len(shown)} more classes")
    reasons = ", ".join(f"{key} {share:.1%}" for key, share in result["ignored_share"].items())
    lines.append(f"  {result['ignore']:>5}  ignored: {reasons or 'nothing'}")
    lines += [f"  note   {text}" for text in result["notes"]]
    memory = f", {result['peak_memory_mb']} MB at most" if result["peak_memory_mb"] else ""
    return [*lines, f"  took   {result['seconds']:.1f} s{memory}"]


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"expected NAME=VALUE, found {text!r}")
    return name.strip().replace("-", "_"), value.strip()


def _code(text: str) -> tuple[str, int]:
    name, _, code = text.rpartition("=")
    if not name or not code.strip().isdecimal():
        raise ArgumentTypeError(f"expected CLASS=CODE with a whole number, found {text!r}")
    return name, int(code)
