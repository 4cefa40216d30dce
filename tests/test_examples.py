"""Every example runs, in a folder of its own, as a user would run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))

RUNNING = """
import io, json, os, runpy, sys
from contextlib import redirect_stdout

said, arguments = {}, sys.argv[1:]
for script in arguments:
    name = os.path.basename(script)
    os.mkdir(name)
    os.chdir(name)
    sys.argv = [script]
    with redirect_stdout(io.StringIO()) as shown:
        runpy.run_path(script, run_name="__main__")
    said[name] = shown.getvalue()
    os.chdir("..")
print(json.dumps(said))
"""
"""One after the other in one process: what they import takes longer than what they do."""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each of them prints."""
    done = subprocess.run(
        [sys.executable, "-c", RUNNING, *map(str, EXAMPLES)],
        cwd=tmp_path_factory.mktemp("examples"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed: dict[str, str] = json.loads(done.stdout)
    return printed


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_says_something(script: Path, said: dict[str, str]) -> None:
    assert len(said[script.name].splitlines()) >= 2


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3
