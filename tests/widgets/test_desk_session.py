"""A working session at the desk, with mouse and keys: the window is never kept waiting by us."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rulers.desk_session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.viewer import Viewer
    from npe2 import PluginManager

ROOT = Path(__file__).parents[2]
START, OPEN = "open the panel", "open the image"
MOST_MS = 100


def phases_of(prompts: int, strokes: int) -> list[str]:
    work = ["align", f"{prompts} prompts", f"{strokes} strokes", "merge", "undo all", "export"]
    return [START, OPEN, "segment", *work]


def require_calm(computed: Mapping[str, float]) -> None:
    """Of the processor's time: on the clock, other programs count too."""
    # What the panel consists of is loaded when it is opened for the first time, and napari calls
    # readers in the window's thread.
    work = {name: ms for name, ms in computed.items() if name not in (START, OPEN)}
    assert not {name: ms for name, ms in work.items() if ms > MOST_MS}


@pytest.mark.slow
def test_a_short_session_does_what_it_says_and_we_never_keep_the_window_waiting(
    plugins: PluginManager, make_napari_viewer: Callable[..., Viewer], tmp_path: Path
) -> None:
    del plugins
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(800, 600)
    phases = Session(tmp_path, 256, prompts=2, strokes=3).watched(viewer)
    assert [phase.name for phase in phases] == phases_of(2, 3)
    busy = {phase.name: phase.most("own_computed") for phase in phases}
    require_calm({name: gap.own_computed for name, gap in busy.items() if gap is not None})


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_long_session_is_as_calm(tmp_path: Path) -> None:
    out = tmp_path / "session.json"
    command = [sys.executable, "benchmarks/desk.py", "--session", "1024", "--no-page"]
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT / "benchmarks"), *sys.path])}
    done = subprocess.run(
        [*command, "--json", out],
        cwd=ROOT,
        env=os.environ | paths,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    phases = json.loads(out.read_text(encoding="utf-8"))
    assert list(phases) == phases_of(50, 200)
    require_calm({name: told["computed"] for name, told in phases.items()})
