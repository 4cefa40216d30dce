"""The command ``firstpass``: one file for each of its commands, and the exit codes in `codes`."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

from napari_firstpass import __version__
from napari_firstpass.cli import (
    align,
    cache,
    evaluate,
    export,
    fit,
    import_labels,
    info,
    models,
    prompt,
    refine,
    replay,
    sample,
    segment,
    taxonomy,
)
from napari_firstpass.cli.codes import INTERRUPTED, exit_code
from napari_firstpass.errors import FirstPassError
from napari_firstpass.threads import wait_without_spinning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


_COMMANDS = (
    segment, refine, align, prompt, fit, evaluate, export, import_labels, taxonomy, replay, info,
    sample, models, cache,
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    wait_without_spinning()
    # A job scheduler's TERM is cleaned up after like Ctrl+C.
    signal.signal(signal.SIGTERM, _interrupt)
    options = _parser().parse_args(arguments)
    command: Any = options.command
    try:
        code: int = command(options)
    except FirstPassError as error:
        print(f"firstpass: {error}", file=sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        print("firstpass: interrupted; no unfinished file was left behind", file=sys.stderr)
        return INTERRUPTED
    return code


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="firstpass",
        description="Unsupervised segmentation of aerial and satellite images.",
    )
    parser.add_argument("--version", action="version", version=f"firstpass {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_to(commands)
    return parser
