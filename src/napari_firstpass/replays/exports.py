"""Exports made once more by what ``export.json`` tells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_firstpass.export_images import ExportFiles, export_file_steps
from napari_firstpass.exporting.rules import ExportRules
from napari_firstpass.image_work import file_sha256
from napari_firstpass.io.export_folder import read_record
from napari_firstpass.progress import Span, relay
from napari_firstpass.provenance import Provenance, ProvenanceError
from napari_firstpass.replays.chains import Remade, remade_steps
from napari_firstpass.replays.inputs import IMAGE
from napari_firstpass.taxonomy import Taxonomy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_firstpass.progress import Steps
    from napari_firstpass.replays.runs import Again


@dataclass(frozen=True, slots=True)
class Reexported:
    """An export that was made once more.

    Attributes
    ----------
    record : dict
        What ``export.json`` told before.
    now : dict
        What it tells now.
    files : tuple of str
        All files, relative to the folder.
    different : tuple of str
        Those that have other bytes, or that only one of them has.
    left_out : tuple of str
        What was done to the labels that cannot be done once more.
    """

    record: dict[str, Any]
    now: dict[str, Any]
    files: tuple[str, ...]
    different: tuple[str, ...]
    left_out: tuple[str, ...]


def reexported_steps(folder: Path, again: Again, scratch: Path) -> Steps[Reexported]:
    """Export once more, from the image; or from the labels, if one of the other inputs is these.

    Parameters
    ----------
    folder : Path
        Of the export.
    again : Again
        What is the same for all that is done.
    scratch : Path
        Where to; empty.

    Raises
    ------
    ProvenanceError
        If the record does not suffice, or what was read is not there any more.
    """
    record = read_record(folder)
    image = yield from relay(_image_steps(record, again), Span(0, 5, 100))
    found = yield from relay(_labels_steps(record, again, scratch), Span(5, 70, 100))
    files = ExportFiles(
        image=image,
        labels=found.labels,
        bands=record.get("bands"),
        reviewed=(yield from _reviewed_steps(record, again)),
        taxonomy=Taxonomy.from_dict({"classes": record["classes"]}),
    )
    out = scratch / "export"
    rules = record["rules"]
    chosen = ExportRules(**{**rules, "codes": tuple((name, code) for name, code in rules["codes"])})
    exporting = export_file_steps(files, out, record["format"], chosen, record["options"])
    yield from relay(exporting, Span(70, 95, 100))
    now = read_record(out)
    names = tuple(sorted({*record["files"], *now["files"]}))
    steps = _different_steps(folder, names, now["files"])
    different = yield from relay(steps, Span(95, 100, 100), "comparing")
    return Reexported(record, now, names, different, found.left_out)


def _image_steps(record: Mapping[str, Any], again: Again) -> Steps[Path]:
    name = record["image"]
    image = yield from again.inputs.image_steps(name, record["inputs"]["image"])
    if image.name.partition(".")[0] != name.partition(".")[0]:
        raise ProvenanceError(
            expected=f"{IMAGE} under its name {name}, after which files are called",
            found=image.name,
            remedy="call it so",
        )
    return image


def _labels_steps(record: Mapping[str, Any], again: Again, scratch: Path) -> Steps[Remade]:
    """Return the labels: those that were given, or else made once more."""
    inputs = record["inputs"]
    given = yield from again.inputs.same_steps(inputs["labels"])
    if given is not None:
        return Remade(given, ())
    history = Provenance(**record["provenance"])
    sure = "confidence" in inputs or record["rules"]["min_confidence"] > 0
    here = replace(again, taxonomy=Taxonomy.from_dict({"classes": record["classes"]}))
    return (yield from remade_steps(history, here, scratch, sure=sure))


def _reviewed_steps(record: Mapping[str, Any], again: Again) -> Steps[Path | None]:
    digest = record["inputs"].get("reviewed")
    if digest is None:
        return None
    found = yield from again.inputs.same_steps(digest)
    if found is None:
        raise ProvenanceError(
            expected=f"the file that tells what was reviewed, SHA-256 {digest}",
            found="none",
            remedy="give it (--input)",
        )
    return found


def _different_steps(
    folder: Path, names: tuple[str, ...], hashes: Mapping[str, str]
) -> Steps[tuple[str, ...]]:
    different = []
    for done, name in enumerate(names):
        hashing = file_sha256(folder / name)
        digest = yield from relay(hashing, Span(done, done + 1, len(names)))
        if digest is None or digest != hashes.get(name):
            different.append(name)
    return tuple(different)
