"""Runs ``firstpass`` in its own environment: arguments go in, events come out.

Knows nothing of QGIS, and runs on Python 3.9. docs/cli.md of napari-firstpass describes the events.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from firstpass.children import Child
from firstpass.environment import MODULE, check, child_variables
from firstpass.errors import CanceledError, SetupError, ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from firstpass.environment import Environment

_EXIT_DONE = (0, 1)


class Listener:
    """What somebody wants to know of a run. This one wants to know nothing."""

    def is_canceled(self) -> bool:
        """Tell whether the run shall stop; asked several times a second."""
        return False

    def progress(self, share: float, text: str) -> None:
        """Hear how far it is, 0 to 1."""

    def warning(self, text: str) -> None:
        """Hear of trouble that does not end it."""


def run(
    environment: Environment,
    arguments: Sequence[str],
    listener: Listener,
    outputs: Iterable[Path] = (),
) -> object:
    """Run a command of ``firstpass`` and return its result.

    Parameters
    ----------
    environment : Environment
        Where it is installed.
    arguments : sequence of str
        The command and its options, without ``--progress`` and ``--attached``.
    listener : Listener
        Who is told, and may say stop. Its methods are called in this thread.
    outputs : iterable of Path
        Files that it writes. What is left of them, should it have to be killed, is removed.

    Returns
    -------
    object
        What ``--json`` prints.

    Raises
    ------
    CanceledError
        If the listener said stop. The program is gone, and nothing of its work is there.
    SetupError
        If it cannot be started, or its environment vanished meanwhile.
    ToolError
        If it failed, with its own sentence.
    """
    check(environment)
    command = [str(environment.python), "-m", MODULE, *arguments, "--progress=json", "--attached"]
    try:
        child = Child(command, child_variables())
    except OSError as error:
        raise _gone(environment) from error
    with child:
        last = _followed(child, listener, tuple(outputs))
        code = child.ended()
        said = child.said()
    if last.get("event") == "done" and code in _EXIT_DONE:
        return last.get("result")
    if last.get("event") == "error" and not _is_damaged(environment, str(last.get("text"))):
        raise ToolError(str(last.get("text")))
    raise _died(environment, code, str(last.get("text", said)))


def _followed(child: Child, listener: Listener, outputs: tuple[Path, ...]) -> dict[str, Any]:
    """Pass on what a run tells; return its last event."""
    last: dict[str, Any] = {}
    is_stopped = False
    for line in child.lines():
        if not is_stopped and listener.is_canceled():
            is_stopped = True
            if not child.stop():
                remove_unfinished(outputs)
            if child.ended() not in _EXIT_DONE:  # else it was ready before: its files are there
                raise CanceledError
        event = _event(line)
        if event is not None:
            last = event
            _pass_on(event, listener)
    return last


def _event(line: str | None) -> dict[str, Any] | None:
    """Return the event on a line, None for what is none: libraries may print as well."""
    try:
        found = json.loads(line or "")
    except ValueError:
        return None
    return found if isinstance(found, dict) and "event" in found else None


def _pass_on(event: dict[str, Any], listener: Listener) -> None:
    if event["event"] == "progress":
        task, message = event.get("task", ""), event.get("message", "")
        listener.progress(float(event.get("share", 0)), f"{task}: {message}")
    elif event["event"] == "warning":
        listener.warning(str(event.get("text")))


def remove_unfinished(outputs: Iterable[Path]) -> None:
    """Remove the hidden neighbours of outputs that a killed program could not remove."""
    for path in outputs:
        start = f".{path.stem[:64]}."
        for leftover in path.parent.glob(".*.partial*"):
            if leftover.name.startswith(start) and leftover.is_file():
                leftover.unlink()


def _gone(environment: Environment) -> SetupError:
    return SetupError(
        f"expected Python at {environment.python}, found none; it was removed or moved: "
        "run “Install environment” again, or choose another"
    )


def _is_damaged(environment: Environment, said: str) -> bool:
    signs = ("No module named", "ImportError", "cannot import name")
    return not environment.python.exists() or any(sign in said for sign in signs)


def _died(environment: Environment, code: int, said: str) -> ToolError:
    """Return what to say of a run that ended without saying why."""
    if _is_damaged(environment, said):
        return SetupError(
            f"expected a sound environment at {environment.python}, found that it ended with "
            f"{said or 'no word'}; run “Install environment” again, or choose another"
        )
    return ToolError(
        f"expected firstpass to finish, found that it ended with the code {code}, and "
        f"{said or 'no word'}; if memory ran out, try a smaller window"
    )
