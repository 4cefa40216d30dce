"""The zip that can be uploaded."""

from __future__ import annotations

import ast
import importlib.util
import tomllib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "qgis_plugin" / "firstpass"
FREE_OF_QGIS = {
    "area", "children", "description", "environment", "errors", "installing", "runner", "tools",
}  # fmt: skip


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("qgis_zip", ROOT / ".ci" / "qgis_zip.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_zip_follows_the_rules_of_the_repository_and_is_always_the_same(
    maker: ModuleType,
) -> None:
    content = maker.packed()
    assert maker.flaws(content) == []
    assert len(content) < 200_000
    assert content == maker.packed()
    with ZipFile(BytesIO(content)) as archive:
        names = set(archive.namelist())
    assert {"firstpass/runner.py", "firstpass/parameters.json", "firstpass/icon.png"} <= names


def test_what_the_repository_refuses_is_found(maker: ModuleType, tmp_path: Path) -> None:
    plugin = tmp_path / "no-module"
    plugin.mkdir()
    (plugin / "metadata.txt").write_text("[general]\nname=x\ntracker=nowhere\nicon=a.png\n")
    assert maker.flaws(maker.packed(plugin)) == [
        "one top folder called like a module, not ['no-module']"
    ]
    plugin = plugin.rename(tmp_path / "module")
    found = maker.flaws(maker.packed(plugin))
    assert {"no LICENSE", "tracker is no address", "no icon a.png"} <= set(found)
    assert "no email in metadata.txt" in found


def test_versions_and_licences_agree() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion={version}\n" in (PLUGIN / "metadata.txt").read_text()
    assert (PLUGIN / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_only_what_has_to_imports_qgis_and_nothing_names_a_binding_of_qt() -> None:
    free = set()
    for path in PLUGIN.glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(), feature_version=(3, 9))))
        modules = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        modules |= {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
        tops = {name.split(".")[0] for name in modules}
        assert not tops & {"PyQt5", "PyQt6", "napari_firstpass", "numpy"}, path.name
        if not tops & {"qgis", "osgeo"}:
            free.add(path.stem)
    assert free == FREE_OF_QGIS | {"__init__"}
