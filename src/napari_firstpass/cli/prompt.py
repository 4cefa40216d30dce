"""``firstpass prompt``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from napari_firstpass.cli import prompt_folder
from napari_firstpass.cli.codes import DONE
from napari_firstpass.cli.options import feature_cache, table, tell_trouble
from napari_firstpass.cli.summary import extras, result_of, write_overlay_of
from napari_firstpass.cli_progress import Reporter, tell_result
from napari_firstpass.config import PromptConfig, SegmentConfig
from napari_firstpass.errors import OptionError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.progress import Steps
    from napari_firstpass.prompt_images import Thing


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    from napari_firstpass.mask_writing import PLACES
    from napari_firstpass.prompting import PROMPTERS

    parser = commands.add_parser("prompt", help="the outline of what is pointed at or named")
    default = PromptConfig()
    parser.set_defaults(command=_prompt)
    add = parser.add_argument
    add("image", type=Path, metavar="IMAGE", help="GeoTIFF, VRT, JP2, PNG or JPEG; or a folder")
    add("--points", metavar='"r,c,+;r,c,-"', help="what belongs to it (+, or nothing) and not (-)")
    add("--lines", metavar='"r,c r,c;…"', help="strokes over it; one that ends in - is not on it")
    add("--boxes", metavar='"r0,c0,r1,c1;…"', help="around it; nothing outside belongs to it")
    add("--text", metavar='"roof; road"', help="things by name; , between names of the same")
    add("--world", action="store_true", help="numbers are x,y in the image's CRS, not row,column")
    how = f"{table(PROMPTERS)} [%(default)s]"
    add("--with", dest="method", metavar="NAME", default=default.method, help=how)
    add("--model", help="name, folder or file of weights, for methods that take some")
    add("--backbone", default=default.backbone, help="features to compare by [%(default)s]")
    add("--preset", default=default.preset, help="settings of the method [%(default)s]")
    add("--out", required=True, type=Path, help="the label file; a folder for a folder")
    add("--into", type=Path, metavar="LABELS", help="labels that are copied, and the thing added")
    add("--class", dest="names", metavar="NAME|ID", help="what it becomes; new names are added")
    add("--where", choices=PLACES, default=PLACES[0], help="pixels that change [%(default)s]")
    add("--bands", metavar="r,g,b,n", help="what the image's bands are; - leaves one out")
    add("--seed", type=int, default=default.seed, help="of all random choices [%(default)s]")
    add("--device", choices=("auto", "cpu", "cuda"), default=default.device)
    add("--no-cache", action="store_true", help="do not keep features of networks")
    sure = "also write how good outlines are held to be [NAME_confidence.tif]"
    add("--confidence", nargs="?", const="", metavar="PATH", help=sure)
    add("--overlay", action="store_true", help="also write NAME_overlay.png")
    add("--overwrite", action="store_true", help="replace existing output")
    add("--json", action="store_true", help="print the result as JSON")
    prompt_folder.add_to(parser)


def _prompt(options: Namespace) -> int:
    from napari_firstpass.progress import guarded

    if options.image.is_dir() or prompt_folder.are_classes(options):
        return prompt_folder.prompt_folder(options)
    config = PromptConfig(
        method=options.method,
        preset=options.preset,
        model=options.model,
        backbone=options.backbone,
        seed=options.seed,
        device=options.device,
    )
    cache = feature_cache(options, SegmentConfig(backbone=config.backbone))
    with Reporter(options.image.name) as reporter:
        result = reporter.drive(guarded(_steps(config, options, cache)))
    tell_result(result, _summary(result), as_json=options.json)
    tell_trouble(cache)
    return DONE


def _steps(
    config: PromptConfig, options: Namespace, cache: FeatureCache | None
) -> Steps[dict[str, Any]]:
    """Find the things; what may not be written is refused before the work."""
    from napari_firstpass.io.files import check_output
    from napari_firstpass.prompt_images import prompt_file_steps

    start = perf_counter()
    confidence, overlay = extras(options.out)
    if options.confidence != "":  # somewhere else, or nowhere
        confidence = options.confidence
    if options.overlay:
        check_output(overlay, overwrite=options.overwrite, forbid=[options.image])
    report = yield from prompt_file_steps(
        options.image,
        _things(options),
        options.out,
        config,
        bands=options.bands,
        confidence=confidence,
        into=options.into,
        where=options.where,
        overwrite=options.overwrite,
        cache=cache,
    )
    shown = write_overlay_of(report.written, overlay, options) if options.overlay else None
    return {
        **result_of(report.written, shown, perf_counter() - start),
        "method": config.method,
        "preset": config.preset,
        "into": None if options.into is None else str(options.into),
        "things": [asdict(thing) for thing in report.things],
    }


def _things(options: Namespace) -> list[Thing]:
    """Return what is looked for, with its classes.

    Raises
    ------
    OptionError
        If nothing is, or points are given for several things.
    """
    from napari_firstpass.cli.marks import names_in
    from napari_firstpass.prompt_images import UNNAMED, Thing
    from napari_firstpass.prompts import Prompt

    marks = _marks(options)
    named = () if options.text is None else names_in(options.text)
    if marks and len(named) > 1:
        raise OptionError(
            expected="one thing in --text with points, lines or boxes",
            found=f"{len(named)} in {options.text!r}",
            remedy="leave out the others, or point at each in a run of its own",
        )
    if not marks and not named:
        raise OptionError(
            expected="--points, --lines, --boxes or --text",
            found="none of them",
            remedy="say what to look for",
        )
    prompts = [Prompt(**marks, words=words) for words in named or ((),)]
    usual = [prompt.words[0] if prompt.words else UNNAMED for prompt in prompts]
    classes = usual if options.names is None else _classes(options.names, len(prompts))
    return [Thing(*pair) for pair in zip(prompts, classes, strict=True)]


def _marks(options: Namespace) -> dict[str, Any]:
    """Return points, lines and boxes that were given, as `Prompt` takes them."""
    from napari_firstpass.cli.marks import Places
    from napari_firstpass.io.geotiff import open_raster

    given = {name: getattr(options, name) for name in ("points", "lines", "boxes")}
    given = {name: text for name, text in given.items() if text is not None}
    if not given:
        return {}
    with open_raster(options.image, bands=options.bands) as source:
        places = Places(source.grid, options.world)
    return {name: getattr(places, name)(text) for name, text in given.items()}


def _classes(text: str, count: int) -> list[str]:
    """Return a class for each thing; one alone is that of all."""
    names = [name.strip() for name in text.split(";")]
    if len(names) == 1:
        names *= count
    if len(names) == count and all(names):
        return names
    raise OptionError(
        expected=f"one class for all, or {count} separated by ; after --class",
        found=repr(text),
        remedy="give one for each thing",
    )


def _summary(result: dict[str, Any]) -> list[str]:
    """Return what a person reads."""
    names = {entry["id"]: entry["name"] for entry in result["classes"]}
    whole = result["height"] * result["width"]
    place = result["crs"] or "no CRS"
    lines = [
        f"{result['image']}: {result['height']} x {result['width']} pixels, {place}",
        f"  labels      {result['labels']}",
        *(f"  {key:<11} {result[key]}" for key in ("confidence", "overlay") if result[key]),
    ]
    for thing in result["things"]:
        kept = thing["pixels"] - thing["changed"]
        rest = f", {kept} of them left as they were" if kept else ""
        lines.append(
            f"  found       {names[thing['class_id']]}: {thing['pixels']} pixels"
            f" ({thing['pixels'] / whole:.1%}), score {thing['score']:.2f}{rest}"
        )
    if not result["georeferenced"]:
        lines.append("  note        the image has no georeference, so the labels have none")
    return [*lines, f"  took        {result['seconds']:.1f} s"]
