"""The documents: they build, and their links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def relative_links(page: Path) -> list[str]:
    """Return the targets of a page's links to files, without anchors."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = (match.partition("#")[0] for match in LINK.findall(text))
    return [t for t in targets if t and not t.startswith(("http://", "https://", "mailto:"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    missing = [link for link in relative_links(page) if not (page.parent / link).exists()]
    assert missing == []


def test_the_link_finder_finds_links_and_skips_code(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[a](b.md#c) ![d](e.png) [f](https://g)\n```\n[h](i.md)\n```\n")
    assert relative_links(page) == ["b.md", "e.png"]


@pytest.mark.slow  # `make check` builds it too, before any test
def test_the_documentation_builds_without_a_warning(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir"]
    done = subprocess.run(
        [*command, str(tmp_path)],
        cwd=root,
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "conventions" / "index.html").is_file()


def test_citation_and_package_have_the_same_version(root: Path) -> None:
    packaged = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {packaged}\n" in (root / "CITATION.cff").read_text()
