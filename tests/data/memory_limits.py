"""Code in a process that may not have much more memory than it has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

needs_limits = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="memory can be limited on Linux only"
)


def said_when_short(code: str, folder: Path, *tries: str, timeout: float) -> list[str]:
    """Return what code prints for each of its tries, after which it prints three dashes."""
    # Memory that is free again goes back to the system at once, so that the limit holds.
    exact = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), *tries],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=os.environ | exact,
    )
    assert done.returncode == 0, done.stderr
    *said, _ = done.stdout.split("---\n")
    assert len(said) == len(tries)
    return said
