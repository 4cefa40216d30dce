"""What exported masks keep of the labels they were made of, so that they can be edited again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.io.label_tags import TAXONOMY_TAG, provenance_tags
from napari_firstpass.taxonomies.number_codes import NumberCodes
from napari_firstpass.taxonomy import MAX_CLASS_ID, LabelClass, Taxonomy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.exporting.rules import Coding

EXPORT_TAG = "FIRSTPASS_EXPORT"


def export_tags(job: ExportJob) -> dict[str, str]:
    """Return the tags of an exported mask: its history, and how its codes become labels again.

    The classes themselves are only there where codes are ids: readers may rely on that.
    """
    classes = written_taxonomy(job.taxonomy, job.coding)
    told = {"classes": classes.to_dict(), "ignore": job.coding.ignore}
    tags = {EXPORT_TAG: json.dumps(told, sort_keys=True), **provenance_tags(job.provenance)}
    if all(entry.export_code in (None, entry.id) for entry in classes.classes):
        tags[TAXONOMY_TAG] = json.dumps(classes.to_dict(), sort_keys=True)
    return tags


def written_taxonomy(taxonomy: Taxonomy, coding: Coding) -> Taxonomy:
    """Return the classes that are written, in their order, each with its code as ``export_code``.

    A class keeps the id that it has in the labels, and its place in the tree where what it belongs
    to is written too; one that several became has the id of the first of them, and one that no
    pixel can have gets a free one.
    """
    ids: dict[int, int] = {}
    for entry in coding.classes:
        kept = next((i for i in entry.sources if entry.name == taxonomy[i].name), None)
        if kept is not None or entry.sources:
            ids[entry.code] = entry.sources[0] if kept is None else kept
    free = iter(sorted(set(range(1, MAX_CLASS_ID + 1)) - set(ids.values())))
    made = []
    for entry in coding.classes:
        class_id = ids[entry.code] if entry.code in ids else next(free)
        code = None if class_id == entry.code else entry.code
        made.append((class_id, entry, code))
    place = {class_id: number for number, class_id in enumerate(taxonomy.ids)}
    made.sort(key=lambda item: place.get(item[0], len(place)))
    by_name = {entry.name: class_id for class_id, entry, _ in made}
    return Taxonomy(
        tuple(
            LabelClass(
                class_id,
                entry.name,
                entry.color,
                next((by_name[name] for name in reversed(entry.parents) if name in by_name), None),
                entry.aliases,
                code,
            )
            for class_id, entry, code in made
        ),
        taxonomy.unlabelled_color,
    )


def codes_in(tags: Mapping[str, str]) -> NumberCodes | None:
    """Return how a file's codes become labels, None if it is no export, or garbles that."""
    try:
        told = json.loads(tags[EXPORT_TAG])
        taxonomy = Taxonomy.from_dict(told["classes"])
        return NumberCodes(taxonomy, by_code=True, ignored=(int(told["ignore"]),))
    except (KeyError, ValueError, TypeError, TaxonomyError):
        return None
