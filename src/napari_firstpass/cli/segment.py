"""``firstpass segment``."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from napari_firstpass.cli.codes import exit_code, joint_code
from napari_firstpass.cli.options import (
    NETWORKS,
    RUNTIMES,
    feature_cache,
    finer_help,
    number_of_classes,
    pixel_size,
    projection_help,
    table,
    tell_trouble,
)
from napari_firstpass.cli.summary import (
    Style,
    add_qml,
    extras,
    result_of,
    summary_of,
    write_overlay_of,
)
from napari_firstpass.cli_progress import Reporter, complain, tell, tell_result
from napari_firstpass.config import MAX_CLASSES, SegmentConfig
from napari_firstpass.errors import FirstPassError, OptionError, OutputError
from napari_firstpass.imagery import AUTO
from napari_firstpass.pairing import DEFAULT_SUFFIX
from napari_firstpass.weights.folder import is_path

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import Iterator, Sequence

    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.own_classes import OwnClasses
    from napari_firstpass.progress import Steps


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    from napari_firstpass.backbones import BACKBONES
    from napari_firstpass.refiners import REFINERS
    from napari_firstpass.segmenters import SEGMENTERS

    parser = commands.add_parser("segment", help="images to georeferenced label maps")
    default = SegmentConfig()
    parser.set_defaults(command=_segment)
    add = parser.add_argument
    add("images", nargs="+", type=Path, metavar="IMAGE", help="GeoTIFF, VRT, JP2, PNG or JPEG")
    add("--out", required=True, type=Path, help="label file; a folder for several images")
    add("--method", help=f"{table(SEGMENTERS)} [{default.method}]")
    add("--backbone", help=f"{table(BACKBONES)}; {NETWORKS} [{default.backbone}]")
    add("--upsample", help=f"{finer_help()} [{default.upsample}]")
    add("--projection", metavar="FILE", help=projection_help())
    how_many = f"2 to {MAX_CLASSES}, or auto: as many as stand apart [{default.classes}]"
    add("--classes", type=number_of_classes, help=how_many)
    own = 'a file of "firstpass fit", or a network that knows some, such as segformer-b0-ade'
    figure = "attention:dino-s8 for figure and ground, by what a network attends to"
    add("--model", help=f"classes that are there already: {own}; {figure}")
    add("--bands", metavar="r,g,b,n", help="what the file's bands are, in order; - leaves one out")
    size = "read images with pixels of this size on the ground; without METRES, of the model's"
    add("--resample", nargs="?", const=AUTO, type=pixel_size, metavar="METRES", help=size)
    add("--window", type=int, default=default.window, help="pixels computed at once [%(default)s]")
    add("--overlap", type=int, default=default.overlap, help="context in pixels [%(default)s]")
    add("--min-region", type=int, default=default.min_region, help="in pixels [%(default)s]")
    refining = f"then refine the labels: {', '.join(REFINERS.names)}, or NAME:PRESET"
    add("--refine", metavar="NAME", default=default.refine, help=f"{refining} [%(default)s]")
    add("--seed", type=int, default=default.seed, help="of all random choices [%(default)s]")
    add("--device", choices=("auto", "cpu", "cuda"), default=default.device)
    add("--runtime", choices=("torch", "openvino"), help=f"{RUNTIMES} [{default.runtime}]")
    add("--confidence", action="store_true", help="also write NAME_confidence.tif")
    add("--overlay", action="store_true", help="also write NAME_overlay.png")
    add_qml(parser)
    add("--no-cache", action="store_true", help="compute all features of networks anew")
    add("--overwrite", action="store_true", help="replace existing output")
    add("--json", action="store_true", help="print the result as JSON")


def _segment(options: Namespace) -> int:
    chosen = _own_classes(options)
    if options.classes == AUTO:
        del chosen["classes"]
    config = SegmentConfig(
        **chosen,
        window=options.window,
        overlap=options.overlap,
        min_region=options.min_region,
        refine=options.refine,
        seed=options.seed,
        device=options.device,
    )
    jobs = output_paths(options.images, options.out)
    cache = feature_cache(options, config)
    how = _How(config, cache, _model(options, config, cache))
    with output_folder(options.out, wanted=len(jobs) > 1):
        results = _segment_all(jobs, how, options)
        tell_trouble(how.cache)
    tell_result(results[0] if len(results) == 1 else results, as_json=options.json)
    return joint_code(result["exit_code"] for result in results)


@dataclass(frozen=True, slots=True)
class _How:
    """What is the same for all images of a run; the model, if there is one, brings the classes."""

    config: SegmentConfig
    cache: FeatureCache | None
    model: OwnClasses | None


def _own_classes(options: Namespace) -> dict[str, Any]:
    """Return what was said of how to find classes; a model brings its own."""
    said = {
        key: getattr(options, key)
        for key in ("method", "backbone", "upsample", "projection", "classes", "runtime")
    }
    given = {key: value for key, value in said.items() if value is not None}
    if options.model is None:
        return given
    from napari_firstpass.own_classes import is_model_file

    # A file does not know where the folders of its networks are, nor on what they shall run.
    if is_model_file(options.model):
        del said["runtime"]
        said = {k: v for k, v in said.items() if k == "projection" or not is_path(str(v or ""))}
    unwanted = [key for key, value in said.items() if value is not None]
    if unwanted:
        raise OptionError(
            expected="--model without what it decides itself",
            found=" and ".join(f"--{key}" for key in unwanted),
            remedy="leave out one or the other: the model has classes of its own",
        )
    return given


def _model(
    options: Namespace, config: SegmentConfig, cache: FeatureCache | None
) -> OwnClasses | None:
    """Load the model that was named, once for all images."""
    if options.model is None:
        return None
    from napari_firstpass.own_classes import load_model_steps
    from napari_firstpass.progress import guarded

    with Reporter(options.model) as reporter:
        return reporter.drive(guarded(load_model_steps(options.model, config, cache=cache)))


@contextmanager
def output_folder(path: Path, *, wanted: bool) -> Iterator[None]:
    """Make the output folder if it is wanted and missing; remove it if nothing went into it."""
    made = wanted and not path.exists()
    try:
        if made:
            path.mkdir(parents=True)
    except OSError as error:
        raise OutputError(
            expected=f"to make the folder {path}",
            found=str(error.strerror),
            remedy="choose another folder",
        ) from error
    try:
        yield
    finally:
        if made and not any(path.iterdir()):
            path.rmdir()


def output_paths(images: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Pair images with label files.

    ``out`` is the label file of a single image, unless it is an existing folder; of several images
    it is the folder.

    Raises
    ------
    OptionError
        If two images would get the same label file, what one image gets is another image, or the
        folder is a file.
    """
    if len(images) == 1 and not out.is_dir():
        return [(images[0], out)]
    pairs = [(image, out / f"{image.stem}{DEFAULT_SUFFIX}.tif") for image in images]
    names = [pair[1] for pair in pairs]
    repeated = sorted({str(name) for name in names if names.count(name) > 1})
    if repeated or out.is_file():
        raise OptionError(
            expected="a folder, and images whose names differ",
            found=f"{repeated[0]} more than once" if repeated else f"the file {out}",
            remedy="run images of the same name one by one, each with its own --out",
        )
    inputs = {image.resolve() for image in images}
    for name in names:
        both = {path.resolve() for path in (name, *extras(name))} & inputs
        if both:
            raise OptionError(
                expected="outputs that are not among the images",
                found=str(both.pop()),
                remedy="leave label maps out of the list, or choose another folder",
            )
    return pairs


