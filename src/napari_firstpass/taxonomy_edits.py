"""Edits of class lists: each takes a taxonomy and returns another."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.taxonomy import MAX_CLASS_ID, LabelClass, Taxonomy, color_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import TypeAlias

Place: TypeAlias = Literal["into", "above", "below"]
"""Where a class goes: among those that belong to another, or beside it in the list."""

_CLUSTER = re.compile(r"cluster \d+")


def is_cluster(entry: LabelClass) -> bool:
    """Tell whether a class was found by a method and nobody has named it yet."""
    return _CLUSTER.fullmatch(entry.name) is not None


def renamed(taxonomy: Taxonomy, class_id: int, name: str) -> Taxonomy:
    """Give a class another name, without spaces around it.

    Raises
    ------
    TaxonomyError
        If the name is empty, or another class has it.
    """
    return _with(taxonomy, replace(taxonomy[class_id], name=name.strip()))


def recoloured(taxonomy: Taxonomy, class_id: int, color: str) -> Taxonomy:
    """Give a class another colour ``#RRGGBB``."""
    return _with(taxonomy, replace(taxonomy[class_id], color=color))


def added(taxonomy: Taxonomy, name: str = "", *, taken: Collection[int] = ()) -> Taxonomy:
    """Append a class with the smallest free id.

    Parameters
    ----------
    taxonomy : Taxonomy
        The classes so far.
    name : str
        Its name; ``class`` and its id if empty.
    taken : collection of int
        Ids that are not free although no class has them.
    """
    (class_id,) = free_ids(1, {*taxonomy.ids, *taken})
    wanted = name.strip() or f"class {class_id}"
    fresh = LabelClass(class_id, unused_name(taxonomy, wanted), color_of(class_id))
    return Taxonomy((*taxonomy.classes, fresh))


def removed(taxonomy: Taxonomy, ids: Collection[int], heir: int | None = None) -> Taxonomy:
    """Leave out classes; those that belonged to them belong to what is left above them, or to one.

    Parameters
    ----------
    taxonomy : Taxonomy
        The classes.
    ids : collection of int
        Those to leave out.
    heir : int, optional
        The class that the others were merged into.
    """
    kept = [entry for entry in taxonomy.classes if entry.id not in ids]
    return Taxonomy(tuple(_adopted(taxonomy, entry, ids, heir) for entry in kept))


def moved(taxonomy: Taxonomy, ids: Collection[int], target: int | None, place: Place) -> Taxonomy:
    """Move classes, with all that belong to them, to another place in the list and the tree.

    Parameters
    ----------
    taxonomy : Taxonomy
        The classes.
    ids : collection of int
        Those to move; they keep their order.
    target : int or None
        The class that they go to; None for the end of the list, above all others.
    place : Place
        Into what belongs to the target, or beside it.

    Raises
    ------
    TaxonomyError
        If a class would come to belong to itself.
    """
    movers = [entry for entry in taxonomy.classes if entry.id in ids and entry.id != target]
    tops = [entry for entry in movers if entry.parent not in ids]
    rest = [entry for entry in taxonomy.classes if entry not in movers]
    parent = None if target is None else target if place == "into" else taxonomy[target].parent
    at = len(rest)
    if target is not None:
        at = next(i for i, entry in enumerate(rest) if entry.id == target)
        at += 0 if place == "above" else 1
    under = [replace(entry, parent=parent) if entry in tops else entry for entry in movers]
    return Taxonomy((*rest[:at], *under, *rest[at:]))


def joined(taxonomy: Taxonomy, entries: Iterable[LabelClass]) -> Taxonomy:
    """Append classes that are not there; a name that is taken gets the id behind it.

    Those whose parent is not there go to the top.
    """
    for entry in entries:
        if entry.id in taxonomy:
            continue
        parent = entry.parent if entry.parent in taxonomy.ids else None
        name = unused_name(taxonomy, entry.name)
        taxonomy = Taxonomy((*taxonomy.classes, replace(entry, name=name, parent=parent)))
    return taxonomy


def renumbered(taxonomy: Taxonomy, mapping: Mapping[int, int]) -> Taxonomy:
    """Give classes other ids; those that the mapping lacks keep theirs."""
    return Taxonomy(
        tuple(
            replace(
                entry,
                id=mapping.get(entry.id, entry.id),
                parent=entry.parent and mapping.get(entry.parent, entry.parent),
            )
            for entry in taxonomy.classes
        )
    )


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A list of classes for labels that have classes already.

    Attributes
    ----------
    taxonomy : Taxonomy
        The list, and behind it what labels have besides.
    mapping : dict of int to int
        Ids of the labels that have to change, because the list has other ids for these names, or
        these ids for other names.
    """

    taxonomy: Taxonomy
    mapping: dict[int, int]


def taken_over(shown: Taxonomy, wanted: Taxonomy, reserved: Collection[int] = ()) -> TakenOver:
    """Join a list of classes with those that labels have; ids of the list stay as they are.

    Parameters
    ----------
    shown : Taxonomy
        The classes of the labels. Those with a name of the list become its class.
    wanted : Taxonomy
        The list.
    reserved : collection of int
        Other ids that must not be given to anything.
    """
    mapping: dict[int, int] = {}
    others: list[LabelClass] = []
    for entry in shown.classes:
        same = wanted.named(entry.name)
        if same is None:
            others.append(entry)
        elif same.id != entry.id:
            mapping[entry.id] = same.id
    clashing = [entry.id for entry in others if entry.id in wanted]
    taken = {*wanted.ids, *shown.ids, *reserved}
    mapping |= dict(zip(clashing, free_ids(len(clashing), taken), strict=True))
    rest = renumbered(Taxonomy(tuple(replace(e, parent=None) for e in others)), mapping)
    return TakenOver(joined(wanted, rest.classes), mapping)


def free_ids(count: int, taken: Collection[int]) -> tuple[int, ...]:
    """Return the smallest class ids that are not taken, in order.

    Raises
    ------
    TaxonomyError
        If there are not so many.
    """
    used = set(taken)
    found: list[int] = []
    for class_id in range(1, MAX_CLASS_ID + 1):
        if len(found) == count:
            break
        if class_id not in used:
            found.append(class_id)
    if len(found) < count:
        raise TaxonomyError(
            expected=f"at most {MAX_CLASS_ID} classes",
            found=f"{len(used)}, and {count} more",
            remedy="delete or merge some",
        )
    return tuple(found)


def unused_name(taxonomy: Taxonomy, name: str) -> str:
    """Return a name, with a number behind it if a class has it already."""
    names = {entry.name for entry in taxonomy.classes}
    tried, number = name, 1
    while tried in names:
        number += 1
        tried = f"{name} {number}"
    return tried


def _with(taxonomy: Taxonomy, changed: LabelClass) -> Taxonomy:
    return Taxonomy(tuple(changed if e.id == changed.id else e for e in taxonomy.classes))


def _adopted(
    taxonomy: Taxonomy, entry: LabelClass, gone: Collection[int], heir: int | None
) -> LabelClass:
    """Return a class below what is left of its line."""
    if entry.parent not in gone:
        return entry
    left = [above.id for above in taxonomy.lineage(entry.id)[:-1] if above.id not in gone]
    if heir is not None and entry.id not in {above.id for above in taxonomy.lineage(heir)}:
        return replace(entry, parent=heir)
    return replace(entry, parent=left[-1] if left else None)
