"""``firstpass import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_firstpass.cli.codes import DONE
from napari_firstpass.cli_progress import Reporter, tell_result

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from napari_firstpass.import_images import ImportReport


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser("import", help="labels of other tools as label files of ours")
    parser.set_defaults(command=_import)
    add = parser.add_argument
    add("labels", type=Path, help="a raster of class numbers, or of one colour for each class")
    add("--out", required=True, type=Path, help="the label file, .tif")
    told = "what numbers and colours mean: a built-in name or a file [what the labels tell]"
    add("--taxonomy", metavar="NAME", help=told)
    add("--preset", metavar="NAME", help="the classes and codes of a preset of firstpass export")
    told = "numbers are the export codes of the taxonomy, not its ids"
    add("--by-code", action="store_true", help=told)
    told = "a number that says nothing; may be repeated"
    add("--ignore", action="append", default=[], type=int, metavar="N", help=told)
    told = "leave what belongs to no class unlabelled, instead of refusing it"
    add("--keep-unknown", action="store_true", help=told)
    add("--overwrite", action="store_true", help="replace a file that exists")
    add("--json", action="store_true", help="print the result as JSON")


def _import(options: Namespace) -> int:
    from napari_firstpass.import_images import ImportRules, import_file_steps
    from napari_firstpass.io.taxonomy_file import read_taxonomy
    from napari_firstpass.progress import guarded

    rules = ImportRules(
        taxonomy=None if options.taxonomy is None else read_taxonomy(options.taxonomy),
        preset=options.preset,
        by_code=options.by_code,
        ignored=tuple(options.ignore),
        keep_unknown=options.keep_unknown,
    )
    steps = import_file_steps(options.labels, options.out, rules, overwrite=options.overwrite)
    with Reporter(options.labels.name) as reporter:
        report = reporter.drive(guarded(steps))
    result = _result(report)
    tell_result(result, _lines(options.labels, result), as_json=options.json)
    return DONE


def _lines(labels: Path, result: dict[str, Any]) -> list[str]:
    """Return what a person reads."""
    lines = [f"{labels}: {result['labels']}"]
    lines += [
        f"  {entry['id']:>5}  {entry['share']:>6.1%}  {entry['name']}"
        for entry in result["classes"]
    ]
    if unknown := result["unknown_pixels"]:
        lines.append(f"  {unknown} pixels belong to no class and are unlabelled")
    return lines


def _result(report: ImportReport) -> dict[str, Any]:
    pixels = sum(report.counts.values())
    return {
        "labels": str(report.path),
        "classes": [
            {
                "id": entry.id,
                "name": entry.name,
                "pixels": report.counts.get(entry.id, 0),
                "share": round(report.counts.get(entry.id, 0) / pixels, 6),
            }
            for entry in report.taxonomy.classes
        ],
        "unknown_pixels": report.unknown,
    }