def _segment_all(
    jobs: Sequence[tuple[Path, Path]], how: _How, options: Namespace
) -> list[dict[str, Any]]:
    """Segment images, several at a time where they do not share a network."""
    from napari_firstpass.own_classes import images_at_once
    from napari_firstpass.side_by_side import in_order_steps

    workers = min(images_at_once(how.config, how.model), len(jobs))
    results: list[dict[str, Any]] = []
    if workers == 1:
        for image, out in jobs:
            with Reporter(image.name) as reporter:
                steps = _told_steps(image, out, how, options)
                _tell(reporter.drive(steps), results, options)
        return results
    with Reporter(f"{len(jobs)} images") as reporter:
        reporter.drive(
            in_order_steps(
                (_told_steps(*job, how, options) for job in jobs),
                lambda result: _tell(result, results, options),
                workers=workers,
                count=len(jobs),
                name="image",
            )
        )
    return results


def _tell(result: dict[str, Any], results: list[dict[str, Any]], options: Namespace) -> None:
    """Note what became of an image, and print it."""
    results.append(result)
    if "error" in result:
        complain(f"{result['image']}: {result['error']}")
    elif not options.json:
        tell("\n".join(summary_of(result)), sys.stdout)


def _told_steps(image: Path, out: Path, how: _How, options: Namespace) -> Steps[dict[str, Any]]:
    """Segment one image; its failure is told and does not stop the others."""
    from napari_firstpass.progress import guarded

    try:
        return (yield from guarded(_one_steps(image, out, how, options)))
    except FirstPassError as error:
        return {"image": str(image), "error": str(error), "exit_code": exit_code(error)}


def _one_steps(image: Path, out: Path, how: _How, options: Namespace) -> Steps[dict[str, Any]]:
    """Segment one image, with its overlay; what may not be written is refused before the work."""
    from napari_firstpass.api import label_file_steps, segment_file_steps
    from napari_firstpass.io.files import check_output

    start = perf_counter()  # after the imports: they are paid once, however many images follow
    confidence, overlay = extras(out)
    if options.overlay:
        check_output(overlay, overwrite=options.overwrite, forbid=[image])
    style = Style(out, options)
    given = {
        "bands": options.bands,
        "confidence": confidence if options.confidence else None,
        "overwrite": options.overwrite,
        "metres": options.resample,
    }
    if how.model is None:
        auto = options.classes == AUTO
        steps = segment_file_steps(
            image, out, how.config, cache=how.cache, auto_classes=auto, **given
        )
    else:
        steps = label_file_steps(image, out, how.model, how.config, cache=how.cache, **given)
    report = yield from steps
    written = write_overlay_of(report, overlay, options) if options.overlay else None
    shown = style.write(report.taxonomy)
    return {**result_of(report, written, perf_counter() - start), "style": shown}
