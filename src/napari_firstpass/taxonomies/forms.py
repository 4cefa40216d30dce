"""The forms that a list of classes is written in: YAML, JSON, CSV and QGIS' colour map.

Each reads what people write, and writes one canonical text: the same bytes for the same classes.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.taxonomies.entries import FIELDS, UNLABELLED_NAME, Entry, taxonomy_from
from napari_firstpass.taxonomies.plain_yaml import Table, parse_yaml
from napari_firstpass.taxonomy import BLACK, rgb_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from napari_firstpass.taxonomies.entries import Value
    from napari_firstpass.taxonomy import LabelClass, Taxonomy

_HEADER = ("classes", "unlabelled_color")
_LISTS = ("aliases", "phrases")
_WITHIN = ";"
_DELIMITERS = ",;\t"

# Texts that YAML needs no quotes for, as far as their letters go; "no" is one of them.
_WORDS = re.compile(r"[A-Za-z](?:[A-Za-z0-9 _/.()-]*[A-Za-z0-9_.)])?")

# What a table program would take for a formula; ours are marked by one more apostrophe in front.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write a taxonomy.

    Attributes
    ----------
    name : str
        What users call it.
    read : callable
        From the text and the name of the file to a taxonomy.
    write : callable
        From a taxonomy to the text.
    holds : tuple of str
        Fields of a class that it has room for.
    """

    name: str
    read: Callable[[str, str], Taxonomy]
    write: Callable[[Taxonomy], str]
    holds: tuple[str, ...] = FIELDS

    def lost(self, taxonomy: Taxonomy) -> tuple[str, ...]:
        """Return the fields in use that this form has no room for."""
        used = {key for entry in taxonomy.classes for key in _used(entry)}
        return tuple(field for field in FIELDS if field in used - set(self.holds))


def _read_yaml(text: str, where: str) -> Taxonomy:
    content = parse_yaml(text, where)
    return _from_plain(content, where, lambda entry, _: f"line {entry.line}")


def _read_json(text: str, where: str) -> Taxonomy:
    content = parse_json(text, where)
    return _from_plain(content, where, lambda _, number: f"class number {number}")


def parse_json(text: str, where: str) -> object:
    """Read JSON; tables are `Table`, and numbers with a point are texts.

    Parameters
    ----------
    text : str
        The content of the file.
    where : str
        The name of the file, for messages.

    Raises
    ------
    TaxonomyError
        If it is no JSON, or has a key twice.
    """
    try:
        found: object = json.loads(text, object_pairs_hook=_unique, parse_float=str)
    except (ValueError, RecursionError) as error:
        if isinstance(error, TaxonomyError):
            raise
        raise TaxonomyError(
            expected=f"JSON in {where}",
            found=str(error) or "too many brackets",
            remedy="correct it",
        ) from error
    return found


def _unique(pairs: list[tuple[str, Any]]) -> Table:
    table = Table(0)
    for key, value in pairs:
        if key in table:
            raise TaxonomyError(
                expected="every key once", found=f"{key!r} twice", remedy="keep one of them"
            )
        table[key] = value
    return table


def _from_plain(content: object, where: str, place: Callable[[Table, int], str]) -> Taxonomy:
    """Read ``{"classes": […]}`` or the bare list; each class is a table, or a name."""
    table: Mapping[str, Any] = content if isinstance(content, dict) else {"classes": content}
    strangers = [key for key in table if key not in _HEADER]
    listed = table.get("classes")
    if strangers or not isinstance(listed, list):
        raise TaxonomyError(
            expected=f"a list of classes in {where}, below `classes:`",
            found=repr(strangers[0]) if strangers else _kind(listed),
            remedy="write one entry for each class, with id, name and color",
        )
    entries = []
    for number, item in enumerate(listed, start=1):
        if isinstance(item, Table):
            entries.append(Entry(place(item, number), item))
        elif isinstance(item, str):
            entries.append(Entry(f"class number {number}", {"name": item}))
        else:
            raise TaxonomyError(
                expected=f"a table with id, name and color for each class in {where}",
                found=f"{_kind(item)}, class number {number}",
                remedy="write `- {id: 1, name: building}`",
            )
    return taxonomy_from(entries, where, unlabelled_color=table.get("unlabelled_color"))


def _kind(value: object) -> str:
    if value is None or value == "":
        return "nothing"
    return {"dict": "a table", "Table": "a table", "list": "a list"}.get(
        type(value).__name__, repr(value)[:80]
    )


def _used(entry: LabelClass) -> dict[str, Any]:
    """Return what there is to say of a class, in order."""
    values = {field: getattr(entry, field) for field in FIELDS}
    plain = {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
    return {key: value for key, value in plain.items() if value is not None and value != []}


def _plain(taxonomy: Taxonomy) -> dict[str, Any]:
    plain: dict[str, Any] = {"classes": [_used(entry) for entry in taxonomy.classes]}
    if taxonomy.unlabelled_color != BLACK:
        plain = {"unlabelled_color": taxonomy.unlabelled_color, **plain}
    return plain


def _write_yaml(taxonomy: Taxonomy) -> str:
    lines = []
    if taxonomy.unlabelled_color != BLACK:
        lines.append(f"unlabelled_color: {_inline(taxonomy.unlabelled_color)}")
    lines.append("classes:" if taxonomy.classes else "classes: []")
    for entry in taxonomy.classes:
        fields = [f"{key}: {_inline(value)}" for key, value in _used(entry).items()]
        lines += [f"  - {fields[0]}", *(f"    {field}" for field in fields[1:])]
    return "\n".join(lines) + "\n"


def _inline(value: int | str | list[str]) -> str:
    """Return a value as YAML in a line; texts in quotes, unless every reader sees them as such."""
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, int) or (_WORDS.fullmatch(value) and yaml.safe_load(value) == value):
        return str(value)
    quoted: str = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=2**30)
    return quoted.rstrip("\n")


