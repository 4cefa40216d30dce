"""What each class of one list may be in another: a default, candidates, and phrases for them.

As the tables of DynAlign (arXiv 2501.16410) have it, which brings the 19 classes of a network of
street scenes to the finer ones of another data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_firstpass.taxonomy import Taxonomy

PADDING = 10
"""Pixels around a thing that are looked at too, where a table does not say how many."""

_PARTS = {"about", "sources", "always", "targets"}
_SOURCE = {"default", "candidates", "padding", "aliases"}
_TARGET = {"phrases", "aliases", "id"}


@dataclass(frozen=True, slots=True)
class Choice:
    """What one class of the source may be.

    Attributes
    ----------
    default : int
        Id of what it stands for where pictures and words do not decide; 0 where for nothing.
    candidates : tuple of int
        Ids of the classes that are compared, in the order of the table; each once.
    padding : int
        Pixels around a region of this class that are looked at too.
    """

    default: int
    candidates: tuple[int, ...]
    padding: int = PADDING


@dataclass(frozen=True, slots=True)
class Choices:
    """What every class of the source may be in the target.

    Attributes
    ----------
    by_source : mapping of int to Choice
        By id of the source; 0 tells of pixels without a class.
    always : tuple of int
        Ids of the target that are candidates of every class, and are compared after its own.
    phrases : mapping of int to tuple of str
        What to call each class of the target that is a candidate anywhere; never empty.
    """

    by_source: Mapping[int, Choice]
    always: tuple[int, ...]
    phrases: Mapping[int, tuple[str, ...]]

    def of(self, source: int) -> tuple[int, ...]:
        """Return the ids that a region of a source class is compared with, each once."""
        return tuple(dict.fromkeys((*self.by_source[source].candidates, *self.always)))

    def default_of(self, source: int) -> int:
        """Return the id that a source class stands for, 0 for none."""
        return self.by_source[source].default

    @property
    def compared(self) -> tuple[int, ...]:
        """All ids that are a candidate anywhere, ascending."""
        return tuple(sorted({one for key in self.by_source for one in self.of(key)}))


def open_choices(source: Taxonomy, target: Taxonomy) -> Choices:
    """Return the choices where nobody has made a table: every class may be any other.

    A class stands for that of its name, if there is one.
    """
    every = target.ids
    by_source = {UNLABELLED: Choice(UNLABELLED, every)}
    for entry in source.classes:
        same = target.named(entry.name)
        by_source[entry.id] = Choice(same.id if same else UNLABELLED, every)
    return Choices(by_source, (), {one: _called(target, one) for one in every})


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """One class of the source in a table, by names.

    Attributes
    ----------
    name : str
        Of the class in the source.
    default : str
        What it stands for.
    candidates : tuple of str
        What it may be; the default is among them.
    padding : int
        See `Choice`.
    aliases : tuple of str
        Other names of it.
    """

    name: str
    default: str
    candidates: tuple[str, ...]
    padding: int = PADDING
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.default not in self.candidates:
            raise TaxonomyError(
                expected=f"the default of {self.name!r} among its candidates",
                found=f"{self.default!r}, with the candidates {', '.join(self.candidates)}",
                remedy="add it to them",
            )
        if self.padding < 0:
            raise TaxonomyError(
                expected=f"a padding of 0 pixels or more for {self.name!r}",
                found=str(self.padding),
                remedy="enlarge it",
            )


@dataclass(frozen=True, slots=True)
class TargetEntry:
    """One class of the target in a table, by names.

    Attributes
    ----------
    name : str
        Of the class in the target.
    phrases : tuple of str
        What to call it; at least one.
    aliases : tuple of str
        Other names of it.
    id : int or None
        Its id, if the table says it: it must be that of the class list then.
    """

    name: str
    phrases: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    id: int | None = None

    def __post_init__(self) -> None:
        if not self.phrases or not all(phrase.strip() for phrase in self.phrases):
            raise TaxonomyError(
                expected=f"phrases for the candidate {self.name!r}",
                found="none" if not self.phrases else "an empty one",
                remedy="write what one would call it, such as [a road seen from above]",
            )


@dataclass(frozen=True, slots=True)
class CandidateTable:
    """A table as a file holds it, by names.

    Attributes
    ----------
    sources : tuple of SourceEntry
        The classes of the source.
    always : tuple of str
        What every class may be, too.
    targets : tuple of TargetEntry
        The candidates, with their phrases.
    """

    sources: tuple[SourceEntry, ...]
    always: tuple[str, ...]
    targets: tuple[TargetEntry, ...]

    def __post_init__(self) -> None:
        told = {entry.name for entry in self.targets}
        used = [*self.always, *(name for entry in self.sources for name in entry.candidates)]
        untold = list(dict.fromkeys(name for name in used if name not in told))
        if untold:
            raise TaxonomyError(
                expected="phrases for every candidate, under targets",
                found=f"none for {_listed(untold)}",
                remedy="add them",
            )

    @classmethod
    def parse(cls, content: object) -> CandidateTable:
        """Read what a YAML or JSON file holds.

        Raises
        ------
        TaxonomyError
            If it is no such table, a class of the source has no default or one that is no
            candidate, or a candidate has no phrases.
        """
        parts = _mapping(content, "a table of candidates", _PARTS, {"sources", "targets"})
        sources = _mapping(parts["sources"], "sources")
        targets = _mapping(parts["targets"], "targets")
        return cls(
            tuple(_source(name, said) for name, said in sources.items()),
            _texts(parts.get("always", []), "always"),
            tuple(_target(name, said) for name, said in targets.items()),
        )

    @property
    def sha256(self) -> str:
        """A hash of all that the table says."""
        return sha256(repr(self).encode()).hexdigest()

    def bound(self, source: Taxonomy, target: Taxonomy) -> Choices:
        """Return the choices between two lists of classes.

        Classes of the table that the source does not have say nothing.

        Raises
        ------
        TaxonomyError
            If a class of the source has no entry, or a candidate is not in the target.
        """
        entries = self._entries(source)
        ids = {entry.name: self._id_of(entry, target) for entry in self.targets}
        choices = {
            key: Choice(ids[told.default], _each_once(ids, told.candidates), told.padding)
            for key, told in entries.items()
        }
        phrases: dict[int, tuple[str, ...]] = {}
        for told in self.targets:
            one = ids[told.name]
            phrases[one] = (*phrases.get(one, ()), *told.phrases)
        nothing = Choice(UNLABELLED, ())
        return Choices({UNLABELLED: nothing, **choices}, _each_once(ids, self.always), phrases)

    def _entries(self, source: Taxonomy) -> dict[int, SourceEntry]:
        """Return the entry of each class of the source, by its id."""
        known = {
            name.strip().casefold(): entry
            for entry in self.sources
            for name in (*entry.aliases, entry.name)
        }
        found: dict[int, SourceEntry] = {}
        for one in source.classes:
            names = (name.strip().casefold() for name in (one.name, *one.aliases))
            entry = next((known[name] for name in names if name in known), None)
            if entry is not None:
                found[one.id] = entry
        missing = [one.name for one in source.classes if one.id not in found]
        if missing:
            raise TaxonomyError(
                expected="a default for every class of the labels",
                found=f"none for {_listed(missing)}",
                remedy="add them to the sources of the table, or as aliases of what it has",
            )
        return found

    @staticmethod
    def _id_of(entry: TargetEntry, target: Taxonomy) -> int:
        found = next(filter(None, map(target.named, (entry.name, *entry.aliases))), None)
        if found is None:
            raise TaxonomyError(
                expected=f"an id for the candidate {entry.name!r} in the class list",
                found="no class of this name or alias",
                remedy="add the class, or an alias of it, to the class list or to the table",
            )
        if entry.id not in (None, found.id):
            raise TaxonomyError(
                expected=f"the id {entry.id} for {entry.name!r}, as the table says",
                found=f"{found.id} in the class list",
                remedy="correct one of them",
            )
        return found.id


def _each_once(ids: Mapping[str, int], names: Iterable[str]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(ids[name] for name in names))


def _called(taxonomy: Taxonomy, class_id: int) -> tuple[str, ...]:
    entry = taxonomy[class_id]
    return entry.phrases or (entry.name,)


def _source(name: str, said: object) -> SourceEntry:
    parts = _mapping(said, f"an entry of {name!r}", _SOURCE)
    default = parts.get("default")
    if not isinstance(default, str):
        raise TaxonomyError(
            expected=f"a default for the class {name!r}",
            found="none" if default is None else repr(default),
            remedy="name the class that it stands for",
        )
    candidates = _texts(parts.get("candidates", [default]), f"the candidates of {name!r}")
    padding = _whole(parts.get("padding", PADDING), f"the padding of {name!r}, in pixels")
    aliases = _texts(parts.get("aliases", []), f"the aliases of {name!r}")
    return SourceEntry(name, default, candidates, padding, aliases)


def _target(name: str, said: object) -> TargetEntry:
    parts = {"phrases": said}
    if not isinstance(said, list):
        parts = _mapping(said, f"an entry of {name!r}", _TARGET)
    said_id = parts.get("id")
    return TargetEntry(
        name,
        _texts(parts.get("phrases", []), f"the phrases of {name!r}"),
        _texts(parts.get("aliases", []), f"the aliases of {name!r}"),
        None if said_id is None else _whole(said_id, f"the id of {name!r}"),
    )


def _mapping(
    content: object, what: str, known: Iterable[str] = (), needed: Iterable[str] = ()
) -> dict[str, Any]:
    """Return a mapping with text keys; with ``known``, it may hold no others."""
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise TaxonomyError(
            expected=f"{what} as names, each with what belongs to it",
            found=type(content).__name__
            if not isinstance(content, dict)
            else "keys without quotes",
            remedy="see docs/methods/dynalign.md for an example",
        )
    strangers = [key for key in content if known and key not in known]
    missing = [key for key in needed if key not in content]
    if strangers or missing:
        raise TaxonomyError(
            expected=f"{what} with {', '.join(sorted(known))}",
            found=f"{strangers[0]!r}" if strangers else f"no {missing[0]}",
            remedy="correct the table",
        )
    return content


def _whole(value: object, what: str) -> int:
    # In YAML as we read it, every value is a text.
    text = "" if isinstance(value, bool) else str(value)
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
        raise TaxonomyError(
            expected=f"a whole number as {what}", found=repr(value), remedy="correct it"
        )
    return int(text)


def _texts(content: object, what: str) -> tuple[str, ...]:
    if not isinstance(content, list) or not all(isinstance(text, str) for text in content):
        raise TaxonomyError(
            expected=f"{what} as a list of texts",
            found=repr(content)[:60],
            remedy="write [one, two]",
        )
    return tuple(content)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(map(repr, names[:8])) + more
