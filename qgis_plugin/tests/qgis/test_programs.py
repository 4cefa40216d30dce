"""The programs of QGIS with the plugin: ``qgis_process``, and the desktop on a virtual screen."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from configparser import ConfigParser
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(os.environ.get("FIRSTPASS_DATA", "/work/shared/data")) / "georeferenced_samples"
LIMIT_S = 240


def real_image(made: Path) -> Path:
    """Return a real orthophoto where there is one, else the made-up town."""
    found = sorted(DATA.rglob("*.tif")) if DATA.is_dir() else []
    small = [path for path in found if path.name.startswith("zurich")]
    return small[0] if small else made


def called(*given: str) -> list[str]:
    return ["qgis_process.bin", "--json", "run", "firstpass:segment", "--", *given]


def test_qgis_process_gives_the_bytes_of_the_command_line(
    town: Path, tmp_path: Path, qgis_variables: dict[str, str], firstpass: Callable[..., None]
) -> None:
    image, out = tmp_path / "image.tif", tmp_path / "labels.tif"
    shutil.copy(real_image(town), image)
    done = subprocess.run(
        called(f"IMAGE={image}", "CLASSES=5", f"OUT={out}"),
        env=qgis_variables, capture_output=True, text=True, check=False, timeout=LIMIT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    assert results["OUT"] == str(out)
    assert len(json.loads(results["RESULT"])["classes"]) == 5
    again = tmp_path / "again.tif"
    firstpass("segment", str(image), "--classes", "5", "--out", str(again), "--qml")
    assert again.read_bytes() == out.read_bytes()
    assert again.with_suffix(".qml").read_bytes() == out.with_suffix(".qml").read_bytes()


def test_a_stopped_qgis_process_leaves_no_child_and_no_file(
    town: Path, qgis_variables: dict[str, str]
) -> None:
    """Killed outright: it cannot tell its child, which sees that nobody is there any more."""
    before = {path.name for path in town.parent.iterdir()} | {f"{town.name}.aux.xml"}
    out = town.with_name("labels.tif")
    command = called(f"IMAGE={town}", "WINDOW=64", f"OUT={out}")
    with subprocess.Popen(command, env=qgis_variables, stdout=subprocess.PIPE) as process:
        until = monotonic() + LIMIT_S
        while not list(town.parent.glob(".*.partial*")) and monotonic() < until:
            sleep(0.05)
        process.send_signal(signal.SIGKILL)
    while children_with(str(out)) and monotonic() < until:
        sleep(0.05)
    assert {path.name for path in town.parent.iterdir()} <= before


def children_with(text: str) -> list[str]:
    """Return processes whose command line holds a text."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in place.read_bytes():
                found.append(place.parent.name)
        except OSError:  # it has ended meanwhile
            continue
    return found


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="there is no virtual screen")
def test_the_desktop_shows_the_classes_by_name(
    town: Path, tmp_path: Path, qgis_variables: dict[str, str]
) -> None:
    home = Path(qgis_variables["HOME"]) / ".local/share/QGIS/QGIS3/profiles/firstpass/QGIS"
    home.mkdir(parents=True)
    settings = ConfigParser()
    settings["PythonPlugins"] = {"firstpass": "true", "processing": "true"}
    with (home / "QGIS3.ini").open("w", encoding="utf-8") as file:
        settings.write(file, space_around_delimiters=False)
    variables = {
        **qgis_variables,
        "FIRSTPASS_IMAGE": str(town),
        "FIRSTPASS_TRUTH": str(town.with_name("truth.tif")),
        "FIRSTPASS_PICTURES": os.environ.get("FIRSTPASS_PICTURES", str(tmp_path)),
    }
    del variables["QT_QPA_PLATFORM"]
    script = str(Path(__file__).with_name("desktop.py"))
    screen = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"]
    command = ["qgis", "--nologo", "--noversioncheck", "--profile", "firstpass", "--code", script]
    done = subprocess.run(
        [*screen, *command],
        env=variables, capture_output=True, text=True, check=False, timeout=LIMIT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    pictures = Path(variables["FIRSTPASS_PICTURES"])
    for name in ("legend", "dialog", "batch"):
        assert (pictures / f"{name}.png").stat().st_size > 20_000
