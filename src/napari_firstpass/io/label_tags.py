"""Classes and history as text inside a label file, where they survive when sidecars get lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.io.sidecar import plain_text
from napari_firstpass.provenance import Provenance, ProvenanceError
from napari_firstpass.taxonomy import Taxonomy

if TYPE_CHECKING:
    from collections.abc import Mapping

TAXONOMY_TAG = "FIRSTPASS_TAXONOMY"
PROVENANCE_TAG = "FIRSTPASS_PROVENANCE"


def label_tags(taxonomy: Taxonomy, provenance: Provenance) -> dict[str, str]:
    """Return the tags of a label file."""
    classes = json.dumps(taxonomy.to_dict(), sort_keys=True)
    return {TAXONOMY_TAG: classes, **provenance_tags(provenance)}


def provenance_tags(provenance: Provenance) -> dict[str, str]:
    """Return the tag that says how a file came about.

    A source whose name is not valid UTF-8 cannot be stored as it is; in ASCII it can be escaped.
    """
    return {PROVENANCE_TAG: json.dumps(json.loads(provenance.to_json()), sort_keys=True)}


def class_tags(taxonomy: Taxonomy) -> dict[str, str]:
    """Return one tag for each class, for readers that know nothing of ours."""
    return {f"CLASS_{entry.id}": plain_text(entry.name) for entry in taxonomy.classes}


def taxonomy_in(tags: Mapping[str, str]) -> Taxonomy | None:
    """Return the classes a file names in its tags, None if it names none or garbles them."""
    try:
        return Taxonomy.from_dict(json.loads(tags[TAXONOMY_TAG]))
    except (KeyError, ValueError, TaxonomyError):
        return None


def provenance_in(tags: Mapping[str, str]) -> Provenance | None:
    """Return the history a file keeps in its tags, None if it keeps none or garbles it."""
    try:
        return Provenance.from_json(tags[PROVENANCE_TAG])
    except (KeyError, ProvenanceError):
        return None
