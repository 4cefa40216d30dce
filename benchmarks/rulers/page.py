"""The results page: sections that commands write, and the machine they ran on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def machine(*packages: str) -> str:
    """Return what must be known of a machine to read seconds and figures measured on it."""
    versions = [f"{name} {version(name)}" for name in packages]
    cores = f"{os.cpu_count()} cores, {platform.machine()}"
    return ", ".join([cores, f"Python {platform.python_version()}", *versions])


def replace_section(page: Path, name: str, text: str) -> None:
    """Put ``text`` between the two markers of a section; all else stays as it is.

    Raises
    ------
    ValueError
        If the page does not hold both markers once, in order.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    old = page.read_text(encoding="utf-8")
    before, found, rest = old.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed or begin in rest or end in after:
        raise ValueError(f"{page} needs the lines {begin} and {end} once each, in this order")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
