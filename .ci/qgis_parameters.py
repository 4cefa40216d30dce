"""Write what the QGIS plugin knows of the command line: qgis_plugin/firstpass/parameters.json.

Run it after a change of the command line's options. A test says whether it was run.
"""

from __future__ import annotations

import json
from argparse import SUPPRESS, Action, ArgumentParser
from enum import Enum
from pathlib import Path
from typing import Any

from napari_firstpass import __version__
from napari_firstpass.aligners import ALIGNERS
from napari_firstpass.backbones import BACKBONES
from napari_firstpass.cli import commands_of, parser
from napari_firstpass.io.formats import EXPORTERS
from napari_firstpass.refiners import REFINERS
from napari_firstpass.segmenters import SEGMENTERS
from napari_firstpass.upsampling import UPSAMPLERS

PLACE = Path(__file__).parents[1] / "qgis_plugin" / "firstpass" / "parameters.json"

COMMANDS = ("segment", "fit", "refine", "align", "export", "evaluate")

# Options that take a name of a table, which the parser leaves to those who look it up.
TABLES = {
    ("align", "way"): ALIGNERS, ("export", "format"): EXPORTERS, ("refine", "refiner"): REFINERS,
    ("segment", "method"): SEGMENTERS, ("fit", "method"): SEGMENTERS,
    ("segment", "backbone"): BACKBONES, ("fit", "backbone"): BACKBONES,
    ("segment", "refine"): REFINERS,
}  # fmt: skip

# Of the process, not of the work.
ABOUT_RUNS = ("help", "json", "overwrite", "progress", "attached")


def described() -> dict[str, Any]:
    """Return the description of the commands that the plugin has."""
    every = {one.get_default("called"): one for one in commands_of(parser())}
    commands = {name: options_of(every[name], name) for name in COMMANDS}
    return {"version": __version__, "commands": commands}


def options_of(command: ArgumentParser, name: str) -> list[dict[str, Any]]:
    actions = [one for one in command._actions if one.dest not in ABOUT_RUNS]  # noqa: SLF001
    return [option_of(action, command, name) for action in actions]


def option_of(action: Action, command: ArgumentParser, name: str) -> dict[str, Any]:
    help_text = "" if action.help in (None, SUPPRESS) else str(action.help)
    flag = action.option_strings[-1] if action.option_strings else None
    title = flag.removeprefix("--") if flag else str(action.metavar or action.dest)
    choices = [str(choice) for choice in action.choices or ()]
    told = help_text % {**vars(action), "prog": command.prog}
    known = known_names(name, action.dest, choices)
    default = plain(action.default)
    return {
        "name": title.upper().replace("-", "_"),
        "flag": flag,
        "type": type_of(action),
        "default": default,
        "usual": default if default is not None else usual_of(told),
        "choices": choices,
        "known": known,
        "several": action.nargs == "+" or "Append" in type(action).__name__,
        "required": bool(action.required),
        "help": told,
    }


def known_names(command: str, dest: str, choices: list[str]) -> list[str]:
    table = TABLES.get((command, dest))
    if table is not None:
        return ["none", *table.names] if dest == "refine" else list(table.names)
    return ["none", *UPSAMPLERS.names] if dest == "upsample" else choices


def type_of(action: Action) -> str:
    if action.nargs == 0:
        return "flag"
    kinds: dict[Any, str] = {int: "integer", float: "number", Path: "path"}
    return kinds.get(action.type, "text")


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever argparse holds
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return str(value) if isinstance(value, Path | Enum) else value


def usual_of(told: str) -> str | None:
    """Return the value in brackets at the end of a help text, None if it is none."""
    _, bracket, end = told.rpartition(" [")
    value = end.removesuffix("]")
    return value if bracket and end.endswith("]") and " " not in value else None


def text() -> str:
    """Return what the file has to hold."""
    return json.dumps(described(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PLACE.write_text(text(), encoding="utf-8")
    print(PLACE)
