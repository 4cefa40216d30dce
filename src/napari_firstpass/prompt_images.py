"""What notebooks and the command line call to find what is pointed at: in arrays, and in files."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from napari_firstpass.backbones import backbone_factory
from napari_firstpass.config import DEFAULT_PROMPTING, check_choice
from napari_firstpass.errors import TaxonomyError
from napari_firstpass.grid import Grid, Window
from napari_firstpass.image_work import ImageFiles, Work, labels_told_steps
from napari_firstpass.io.label_images import require_labels_of
from napari_firstpass.io.label_source import LabelSource
from napari_firstpass.mask_writing import PLACES, changed_by, class_under
from napari_firstpass.progress import Progress, Span, Steps, guarded, ignore, relay, run
from napari_firstpass.prompt_session import Prompting
from napari_firstpass.prompts import Answer, Prompt
from napari_firstpass.provenance import Provenance
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.segmentation import label_dtype
from napari_firstpass.taxonomy import UNLABELLED, LabelClass, Taxonomy, color_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_firstpass.bands import Role
    from napari_firstpass.config import PromptConfig
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.image_work import SegmentReport
    from napari_firstpass.mask_writing import Where
    from napari_firstpass.prompt_windows import Outlines
    from napari_firstpass.protocols import LabelSink
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.segmentation import Labels

UNNAMED = "thing"
"""Class of what was pointed at without saying what it is."""

_SURE = 255
_SHOWN = 8
"""Classes that an error names."""
_STRIP = 512


@dataclass(frozen=True, slots=True)
class Thing:
    """What is to be found, and what it becomes.

    Attributes
    ----------
    prompt : Prompt
        Where it is, or what it is called.
    name : str
        Its class: a name, which is added if there is none of it, or the number of a class.
    """

    prompt: Prompt
    name: str = UNNAMED


@dataclass(frozen=True, slots=True)
class FoundThing:
    """What was found.

    Attributes
    ----------
    class_id : int
        Its class.
    score : float
        How good the outline is held to be, in [0, 1].
    pixels, changed : int
        How many lie inside; how many of these were given the class.
    """

    class_id: int
    score: float
    pixels: int
    changed: int


@dataclass(frozen=True, slots=True)
class PromptReport:
    """What was written.

    Attributes
    ----------
    written : SegmentReport
        The files, their classes and how many pixels these have.
    things : tuple of FoundThing
        In the order in which they were asked for.
    """

    written: SegmentReport
    things: tuple[FoundThing, ...]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A thing that was found, on its way into labels.

    Attributes
    ----------
    class_id : int
        What its pixels become.
    window : Window
        Where it lies.
    mask : (h, w) bool array
        Its pixels there.
    score : float
        How good the outline is held to be.
    under : int
        The class that most of it had before.
    """

    class_id: int
    window: Window
    mask: NDArray[np.bool_]
    score: float
    under: int


