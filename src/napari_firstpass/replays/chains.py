"""All that was done to labels done once more, one thing after the other."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_firstpass.align_images import AlignPaths, align_files_steps
from napari_firstpass.aligning import AlignConfig
from napari_firstpass.candidate_tables import BUILT_IN_TABLES
from napari_firstpass.config import RefineConfig
from napari_firstpass.io.candidate_file import read_candidates
from napari_firstpass.name_table import NameTable
from napari_firstpass.pairing import EXTRAS
from napari_firstpass.progress import Span, relay
from napari_firstpass.provenance import STEPS, ProvenanceError
from napari_firstpass.refine_images import refine_file_steps
from napari_firstpass.replays.runs import Place, first_steps, placed_weights, pointed_steps
from napari_firstpass.taxonomy import Taxonomy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_firstpass.candidates import CandidateTable
    from napari_firstpass.progress import Steps
    from napari_firstpass.provenance import Provenance
    from napari_firstpass.replays.runs import Again

_Steps: TypeAlias = "tuple[tuple[str, dict[str, Any]], ...]"

_TABLES = (".yaml", ".yml", ".json")

_BY_HAND = {
    "reassigned": "whole classes that a person made others",
    "prompted": "what was pointed at in the panel",
    "refined": "a part that was refined in the panel",
    "learned": "what was learned from corrections",
}
"""What cannot be done once more, by the step that tells of it."""


@dataclass(frozen=True, slots=True)
class Remade:
    """Labels that were made once more.

    Attributes
    ----------
    labels : Path
        The file.
    left_out : tuple of str
        What was done to them that cannot be done once more.
    """

    labels: Path
    left_out: tuple[str, ...]


def remade_steps(record: Provenance, again: Again, folder: Path, *, sure: bool) -> Steps[Remade]:
    """Make labels once more as their record tells, beginning with the image.

    If one of the other inputs is the labels that something was done to, it begins there.

    Parameters
    ----------
    record : Provenance
        Of the labels.
    again : Again
        What is the same for all that is done.
    folder : Path
        Where to; empty.
    sure : bool
        Whether the labels had a confidence.

    Raises
    ------
    ProvenanceError
        If the record does not suffice, or what was read is not there any more.
    """
    steps = record.steps
    begin, given = yield from relay(_given_steps(steps, again), Span(0, 2, 100))
    left_out = []
    labels = given or folder / "0.tif"
    if given is None:
        before = replace(record, config=_without_steps(record.config))
        out = _place(labels, wanted=_is_sure_after(0, steps, sure=sure))
        yield from relay(first_steps(before, out, again), _part(0, steps))
    for number, (kind, told) in enumerate(steps[begin:], start=begin + 1):
        if told.get("edited") and labels != given:
            left_out.append(f"what a person had changed before step {number} ({kind})")
        if _is_by_hand(kind, told):
            left_out.append(f"{_BY_HAND[kind]} (step {number})")
            continue
        here = replace(again, taxonomy=_target(steps[number - 1 :], again))
        out = _place(folder / f"{number}.tif", wanted=_is_sure_after(number, steps, sure=sure))
        work = _step_steps(kind, told, labels, out, here)
        yield from relay(work, _part(number, steps))
        labels = out.labels
    return Remade(labels, tuple(left_out))


def _part(number: int, steps: _Steps) -> Span:
    """Return the part of the whole that a step is; 0 is what made the labels."""
    return Span(2 + 98 * number, 2 + 98 * (number + 1), 2 + 98 * (len(steps) + 1))


def _given_steps(steps: _Steps, again: Again) -> Steps[tuple[int, Path | None]]:
    """Return the last step whose labels were given, and these."""
    for number in reversed(range(len(steps))):
        digest = steps[number][1].get("labels_sha256")
        found = None if digest is None else (yield from again.inputs.same_steps(digest))
        if found is not None:
            return number, found
    return 0, None


def _without_steps(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in STEPS}


def _is_sure_after(number: int, steps: _Steps, *, sure: bool) -> bool:
    """Tell whether labels had a confidence after a step: in the panel they always have."""
    if number == len(steps):
        return sure
    _, told = steps[number]
    return "confidence_sha256" in told or "labels_sha256" not in told


def _is_by_hand(kind: str, told: Mapping[str, Any]) -> bool:
    in_panel = "area" in told or any("outline" in one for one in told.get("things", ()))
    return kind in ("reassigned", "learned") or in_panel


def _place(labels: Path, *, wanted: bool) -> Place:
    return Place(labels, labels.with_name(f"{labels.stem}{EXTRAS[0]}.tif") if wanted else None)


def _target(steps: _Steps, again: Again) -> Taxonomy:
    """Return the classes after the first of some steps: until they change, those at the end."""
    kind, told = steps[0]
    if kind == "aligned" and "target" in told:
        return Taxonomy.from_dict(told["target"])
    later = [told for kind, told in steps[1:] if kind == "aligned"]
    if kind == "aligned" and later:
        raise ProvenanceError(
            expected="a record of the classes that labels were aligned to",
            found="none, for they were aligned once more",
            remedy="replay the files that they were before, one after the other",
        )
    return again.taxonomy


def _step_steps(
    kind: str, told: Mapping[str, Any], labels: Path, out: Place, again: Again
) -> Steps[None]:
    """Do one thing to labels once more."""
    image = None
    if told.get("image") is not None:
        finding = again.inputs.image_steps(told["image"], told["image_sha256"])
        image = yield from relay(finding, Span(0, 5, 100))
    if kind == "aligned":
        work = _aligned(told, image, labels, out, again)
    elif image is None:
        raise ProvenanceError(
            expected=f"the name of an image with which labels were {kind}",
            found="none",
            remedy="replay the file that they were before",
        )
    elif kind == "refined":
        work = _refined(told, image, labels, out, again)
    else:
        work = pointed_steps(told, image, out, again, into=labels)
    yield from relay(work, Span(5, 100, 100))


def _refined(
    told: Mapping[str, Any], image: Path, labels: Path, out: Place, again: Again
) -> Steps[None]:
    config = RefineConfig(device=again.device, **_known(RefineConfig, told))
    yield from refine_file_steps(
        image, labels, out.labels, config, bands=told.get("bands"), confidence=out.confidence
    )


def _aligned(
    told: Mapping[str, Any], image: Path | None, labels: Path, out: Place, again: Again
) -> Steps[None]:
    if told.get("together", 1) > 1 and told["way"] != "table":
        raise ProvenanceError(
            expected="labels that were aligned by themselves",
            found=f"{told['together']} files whose classes were decided on together",
            remedy="align all of them again to compare",
        )
    references = []
    hashes = told.get("reference_sha256") or [None] * len(told["reference"])
    for name, digest in zip(told["reference"], hashes, strict=True):
        finding = again.inputs.file_steps("the reference that labels were aligned by", name, digest)
        references.append((yield from finding))
    places = placed_weights(("backbone", "model", "masks", "source_model"), told, again)
    config = AlignConfig(
        **{**_known(AlignConfig, told), **places},
        device=again.device,
        table=NameTable(tuple((a, b) for a, b in told["table"])) if "table" in told else None,
        candidates=_candidates(told.get("candidates_sha256"), again),
    )
    yield from align_files_steps(
        [AlignPaths(labels, out.labels, image, out.confidence)],
        again.taxonomy,
        config,
        reference=references,
        attribute=told.get("attribute"),
        bands=told.get("bands"),
    )


def _known(config: type[Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a step tells of."""
    names = [field.name for field in fields(config) if field.name != "table"]
    return {name: told[name] for name in names if name in told}


def _candidates(digest: str | None, again: Again) -> CandidateTable | None:
    """Return the table of candidates with this SHA-256.

    Raises
    ------
    ProvenanceError
        If it is neither a built-in one nor was given.
    """
    if digest is None:
        return None
    given = [path for path in again.inputs.others if path.suffix.lower() in _TABLES]
    places: tuple[str | Path, ...] = (*BUILT_IN_TABLES, *given)
    for place in places:
        table = read_candidates(place)
        if table.sha256 == digest:
            return table
    raise ProvenanceError(
        expected=f"the table of candidates, SHA-256 {digest}",
        found="another" if given else "none",
        remedy="give its file (--input)",
    )
