"""``firstpass replay``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.cli.codes import DIFFERS, DONE
from napari_firstpass.cli_progress import Reporter, tell_result

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from napari_firstpass.replaying import Replay


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser("replay", help="make labels once more, and compare")
    parser.set_defaults(command=_replay)
    add = parser.add_argument
    add("labels", type=Path, help="a label file that tells how it was made")
    told = "the image [the one of the recorded name beside the labels]"
    add("--image", type=Path, help=told)
    add("--model", metavar="MODEL", help="the model that labelled, if one did")
    add("--device", choices=("auto", "cpu", "cuda"), default="cpu")
    add("--json", action="store_true", help="print the result as JSON")


def _replay(options: Namespace) -> int:
    from napari_firstpass.progress import guarded
    from napari_firstpass.replaying import replay_file_steps

    steps = replay_file_steps(
        options.labels, image=options.image, model=options.model, device=options.device
    )
    with Reporter(options.labels.name) as reporter:
        replay = reporter.drive(guarded(steps))
    content = {
        "labels": str(replay.labels),
        "image": str(replay.image),
        "same_bytes": replay.same_bytes,
        "different_pixels": replay.different_pixels,
        "pixels": replay.pixels,
        "changes": list(replay.changes),
    }
    tell_result(content, _lines(replay), as_json=options.json)
    return DONE if replay.same_bytes else DIFFERS


def _lines(replay: Replay) -> list[str]:
    if replay.same_bytes:
        return [f"{replay.labels}: the same bytes"]
    share = replay.different_pixels / replay.pixels
    found = f"{replay.different_pixels} pixels differ ({share:.2%})"
    if not replay.different_pixels:
        found = "the same labels in a file with other bytes"
    return [f"{replay.labels}: {found}", *(f"  {change}" for change in replay.changes)]