def prompt_array(
    bands: NDArray[Any],
    prompt: Prompt,
    config: PromptConfig = DEFAULT_PROMPTING,
    *,
    roles: tuple[Role | None, ...] | None = None,
    valid: NDArray[np.bool_] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Answer:
    """Find what is pointed at in an image in memory.

    To answer many prompts on one image, make a `prompt_session.Prompting`: it remembers what it
    has looked at.

    Parameters
    ----------
    bands : (C, H, W) array of an integer or floating dtype
        The image; (H, W) counts as one band. Not modified. NaN counts as no data.
    prompt : Prompt
        Points, lines, boxes and words.
    config : PromptConfig
        How to answer.
    roles : tuple of C str or None
        What each band shows: ``"red"``, ``"green"``, ``"blue"``, ``"nir"`` or None. Without it,
        the first three bands are looked at.
    valid : (H, W) bool array, optional
        False where there is no data.
    on_progress : callable or None
        Called with a `Progress` about every 100 ms of work.

    Returns
    -------
    Answer
        Masks (N, H, W), the best first.

    Raises
    ------
    FirstPassError
        As `prompt_file`.
    """
    stacked = bands[None] if bands.ndim == 2 else bands
    grid = Grid(*stacked.shape[1:])
    source = ArraySource(Raster.from_array(stacked, grid, roles=roles, valid=valid))
    steps = Prompting(lambda: nullcontext(source), config).answer_steps(prompt)
    found = run(guarded(steps), on_progress or ignore)
    return Answer(torch.from_numpy(found.whole(grid)), torch.tensor(found.scores))


def prompt_file(
    image: str | os.PathLike[str],
    things: Prompt | Sequence[Thing],
    out: str | os.PathLike[str],
    config: PromptConfig = DEFAULT_PROMPTING,
    *,
    bands: str | None = None,
    confidence: str | os.PathLike[str] | None = None,
    into: str | os.PathLike[str] | None = None,
    where: Where = "everywhere",
    overwrite: bool = False,
    cache: FeatureCache | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> PromptReport:
    """Write what is pointed at in an image file as a georeferenced label file.

    Where things overlap, the one with the better score is on top.

    Parameters
    ----------
    image : path
        A GeoTIFF, VRT, JPEG 2000, PNG or JPEG, of any size.
    things : Prompt or sequence of Thing
        What to find: one thing, or several with their classes.
    out : path
        The label file, ``.tif``; written whole or not at all.
    config : PromptConfig
        How to answer.
    bands : str or None
        What the bands of the image are, such as ``"r,g,b,n"``, where it does not say it.
    confidence : path or None
        Where to write how good outlines are held to be, 0 to 255; None for nowhere.
    into : path or None
        Labels of this image that the things are added to: ``out`` is a copy of them with the
        things. None for labels with nothing else.
    where : str
        Which pixels of a thing change: ``everywhere``; only those that are ``unlabelled``; or only
        those of the ``class`` that most of it has.
    overwrite : bool
        Whether existing output may be replaced. Image and labels never are.
    cache : FeatureCache, optional
        Where the features of networks are kept between runs.
    on_progress : callable or None
        Called with a `Progress` about every 100 ms of work.

    Raises
    ------
    FirstPassError
        `PromptError` for what cannot be answered, `GridMismatchError` if image and labels do not
        cover the same pixels, `UnknownNameError` for an unknown method, preset or backbone,
        `WeightsError` for missing weights, and as `api.segment_file`; nothing is left behind.

    Examples
    --------
    >>> roof = Prompt(points=(Point(120.5, 310.5),))  # doctest: +SKIP
    >>> report = prompt_file("scene.tif", roof, "roof.tif")  # doctest: +SKIP
    """
    steps = prompt_file_steps(
        image,
        things,
        out,
        config,
        bands=bands,
        confidence=confidence,
        into=into,
        where=where,
        overwrite=overwrite,
        cache=cache,
    )
    return run(guarded(steps), on_progress or ignore)


def prompt_file_steps(
    image: str | os.PathLike[str],
    things: Prompt | Sequence[Thing],
    out: str | os.PathLike[str],
    config: PromptConfig = DEFAULT_PROMPTING,
    *,
    bands: str | None = None,
    confidence: str | os.PathLike[str] | None = None,
    into: str | os.PathLike[str] | None = None,
    where: Where = "everywhere",
    overwrite: bool = False,
    cache: FeatureCache | None = None,
) -> Steps[PromptReport]:
    """Do the work of `prompt_file` in steps; closing the generator leaves nothing behind."""
    check_choice("place to write to", where, PLACES)
    asked = (Thing(things),) if isinstance(things, Prompt) else tuple(things)
    with ExitStack() as stack:
        base = None if into is None else stack.enter_context(LabelSource(into))
        files = ImageFiles(
            image, out, bands, confidence, overwrite, () if base is None else base.files
        )
        with files.opened() as opened:
            if base is not None:
                require_labels_of(opened.grid, base.grid)
                yield from relay(base.look_steps(), Span(0, 5, 100))
            taxonomy, ids = with_classes(
                Taxonomy(()) if base is None else base.taxonomy, [thing.name for thing in asked]
            )
            prompting = Prompting(
                lambda: nullcontext(opened), config, stamp=lambda: None, cache=cache
            )
            answers = yield from relay(_answers_steps(prompting, asked), Span(5, 80, 100))
            told = yield from relay(prompter_record_steps(config, prompting), Span(80, 85, 100))
        told |= {"where": where, "bands": bands}
        if base is not None:
            told |= yield from relay(labels_told_steps(base), Span(85, 90, 100), "reading the file")
        told["things"] = [
            {"class": class_id, "name": taxonomy[class_id].name, **thing.prompt.record()}
            for thing, class_id in zip(asked, ids, strict=True)
        ]
        placed = [_placed(*pair, base) for pair in zip(ids, answers, strict=True)]
        found: list[FoundThing] = []

        def write(raster: RasterSource, sink: LabelSink) -> Steps[None]:
            writing = _write_steps(placed, base, raster.grid, sink, where, taxonomy.max_id)
            found.extend((yield from writing))

        work = Work(taxonomy, lambda name, digest: _recorded(base, told, name, digest), write)
        written = yield from relay(files.written(work), Span(90, 100, 100))
    return PromptReport(written, tuple(found))


def with_classes(taxonomy: Taxonomy, wanted: Sequence[str]) -> tuple[Taxonomy, list[int]]:
    """Return classes that hold all that are wanted, and their ids.

    Parameters
    ----------
    taxonomy : Taxonomy
        The classes that are there.
    wanted : sequence of str
        Names of classes, of which those that are not there are added; or numbers of classes.

    Raises
    ------
    TaxonomyError
        If a number is none of a class.
    """
    ids = []
    for name in wanted:
        same = [entry.id for entry in taxonomy.classes if entry.name == name]
        number = int(name) if name.isascii() and name.isdigit() else None
        if not same and number is not None:
            same = [_known_id(taxonomy, number)]
        if not same:
            fresh = taxonomy.max_id + 1
            taxonomy = Taxonomy((*taxonomy.classes, LabelClass(fresh, name, color_of(fresh))))
            same = [fresh]
        ids.append(same[0])
    return taxonomy, ids


def _known_id(taxonomy: Taxonomy, number: int) -> int:
    if number in taxonomy.ids:
        return number
    shown = [f"{entry.id} {entry.name}" for entry in taxonomy.classes[:_SHOWN]]
    more = f" and {len(taxonomy) - _SHOWN} more" if len(taxonomy) > _SHOWN else ""
    raise TaxonomyError(
        expected=f"a class out of {', '.join(shown)}{more}" if shown else "the name of a class",
        found=f"the number {number}",
        remedy="give a name to add a class, or the number of one that the labels have",
    )


def _answers_steps(prompting: Prompting, asked: Sequence[Thing]) -> Steps[list[Outlines]]:
    answers = []
    for done, thing in enumerate(asked):
        steps = prompting.answer_steps(thing.prompt)
        answers.append((yield from relay(steps, Span(done, done + 1, len(asked)))))
    return answers


def _placed(class_id: int, found: Outlines, base: LabelSource | None) -> _Placed:
    """Return the best outline, cut to what it covers."""
    mask = found.masks[0]
    under = UNLABELLED if base is None else class_under(base.read(found.window), mask)
    return _Placed(class_id, found.window, mask, found.scores[0], under)


def _write_steps(
    placed: Sequence[_Placed],
    base: LabelSource | None,
    grid: Grid,
    sink: LabelSink,
    where: Where,
    highest: int,
) -> Steps[list[FoundThing]]:
    """Write labels strip by strip, with the things in them; the best is written last."""
    order = sorted(range(len(placed)), key=lambda i: (placed[i].score, -i))
    changed = [0] * len(placed)
    for top in range(0, grid.height, _STRIP):
        strip = Window(top, 0, min(_STRIP, grid.height - top), grid.width)
        before, sure = _before(base, strip, highest)
        labels = before.copy()
        for index in order:
            thing = placed[index]
            part = _part(thing, strip)
            if part is None:
                continue
            rows, mask = part
            _, cols = thing.window.slices
            there = changed_by(before[rows, cols], mask, where, thing.under)
            labels[rows, cols][there] = thing.class_id
            sure[rows, cols][there] = round(_SURE * thing.score)
            changed[index] += int(there.sum())
        sink.write(strip, labels, sure)
        yield Progress(strip.bottom, grid.height, "writing")
    return [
        FoundThing(thing.class_id, thing.score, int(thing.mask.sum()), count)
        for thing, count in zip(placed, changed, strict=True)
    ]


def _before(
    base: LabelSource | None, strip: Window, highest: int
) -> tuple[Labels, NDArray[np.uint8]]:
    """Return labels and confidence under a strip, as they were."""
    shape, dtype = (strip.height, strip.width), label_dtype(highest)
    if base is None:
        return cast("Labels", np.zeros(shape, dtype)), np.zeros(shape, np.uint8)
    labels = cast("Labels", base.read(strip).astype(dtype))
    sure = base.read_confidence(strip)
    if sure is None:
        sure = np.where(labels == UNLABELLED, 0, _SURE).astype(np.uint8)
    return labels, sure


def _part(thing: _Placed, strip: Window) -> tuple[slice, NDArray[np.bool_]] | None:
    """Return which rows of a strip a thing lies in, and its pixels there; None for none."""
    top = max(thing.window.row, strip.row)
    bottom = min(thing.window.bottom, strip.bottom)
    if top >= bottom:
        return None
    mask = thing.mask[top - thing.window.row : bottom - thing.window.row]
    return slice(top - strip.row, bottom - strip.row), mask


def _recorded(
    base: LabelSource | None, told: dict[str, Any], name: str, digest: str | None
) -> Provenance:
    """Return the record of labels, or add to that of the labels that were there before."""
    if base is None:
        rest = {key: value for key, value in told.items() if key != "weights_sha256"}
        return Provenance(rest, name, digest, told["weights_sha256"])
    return base.provenance.with_step("prompted", step_record(told, name, digest))


def step_record(told: dict[str, Any], name: str, digest: str | None) -> dict[str, Any]:
    """Return what is told of prompts on labels that were there before, and with which image."""
    return {**told, "image": name, "image_sha256": digest, "version": Provenance().version}


def prompter_record_steps(config: PromptConfig, prompting: Prompting) -> Steps[dict[str, Any]]:
    """Return what is told of a method: no folders, and no device, which is a matter of speed."""
    named = asdict(config)
    named.pop("device")
    shown = {key: Path(named[key]).name for key in ("model", "backbone") if named[key]}
    weights = backbone_factory(config.backbone).weights_sha256()
    told = {"prompter": named.pop("method"), **named, **shown, "weights_sha256": weights}
    return {**told, **(yield from prompting.record_steps())}
