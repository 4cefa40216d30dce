"""``firstpass fit``."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from napari_firstpass.cli import reproduce
from napari_firstpass.cli.codes import DONE
from napari_firstpass.cli.options import (
    ATTRIBUTE,
    NETWORKS,
    RUNTIMES,
    feature_cache,
    finer_help,
    number_of_classes,
    pixel_size,
    projection_help,
    suggestion_lines,
    table,
    tell_trouble,
)
from napari_firstpass.cli_progress import Reporter, peak_memory, tell_result
from napari_firstpass.config import MAX_CLASSES, SegmentConfig
from napari_firstpass.imagery import AUTO

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from napari_firstpass.fitting import SetModel
    from napari_firstpass.progress import Steps
    from napari_firstpass.state_file import StateFile


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    from napari_firstpass.backbones import BACKBONES
    from napari_firstpass.segmenters import SEGMENTERS

    parser = commands.add_parser("fit", help="classes that mean the same in many images")
    default = SegmentConfig()
    parser.set_defaults(command=_fit)
    add = parser.add_argument
    images = "GeoTIFF, VRT, JP2, PNG or JPEG; with --preset, a folder"
    add("images", nargs="+", type=Path, metavar="IMAGE", help=images)
    add("--out", required=True, type=Path, metavar="MODEL.firstpass", help="the model file")
    add("--method", default=default.method, help=f"{table(SEGMENTERS)} [%(default)s]")
    networks = f"{table(BACKBONES)}; {NETWORKS}"
    add("--backbone", default=default.backbone, help=f"{networks} [%(default)s]")
    add("--upsample", default=default.upsample, help=f"{finer_help()} [%(default)s]")
    add("--projection", metavar="FILE", default=default.projection, help=projection_help())
    usual = f"{default.classes}; with hints, as many as are named"
    how_many = f"2 to {MAX_CLASSES}, or auto: as many as stand apart [{usual}]"
    add("--classes", type=number_of_classes, help=how_many)
    add(
        "--hints",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="label files of some of the images, sparse, or shapes (GeoJSON, GeoPackage) on them: "
        "their classes come first, by name",
    )
    add("--attribute", metavar="NAME", help=ATTRIBUTE)
    add("--bands", metavar="r,g,b,n", help="what the files' bands are, in order; - leaves one out")
    whole = (
        "read all images with pixels of one size on the ground: the coarsest's, if none is given"
    )
    add("--resample", nargs="?", const=AUTO, type=pixel_size, metavar="METRES", help=whole)
    add("--seed", type=int, default=default.seed, help="of all random choices [%(default)s]")
    add("--device", choices=("auto", "cpu", "cuda"), default=default.device)
    add("--runtime", choices=("torch", "openvino"), default=default.runtime, help=RUNTIMES)
    add("--no-cache", action="store_true", help="compute all features of networks anew")
    add("--restart", action="store_true", help="do not go on from where an interrupted fit stood")
    add("--overwrite", action="store_true", help="replace an existing file")
    add("--json", action="store_true", help="print the result as JSON")
    reproduce.add_to(parser)


def _fit(options: Namespace) -> int:
    from napari_firstpass.fit_images import fit_files_steps
    from napari_firstpass.fit_options import FitOptions
    from napari_firstpass.io.files import check_output
    from napari_firstpass.io.hint_file import hint_files
    from napari_firstpass.model_file import write_model
    from napari_firstpass.state_file import StateFile, state_path

    if options.preset is not None:
        return reproduce.reproduce(options)
    reproduce.refuse_without_preset(options)
    start = perf_counter()
    config = SegmentConfig(
        method=options.method,
        backbone=options.backbone,
        upsample=options.upsample,
        projection=options.projection,
        classes=_classes(options),
        seed=options.seed,
        device=options.device,
        runtime=options.runtime,
    )
    # What may not be written is refused before the work.
    inputs = [*options.images, *options.hints, Path(options.projection)]
    check_output(options.out, overwrite=options.overwrite, forbid=inputs)
    check_output(state_path(options.out), overwrite=True, forbid=inputs)
    cache = feature_cache(options, config)
    with Reporter(options.out.name) as reporter:
        state = StateFile(state_path(options.out), restart=options.restart, tell=reporter.note)
        more = FitOptions(
            bands=options.bands,
            cache=cache,
            metres=options.resample,
            state=state,
            hints=hint_files(options.hints, options.attribute),
            auto_classes=_auto(options),
        )
        model = _driven(
            reporter, fit_files_steps(options.images, config, more), state, restart=options.restart
        )
    write_model(options.out, model, overwrite=options.overwrite)
    state.remove()
    tell_trouble(cache)
    result = _result(model, options, perf_counter() - start)
    tell_result(result, _summary(result), as_json=options.json)
    return DONE


def _auto(options: Namespace) -> bool:
    """Whether images, or hints, decide how many classes there are."""
    return options.classes == AUTO or (options.classes is None and bool(options.hints))


def _classes(options: Namespace) -> int:
    """Return the number of classes; one that does not count where images decide it."""
    said: int = options.classes if isinstance(options.classes, int) else SegmentConfig().classes
    return said


def _driven(
    reporter: Reporter, steps: Steps[SetModel], state: StateFile, *, restart: bool
) -> SetModel:
    from napari_firstpass.progress import guarded

    try:
        return reporter.drive(guarded(steps))
    except KeyboardInterrupt:
        if state.kept is not None:
            anew = " without --restart" if restart else ""
            reporter.note(f"the same command{anew} goes on from {state.kept}")
        raise


def _result(model: SetModel, options: Namespace, seconds: float) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    return {
        "model": str(options.out),
        "images": len(options.images),
        "method": model.config.method,
        "backbone": model.config.backbone,
        "projection": Path(model.config.projection).name,
        "classes": len(model.taxonomy),
        "hinted": model.provenance.config.get("hinted", []),
        "suggested": model.provenance.config.get("suggested"),
        "bands": [role or "unnamed" for role in model.imagery.roles],
        "metres_per_pixel": model.imagery.metres,
        "seconds": round(seconds, 2),
        "peak_memory_mb": peak_memory(),
        "exit_code": DONE,
    }


def _summary(result: dict[str, Any]) -> list[str]:
    """Return what a person reads."""
    metres = result["metres_per_pixel"]
    size = "pixels of unknown size" if metres is None else f"pixels of {metres:.3g} m"
    memory = f", {result['peak_memory_mb']} MB at most" if result["peak_memory_mb"] else ""
    codes = "" if result["projection"] == "none" else f", projected by {result['projection']}"
    hinted = result["hinted"]
    return [
        f"{result['model']}: {result['classes']} classes from {result['images']} images",
        *([f"  by hints    {', '.join(hinted)}"] if hinted else []),
        f"  images      {', '.join(result['bands'])}; {size}",
        f"  found by    {result['method']} on {result['backbone']}{codes}",
        *suggestion_lines(result["suggested"]),
        f"  took        {result['seconds']:.1f} s{memory}",
        f"  next        firstpass segment IMAGE --model {result['model']} --out LABELS.tif",
    ]
