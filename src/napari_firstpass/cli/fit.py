"""``firstpass fit``."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from napari_firstpass.cli.codes import DONE
from napari_firstpass.cli.options import (
    AUTO,
    NETWORKS,
    RUNTIMES,
    feature_cache,
    finer_help,
    number_of_classes,
    suggestion_lines,
    table,
    tell_trouble,
)
from napari_firstpass.cli_progress import Reporter, peak_memory
from napari_firstpass.config import MAX_CLASSES, SegmentConfig

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from napari_firstpass.fitting import SetModel


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    from napari_firstpass.backbones import BACKBONES
    from napari_firstpass.segmenters import SEGMENTERS

    parser = commands.add_parser("fit", help="classes that mean the same in many images")
    default = SegmentConfig()
    parser.set_defaults(command=_fit)
    add = parser.add_argument
    add("images", nargs="+", type=Path, metavar="IMAGE", help="GeoTIFF, VRT, JP2, PNG or JPEG")
    add("--out", required=True, type=Path, metavar="MODEL.firstpass", help="the model file")
    add("--method", default=default.method, help=f"{table(SEGMENTERS)} [%(default)s]")
    networks = f"{table(BACKBONES)}; {NETWORKS}"
    add("--backbone", default=default.backbone, help=f"{networks} [%(default)s]")
    add("--upsample", default=default.upsample, help=f"{finer_help()} [%(default)s]")
    how_many = f"2 to {MAX_CLASSES}, or auto [%(default)s]"
    add("--classes", type=number_of_classes, default=default.classes, help=how_many)
    add("--bands", metavar="r,g,b,n", help="what the files' bands are, in order; - leaves one out")
    add("--seed", type=int, default=default.seed, help="of all random choices [%(default)s]")
    add("--device", choices=("auto", "cpu", "cuda"), default=default.device)
    add("--runtime", choices=("torch", "openvino"), default=default.runtime, help=RUNTIMES)
    add("--no-cache", action="store_true", help="compute all features of networks anew")
    add("--overwrite", action="store_true", help="replace an existing file")
    add("--json", action="store_true", help="print the result as JSON")


def _fit(options: Namespace) -> int:
    from napari_firstpass.api import fit_files_steps
    from napari_firstpass.fit_options import FitOptions
    from napari_firstpass.io.files import check_output
    from napari_firstpass.model_file import write_model
    from napari_firstpass.progress import guarded

    start = perf_counter()
    auto = options.classes == AUTO
    config = SegmentConfig(
        method=options.method,
        backbone=options.backbone,
        upsample=options.upsample,
        classes=SegmentConfig().classes if auto else options.classes,
        seed=options.seed,
        device=options.device,
        runtime=options.runtime,
    )
    # What may not be written is refused before the work.
    check_output(options.out, overwrite=options.overwrite, forbid=options.images)
    cache = feature_cache(options, config)
    more = FitOptions(bands=options.bands, cache=cache, auto_classes=auto)
    steps = fit_files_steps(options.images, config, more)
    with Reporter(options.out.name) as reporter:
        model = reporter.drive(guarded(steps))
    write_model(options.out, model, overwrite=options.overwrite)
    tell_trouble(cache)
    result = _result(model, options, perf_counter() - start)
    if options.json:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_summary(result)))
    return DONE


def _result(model: SetModel, options: Namespace, seconds: float) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    return {
        "model": str(options.out),
        "images": len(options.images),
        "method": model.config.method,
        "backbone": model.config.backbone,
        "classes": len(model.taxonomy),
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
    return [
        f"{result['model']}: {result['classes']} classes from {result['images']} images",
        f"  images      {', '.join(result['bands'])}; {size}",
        f"  found by    {result['method']} on {result['backbone']}",
        *suggestion_lines(result["suggested"]),
        f"  took        {result['seconds']:.1f} s{memory}",
        f"  next        firstpass segment IMAGE --model {result['model']} --out LABELS.tif",
    ]
