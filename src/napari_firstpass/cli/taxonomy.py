"""``firstpass taxonomy``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.cli.codes import DONE, exit_code, joint_code
from napari_firstpass.cli_progress import complain, tell_result
from napari_firstpass.errors import FirstPassError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import Iterator

    from napari_firstpass.taxonomy import LabelClass, Taxonomy

_INDENT = "  "


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser("taxonomy", help="lists of classes: show, validate, convert")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="the classes of a list, as a tree; without one, which")
    show.set_defaults(command=_show)
    told = "a built-in name, a file in YAML, JSON, CSV or .clr, or a label file"
    show.add_argument("taxonomy", nargs="?", metavar="NAME", help=told)
    show.add_argument("--json", action="store_true", help="print it as JSON")
    validate = actions.add_parser("validate", help="whether files are lists of classes")
    validate.set_defaults(command=_validate)
    validate.add_argument("taxonomies", nargs="+", metavar="FILE", help=told)
    convert = actions.add_parser("convert", help="write a list in another form")
    convert.set_defaults(command=_convert)
    convert.add_argument("taxonomy", metavar="NAME", help=told)
    convert.add_argument("out", type=Path, help="a file that ends in .yaml, .json, .csv or .clr")
    convert.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    for action in (show, validate, convert):
        _add_encoding(action)


def _add_encoding(parser: ArgumentParser) -> None:
    told = "what the file is written in: utf-8, utf-16 or cp1252 [utf-8]"
    choices = ("utf-8", "utf-16", "cp1252")
    parser.add_argument("--encoding", default="utf-8", choices=choices, help=told)


def _show(options: Namespace) -> int:
    from napari_firstpass.io.taxonomy_file import read_taxonomy
    from napari_firstpass.taxonomies import BUILT_IN

    if options.taxonomy is None:
        tell_result(dict(BUILT_IN), _built_in_lines(), as_json=options.json)
        return DONE
    taxonomy = read_taxonomy(options.taxonomy, encoding=options.encoding)
    tell_result(taxonomy.to_dict(), _lines(taxonomy), as_json=options.json)
    return DONE


def _built_in_lines() -> list[str]:
    from napari_firstpass.taxonomies import BUILT_IN

    return [f"{name:<14}{summary}" for name, summary in BUILT_IN.items()]


def _lines(taxonomy: Taxonomy) -> Iterator[str]:
    """Return what a person reads: a line for each class, those below another one further in."""
    is_colored = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    listed = list(_tree(taxonomy, None, 0))
    widest = max((len(_INDENT * depth + entry.name) for entry, depth in listed), default=0)
    for entry, depth in listed:
        red, green, blue = entry.rgb
        patch = f"\033[48;2;{red};{green};{blue}m  \033[0m " if is_colored else ""
        name = f"{_INDENT * depth}{entry.name}"
        code = "" if entry.export_code is None else f"  code {entry.export_code}"
        others = f"  also: {', '.join(entry.aliases)}" if entry.aliases else ""
        yield f"{entry.id:>5}  {patch}{entry.color}  {name:<{widest}}{code}{others}".rstrip()
    yield f"{len(taxonomy)} classes, {_kind(taxonomy)}"


def _tree(taxonomy: Taxonomy, parent: int | None, depth: int) -> Iterator[tuple[LabelClass, int]]:
    for entry in taxonomy.children(parent):
        yield entry, depth
        yield from _tree(taxonomy, entry.id, depth + 1)


def _kind(taxonomy: Taxonomy) -> str:
    from napari_firstpass.segmentation import label_dtype

    return f"labels of type {label_dtype(taxonomy.max_id)}"


def _validate(options: Namespace) -> int:
    from napari_firstpass.io.taxonomy_file import read_taxonomy

    codes = []
    for name in options.taxonomies:
        try:
            taxonomy = read_taxonomy(name, encoding=options.encoding)
        except FirstPassError as error:
            complain(f"{name}: {error}")
            codes.append(exit_code(error))
        else:
            print(f"{name}: {len(taxonomy)} classes, {_kind(taxonomy)}")
            codes.append(DONE)
    return joint_code(codes)


def _convert(options: Namespace) -> int:
    from napari_firstpass.io.taxonomy_file import read_taxonomy, write_taxonomy
    from napari_firstpass.taxonomies.forms import FORMS

    taxonomy = read_taxonomy(options.taxonomy, encoding=options.encoding)
    source = Path(options.taxonomy)
    forbid = (source,) if source.is_file() else ()
    out = write_taxonomy(options.out, taxonomy, overwrite=options.overwrite, forbid=forbid)
    form = FORMS[out.suffix.lower()]
    if lost := form.lost(taxonomy):
        complain(f"a {form.name} has no room for {', '.join(lost)}")
    print(f"{out}: {len(taxonomy)} classes")
    return DONE
