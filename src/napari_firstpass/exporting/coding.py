"""Rules applied to the classes of labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.exporting.presets import preset_named
from napari_firstpass.exporting.rules import Coding, WrittenClass
from napari_firstpass.taxonomy import MAX_CLASS_ID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_firstpass.exporting.rules import ExportRules
    from napari_firstpass.taxonomy import LabelClass, Taxonomy

IGNORE = 255
"""What most who train networks leave out."""


def coding_of(taxonomy: Taxonomy, rules: ExportRules) -> Coding:
    """Decide which classes are written, and as what.

    Raises
    ------
    UnknownNameError
        If there is no such preset.
    TaxonomyError
        If classes would share a code that nobody gave to both, a code is that of ignored pixels, or
        codes are given for a class that is not there.
    """
    if rules.preset is not None:
        return _as_preset(taxonomy, rules)
    given = _given_codes(taxonomy, rules)
    sources: dict[int, list[LabelClass]] = {}
    dropped = []
    for entry in taxonomy.classes:
        written = _standing_for(taxonomy, entry, rules, given)
        if written is None:
            dropped.append(entry.id)
        else:
            sources.setdefault(written.id, []).append(entry)
    classes = _merged(taxonomy, sources, given)
    if rules.renumber:
        first = 1 if rules.keep_unlabelled else 0
        classes = tuple(replace(c, code=code) for code, c in enumerate(classes, start=first))
    ignore = _ignored((entry.code for entry in classes), rules.ignore)
    return Coding(classes, ignore, tuple(dropped), rules.keep_unlabelled)


def _as_preset(taxonomy: Taxonomy, rules: ExportRules) -> Coding:
    preset = preset_named(rules.preset or "")
    sources: dict[int, list[int]] = {entry.id: [] for entry in preset.classes.classes}
    dropped = []
    for entry in taxonomy.classes:
        found = _counterpart(taxonomy, entry, preset.classes, rules.level)
        if found is None:
            dropped.append(entry.id)
        else:
            sources[found.id].append(entry.id)
    classes = [
        WrittenClass(_code(c), c.name, c.color, tuple(sources[c.id]), (), c.aliases)
        for c in preset.classes.classes
    ]
    return Coding(
        tuple(sorted(classes, key=lambda c: c.code)),
        preset.ignore if rules.ignore is None else rules.ignore,
        tuple(dropped),
        rules.keep_unlabelled,
        preset.as_colors,
        preset.reduce_zero_label,
    )


def _counterpart(
    taxonomy: Taxonomy, entry: LabelClass, target: Taxonomy, level: int | None
) -> LabelClass | None:
    """Return what a class is called elsewhere; what it belongs to speaks where it is unknown."""
    lineage = taxonomy.lineage(entry.id)
    for ancestor in reversed(lineage if level is None else lineage[:level]):
        for name in (ancestor.name, *ancestor.aliases):
            found = target.named(name) or target.named(name.replace("_", " "))
            if found is not None:
                return found
    return None


def _given_codes(taxonomy: Taxonomy, rules: ExportRules) -> dict[int, int]:
    """Return the codes of the rules by id of their classes."""
    given: dict[int, int] = {}
    for name, code in rules.codes:
        entry = taxonomy.named(name)
        if entry is None:
            raise TaxonomyError(
                expected=f"codes for classes out of {', '.join(c.name for c in taxonomy.classes)}",
                found=repr(name),
                remedy="correct the name, or leave it out",
            )
        given[entry.id] = code
    return given


def _standing_for(
    taxonomy: Taxonomy, entry: LabelClass, rules: ExportRules, given: dict[int, int]
) -> LabelClass | None:
    """Return the class that one is written as, None if it has no code."""
    written = entry if rules.level is None else taxonomy.at_level(entry.id, rules.level)
    if not rules.codes:
        return written
    lineage = reversed(taxonomy.lineage(written.id))
    return next((ancestor for ancestor in lineage if ancestor.id in given), None)


def _merged(
    taxonomy: Taxonomy, sources: dict[int, list[LabelClass]], given: dict[int, int]
) -> tuple[WrittenClass, ...]:
    """Return what is written; classes are one where somebody gave both the same code."""
    by_code: dict[int, list[LabelClass]] = {}
    for written_id in sources:
        written = taxonomy[written_id]
        by_code.setdefault(given.get(written_id, _code(written)), []).append(written)
    classes = []
    for code, together in sorted(by_code.items()):
        by_chance = [c for c in together if c.id not in given and c.export_code is None]
        if len(together) > 1 and by_chance:
            raise TaxonomyError(
                expected="different codes for different classes",
                found=f"{code} for {' and '.join(repr(c.name) for c in together)}",
                remedy=f"give {by_chance[0].name!r} another code",
            )
        ids = tuple(s.id for c in together for s in sources[c.id])
        first = together[0]
        parents = tuple(c.name for c in taxonomy.lineage(first.id)[:-1])
        names = tuple(c.name for c in together[1:])
        classes.append(
            WrittenClass(code, first.name, first.color, ids, parents, (*names, *first.aliases))
        )
    return tuple(classes)


def _code(entry: LabelClass) -> int:
    return entry.id if entry.export_code is None else entry.export_code


def _ignored(codes: Iterable[int], wanted: int | None) -> int:
    if wanted is not None:
        return wanted
    return IGNORE if max(codes, default=0) < IGNORE else MAX_CLASS_ID
