"""YAML of texts, lists and tables, and of nothing else.

Every value is read as the text that stands there, so that a class may be called ``no`` or ``1e3``.
Anchors, aliases and tags are refused: nothing can grow while it is read, and nothing is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from napari_firstpass.errors import TaxonomyError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST = 16

# libyaml's parser where there is one: the same events, ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Plain: TypeAlias = "str | list[Plain] | Table"


class Table(dict[str, Any]):
    """A mapping of texts to values that knows where it stands.

    Attributes
    ----------
    line : int
        Its first line in the file, from 1.
    """

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


def parse_yaml(text: str, where: str) -> Plain:
    """Read the one document in a text; an empty one is the empty text.

    Parameters
    ----------
    text : str
        The content of the file.
    where : str
        The name of the file, for messages.

    Raises
    ------
    TaxonomyError
        If it is no YAML, has anchors, aliases, tags, a key twice, keys that are no texts, several
        documents, or lists inside lists inside lists …
    """
    try:
        return _Reader(where, yaml.parse(text, Loader=_LOADER)).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise TaxonomyError(
            expected=f"YAML in {where}",
            found=(getattr(error, "problem", None) or str(error).splitlines()[0]) + line,
            remedy="correct it; texts with : or # go in quotes",
        ) from error


class _Reader:
    """Turns events of YAML into values."""

    def __init__(self, where: str, events: Iterator[yaml.Event]) -> None:
        self._where = where
        self._events = events

    def document(self) -> Plain:
        found: Plain | None = None
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                if found is not None:
                    raise self._refused(event, "several documents", "keep one of them")
                found = self._value(event, 0)
        return "" if found is None else found

    def _value(self, event: yaml.Event, depth: int) -> Plain:
        self._require_plain(event, depth)
        if isinstance(event, yaml.ScalarEvent):
            return str(event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._value(inner, depth + 1) for inner in self._until(yaml.SequenceEndEvent)]
        return self._table(event, depth)

    def _table(self, event: yaml.Event, depth: int) -> Table:
        table = Table(event.start_mark.line + 1)
        for key_event in self._until(yaml.MappingEndEvent):
            key = self._value(key_event, depth + 1)
            if not isinstance(key, str):
                raise self._refused(key_event, "a list or a table as a key", "write a name")
            if key in table:
                raise self._refused(key_event, f"{key!r} twice", "keep one of them")
            table[key] = self._value(next(self._events), depth + 1)
        return table

    def _until(self, end: type) -> Iterator[yaml.Event]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _require_plain(self, event: yaml.Event, depth: int) -> None:
        if isinstance(event, yaml.AliasEvent):
            raise self._refused(event, f"the alias *{event.anchor}", "write out what it stands for")
        if event.anchor is not None:
            raise self._refused(event, f"the anchor &{event.anchor}", "remove it")
        if event.tag is not None:
            raise self._refused(event, f"the tag {event.tag}", "remove it; all values are texts")
        if depth > _DEEPEST:
            raise self._refused(event, f"more than {_DEEPEST} lists in each other", "flatten them")

    def _refused(self, event: yaml.Event, found: str, remedy: str) -> TaxonomyError:
        return TaxonomyError(
            expected=f"plain texts, lists and tables in {self._where}",
            found=f"{found}, line {event.start_mark.line + 1}",
            remedy=remedy,
        )
