"""``firstpass refine``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from napari_firstpass.cli.codes import DONE
from napari_firstpass.cli.options import table
from napari_firstpass.cli.summary import (
    Style,
    add_qml,
    extras,
    result_of,
    suggestions_of,
    summary_of,
    write_overlay_of,
)
from napari_firstpass.cli_progress import Reporter, tell_result
from napari_firstpass.config import RefineConfig

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from napari_firstpass.progress import Steps


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    from napari_firstpass.refiners import REFINERS

    parser = commands.add_parser("refine", help="label maps whose borders follow the image")
    default = RefineConfig()
    parser.set_defaults(command=_refine)
    add = parser.add_argument
    add("image", type=Path, metavar="IMAGE", help="GeoTIFF, VRT, JP2, PNG or JPEG")
    add("labels", type=Path, metavar="LABELS", help="a label file of this image")
    add("--out", required=True, type=Path, help="the new label file")
    how = f"{table(REFINERS)} [%(default)s]"
    add("--with", dest="refiner", metavar="NAME", default=default.refiner, help=how)
    add("--preset", default=default.preset, help="settings of the method [%(default)s]")
    add("--bands", metavar="r,g,b,n", help="what the image's bands are; - leaves one out")
    add("--window", type=int, default=default.window, help="pixels computed at once [%(default)s]")
    add("--overlap", type=int, default=default.overlap, help="context in pixels [%(default)s]")
    add("--seed", type=int, default=default.seed, help="of all random choices [%(default)s]")
    add("--device", choices=("auto", "cpu", "cuda"), default=default.device)
    add("--confidence", action="store_true", help="also write NAME_confidence.tif")
    add("--overlay", action="store_true", help="also write NAME_overlay.png")
    add_qml(parser)
    told = "also write regions found inside classes, if any, to NAME_suggestions.tif"
    add("--suggestions", action="store_true", help=told)
    add("--overwrite", action="store_true", help="replace existing output")
    add("--json", action="store_true", help="print the result as JSON")


def _refine(options: Namespace) -> int:
    from napari_firstpass.progress import guarded

    config = RefineConfig(
        refiner=options.refiner,
        preset=options.preset,
        window=options.window,
        overlap=options.overlap,
        seed=options.seed,
        device=options.device,
    )
    with Reporter(options.labels.name) as reporter:
        result = reporter.drive(guarded(_steps(config, options)))
    tell_result(result, summary_of(result, _notes(result)), as_json=options.json)
    return DONE


def _steps(config: RefineConfig, options: Namespace) -> Steps[dict[str, Any]]:
    """Refine the labels, with an overlay; what may not be written is refused before the work."""
    from napari_firstpass.io.files import check_output
    from napari_firstpass.refine_images import refine_file_steps

    start = perf_counter()
    confidence, overlay = extras(options.out)
    if options.overlay:
        forbid = [options.image, options.labels]
        check_output(overlay, overwrite=options.overwrite, forbid=forbid)
    style = Style(options.out, options)
    # Labels that had a confidence file have one afterwards.
    wanted = options.confidence or extras(options.labels)[0].is_file()
    report = yield from refine_file_steps(
        options.image,
        options.labels,
        options.out,
        config,
        bands=options.bands,
        confidence=confidence if wanted else None,
        suggestions=suggestions_of(options.out) if options.suggestions else None,
        overwrite=options.overwrite,
    )
    shown = write_overlay_of(report.written, overlay, options) if options.overlay else None
    used = report.guide_confidence
    return {
        **result_of(report.written, shown, perf_counter() - start),
        "style": style.write(report.written.taxonomy),
        "refined": str(report.guide),
        "refiner": config.refiner,
        "preset": config.preset,
        "suggestions": None if report.suggestions is None else str(report.suggestions),
        "parts": report.suggested if options.suggestions else None,
        "confidence_used": None if used is None else str(used),
        "pixels": asdict(report.changes),
    }


def _notes(result: dict[str, Any]) -> list[str]:
    """Return what a person reads of the refinement."""
    whole, pixels = result["height"] * result["width"], result["pixels"]
    told = [f"{pixels['moved'] / whole:.1%} of the pixels have another class"]
    told += [f"{pixels[key] / whole:.1%} {key} one" for key in ("gained", "lost") if pixels[key]]
    used = result["confidence_used"]
    lines = [
        f"  refined     {', '.join(told)}",
        f"  trusting    {used or 'all labels alike: there is no confidence file of theirs'}",
    ]
    if (parts := result["parts"]) is not None:
        where = f"{parts} inside classes, in {result['suggestions']}" if parts else "none"
        lines.append(f"  suggestions {where}")
    return lines
