"""Label maps of many images from words: what is named is looked for in each of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from napari_firstpass.config import DEFAULT_PRESET, Device, check_choice, check_number
from napari_firstpass.config import WINDOW_STEP as STEP
from napari_firstpass.device import torch_device
from napari_firstpass.errors import PromptError
from napari_firstpass.image_work import ImageFiles, SegmentReport, Work, file_sha256
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.io.name_file import read_tags
from napari_firstpass.naming import require_background
from napari_firstpass.networks.clip import load_clip, shown_steps
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.viewing import picture_of
from napari_firstpass.normalize import filled, usable
from napari_firstpass.progress import Progress, Span, Steps, guarded, ignore, relay, run
from napari_firstpass.prompting import PROMPTERS
from napari_firstpass.prompts import Named, require_names
from napari_firstpass.protocols import RecordedPrompter, WordImage
from napari_firstpass.provenance import Provenance
from napari_firstpass.sampling import band_stats_steps
from napari_firstpass.segmentation import label_dtype
from napari_firstpass.taxonomy import LabelClass, Taxonomy, color_of
from napari_firstpass.tiling import tiles
from napari_firstpass.weights.folder import find, is_path

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from napari_firstpass.features import FeatureMap
    from napari_firstpass.grid import Window
    from napari_firstpass.io.name_file import Tags
    from napari_firstpass.networks.clip import ClipModel
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.protocols import LabelSink, Prompter
    from napari_firstpass.raster import Raster, RasterSource
    from napari_firstpass.segmentation import Labels

METHOD = "words"
READERS = "iseg with --model sd-2-1-base, or sam3 with --model FOLDER"
"""What reads words, for messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsConfig:
    """What to look for, and how.

    Attributes
    ----------
    names : tuple of str
        The classes, in the order of their ids from 1.
    prompter : str
        A registered prompter that reads words.
    preset : str
        Its settings.
    model : str or None
        Name or folder of its weights.
    background : float or None
        Below which value in [0, 1) a pixel has no class; None for the preset's.
    tags : str or None
        Path of a file or folder that tells what is in which image; see `io.name_file.read_tags`.
    tagger : str or None
        Name or folder of a CLIP model that tells it instead; with neither, all names are looked for
        everywhere.
    window, overlap : int
        Images larger than ``window`` are taken in windows with as much context.
    seed : int
        Drives random choices.
    device : str
        ``auto`` takes a GPU where there is one.

    Raises
    ------
    PromptError
        If there are no names, or one twice, or both tags and a tagger.
    OptionError
        If another option is out of its range.
    """

    names: tuple[str, ...]
    prompter: str = "iseg"
    preset: str = DEFAULT_PRESET
    model: str | None = None
    background: float | None = None
    tags: str | None = None
    tagger: str | None = None
    window: int = 1024
    overlap: int = 64
    seed: int = 0
    device: Device = "auto"

    def __post_init__(self) -> None:
        require_names(self.names)
        check_number("window", self.window, 64, 8192, step=STEP)
        check_number("overlap", self.overlap, 0, self.window // 2, step=STEP)
        check_number("seed", self.seed, 0, 2**32 - 1)
        check_choice("device", self.device, ("auto", "cpu", "cuda"))
        if self.background is not None:
            require_background(self.background)
        if self.tags is not None and self.tagger is not None:
            raise PromptError(
                expected="tags that are written, or a model that tells them",
                found="both",
                remedy="leave out one",
            )

    @property
    def taxonomy(self) -> Taxonomy:
        """The names as classes."""
        return Taxonomy(
            tuple(LabelClass(i, name, color_of(i)) for i, name in enumerate(self.names, start=1))
        )


@dataclass(frozen=True, slots=True)
class WordRun:
    """All that is the same for every image; see `word_run_steps`.

    Attributes
    ----------
    config : WordsConfig
        What to look for.
    prompter : Prompter
        Finds it.
    tags : Tags or None
        What is in which image, if that is written.
    tagger : ClipModel or None
        What tells it, if anything does.
    told : mapping of str to plain values
        What tells in a record how labels came about.
    device : torch.device
        Where to compute.
    """

    config: WordsConfig
    prompter: Prompter
    tags: Tags | None
    tagger: ClipModel | None
    told: Mapping[str, Any]
    device: torch.device

    def tagged(self, image: str) -> tuple[str, ...]:
        """Return what may be in an image, as far as that is known before it is looked at.

        Raises
        ------
        PromptError
            If tags are written, and this image has none.
        """
        return self.config.names if self.tags is None else self.tags.of(image)

    def record(self, image: str, digest: str | None, bands: str | None) -> Provenance:
        """Return how the labels of an image come about."""
        told = dict(self.told)
        weights = told.pop("weights_sha256", None)
        given = None if self.tags is None else list(self.tagged(image))
        return Provenance({**told, "tags": given, "bands": bands}, image, digest, weights)


class _NothingDescribed:
    """In place of a backbone: what reads words looks through a network of its own."""

    def extract(self, _raster: Raster) -> Steps[FeatureMap]:
        raise _reads_no_words("one that compares features")


def _reads_no_words(found: str) -> PromptError:
    return PromptError(
        expected=f"a prompter that reads words: {READERS}",
        found=found,
        remedy="choose one of them; points, lines and boxes need no weights",
    )


def word_run_steps(config: WordsConfig) -> Steps[WordRun]:
    """Get ready to look for names in images: find weights, and load what tells tags.

    Raises
    ------
    FirstPassError
        `WeightsError` if weights are missing, `UnknownNameError` for an unknown prompter or preset,
        `PromptError` or `ImageReadError` for tags that cannot be read.
    """
    device = torch_device(config.device)
    tags = None if config.tags is None else read_tags(config.tags, config.names)
    prompter = PROMPTERS.load(config.prompter)(
        preset=config.preset,
        model=config.model,
        backbone=_NothingDescribed(),
        seed=config.seed,
        device=device,
    )
    if not isinstance(prompter, RecordedPrompter):
        raise _reads_no_words(f"{config.prompter} without a model that does")
    told = yield from relay(prompter.record(), Span(0, 8, 10), "checking the weights")
    yield Progress(8, 10, "loading what tells tags")
    tagger, hashed = None, None
    if config.tagger is not None:
        folder = VisionFolder(find(config.tagger))
        tagger = load_clip(folder, device)
        hashed = yield from relay(folder.sha256_steps(), Span(8, 10, 10), "checking the weights")
    return WordRun(
        config, prompter, tags, tagger, {**_told(config), **told, "tagger_sha256": hashed}, device
    )


def _told(config: WordsConfig) -> dict[str, Any]:
    options = {
        key: getattr(config, key)
        for key in ("prompter", "preset", "background", "window", "overlap", "seed")
    }
    models = {key: _named(getattr(config, key)) for key in ("model", "tagger")}
    return {"method": METHOD, "names": list(config.names), **options, **models}


def _named(reference: str | None) -> str | None:
    return Path(reference).name if reference and is_path(reference) else reference


@dataclass(frozen=True, slots=True)
class WordReport:
    """What became of an image.

    Attributes
    ----------
    labels : Path
        Its label file.
    written : SegmentReport or None
        What was written; None where the file was there already, from the same image and options.
    """

    labels: Path
    written: SegmentReport | None


def word_file(
    image: str | os.PathLike[str],
    out: str | os.PathLike[str],
    config: WordsConfig,
    *,
    bands: str | None = None,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> WordReport:
    """Write a label map of what is named, as a GeoTIFF.

    Parameters
    ----------
    image : path
        A GeoTIFF, VRT, JPEG 2000, PNG or JPEG.
    out : path
        The label file, ``.tif``; written whole or not at all. One that was made of the same image
        with the same options is left as it is.
    config : WordsConfig
        What to look for.
    bands : str or None
        What the bands are, such as ``"r,g,b,n"``, where the image does not say it.
    overwrite : bool
        Whether a file that is there already is made anew.
    on_progress : callable or None
        Called with a `Progress` about every 100 ms of work.

    Raises
    ------
    FirstPassError
        As `word_run_steps`; `PromptError` if the image has no tags, though tags are given, or the
        prompter reads no words; and as `api.segment_file`.

    Examples
    --------
    >>> config = WordsConfig(names=("roof", "road"), model="sd-2-1-base")
    >>> word_file("scene.tif", "labels.tif", config)  # doctest: +SKIP
    """

    def steps() -> Steps[WordReport]:
        ready = yield from relay(word_run_steps(config), Span(0, 1, 10))
        one = word_file_steps(image, out, ready, bands=bands, overwrite=overwrite)
        return (yield from relay(one, Span(1, 10, 10)))

    return run(guarded(steps()), on_progress or ignore)


def word_file_steps(
    image: str | os.PathLike[str],
    out: str | os.PathLike[str],
    ready: WordRun,
    *,
    bands: str | None = None,
    confidence: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> Steps[WordReport]:
    """Do the work of `word_file` in steps, with what was made ready for all images."""
    name = Path(image).name
    names, place = ready.tagged(name), Path(out)
    if place.is_file() and not overwrite:
        digest = yield from relay(file_sha256(image), Span(0, 1, 100), "reading the file")
        if _is_of(place, ready.record(name, digest, bands)):
            return WordReport(place, None)
    files = ImageFiles(image, out, bands, confidence, overwrite)
    with files.opened():
        pass
    work = Work(
        ready.config.taxonomy,
        partial(ready.record, bands=bands),
        partial(label_words_steps, ready=ready, names=names),
    )
    written = yield from relay(files.written(work), Span(1, 100, 100))
    return WordReport(place, written)


def _is_of(path: Path, record: Provenance) -> bool:
    """Tell whether a label file came about in a certain way."""
    found = read_segmentation(path, max_side=16).provenance
    return found.to_json() == record.to_json()


def label_words_steps(
    source: RasterSource, sink: LabelSink, *, ready: WordRun, names: tuple[str, ...]
) -> Steps[None]:
    """Look for names in an image, window by window.

    Parameters
    ----------
    source : RasterSource
        The image.
    sink : LabelSink
        Takes labels and confidence; what is not written has no label.
    ready : WordRun
        How.
    names : tuple of str
        Those of the run's names that may be there; with none, nothing is written.

    Raises
    ------
    PromptError
        If the prompter reads no words.
    ImageContentError
        If the image holds no data, or one value everywhere.
    """
    config = ready.config
    stats = yield from relay(band_stats_steps(source, config.seed), Span(0, 2, 100))
    cuts = tiles(source.grid, window=config.window, overlap=config.overlap)
    for done, tile in enumerate(cuts):
        span = Span(2 + 98 * done // len(cuts), 2 + 98 * (done + 1) // len(cuts), 100)
        raster = usable(source.read(tile.padded))
        if not (names and raster.valid.any()):
            continue
        found = yield from relay(_window(filled(raster), stats, ready, names), span)
        rows, cols = tile.core.relative_to(tile.padded).slices
        _write(sink, tile.core, found.labels[rows, cols], found.confidence[rows, cols], config)


def _window(
    raster: Raster, stats: BandStats, ready: WordRun, names: tuple[str, ...]
) -> Steps[Named]:
    """Return numbers of the run's names, from 1, and their confidence."""
    picture = picture_of(raster, stats, raster.roles, ready.device, 1)
    if ready.tagger is not None:
        names = yield from relay(shown_steps(ready.tagger, picture, names), Span(0, 1, 10))
    if not names:
        return Named(
            torch.zeros(picture.shape[1:], dtype=torch.int64), torch.zeros(picture.shape[1:])
        )
    prepared = yield from relay(ready.prompter.prepare(raster, picture), Span(1, 4, 10))
    if not isinstance(prepared, WordImage):
        raise _reads_no_words(f"{ready.config.prompter} without a model that does")
    classes = prepared.classes(names, ready.config.background)
    found = yield from relay(classes, Span(4, 10, 10))
    ids = torch.tensor([0, *(ready.config.names.index(name) + 1 for name in names)])
    known = torch.from_numpy(raster.valid)
    labels = ids[found.labels.cpu()] * known
    return replace(found, labels=labels, confidence=found.confidence.cpu() * known)


def _write(
    sink: LabelSink, window: Window, labels: Tensor, confidence: Tensor, config: WordsConfig
) -> None:
    ids = cast("Labels", labels.numpy().astype(label_dtype(len(config.names))))
    sink.write(window, ids, (confidence * 255).round().byte().numpy())
