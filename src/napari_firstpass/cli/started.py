"""Options of all commands, for programs that start them."""

from __future__ import annotations

import _thread
import os
import signal
import sys
from argparse import ArgumentParser
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_EVENTS = "json"


def add_to(parser: ArgumentParser) -> None:
    """Describe them to the parser of a command."""
    parser.set_defaults(called=parser.prog.partition(" ")[2])
    add = parser.add_argument_group("for programs that start this one").add_argument
    told = "json: tell what happens on standard output, an event on a line; see docs/cli.md"
    add("--progress", choices=("text", _EVENTS), default="text", help=f"{told} [%(default)s]")
    told = "stop, leaving nothing half-done, when standard input ends"
    add("--attached", action="store_true", help=told)


def wants_events(arguments: Sequence[str] | None) -> bool:
    """Tell whether events are asked for, before anything else is known of the options."""
    only = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    only.add_argument("--progress", nargs="?")
    found, _ = only.parse_known_args(arguments)
    return bool(found.progress == _EVENTS)


def watch_input() -> None:
    """Interrupt this process when its standard input ends: who started it is gone, or says stop.

    Windows has no signal that a window's program could send instead.
    """
    Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    # Not through sys.stdin: a thread that waits in there cannot be left when Python ends.
    while os.read(0, 4096):
        pass
    if sys.platform == "win32":
        _thread.interrupt_main(signal.SIGTERM)
    else:
        os.kill(os.getpid(), signal.SIGTERM)  # this also wakes a main thread that waits for others
