"""``firstpass info``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.cli.codes import DONE
from napari_firstpass.cli_progress import tell_result

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Describe the command to the parser."""
    parser = commands.add_parser("info", help="what a file holds")
    parser.set_defaults(command=_info)
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def _info(options: Namespace) -> int:
    from napari_firstpass.io.info import describe

    info = describe(options.file)
    tell_result(info.to_dict(), info.lines(), as_json=options.json)
    return DONE
