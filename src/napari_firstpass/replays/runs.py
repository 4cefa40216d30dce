"""Labels made once more by what made them first: a run, a model, a prompt, an import."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from napari_firstpass.api import label_file_steps, segment_file_steps
from napari_firstpass.config import Device, PromptConfig, SegmentConfig
from napari_firstpass.fitting import ReadyModel
from napari_firstpass.import_images import ImportRules, import_file_steps
from napari_firstpass.io.name_file import Tags
from napari_firstpass.model_file import SUFFIX
from napari_firstpass.own_classes import ATTENTION, load_model_steps
from napari_firstpass.progress import Span, relay
from napari_firstpass.prompt_folders import METHOD, WordsConfig, word_file_steps, word_run_steps
from napari_firstpass.prompt_images import Thing, prompt_file_steps
from napari_firstpass.prompts import Box, Line, Point, Prompt
from napari_firstpass.provenance import ProvenanceError
from napari_firstpass.taxonomy import Taxonomy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_firstpass.progress import Steps
    from napari_firstpass.provenance import Provenance
    from napari_firstpass.replays.inputs import Inputs

_HERE = ("window", "overlap", "min_region", "seed")
"""Options of labelling with classes that are there already."""

_NETWORKS = ("backbone", "upsample", "projection")
"""Options that may name a folder, of which records keep the name alone."""


@dataclass(frozen=True, slots=True)
class Again:
    """What is the same for all that is done once more.

    Attributes
    ----------
    inputs : Inputs
        Where to look for what was read.
    taxonomy : Taxonomy
        The classes of the labels as they are now.
    model : str or None
        What was said to be the model that labelled.
    device : Device
        Where to compute.
    """

    inputs: Inputs
    taxonomy: Taxonomy
    model: str | None = None
    device: Device = "cpu"


@dataclass(frozen=True, slots=True)
class Place:
    """Where labels are made once more, and their confidence; None where there was none."""

    labels: Path
    confidence: Path | None


def first_steps(record: Provenance, out: Place, again: Again) -> Steps[None]:
    """Make labels as they were before anything was done to them.

    Raises
    ------
    ProvenanceError
        If the record does not tell how, or what was read is not there any more.
    """
    if "imported" in record.config:
        return (yield from _imported(record, out, again))
    finding = again.inputs.image_steps(record.source, record.source_sha256)
    told = record.config
    ways = {"things": _pointed, "model": _labelled, "method": _segmented}
    way = next((ways[key] for key in ways if key in told), None)
    way = _named if told.get("method") == METHOD else way
    if way is None:
        raise ProvenanceError(
            expected="labels that tell how they were made",
            found="no record of a run",
            remedy="give the labels that something was done to (--input), if they are there",
        )
    image = yield from relay(finding, Span(0, 5, 100))
    yield from relay(way(record, image, out, again), Span(5, 100, 100))


def _segmented(record: Provenance, image: Path, out: Place, again: Again) -> Steps[None]:
    told = record.config
    names = [field.name for field in fields(SegmentConfig) if field.name != "refine"]
    options = {name: told[name] for name in names if name in told} | _refine(told)
    options |= placed_weights(_NETWORKS, told, again)
    yield from segment_file_steps(
        image,
        out.labels,
        SegmentConfig(**{**options, "device": again.device}),
        bands=told.get("bands"),
        confidence=out.confidence,
        metres=told.get("resample_m"),
        auto_classes="suggested" in told,
    )


def _labelled(record: Provenance, image: Path, out: Place, again: Again) -> Steps[None]:
    told = record.config
    options = {name: told[name] for name in _HERE if name in told} | _refine(told)
    folders = {
        key: place
        for key, place in placed_weights(_NETWORKS, told, again).items()
        if place != told[key]
    }
    config = SegmentConfig(**{**options, **folders, "device": again.device})
    reference = yield from _model_steps(told["model"], again)
    model = yield from relay(load_model_steps(reference, config), Span(0, 10, 100))
    is_file = isinstance(model, ReadyModel)
    expected = told.get("model_sha256") if is_file else record.weights_sha256
    found = model.model.sha256 if isinstance(model, ReadyModel) else model.sha256
    if expected not in (None, found):
        raise ProvenanceError(
            expected=f"the model {told['model']} that labelled, SHA-256 {expected}",
            found=str(found),
            remedy="give the original (--model)",
        )
    labelling = label_file_steps(
        image,
        out.labels,
        model,
        config,
        bands=told.get("bands"),
        confidence=out.confidence,
        metres=told.get("resample_m"),
    )
    yield from relay(labelling, Span(10, 100, 100))


def placed_weights(keys: tuple[str, ...], told: Mapping[str, Any], again: Again) -> dict[str, str]:
    """Return where the weights are that a record names."""
    return {key: again.inputs.reference(told[key]) for key in keys if told.get(key)}


def _refine(told: Mapping[str, Any]) -> dict[str, str]:
    refine = told.get("refine")
    return {} if refine is None else {"refine": f"{refine['refiner']}:{refine['preset']}"}


def _model_steps(name: str, again: Again) -> Steps[str]:
    """Return a reference to the model that labelled."""
    if again.model is not None:
        return again.model
    if name.endswith(SUFFIX):
        finding = again.inputs.file_steps("the model that labelled", name, None)
        return str((yield from finding))
    prefix = ATTENTION if name.startswith(ATTENTION) else ""
    return prefix + again.inputs.reference(name.removeprefix(prefix))


def _pointed(record: Provenance, image: Path, out: Place, again: Again) -> Steps[None]:
    yield from pointed_steps(record.config, image, out, again)


def pointed_steps(
    told: Mapping[str, Any], image: Path, out: Place, again: Again, into: Path | None = None
) -> Steps[None]:
    """Find once more what was pointed at; ``into`` is the labels that were there before."""
    options = {field.name: told[field.name] for field in fields(PromptConfig) if field.name in told}
    config = PromptConfig(
        **options
        | placed_weights(("model", "backbone"), told, again)
        | {"method": told["prompter"], "device": again.device}
    )
    yield from prompt_file_steps(
        image,
        [_thing(one, again.taxonomy) for one in told["things"]],
        out.labels,
        config,
        bands=told["bands"],
        confidence=out.confidence,
        into=into,
        where=told["where"],
    )


def _thing(told: Mapping[str, Any], taxonomy: Taxonomy) -> Thing:
    if told["start"]:
        raise ProvenanceError(
            expected="prompts of points, lines, boxes and words",
            found="an outline to start from, which is not kept",
            remedy="point at it again",
        )
    lines = (
        Line(tuple((row, col) for row, col in one["places"]), one["positive"])
        for one in told["lines"]
    )
    prompt = Prompt(
        tuple(Point(**one) for one in told["points"]),
        tuple(lines),
        tuple(Box(**one) for one in told["boxes"]),
        tuple(told["words"]),
    )
    number = told["class"]
    usual = taxonomy[number].name if number in taxonomy else str(number)
    return Thing(prompt, told.get("name", usual))


def _named(record: Provenance, image: Path, out: Place, again: Again) -> Steps[None]:
    told = record.config
    names = [field.name for field in fields(WordsConfig) if field.name in told]
    options = {name: told[name] for name in names if name != "tags"}
    options |= placed_weights(("model", "tagger"), told, again)
    options |= {"names": tuple(told["names"]), "device": again.device}
    ready = yield from relay(word_run_steps(WordsConfig(**options)), Span(0, 10, 100))
    if told["tags"] is not None:
        tags = tuple(told["tags"])
        ready = replace(ready, tags=Tags(image, dict.fromkeys((image.stem, image.name), tags)))
    finding = word_file_steps(
        image, out.labels, ready, bands=told["bands"], confidence=out.confidence
    )
    yield from relay(finding, Span(10, 100, 100))


def _imported(record: Provenance, out: Place, again: Again) -> Steps[None]:
    told = record.config["imported"]
    what = "the labels that were imported"
    labels = yield from again.inputs.file_steps(what, record.source, record.source_sha256)
    classes = None
    if told["preset"] is None:
        # Files were written before their classes were noted.
        noted = told.get("classes", again.taxonomy.to_dict())
        classes = None if noted is None else Taxonomy.from_dict(noted)
    rules = ImportRules(
        taxonomy=classes,
        preset=told["preset"],
        by_code=told["by_code"],
        ignored=tuple(told["ignored"]),
        keep_unknown=told["unknown_pixels"] > 0,
    )
    yield from import_file_steps(labels, out.labels, rules)
