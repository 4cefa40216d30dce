from __future__ import annotations

import pytest

from napari_firstpass.provenance import Provenance, ProvenanceError


def test_a_record_survives_json() -> None:
    record = Provenance({"seed": 3, "classes": 8}, "scène.tif", "ab12", None)
    assert Provenance.from_json(record.to_json()) == record


def test_the_same_record_is_the_same_text() -> None:
    one, other = Provenance({"a": 1, "b": 2}), Provenance({"b": 2, "a": 1})
    assert one.to_json() == other.to_json()


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"colour": 3}'])
def test_a_damaged_record_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ProvenanceError, match="expected a provenance record in JSON"):
        Provenance.from_json(text)


def test_what_a_person_changed_is_told_only_where_somebody_did() -> None:
    assert "edited" not in Provenance().to_json()
    told = Provenance(edited=0.25)
    assert Provenance.from_json(told.to_json()) == told
