"""The script that keeps files and functions small."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

GOOD = '"""A module."""\n\n\ndef double(x: int) -> int:\n    """Double it."""\n    return 2 * x\n'


def judged(root: Path, folder: Path, text: str, name: str = "module.py") -> tuple[int, str]:
    """Write a file, run the script over its folder, return exit code and output."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    command = [sys.executable, str(root / ".ci" / "size_budgets.py"), str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout


def long_function(lines: int) -> str:
    """Return a documented function with a body of so many lines."""
    body = "    x = 1\n" * lines
    return f'"""A module."""\n\n\ndef long() -> None:\n    """Do."""\n{body}'


def test_a_small_documented_file_passes(root: Path, tmp_path: Path) -> None:
    code, output = judged(root, tmp_path, GOOD)
    assert code == 0
    assert "1 files: median 6 " in output
    assert "1 function bodies: median 1 " in output


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = 1\n", "module.py:1: the module has no docstring"),
        (GOOD + "\n" * 600, "606 lines, at most 600"),
        (GOOD.replace("x: int", "x"), "double is not fully annotated"),
        (GOOD.replace(" -> int", ""), "double is not fully annotated"),
        (GOOD.replace('    """Double it."""\n', ""), "module.py:4: double has no docstring"),
        (GOOD.replace("return", "print(1); return"), "module.py:6: print outside cli"),
        (GOOD + "try:\n    pass\nexcept Exception:\n    pass\n", "except catches everything"),
        (GOOD + "try:\n    pass\nexcept:\n    pass\n", "except catches everything"),
        (long_function(61), "body of long has 61 lines, at most 60"),
        (long_function(40), "p95 40 (at most 35)"),
    ],
)
def test_a_broken_budget_fails(root: Path, tmp_path: Path, text: str, complaint: str) -> None:
    code, output = judged(root, tmp_path, text)
    assert code == 1
    assert complaint in output


def test_cleaning_up_and_raising_again_is_no_broad_except(root: Path, tmp_path: Path) -> None:
    text = GOOD + "try:\n    pass\nexcept BaseException:\n    x = 1\n    raise\n"
    assert judged(root, tmp_path, text)[0] == 0


def test_the_command_line_may_print(root: Path, tmp_path: Path) -> None:
    code, _ = judged(root, tmp_path, GOOD.replace("return", "print(1); return"), "cli/module.py")
    assert code == 0


def test_widget_constructors_have_their_own_limit(root: Path, tmp_path: Path) -> None:
    widgets = tmp_path / "widgets"
    widgets.mkdir()
    init = "\n".join(" " * 4 + line for line in long_function(41).splitlines()[3:])
    text = '"""A module."""\n\n\nclass Panel:\n    """A panel."""\n' + init
    _, output = judged(root, widgets, text.replace("def long()", "def __init__(self)") + "\n")
    assert "body of __init__ has 41 lines, at most 40" in output
