"""From what a file says of classes to a taxonomy: whatever form the file has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.taxonomy import MAX_CLASS_ID, LabelClass, Taxonomy, color_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIELDS = ("id", "name", "color", "parent", "aliases", "export_code", "phrases")
"""What a file may say of a class, in the order it is written."""

UNLABELLED_NAME = "unlabelled"
"""What tables call the row with id 0, which gives the colour of pixels without a class."""

_SPELLINGS = {"colour": "color"}
_NOTHING = {"", "null", "~"}

Value: TypeAlias = "str | int | list[Any] | None"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a file says of one class.

    Attributes
    ----------
    place : str
        Where it stands, such as ``line 7``.
    fields : mapping of str to value
        As it is written there: text, a number, a list or None.
    """

    place: str
    fields: Mapping[str, Value]

    @property
    def known(self) -> dict[str, Value]:
        """The fields under our names.

        Raises
        ------
        TaxonomyError
            If one is not ours.
        """
        ours = {_SPELLINGS.get(k.strip().lower(), k.strip().lower()): k for k in self.fields}
        strangers = [key for name, key in ours.items() if name not in FIELDS]
        if strangers:
            raise TaxonomyError(
                expected=f"the fields {', '.join(FIELDS)}",
                found=f"{strangers[0]!r}, {self.place}",
                remedy="rename or remove it",
            )
        return {name: self.fields[key] for name, key in ours.items()}


def taxonomy_from(
    entries: Sequence[Entry], where: str, *, unlabelled_color: Value = None
) -> Taxonomy:
    """Make a taxonomy of what a file says.

    Classes without ids, all of them, are numbered in order; classes without a colour get the usual
    one of their id. A parent is an id or a name.

    Parameters
    ----------
    entries : sequence of Entry
        The classes in order.
    where : str
        The name of the file, for messages.
    unlabelled_color : value
        The colour of pixels without a class; None for black.

    Raises
    ------
    TaxonomyError
        If an entry is malformed, or they contradict each other.
    """
    known = [entry.known for entry in entries]
    ids = _ids(entries, known, where)
    names = [_name(entry, fields, where) for entry, fields in zip(entries, known, strict=True)]
    parents = _Parents(names, ids)
    made = []
    for number, (entry, fields) in enumerate(zip(entries, known, strict=True)):
        try:
            made.append(_class(fields, ids[number], names[number], parents))
        except TaxonomyError as error:
            raise _placed(error, f"{where}, {entry.place}") from error
    try:
        if _is_nothing(unlabelled_color):
            return Taxonomy(tuple(made))
        return Taxonomy(tuple(made), unlabelled_color=color_in(unlabelled_color))
    except TaxonomyError as error:
        raise _placed(error, where) from error


class _Parents:
    """Finds the class that a parent names."""

    def __init__(self, names: Sequence[str], ids: Sequence[int]) -> None:
        self._ids = frozenset(ids)
        self._exact = dict(zip(names, ids, strict=True))
        self._alike: dict[str, list[int]] = {}
        for name, class_id in zip(names, ids, strict=True):
            self._alike.setdefault(name.casefold(), []).append(class_id)

    def find(self, value: Value) -> int | None:
        if _is_nothing(value):
            return None
        text = str(value).strip()
        number = _whole(text)
        if number in self._ids:
            return number
        alike = self._alike.get(text.casefold(), [])
        if text not in self._exact and len(alike) != 1:
            raise TaxonomyError(
                expected="the name or the id of a class as parent",
                found=repr(text),
                remedy="add that class, or correct the parent",
            )
        return self._exact.get(text, alike[0])


def _class(fields: Mapping[str, Value], class_id: int, name: str, parents: _Parents) -> LabelClass:
    color, code = fields.get("color"), fields.get("export_code")
    return LabelClass(
        class_id,
        name,
        color_of(max(class_id, 1)) if _is_nothing(color) else color_in(color),
        parents.find(fields.get("parent")),
        _texts(fields.get("aliases"), "aliases"),
        None if _is_nothing(code) else _code(code),
        _texts(fields.get("phrases"), "phrases"),
    )


def _ids(
    entries: Sequence[Entry], known: Sequence[Mapping[str, Value]], where: str
) -> tuple[int, ...]:
    if all(_is_nothing(fields.get("id")) for fields in known):
        return tuple(range(1, len(known) + 1))
    found = []
    for entry, fields in zip(entries, known, strict=True):
        number = _whole(fields.get("id"))
        if number is None:
            raise TaxonomyError(
                expected="a whole number as the id of every class, or of none",
                found=f"{fields.get('id')!r} in {where}, {entry.place}",
                remedy=f"write one from 1 to {MAX_CLASS_ID}",
            )
        found.append(number)
    return tuple(found)


def _name(entry: Entry, fields: Mapping[str, Value], where: str) -> str:
    name = fields.get("name")
    if not isinstance(name, str) or not name.strip():
        raise TaxonomyError(
            expected="a text as the name of a class",
            found=f"{name!r} in {where}, {entry.place}",
            remedy="name it, in quotes where it looks like a number",
        )
    return name.strip()


def color_in(value: Value) -> str:
    """Return ``#RRGGBB`` for a colour as files write it: that, ``[r, g, b]`` or ``r,g,b``.

    Raises
    ------
    TaxonomyError
        If it is none, or a number is not in [0, 255].
    """
    if isinstance(value, str) and value.strip().startswith("#"):
        return value.strip().upper()  # `LabelClass` checks it
    parts = value if isinstance(value, list) else str(value).strip(" []()").split(",")
    numbers = [_whole(part) for part in parts]
    levels = [number for number in numbers if number is not None and 0 <= number <= 255]
    if len(numbers) != 3 or len(levels) != 3:
        raise TaxonomyError(
            expected="a colour such as #1F77B4 or 31,119,180, each number from 0 to 255",
            found=repr(value),
            remedy="correct it; in YAML, put # in quotes",
        )
    return "#" + "".join(f"{level:02X}" for level in levels)


def _code(value: Value) -> int:
    number = _whole(value)
    if number is None or not 0 <= number <= MAX_CLASS_ID:
        raise TaxonomyError(
            expected=f"an export code in [0, {MAX_CLASS_ID}]",
            found=repr(value),
            remedy="correct it, or leave it out to write the id",
        )
    return number


def _texts(value: Value, what: str) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) and text.strip() for text in listed):
        raise TaxonomyError(
            expected=f"a list of texts as {what}", found=repr(value), remedy="write [one, another]"
        )
    return tuple(str(text).strip() for text in listed)


def _whole(value: object) -> int | None:
    """Return a whole number, None for anything else: true, 1.5 and 1e3 are none."""
    if isinstance(value, bool):
        return None
    text = str(value).strip()
    digits = text.removeprefix("-")
    # Long ones would not be read by Python itself; other scripts' digits would.
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else None


def _is_nothing(value: Value) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING)


def _placed(error: TaxonomyError, where: str) -> TaxonomyError:
    return TaxonomyError(
        expected=error.expected, found=f"{error.found} in {where}", remedy=error.remedy
    )
