"""Tables that say which class becomes which, in files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.io.taxonomy_file import class_text
from napari_firstpass.name_table import NameTable
from napari_firstpass.taxonomies.plain_yaml import parse_yaml

if TYPE_CHECKING:
    import os

_HEADERS = ({"source", "target"}, {"from", "to"})


def read_name_table(path: str | os.PathLike[str], *, encoding: str = "utf-8") -> NameTable:
    """Read which class becomes which.

    Parameters
    ----------
    path : path
        CSV of two columns, with a line ``source,target`` on top or without; or one table in YAML or
        JSON, such as ``cluster 1: building``.
    encoding : str
        See `taxonomy_file.read_taxonomy`.

    Raises
    ------
    ImageReadError
        If the file cannot be read.
    TaxonomyError
        If it is in another encoding, or holds something else.
    """
    place = Path(path)
    text = class_text(place, encoding)
    ending = place.suffix.lower()
    if ending == ".json":
        content = _plain_json(text, place)
    elif ending in (".yaml", ".yml"):
        found = parse_yaml(text, place.name)
        content = list(found.items()) if isinstance(found, dict) else found
    else:
        content = _rows(text, place)
    if not isinstance(content, list):
        raise _unfit(place, "something else", "write one table of names")
    return NameTable(tuple(_pair(entry, place) for entry in content), place.name)


def _plain_json(text: str, path: Path) -> object:
    try:
        # Pairs as they stand: of a name that is there twice, none may be lost.
        found: object = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise _unfit(path, f"no JSON ({error})", "correct it") from error
    return found


def _rows(text: str, path: Path) -> list[list[str]]:
    try:
        rows = [row for row in csv.reader(io.StringIO(text), strict=True) if any(row)]
    except csv.Error as error:
        raise _unfit(path, f"no CSV ({error})", "correct it") from error
    if rows and {cell.strip().casefold() for cell in rows[0]} in _HEADERS:
        del rows[0]
    return rows


def _pair(entry: object, path: Path) -> tuple[str, str]:
    if isinstance(entry, (list, tuple)) and len(entry) == 2:
        source, target = ("" if cell is None else cell for cell in entry)
        plain = all(isinstance(cell, (str, int)) for cell in (source, target))
        if plain and str(source).strip():
            return str(source).strip(), str(target).strip()
    raise _unfit(path, f"{entry!r}", "write a name or an id, and what it becomes")


def _unfit(path: Path, found: str, remedy: str) -> TaxonomyError:
    return TaxonomyError(
        expected=f"a table of two columns of classes in {path.name}", found=found, remedy=remedy
    )
