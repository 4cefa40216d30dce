"""The command ``firstpass``: one file for each of its commands, and the exit codes in `codes`."""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentParser, _SubParsersAction
from typing import TYPE_CHECKING, Any, NoReturn

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
    started,
    taxonomy,
)
from napari_firstpass.cli.codes import DONE, INTERRUPTED, SOME_FAILED, UNREAD, USAGE, exit_code
from napari_firstpass.cli_events import PROTOCOL, events, telling
from napari_firstpass.cli_progress import tell_result
from napari_firstpass.errors import FirstPassError
from napari_firstpass.threads import wait_without_spinning

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence
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
    try:
        try:
            with telling(wanted=started.wants_events(arguments)):
                return _run(arguments)
        finally:
            _flush()
    except BrokenPipeError:  # such as head, which has read enough
        _leave_pipes()
        return UNREAD


def parser() -> ArgumentParser:
    """Return what reads the command line."""
    whole = _Parser(
        prog="firstpass",
        description="Unsupervised segmentation of aerial and satellite images.",
    )
    whole.add_argument("--version", action="store_true", help="tell it, and do nothing else")
    told = "with --version: as JSON"
    whole.add_argument("--json", action="store_true", dest="version_json", help=told)
    commands = whole.add_subparsers(title="commands", metavar="COMMAND")
    for command in _COMMANDS:
        command.add_to(commands)
    for one in commands_of(whole):
        started.add_to(one)
    return whole


def commands_of(one: ArgumentParser) -> Iterator[ArgumentParser]:
    """Return the parsers of the commands below a parser; of actions where a command has some."""
    below = [action for action in one._actions if isinstance(action, _SubParsersAction)]  # noqa: SLF001 - argparse has no other way
    if not below:
        yield one
    for action in below:
        for child in action.choices.values():
            yield from commands_of(child)


class _Parser(ArgumentParser):
    """Tells a program that asked for events which option was wrong."""

    def error(self, message: str) -> NoReturn:
        if (told := events()) is not None:
            told.error(message, USAGE)
        super().error(message)


def _run(arguments: Sequence[str] | None) -> int:
    """Read the options, do what they say, and tell how it ended."""
    told = events()
    try:
        options = _options(arguments)
        if told is not None and not options.version:
            told.start(options.called)
        command: Any = _version if options.version else options.command
        code: int = command(options)
    except FirstPassError as error:
        return _failed(str(error), exit_code(error))
    except KeyboardInterrupt:
        return _failed("interrupted; no unfinished file was left behind", INTERRUPTED)
    except Exception as error:
        if told is not None:
            told.error(f"a bug: {type(error).__name__}: {error}", SOME_FAILED)
        raise
    if told is not None:
        told.end(code, good=code in (DONE, SOME_FAILED))
    return code


def _options(arguments: Sequence[str] | None) -> Namespace:
    reader = parser()
    options = reader.parse_args(arguments)
    if not options.version:
        if not hasattr(options, "command"):
            reader.error("the following arguments are required: COMMAND")
        if options.version_json:
            reader.error("expected --json after the command, or with --version")
        if options.attached:
            started.watch_input()
    return options


def _version(options: Namespace) -> int:
    python = ".".join(map(str, sys.version_info[:3]))
    content = {"version": __version__, "protocol": PROTOCOL, "python": python}
    tell_result(content, [f"firstpass {__version__}"], as_json=options.version_json)
    return DONE


def _failed(text: str, code: int) -> int:
    if (told := events()) is not None:
        told.error(text, code)
    else:
        print(f"firstpass: {text}", file=sys.stderr)
    return code


def _interrupt(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one would stop the cleaning up
    raise KeyboardInterrupt


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:  # None: started without one
            stream.flush()


def _leave_pipes() -> None:
    """Let what is still to be written go nowhere; Python would complain of it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
