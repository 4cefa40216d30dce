"""Which class of one list becomes which class of another: as somebody wrote it, or by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.taxonomy import LabelClass, Taxonomy

OTHERS = "*"
"""In place of a class of the source: all that the table does not name."""

_NOTHING = ("", "0", "none", "unlabelled")


@dataclass(frozen=True, slots=True)
class NameTable:
    """Pairs of classes, many to one, as somebody wrote them.

    Attributes
    ----------
    pairs : tuple of (str, str)
        A class of the source and what it becomes: names, aliases or ids. `OTHERS` stands for all
        the rest; ``unlabelled``, ``none`` or 0 for no class.
    name : str
        What to call the table in messages and records.
    """

    pairs: tuple[tuple[str, str], ...]
    name: str = "the table"

    def __post_init__(self) -> None:
        if not self.pairs:
            raise TaxonomyError(
                expected=f"at least one class in {self.name}",
                found="none",
                remedy="write a line for each class: what it is called, and what it becomes",
            )

    def resolved(self, source: Taxonomy, target: Taxonomy) -> Resolved:
        """Find the classes that the table names.

        Raises
        ------
        TaxonomyError
            If the target has no such class, or a class of the source would become two.
        """
        found: dict[int, int] = {}
        default: int | None = None
        unused: list[str] = []
        for text, wanted in self.pairs:
            goal = self._goal(wanted, target)
            entry = None if text == OTHERS else find_class(source, text)
            if text == OTHERS:
                default = goal
            elif entry is None:
                unused.append(text)
            elif found.setdefault(entry.id, goal) != goal:
                raise TaxonomyError(
                    expected=f"one class for {entry.name!r} in {self.name}",
                    found=f"{_told(found[entry.id], target)} and {_told(goal, target)}",
                    remedy="leave one line out",
                )
        return Resolved(found, default, tuple(unused))

    def _goal(self, text: str, target: Taxonomy) -> int:
        entry = find_class(target, text)
        if entry is not None:
            return entry.id
        if text.strip().casefold() in _NOTHING:
            return UNLABELLED
        names = [entry.name for entry in target.classes]
        more = " …" if len(names) > 12 else ""
        raise TaxonomyError(
            expected=f"a class out of {', '.join(names[:12])}{more} in {self.name}",
            found=repr(text),
            remedy="correct the name, or add the class to the list",
        )


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a table says of two lists of classes.

    Attributes
    ----------
    targets : dict of int to int
        Ids of the target by ids of the source; 0 for no class.
    default : int or None
        Of all others; None where the table does not say.
    unused : tuple of str
        What the table calls classes that the source does not have.
    """

    targets: dict[int, int]
    default: int | None = None
    unused: tuple[str, ...] = ()


def find_class(taxonomy: Taxonomy, text: str) -> LabelClass | None:
    """Return the class with this name, alias or id; None without."""
    entry = taxonomy.named(text)
    if entry is None and text.strip().isdecimal() and int(text) in taxonomy:
        return taxonomy[int(text)]
    return entry


def common_names(source: Taxonomy, target: Taxonomy) -> dict[int, int]:
    """Return which classes of two lists have a common name or alias, by ids.

    A class without one stands for the nearest class above it that has one: an oak for a tree.
    """
    found: dict[int, int] = {}
    for entry in source.classes:
        for ancestor in reversed(source.lineage(entry.id)):
            named = (target.named(name) for name in (ancestor.name, *ancestor.aliases))
            match = next((other for other in named if other is not None), None)
            if match is not None:
                found[entry.id] = match.id
                break
    return found


def _told(class_id: int, target: Taxonomy) -> str:
    return "no class" if class_id == UNLABELLED else repr(target[class_id].name)


def goals_of(classes: Sequence[LabelClass], target: Taxonomy, name: str) -> tuple[int, ...]:
    """Return which classes of the target those of a reference are, by name, alias or number.

    The number counts only for classes that nobody named.

    Parameters
    ----------
    classes : sequence of LabelClass
        Those of the reference.
    target : Taxonomy
        The list.
    name : str
        What to call the reference in messages.

    Raises
    ------
    TaxonomyError
        If the target has no such class.
    """
    found: list[int] = []
    for entry in classes:
        match = next(
            (other for text in (entry.name, *entry.aliases) if (other := target.named(text))), None
        )
        if match is not None:
            found.append(match.id)
        elif entry.name == f"class {entry.id}" and entry.id in target:
            found.append(entry.id)
        else:
            raise TaxonomyError(
                expected=f"classes of the list in {name}",
                found=f"{entry.name!r}",
                remedy="rename it, or add it to the list as a class or an alias",
            )
    return tuple(found)
