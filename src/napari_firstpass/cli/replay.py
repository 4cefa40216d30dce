"""``firstpass replay``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.cli.codes import DIFFERS, DONE
from napari_firstpass.cli_progress import Reporter, tell_result

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from napari_firstpass.replaying import Replay

_MOST_SHOWN = 12


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser("replay", help="make labels or an export once more, and compare")
    parser.set_defaults(command=_replay)
    add = parser.add_argument
    told = "a label file that tells how it was made; or the folder of an export"
    add("labels", type=Path, help=told)
    told = "the image [the one of the recorded name beside the labels]"
    add("--image", type=Path, help=told)
    told = "the model that labelled, if one did [the one of the recorded name]"
    add("--model", metavar="MODEL", help=told)
    told = "something else that was read, under the name that it had; may be repeated"
    add("--input", action="append", default=[], type=Path, metavar="PATH", help=told)
    add("--device", choices=("auto", "cpu", "cuda"), default="cpu")
    add("--json", action="store_true", help="print the result as JSON")


def _replay(options: Namespace) -> int:
    from napari_firstpass.progress import guarded
    from napari_firstpass.replaying import replay_file_steps

    steps = replay_file_steps(
        options.labels,
        image=options.image,
        model=options.model,
        inputs=options.input,
        device=options.device,
    )
    with Reporter(options.labels.name) as reporter:
        replay = reporter.drive(guarded(steps))
    content = {
        "labels": str(replay.labels),
        "same_bytes": replay.same_bytes,
        "different_pixels": replay.different_pixels,
        "pixels": replay.pixels,
        "changes": list(replay.changes),
        "different_files": list(replay.files),
        "edited": replay.edited,
        "left_out": list(replay.left_out),
    }
    tell_result(content, _lines(replay), as_json=options.json)
    return DONE if replay.same_bytes else DIFFERS


def _lines(replay: Replay) -> list[str]:
    """Return what a person reads."""
    told = []
    if replay.edited:
        told.append(f"a person has changed at most {replay.edited:.2%} of the pixels: left out")
    told += [f"left out: {what}" for what in replay.left_out]
    told += [f"other bytes: {name}" for name in replay.files[:_MOST_SHOWN]]
    if len(replay.files) > _MOST_SHOWN:
        told.append(f"and {len(replay.files) - _MOST_SHOWN} files more")
    if not replay.same_bytes:
        told += replay.changes
    return [f"{replay.labels}: {_found(replay)}", *(f"  {line}" for line in told)]


def _found(replay: Replay) -> str:
    if replay.same_bytes:
        return "the same bytes"
    if replay.different_pixels is None:
        return f"{len(replay.files)} files have other bytes"
    if not replay.different_pixels:
        return "the same labels in a file with other bytes"
    share = replay.different_pixels / replay.pixels
    return f"{replay.different_pixels} pixels differ ({share:.2%})"
