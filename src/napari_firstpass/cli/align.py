"""``firstpass align``."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from napari_firstpass.aligning import AlignConfig
from napari_firstpass.cli.codes import DONE
from napari_firstpass.cli.options import ATTRIBUTE, table
from napari_firstpass.cli.segment import output_folder
from napari_firstpass.cli.summary import Style, add_qml, extras, write_overlay_on
from napari_firstpass.cli_progress import Reporter, peak_memory, tell_result
from napari_firstpass.errors import OptionError
from napari_firstpass.pairing import DEFAULT_SUFFIX

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from napari_firstpass.align_images import AlignPaths, AlignReport
    from napari_firstpass.candidates import CandidateTable
    from napari_firstpass.name_table import NameTable
    from napari_firstpass.progress import Steps
    from napari_firstpass.taxonomy import Taxonomy

_LINES = 12


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    from napari_firstpass.aligners import ALIGNERS

    parser = commands.add_parser("align", help="label maps in the classes of your own list")
    default = AlignConfig()
    parser.set_defaults(command=_align)
    add = parser.add_argument
    several = "label files; several must share their classes, as those of one model do"
    add("labels", nargs="+", type=Path, metavar="LABELS", help=several)
    add("--out", required=True, type=Path, help="the new label file; of several files, a folder")
    own = (
        "your list of classes: a file, or the name of a published one; else the reference's classes"
    )
    add("--taxonomy", metavar="NAME", help=own)
    add("--with", dest="way", metavar="NAME", required=True, help=table(ALIGNERS))
    folder = "the images of the labels, in their order, or the folder of all"
    add("--image", nargs="+", type=Path, default=[], metavar="IMAGE", help=folder)
    pairs = (
        "for table: a CSV, YAML or JSON file of classes and what they become; none: by common names"
    )
    add("--table", type=Path, metavar="FILE", help=pairs)
    named = (
        "for reference: label files, or shapes (GeoJSON, GeoPackage), of some places, "
        "their classes called as in the list"
    )
    add("--reference", nargs="+", type=Path, default=[], metavar="FILE", help=named)
    add("--attribute", metavar="NAME", help=ATTRIBUTE)
    how = "several classes may become one, or one to one [%(default)s]"
    add("--match", choices=("majority", "hungarian"), default=default.match, help=how)
    words = "for text, dynalign: name or folder of a model of pictures and words, such as clip-b16"
    add("--model", metavar="NAME", help=words)
    settings = (
        "settings of text (fast, crops) or dynalign (fast, quick, dense, paper) [%(default)s]"
    )
    add("--preset", default=default.preset, help=settings)
    may = "for text, dynalign: what each class may be: YAML, JSON, or a published one; none: any"
    add("--candidates", metavar="FILE", help=may)
    things = "for dynalign: Segment Anything that finds masks; none: regions of one colour"
    add("--masks", metavar="NAME", help=things)
    made = (
        "for dynalign: the network that made the labels; masks that it doubts may be other things"
    )
    add("--source-model", metavar="NAME", help=made)
    doubt = "for dynalign: up to which share of belief a class is doubted; 0 never [of the preset]"
    add("--veto", type=float, metavar="SHARE", help=doubt)
    on = "decide on whole classes or on regions, where a way can do both [%(default)s]"
    add("--level", choices=("auto", "classes", "regions"), default=default.level, help=on)
    few = "leave labels unlabelled that are less sure than this, 0 to 1: for fit --hints"
    add("--least", type=float, metavar="SHARE", default=default.least, help=f"{few} [%(default)s]")
    add("--bands", metavar="r,g,b,n", help="what the images' bands are; - leaves one out")
    add("--window", type=int, default=default.window, help="pixels computed at once [%(default)s]")
    add("--overlap", type=int, default=default.overlap, help="context in pixels [%(default)s]")
    add("--seed", type=int, default=default.seed, help="of all random choices [%(default)s]")
    add("--device", choices=("auto", "cpu", "cuda"), default=default.device)
    add("--confidence", action="store_true", help="also write NAME_confidence.tif")
    add("--overlay", action="store_true", help="also write NAME_overlay.png")
    add_qml(parser)
    add("--overwrite", action="store_true", help="replace existing output")
    add("--json", action="store_true", help="print the result as JSON")


def _align(options: Namespace) -> int:
    from napari_firstpass.progress import guarded

    start = perf_counter()
    config = AlignConfig(
        way=options.way,
        table=_table(options),
        match=options.match,
        level=options.level,
        least=options.least,
        window=options.window,
        overlap=options.overlap,
        seed=options.seed,
        device=options.device,
        preset=options.preset,
        model=options.model,
        masks=options.masks,
        candidates=_candidates(options),
        source_model=options.source_model,
        veto=options.veto,
    )
    files = _files(options)
    shown = files[0].labels.name if len(files) == 1 else f"{len(files)} files"
    with output_folder(options.out, wanted=len(files) > 1):
        if options.overlay:
            _check_overlays(files, options)
        styles = {paths.out: Style(paths.out, options) for paths in files}
        with Reporter(shown) as reporter:
            reports = reporter.drive(guarded(_steps(files, config, options)))
        results = [_result(report, config, options, perf_counter() - start) for report in reports]
        for report, result in zip(reports, results, strict=True):
            result["style"] = styles[report.paths.out].write(report.target)
    lines = [line for result in results for line in _summary(result)]
    tell_result(results[0] if len(results) == 1 else results, lines, as_json=options.json)
    return DONE


def _steps(
    files: list[AlignPaths], config: AlignConfig, options: Namespace
) -> Steps[list[AlignReport]]:
    from napari_firstpass.align_images import align_files_steps

    target = yield from _target_steps(options)
    return (
        yield from align_files_steps(
            files,
            target,
            config,
            reference=options.reference,
            attribute=options.attribute,
            bands=options.bands,
            overwrite=options.overwrite,
        )
    )


def _target_steps(options: Namespace) -> Steps[Taxonomy]:
    """Return the classes that labels are brought to."""
    from napari_firstpass.align_images import reference_taxonomy_steps
    from napari_firstpass.io.taxonomy_file import read_taxonomy

    if options.taxonomy is not None:
        return read_taxonomy(options.taxonomy)
    if options.reference:
        return (yield from reference_taxonomy_steps(options.reference, options.attribute))
    raise OptionError(
        expected="a list of classes",
        found="none",
        remedy="give one (--taxonomy), or a reference that has its own (--reference)",
    )


def _table(options: Namespace) -> NameTable | None:
    from napari_firstpass.io.name_table_file import read_name_table

    return None if options.table is None else read_name_table(options.table)


def _candidates(options: Namespace) -> CandidateTable | None:
    from napari_firstpass.io.candidate_file import read_candidates

    return None if options.candidates is None else read_candidates(options.candidates)


def _files(options: Namespace) -> list[AlignPaths]:
    """Join label files with their images and what is written for them."""
    from napari_firstpass.align_images import AlignPaths

    several = len(options.labels) > 1 or options.out.is_dir()
    outs = [options.out / path.name for path in options.labels] if several else [options.out]
    if len(set(outs)) < len(outs) or (several and options.out.is_file()):
        raise OptionError(
            expected="a folder, and label files whose names differ",
            found=str(options.out),
            remedy="align files of the same name one by one, each with its own --out",
        )
    images = _images(options)
    return [
        AlignPaths(
            labels,
            out.with_suffix(".tif") if several else out,
            image,
            extras(out)[0] if options.confidence else None,
            out.with_name(f"{out.stem}_alignment.json"),
        )
        for labels, out, image in zip(options.labels, outs, images, strict=True)
    ]


def _overlay(out: Path) -> Path:
    return extras(out)[1]


def _check_overlays(files: list[AlignPaths], options: Namespace) -> None:
    """Refuse, before the work, pictures that cannot be made or may not be written."""
    from napari_firstpass.io.files import check_output

    for paths in files:
        if paths.image is None:
            raise OptionError(
                expected=f"the image of {paths.labels.name}, for a picture of labels over it",
                found="none",
                remedy="give it (--image), or leave out --overlay",
            )
        forbid = [paths.image, paths.labels]
        check_output(_overlay(paths.out), overwrite=options.overwrite, forbid=forbid)


def _images(options: Namespace) -> list[Path | None]:
    """Return the image of each label file: by order, or in one folder by name."""
    given: list[Path] = options.image
    if not given:
        return [None] * len(options.labels)
    if len(given) == 1 and given[0].is_dir():
        return [_image_in(given[0], path) for path in options.labels]
    if len(given) != len(options.labels):
        raise OptionError(
            expected=f"an image for each of {len(options.labels)} label files, or their folder",
            found=str(len(given)),
            remedy="name them in the same order",
        )
    return list(given)


def _image_in(folder: Path, labels: Path) -> Path:
    from napari_firstpass.pairing import called_after

    there = sorted(path for path in folder.iterdir() if path.is_file())
    found = [there[index] for index in called_after(labels.name, [path.name for path in there])]
    if len(found) != 1:
        raise OptionError(
            expected=f"one image that {labels.name} belongs to",
            found=" and ".join(path.name for path in found) or f"none in {folder}",
            remedy=f"call labels after their image: NAME{DEFAULT_SUFFIX}.tif",
        )
    return found[0]


def _result(
    report: AlignReport, config: AlignConfig, options: Namespace, seconds: float
) -> dict[str, Any]:
    """Write the overlay, if there is to be one; return what ``--json`` prints."""
    overlay = _overlay(report.paths.out) if options.overlay else None
    pixels = report.grid.height * report.grid.width
    paths = report.paths
    if overlay is not None and paths.image is not None:
        write_overlay_on(paths.image, paths.out, overlay, options)
    return {
        "labels": str(paths.out),
        "aligned": str(paths.labels),
        "image": None if paths.image is None else str(paths.image),
        "confidence": None if paths.confidence is None else str(paths.confidence),
        "record": None if paths.record is None else str(paths.record),
        "overlay": None if overlay is None else str(overlay),
        "way": config.way,
        "height": report.grid.height,
        "width": report.grid.width,
        "classes": [
            {
                "id": entry.id,
                "name": entry.name,
                "color": entry.color,
                "share": round(report.counts.get(entry.id, 0) / pixels, 6),
            }
            for entry in report.target.classes
        ],
        "unlabelled_share": round(report.counts.get(0, 0) / pixels, 6),
        "became": [_became(report, entry.source) for entry in report.proposals],
        "lost": report.flows.losses(report.source, report.target),
        "regions": report.regions,
        "cost": report.told.get("cost"),
        "seconds": round(seconds, 2),
        "peak_memory_mb": peak_memory(),
        "exit_code": DONE,
    }


def _became(report: AlignReport, source: int) -> dict[str, Any]:
    """Return what became of a class of the source, over all label files."""
    entry = next(entry for entry in report.proposals if entry.source == source)
    return {
        "id": source,
        "name": report.source[source].name,
        "target": report.target[entry.target].name if entry.target else None,
        "confidence": round(entry.confidence, 4),
        "reason": entry.reason,
        "pixels": entry.pixels,
    }


def _summary(result: dict[str, Any]) -> list[str]:
    """Return what a person reads."""
    shares = [c for c in sorted(result["classes"], key=lambda c: -c["share"]) if c["share"]]
    told = "  ".join(f"{c['name']} {c['share']:.0%}" for c in shares[:_LINES])
    lines = [
        f"{result['aligned']}: {result['height']} x {result['width']} pixels, by {result['way']}",
        f"  labels      {result['labels']}",
        f"  record      {result['record']}",
        f"  classes     {told or 'none'}",
    ]
    for entry in result["became"][: _LINES * 2]:
        goal = entry["target"] or "unlabelled"
        lines.append(f"  {entry['name']} → {goal} ({entry['reason']}, {entry['confidence']:.0%})")
    lost = result["lost"]
    lines += [
        f"  unlabelled  {gone['name']} (id {gone['id']}): {gone['pixels']} pixels"
        for gone in lost["unlabelled"]
    ]
    if lost["unreached"]:
        lines.append(f"  unreached   {', '.join(lost['unreached'])}")
    if result["cost"] is not None:
        lines += _costs(result["cost"])
    memory = f", {result['peak_memory_mb']} MB at most" if result["peak_memory_mb"] else ""
    return [*lines, f"  took        {result['seconds']:.1f} s{memory}"]


def _costs(cost: dict[str, Any]) -> list[str]:
    """Return what stages have cost, over all files of the run."""
    seconds = "  ".join(f"{stage} {spent:.1f} s" for stage, spent in cost["seconds"].items())
    counts = "  ".join(f"{count} {what}" for what, count in cost["counts"].items())
    return [f"  stages      {seconds}", f"  counted     {counts}"]
