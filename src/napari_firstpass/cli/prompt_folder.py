"""``firstpass prompt`` on a folder: what is named, in every image of it."""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from napari_firstpass.cli.codes import DONE, exit_code, joint_code
from napari_firstpass.cli.segment import output_folder, output_paths
from napari_firstpass.cli.summary import extras, result_of, summary_of, write_overlay_of
from napari_firstpass.cli_progress import Reporter, complain, tell, tell_result
from napari_firstpass.errors import FirstPassError, OptionError
from napari_firstpass.weights.folder import is_path

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from napari_firstpass.progress import Steps
    from napari_firstpass.prompt_folders import WordRun, WordsConfig

_OF_ONE = {
    "points": "--points", "lines": "--lines", "boxes": "--boxes", "world": "--world",
    "into": "--into", "names": "--class",
}  # fmt: skip
"""Options that say something of one image."""


def add_to(parser: ArgumentParser) -> None:
    """Describe the options that a folder has besides those of an image."""
    folders = parser.add_argument_group("a folder of images, with --text")
    add = folders.add_argument
    add("--tags", metavar="PATH", help="what is in which image: a file, or a folder of files")
    add("--tagger", metavar="MODEL", help="a CLIP model that tells it, such as clip-b16")
    add("--background", type=float, metavar="T", help="no class below this, 0 to 1 [the preset's]")
    add("--window", type=int, default=1024, help="pixels looked at at once [%(default)s]")
    add("--overlap", type=int, default=64, help="context in pixels [%(default)s]")


def are_classes(options: Namespace) -> bool:
    """Tell whether several names share out an image, and nothing else was said of it."""
    text = options.text or ""
    several = _is_file(text) or (";" in text and "," not in text)
    return several and not any(getattr(options, key, None) for key in _OF_ONE)


def prompt_folder(options: Namespace) -> int:
    """Do the work, and return the exit code.

    Parameters
    ----------
    options : Namespace
        With ``image``, the folder, or a single image; ``text``, ``method``, ``model``, ``preset``,
        ``out``, ``bands``, ``seed``, ``device``, ``confidence``, ``overlay``, ``overwrite``,
        ``json``, and those of `add_to`.
    """
    from napari_firstpass.pairing import images_in
    from napari_firstpass.progress import guarded
    from napari_firstpass.prompt_folders import word_run_steps

    config = _config(options)
    several = options.image.is_dir()
    images = images_in(options.image) if several else (options.image,)
    results = []
    with output_folder(options.out, wanted=several):
        jobs = output_paths(images, options.out)
        with Reporter(options.image.name) as reporter:
            ready = reporter.drive(guarded(word_run_steps(config)))
        for image, out in jobs:
            with Reporter(image.name) as reporter:
                results.append(reporter.drive(_told_steps(image, out, ready, options)))
            _tell(results[-1], options)
    tell_result(results if several else results[0], as_json=options.json)
    return joint_code(result["exit_code"] for result in results)


def _config(options: Namespace) -> WordsConfig:
    from napari_firstpass.prompt_folders import WordsConfig

    unwanted = [name for key, name in _OF_ONE.items() if getattr(options, key, None)]
    if options.text is None or unwanted:
        raise OptionError(
            expected="--text for a folder: names, or a file with one a line",
            found=" and ".join(unwanted) or "none",
            remedy="say what to look for; points, lines and boxes are for a single image",
        )
    return WordsConfig(
        names=names_of(options.text),
        prompter=options.method,
        preset=options.preset,
        model=options.model,
        background=options.background,
        tags=options.tags,
        tagger=options.tagger,
        window=options.window,
        overlap=options.overlap,
        seed=options.seed,
        device=options.device,
    )


def names_of(text: str) -> tuple[str, ...]:
    """Return the names that ``--text`` gives: of a file, or separated by semicolons.

    Raises
    ------
    ImageReadError
        If it is the path of a file that cannot be read.
    PromptError
        If the file holds none.
    """
    from napari_firstpass.io.name_file import read_names

    if _is_file(text):
        return read_names(text)
    return tuple(" ".join(name.split()) for name in text.split(";") if name.strip())


def _is_file(text: str) -> bool:
    return text.endswith(".txt") or is_path(text) or Path(text).is_file()


def _told_steps(
    image: Path, out: Path, ready: WordRun, options: Namespace
) -> Steps[dict[str, Any]]:
    """Look for the names in one image; its failure is told and does not stop the others."""
    from napari_firstpass.progress import guarded

    try:
        return (yield from guarded(_one_steps(image, out, ready, options)))
    except FirstPassError as error:
        return {"image": str(image), "error": str(error), "exit_code": exit_code(error)}


def _one_steps(image: Path, out: Path, ready: WordRun, options: Namespace) -> Steps[dict[str, Any]]:
    from napari_firstpass.io.files import check_output
    from napari_firstpass.prompt_folders import word_file_steps

    start = perf_counter()
    confidence, overlay = extras(out)
    # For a single image it may name a file, or be empty; it is told apart from not being given.
    wanted = options.confidence is not None and options.confidence is not False
    if options.overlay and (options.overwrite or not out.is_file()):
        check_output(overlay, overwrite=options.overwrite, forbid=[image])
    report = yield from word_file_steps(
        image,
        out,
        ready,
        bands=options.bands,
        confidence=confidence if wanted else None,
        overwrite=options.overwrite,
    )
    if report.written is None:
        return {"image": str(image), "labels": str(out), "done": "before", "exit_code": DONE}
    written = None
    if options.overlay:
        written = write_overlay_of(report.written, overlay, options)
    return {**result_of(report.written, written, perf_counter() - start), "done": "now"}


def _tell(result: dict[str, Any], options: Namespace) -> None:
    if "error" in result:
        complain(f"{result['image']}: {result['error']}")
    elif not options.json:
        tell("\n".join(_summary(result)), sys.stdout)


def _summary(result: dict[str, Any]) -> Sequence[str]:
    if result["done"] == "before":
        return [f"{result['image']}: done before, as {result['labels']}"]
    share = result["unlabelled_share"]
    notes = [f"  no class    {share:.1%}"] if share else []
    return summary_of({**result, "unlabelled_share": 0}, notes)