def _write_json(taxonomy: Taxonomy) -> str:
    return json.dumps(_plain(taxonomy), indent=2, ensure_ascii=False) + "\n"


def _read_csv(text: str, where: str) -> Taxonomy:
    first = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in next(rows, [])]
        _require_columns(names, where)
        lines = [(f"line {rows.line_num}", row) for row in rows if any(map(str.strip, row))]
    except csv.Error as error:
        raise TaxonomyError(
            expected=f"a table in {where}",
            found=f"{error}, line {rows.line_num}",
            remedy="correct the quotes",
        ) from error
    entries = [_row_entry(place, names, row, where) for place, row in lines]
    return _from_rows(entries, where)


def _require_columns(names: list[str], where: str) -> None:
    repeated = [name for name in names if names.count(name) > 1]
    if "name" not in names or repeated:
        raise TaxonomyError(
            expected=f"a first line of {where} that names the columns, each once: "
            f"{', '.join(FIELDS)}",
            found=f"{repeated[0]!r} twice" if repeated else repr(", ".join(names)[:80]),
            remedy="write it; name is needed, the others may be left out",
        )


def _row_entry(place: str, names: list[str], row: list[str], where: str) -> Entry:
    if len(row) > len(names) and any(cell.strip() for cell in row[len(names) :]):
        raise TaxonomyError(
            expected=f"{len(names)} columns in every line of {where}",
            found=f"{len(row)}, {place}",
            remedy="put texts with the separator in quotes",
        )
    fields: dict[str, Value] = {}
    for name, cell in zip(names, row, strict=False):
        words = [_bare(word) for word in _words(cell)] if name in _LISTS else None
        fields[name] = _bare(cell) if words is None else words
    return Entry(place, fields)


def _from_rows(entries: list[Entry], where: str) -> Taxonomy:
    """Read tables in which a row with id 0 may tell the colour of unlabelled pixels."""
    color: Value = None
    classes = []
    for entry in entries:
        known = entry.known
        if str(known.get("id", "")).strip() == "0" and known.get("name") == UNLABELLED_NAME:
            color = known.get("color")
        else:
            classes.append(entry)
    return taxonomy_from(classes, where, unlabelled_color=color)


def _write_csv(taxonomy: Taxonomy) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    if taxonomy.unlabelled_color != BLACK:
        writer.writerow([0, UNLABELLED_NAME, taxonomy.unlabelled_color])
    for entry in taxonomy.classes:
        writer.writerow([_cell(_used(entry).get(field, "")) for field in FIELDS])
    return text.getvalue()


def _cell(value: int | str | list[str]) -> str:
    if not isinstance(value, list):
        return _guarded(str(value))
    text = io.StringIO()
    csv.writer(text, delimiter=_WITHIN, lineterminator="").writerow(map(_guarded, value))
    return text.getvalue()


def _words(cell: str) -> list[str]:
    rows = csv.reader([cell.strip()], delimiter=_WITHIN, skipinitialspace=True)
    return [word.strip() for row in rows for word in row if word.strip()]


def _guarded(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _bare(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _read_color_map(text: str, where: str) -> Taxonomy:
    entries = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = re.split(r"[\s,;:]+", line.strip(), maxsplit=5)
        if len(parts) < 4:
            raise TaxonomyError(
                expected=f"lines such as `1 255 0 0 255 building` in {where}",
                found=f"{line.strip()[:60]!r}, line {number}",
                remedy="write a value, red, green, blue, opacity and a name",
            )
        name = parts[5] if len(parts) > 5 else f"class {parts[0]}"
        fields: Mapping[str, Value] = {"id": parts[0], "name": name, "color": list(parts[1:4])}
        entries.append(Entry(f"line {number}", fields))
    return _from_rows(entries, where)


def _write_color_map(taxonomy: Taxonomy) -> str:
    lines = [(entry.id, entry.rgb, entry.name) for entry in taxonomy.classes]
    if taxonomy.unlabelled_color != BLACK:
        lines = [(0, rgb_of(taxonomy.unlabelled_color), UNLABELLED_NAME), *lines]
    return "".join(
        f"{number} {red} {green} {blue} 255 {' '.join(name.split())}\n"
        for number, (red, green, blue), name in lines
    )


_YAML = Form("YAML", _read_yaml, _write_yaml)
_COLOR_MAP = Form("colour map", _read_color_map, _write_color_map, ("id", "name", "color"))

FORMS: Mapping[str, Form] = {
    ".yaml": _YAML,
    ".yml": _YAML,
    ".json": Form("JSON", _read_json, _write_json),
    ".csv": Form("CSV", _read_csv, _write_csv),
    ".clr": _COLOR_MAP,
    ".txt": _COLOR_MAP,
}
"""By the ending of the file. A colour map is what QGIS exports and imports for palettes, and what
``gdaldem color-relief`` reads, with names after the numbers."""


def endings(forms: Iterable[str] = FORMS) -> str:
    """Return endings as a list to read."""
    return ", ".join(forms)
