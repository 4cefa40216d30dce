from __future__ import annotations

import json
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from napari_firstpass.errors import UnknownNameError, WeightsError
from napari_firstpass.progress import run
from napari_firstpass.weights.fetch import fetch_steps
from napari_firstpass.weights.folder import (
    find,
    installed,
    remove,
    verify,
    weights_folder,
)

NAME = "dinov2-s"
BIG = "model.safetensors"


@pytest.fixture
def here(home: Path, downloaded: Path) -> Path:
    """Weights that are in the folder."""
    assert home.parent == downloaded.parent
    return run(fetch_steps(NAME, source=downloaded))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_the_folder_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", "~/my weights")
    assert weights_folder() == Path.home() / "my weights"
    monkeypatch.delenv("FIRSTPASS_WEIGHTS")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert weights_folder() == Path("/data/napari-firstpass/models")


def test_what_is_preferred_comes_after_the_variable_and_before_the_platform(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FIRSTPASS_WEIGHTS", raising=False)
    assert weights_folder(Path("~/team")) == Path.home() / "team"
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", "/weights")
    assert weights_folder(Path("~/team")) == Path("/weights")


def test_a_home_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", "~nobody-of-this-name/weights")
    with pytest.raises(WeightsError, match="at ~nobody-of-this-name/weights, found no such home"):
        weights_folder()


def test_another_folder_can_be_asked_what_is_in_it(here: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "team"
    elsewhere.mkdir()
    assert installed(elsewhere) == ()
    here.rename(elsewhere / NAME)
    assert [entry.folder for entry in installed(elsewhere)] == [elsewhere / NAME]
    assert installed() == ()


@pytest.mark.skipif(sys.platform != "linux", reason="other platforms have other folders")
@pytest.mark.parametrize("data", ["", "relative"])
def test_without_a_wish_it_is_that_of_the_platform(
    monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    monkeypatch.delenv("FIRSTPASS_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", data)
    monkeypatch.setenv("HOME", "/home/ann")
    assert weights_folder() == Path("/home/ann/.local/share/napari-firstpass/models")


def test_a_name_leads_to_its_folder(here: Path) -> None:
    assert find(NAME) == here


@pytest.mark.usefixtures("home")
def test_weights_that_are_not_there_say_how_to_get_them() -> None:
    with pytest.raises(WeightsError) as info:
        find(NAME)
    said = str(info.value)
    assert 'run "firstpass models fetch dinov2-s" (88 MB, licence: Apache-2.0)' in said
    assert "download facebook/dinov2-small elsewhere" in said
    assert "firstpass models fetch dinov2-s --from-folder FOLDER" in said
    assert "gated" not in said
    with pytest.raises(WeightsError, match=r"gated: first accept the licence at https.*HF_TOKEN"):
        find("dinov3-s16")


def test_weights_that_are_not_whole_are_not_found(here: Path) -> None:
    (here / "preprocessor_config.json").unlink()
    with pytest.raises(WeightsError, match=r"found that preprocessor_config.json is missing"):
        find(NAME)
    (here / "firstpass.json").unlink()
    with pytest.raises(WeightsError, match=r"found a folder without firstpass.json"):
        find(NAME)
    here.rename(here.with_name(f"{NAME}.part"))
    with pytest.raises(WeightsError, match="found an unfinished fetch"):
        find(NAME)


@pytest.mark.usefixtures("home")
def test_a_path_leads_to_itself(downloaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find(str(downloaded)) == downloaded
    monkeypatch.chdir(downloaded.parent)
    assert find(f"./{downloaded.name}") == downloaded
    monkeypatch.setenv("HOME", str(downloaded.parent))
    assert find(f"~/{downloaded.name}") == downloaded
    with pytest.raises(UnknownNameError, match=r"such as ./my-model"):
        find(downloaded.name)


def test_a_path_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"with config.json at .*found a folder without it"):
        find(str(tmp_path))
    with pytest.raises(WeightsError, match="found no such folder; give its short name, dinov2-s"):
        find("facebook/dinov2-small")


def test_what_is_installed_is_known(here: Path) -> None:
    (one,) = installed()
    assert (one.model.name, one.folder) == (NAME, here)
    assert one.manifest.size == sum(
        path.stat().st_size for path in here.iterdir() if path.name != "firstpass.json"
    )


def test_an_empty_folder_has_nothing_installed(home: Path) -> None:
    assert installed() == ()
    assert not home.exists()


def test_sound_weights_have_no_flaws(here: Path) -> None:
    (here / ".DS_Store").write_text("a file manager was here")
    assert run(verify(NAME)) == ()


def test_every_flaw_is_named(here: Path) -> None:
    (here / "config.json").unlink()
    flip(here / BIG)
    path = here / "preprocessor_config.json"
    path.write_bytes(path.read_bytes()[:-3])
    (here / "adapter_config.json").write_text("{}")
    assert set(map(str, run(verify(NAME)))) == {
        "config.json is missing",
        f"{BIG} is changed",
        "preprocessor_config.json is cut off: 11 of 14 bytes",
        "adapter_config.json is not one that was fetched",
    }


def test_progress_of_verification_reaches_the_end(here: Path) -> None:
    shown = []
    run(verify(NAME), shown.append)
    assert shown[-1].done == shown[-1].total == installed()[0].manifest.size
    assert all(a.done <= b.done for a, b in pairwise(shown))
    assert here.is_dir()


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "{",
        '{"name":"a","repo":"a","licence":"a","commit":null,"source":"a","files":[{"name":1}]}',
    ],
)
def test_a_damaged_manifest_is_an_error_and_no_crash(here: Path, text: str) -> None:
    (here / "firstpass.json").write_text(text)
    with pytest.raises(WeightsError, match=r"firstpass.json, found one that is damaged"):
        run(verify(NAME))
    assert installed() == ()


def test_a_manifest_cannot_point_outside_its_folder(here: Path) -> None:
    path = here / "firstpass.json"
    content = json.loads(path.read_text())
    content["files"][0]["name"] = "../../secret"
    path.write_text(json.dumps(content))
    with pytest.raises(WeightsError):
        find(NAME)


def test_what_is_removed_is_gone(here: Path) -> None:
    shutil.copytree(here, here.with_name(f"{NAME}.part"))
    remove(NAME)
    assert [path.name for path in here.parent.iterdir()] == [f".{NAME}.lock"]
    with pytest.raises(WeightsError, match="found none"):
        remove(NAME)
    with pytest.raises(UnknownNameError):
        remove("..")
