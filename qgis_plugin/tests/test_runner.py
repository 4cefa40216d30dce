"""Runs in the other environment: events, stops, ends. The real command line, without QGIS."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from firstpass.children import Child
from firstpass.environment import Environment, check
from firstpass.errors import CanceledError, SetupError, ToolError
from firstpass.runner import Listener, run
from firstpass.tools import tool_named

if TYPE_CHECKING:
    from collections.abc import Callable


class Heard(Listener):
    """Keeps what it hears; says stop once a message begins like ``until``."""

    def __init__(self, until: str = "never", then: Callable[[], object] | None = None) -> None:
        self.shares: list[float] = []
        self.stopped_at = 0.0
        self._until = until
        self._then = then

    def is_canceled(self) -> bool:
        return self.stopped_at > 0 and self._then is None

    def progress(self, share: float, text: str) -> None:
        self.shares.append(share)
        if self._until in text and not self.stopped_at:
            self.stopped_at = monotonic()
            if self._then is not None:
                self._then()


def segment(town: Path, out: Path, **more: object) -> list[str]:
    values = {"IMAGE": str(town), "OUT": str(out), "CLASSES": "3", **more}
    return tool_named("segment").arguments(values)


def children() -> set[int]:
    """Processes that this thread started, as far as the system tells; other tests may have some."""
    own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return set(map(int, own.read_text().split())) if own.exists() else set()


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_run_tells_how_far_it_is_and_is_not_disturbed_by_another(
    environment: Environment, town: Path
) -> None:
    outs = [town.with_name(f"{name}.tif") for name in "ab"]
    others: list[object] = []

    def start_another() -> None:
        others.append(run(environment, segment(town, outs[1]), Listener()))

    heard = Heard("reading", then=start_another)
    result = run(environment, segment(town, outs[0]), heard)
    assert isinstance(result, dict)
    assert (result["labels"], result["style"]) == (str(outs[0]), str(outs[0].with_suffix(".qml")))
    assert heard.shares == sorted(heard.shares)
    assert len(heard.shares) > 5
    assert len(others) == 1
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_a_failure_is_the_sentence_of_the_command(environment: Environment, town: Path) -> None:
    out = town.with_name("labels.tif")
    with pytest.raises(ToolError, match=r"^argument --window: invalid int value: 'wide'$"):
        run(environment, segment(town, out, WINDOW="wide"), Listener())


def test_a_canceled_run_leaves_no_process_and_no_file(environment: Environment, town: Path) -> None:
    before, others = left(town.parent), children()
    heard = Heard("window 1")
    with pytest.raises(CanceledError):
        run(environment, segment(town, town.with_name("labels.tif"), WINDOW=64), heard)
    assert heard.stopped_at > 0
    # Less than a second where nothing else is done; some of these machines have much else to do.
    assert monotonic() - heard.stopped_at < 20
    assert left(town.parent) == before
    assert children() <= others


@pytest.mark.skipif(sys.platform == "win32", reason="there is nothing to stop a process with")
def test_what_a_killed_run_could_not_remove_is_removed(
    environment: Environment, town: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Child.stop, "__defaults__", (0.5,))
    out = town.with_name("labels.tif")
    # That of another run, whose output begins with the same letters, stays.
    town.with_name(".labels 2.0a1b2c3d.partial.tif").touch()
    before, others = left(town.parent), children()

    class Frozen(Heard):
        def is_canceled(self) -> bool:
            # Neighbours of the outputs are there, and the process is in no state to remove them.
            if not self.stopped_at and left(town.parent) > before:
                self.stopped_at = monotonic()
                (own,) = children() - others
                os.kill(own, signal.SIGSTOP)
            return bool(self.stopped_at)

    with pytest.raises(CanceledError):
        run(environment, segment(town, out), Frozen(), (out,))
    assert left(town.parent) == before


def test_an_environment_that_is_deleted_meanwhile_is_one_sentence(
    environment: Environment, town: Path, tmp_path: Path
) -> None:
    source, home = Path(__file__).parents[2] / "src", tmp_path / "home"
    shutil.copytree(source, home / "src")
    python = home / "bin" / "python"
    python.parent.mkdir()
    python.write_text(environment.python.read_text().replace(str(source), f"{home}/src"))
    python.chmod(0o755)
    own = Environment(python, "the test")
    check(own)
    out = town.with_name("labels.tif")
    shutil.rmtree(home / "src" / "napari_firstpass" / "cli")
    with pytest.raises(SetupError, match=r"a sound environment at .*; run “Install environment”"):
        run(own, segment(town, out), Listener())
    shutil.rmtree(home)
    with pytest.raises(SetupError, match="found none; it was removed or moved"):
        run(own, segment(town, out), Listener())
    assert not out.exists()
