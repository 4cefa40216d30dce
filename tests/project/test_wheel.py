"""What `pip install napari-firstpass` brings."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import Parser
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

QT_BINDINGS = ("pyqt5", "pyqt6", "pyside2", "pyside6")


def names_in(wheel: Path) -> list[str]:
    """List the files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def metadata_file(wheel: Path, name: str) -> str:
    """Return the text of a file in the wheel's dist-info folder."""
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (n for n in archive.namelist() if n.endswith(f".dist-info/{name}"))
        return archive.read(path).decode()


def requirements_of(wheel: Path) -> list[str]:
    """Return the requirement lines of a wheel, lower case."""
    metadata = Parser().parsestr(metadata_file(wheel, "METADATA"))
    return [line.lower() for line in metadata.get_all("Requires-Dist", [])]


WEIGHTS = "backbones/embedded.safetensors"


@pytest.mark.parametrize(
    "name", ["napari.yaml", "py.typed", "__init__.py", "io/__init__.py", WEIGHTS]
)
def test_the_wheel_holds_the_package(wheel: Path, name: str) -> None:
    assert f"napari_firstpass/{name}" in names_in(wheel)


def test_the_wheel_holds_the_licence(wheel: Path) -> None:
    assert metadata_file(wheel, "licenses/LICENSE").startswith("BSD 3-Clause")


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in names_in(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"napari_firstpass"}


def test_the_wheel_holds_the_weights_of_this_checkout(wheel: Path, root: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(f"napari_firstpass/{WEIGHTS}")
    assert content == (root / "src" / "napari_firstpass" / WEIGHTS).read_bytes()


def test_the_wheel_leaves_the_training_behind(wheel: Path) -> None:
    assert not [name for name in names_in(wheel) if "training" in name.split("/")]


def test_the_base_install_has_no_desktop_and_nothing_that_only_networks_need(wheel: Path) -> None:
    base = [line for line in requirements_of(wheel) if "extra ==" not in line]
    assert base
    assert not [line for line in base if line.startswith(("napari", "qtpy", *QT_BINDINGS))]
    of_networks = ("safetensors", "transformers", "hugg", "openvino")
    assert not [line for line in base if line.startswith(of_networks)]


def test_openvino_is_installed_by_its_own_extra_alone(wheel: Path) -> None:
    lines = [line for line in requirements_of(wheel) if line.startswith("openvino")]
    assert len(lines) == 1
    assert lines[0].startswith("openvino>=")
    assert lines[0].endswith("extra == 'openvino'")


def test_the_desktop_extra_leaves_the_qt_binding_to_the_user(wheel: Path) -> None:
    desktop = [line for line in requirements_of(wheel) if "extra == 'desktop'" in line]
    assert any(line.startswith("napari>=") for line in desktop)
    assert not [line for line in desktop if line.startswith(QT_BINDINGS)]


def test_the_wheel_offers_command_and_plugin(wheel: Path) -> None:
    entry_points = metadata_file(wheel, "entry_points.txt")
    assert "firstpass = napari_firstpass.cli:main" in entry_points
    assert "napari-firstpass = napari_firstpass:napari.yaml" in entry_points


def test_the_manifest_of_an_installed_wheel_is_valid(wheel: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", tmp_path, wheel], check=True, timeout=120)
    # The folder comes first on the path of a script run from it, before the editable install.
    script = tmp_path / "validate.py"
    script.write_text(
        "import napari_firstpass, npe2.cli\n"
        f"assert napari_firstpass.__file__.startswith({str(tmp_path)!r})\n"
        "npe2.cli.app(['validate', 'napari-firstpass'])\n"
    )
    done = subprocess.run(
        [sys.executable, script], check=False, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "valid" in done.stdout
