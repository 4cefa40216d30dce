"""Which environment is used, what it may know, and how it is made and removed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from firstpass import environment as environments
from firstpass.environment import Environment, check, child_variables, find, managed_python
from firstpass.errors import CanceledError, SetupError
from firstpass.installing import LOG, Recipe, install, remove
from firstpass.runner import Listener

SYSTEM = Path(sys.base_exec_prefix) / "bin" / "python3"
"""A Python without napari-firstpass."""


class Stopping(Listener):
    """Says stop when something was heard."""

    def __init__(self) -> None:
        self._heard = False

    def is_canceled(self) -> bool:
        return self._heard

    def progress(self, _share: float, _text: str) -> None:
        self._heard = True


@pytest.fixture
def unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRSTPASS_PYTHON", raising=False)


@pytest.mark.usefixtures("unnamed")
def test_the_variable_comes_first_then_the_setting_then_the_managed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SetupError, match="an environment with napari-firstpass, found none; run"):
        find(folder=tmp_path)
    managed = tmp_path / "environment-1" / "bin" / "python"
    managed.parent.mkdir(parents=True)
    managed.symlink_to(SYSTEM)
    (tmp_path / "current.json").write_text('{"environment": "environment-1"}')
    chosen, named = tmp_path / "chosen python", tmp_path / "nämed"
    assert find(folder=tmp_path).python == managed
    chosen.touch()
    assert find(str(chosen), tmp_path).python == chosen
    monkeypatch.setenv("FIRSTPASS_PYTHON", str(named))
    # One that is named and missing is told: another would be a surprise.
    with pytest.raises(SetupError, match=r"found none; the variable FIRSTPASS_PYTHON names it"):
        find(str(chosen), tmp_path)
    named.touch()
    assert find(str(chosen), tmp_path) == Environment(named, "the variable FIRSTPASS_PYTHON")


def test_a_damaged_note_of_the_managed_environment_names_none(tmp_path: Path) -> None:
    for text in ("", "[]", '{"other": 1}', "\x00"):
        (tmp_path / "current.json").write_text(text)
        assert managed_python(tmp_path) is None


def test_what_qgis_sets_for_itself_does_not_leak() -> None:
    own = {
        "PYTHONHOME": "x", "PYTHONPATH": "x", "PYTHONEXECUTABLE": "x", "PROJ_LIB": "x",
        "PROJ_DATA": "x", "GDAL_DATA": "x", "GDAL_DRIVER_PATH": "x", "QGIS_PREFIX_PATH": "/opt/q",
        "QT_PLUGIN_PATH": "x", "LD_LIBRARY_PATH": "x", "LD_PRELOAD": "x", "VIRTUAL_ENV": "x",
        "PIP_TARGET": "x", "OSGEO4W_ROOT": "/osgeo", "HOME": "/home/ä", "HTTPS_PROXY": "http://p",
        "FIRSTPASS_CACHE": "/cache", "PATH": "/osgeo/bin:/usr/bin:/opt/q/bin:/opt/qt",
    }  # fmt: skip
    found = child_variables(own)
    kept = {"HOME", "HTTPS_PROXY", "FIRSTPASS_CACHE", "PATH"}
    assert {key for key in found if key in own} == kept
    assert found["PATH"] == "/usr/bin:/opt/qt"
    assert found["PYTHONNOUSERSITE"] == found["PYTHONUNBUFFERED"] == "1"


def test_the_environment_is_asked_for_its_version_once(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_firstpass import __version__

    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # as QGIS on Windows sets it: must not count
    assert check(environment) == __version__
    monkeypatch.setattr(environments, "_asked", None)
    assert check(environment) == __version__


def test_an_environment_that_does_not_fit_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"found .*No module named .?napari_firstpass.*; run “Ins"):
        check(Environment(SYSTEM, "the test"))
    with pytest.raises(SetupError, match="found none; it was removed or moved"):
        check(Environment(tmp_path / "python", "the test"))
    unfit = tmp_path / "text"
    unfit.write_text("no program")
    with pytest.raises(SetupError, match=r"to start, found .*; choose another env"):
        check(Environment(unfit, "the test"))
    old = tmp_path / "old"
    old.write_text('#!/bin/sh\necho \'{"version": "0.0.9", "protocol": 1}\'\n')
    old.chmod(0o755)
    with pytest.raises(SetupError, match=r"0\.1\.0 or newer that tells events 1, found 0\.0\.9"):
        check(Environment(old, "the test"))
    newer = tmp_path / "newer"
    newer.write_text('#!/bin/sh\necho \'{"version": "9.0", "protocol": 2}\'\n')
    newer.chmod(0o755)
    with pytest.raises(SetupError, match=r"found 9\.0 with 2 at .*; update it, or this plugin"):
        check(Environment(newer, "the test"))


def test_an_installation_that_fails_or_is_stopped_leaves_the_one_before(tmp_path: Path) -> None:
    place = tmp_path / "däta"
    before = place / "environment-1" / "bin" / "python"
    before.parent.mkdir(parents=True)
    before.symlink_to(SYSTEM)
    (place / "current.json").write_text('{"environment": "environment-1"}')
    nothing = Recipe(requirement=str(tmp_path / "no.whl"), python=str(SYSTEM))
    with pytest.raises(
        SetupError, match=r"expected installing to work, found ERROR: .*; install\."
    ):
        install(nothing, Listener(), place)
    assert "no.whl" in (place / LOG).read_text()
    with pytest.raises(CanceledError):
        install(nothing, Stopping(), place)
    with pytest.raises(SetupError, match="found none; name another, or leave it empty"):
        install(Recipe(python="/nowhere/python"), Listener(), place)
    assert managed_python(place) == before
    assert [path.name for path in place.glob("environment-*")] == ["environment-1"]
    assert remove(place)
    assert managed_python(place) is None
    assert not list(place.glob("environment-*"))
    assert not remove(place)


def test_two_installations_do_not_meet(tmp_path: Path) -> None:
    recipe = Recipe(requirement="nothing", python=str(SYSTEM))

    class Second(Listener):
        def progress(self, _share: float, _text: str) -> None:
            install(recipe, Listener(), tmp_path)

    with pytest.raises(SetupError, match="found another installation at work; wait for its end"):
        install(recipe, Second(), tmp_path)


def test_the_proxy_and_the_index_reach_pip(tmp_path: Path) -> None:
    recipe = Recipe("a==1", index="https://i/simple", proxy="http://u:p@h:1")
    assert recipe.variables()["HTTPS_PROXY"] == "http://u:p@h:1"
    command = recipe.command(tmp_path)
    assert command[-4:] == ["--index-url", "https://i/simple", "--", "a==1"]
