"""``firstpass models`` without a network. What fetches is in ``tests/weights/test_fetch.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hub_server import serving
from safetensors import numpy as safetensors

from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, SOME_FAILED, UNFIT, USAGE
from napari_firstpass.weights.catalogue import KNOWN

if TYPE_CHECKING:
    from pathlib import Path

NAME = "dinov2-s"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "weights"
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def downloaded(tmp_path: Path) -> Path:
    folder = tmp_path / "download"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "dinov2"}))
    safetensors.save_file({"a": np.ones(3, np.float32)}, folder / "model.safetensors")
    return folder


def fetch(name: str, folder: Path) -> int:
    return main(["models", "fetch", name, "--from-folder", str(folder)])


def rows(text: str) -> dict[str, list[str]]:
    return {words[0]: words for words in map(str.split, text.splitlines()) if words}


def test_the_list_shows_all_and_what_is_there(
    home: Path, downloaded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "list"]) == DONE
    before = capsys.readouterr().out
    assert all(name in rows(before) for name in KNOWN)
    assert rows(before)[NAME] == [NAME, "features", "88", "no", "Apache-2.0"]
    assert rows(before)["dinov3-s16"][-1] == "(gated)"
    assert before.endswith(f"kept in {home}\n")
    assert not home.exists()
    assert fetch(NAME, downloaded) == DONE
    capsys.readouterr()
    assert main(["models", "list"]) == DONE
    after = rows(capsys.readouterr().out)
    assert {name for name in KNOWN if after[name][3] == "yes"} == {NAME}


@pytest.mark.usefixtures("home")
def test_show_tells_licence_page_and_what_nobody_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models", "show", "dinov3-l16-sat"]) == DONE
    said = capsys.readouterr().out
    assert "https://huggingface.co/facebook/dinov3-vitl16-pretrain-sat493m" in said
    assert "DINOv3 License (gated)" in said
    assert rows(said)["speed"] == ["speed", "not", "measured"]
    assert rows(said)["installed"] == ["installed", "no"]


def test_show_tells_what_is_there(
    home: Path, downloaded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(NAME, downloaded)
    capsys.readouterr()
    assert main(["models", "show", NAME]) == DONE
    said = capsys.readouterr().out
    assert rows(said)["installed"] == ["installed", str(home / NAME)]
    assert rows(said)["commit"] == ["commit", "unknown"]
    assert "model.safetensors, " in said


def test_path_prints_the_path_and_nothing_else(
    home: Path, downloaded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "path", NAME]) == UNFIT
    said = capsys.readouterr()
    assert said.out == ""
    assert "firstpass models fetch dinov2-s" in said.err
    fetch(NAME, downloaded)
    capsys.readouterr()
    assert main(["models", "path", NAME]) == DONE
    assert capsys.readouterr() == (f"{home / NAME}\n", "")


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("action", ["show", "fetch", "path", "verify", "remove"])
def test_an_unknown_name_lists_the_known_ones(
    action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", action, "dinov9"]) == USAGE
    said = capsys.readouterr()
    assert "weights out of dino-s16, " in said.err
    assert said.out == ""


def test_verify_names_what_is_damaged_and_the_rest_is_sound(
    home: Path, downloaded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "verify"]) == DONE
    assert capsys.readouterr().out == f"nothing to verify in {home}\n"
    for name in (NAME, "dinov2-b"):
        fetch(name, downloaded)
    capsys.readouterr()
    assert main(["models", "verify"]) == DONE
    assert capsys.readouterr().out == "dinov2-s: sound\ndinov2-b: sound\n"
    path = home / NAME / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert main(["models", "verify"]) == SOME_FAILED
    assert "dinov2-s: model.safetensors is changed\n" in capsys.readouterr().out
    assert main(["models", "verify", NAME]) == UNFIT
    assert main(["models", "verify", "dinov2-b"]) == DONE


def test_remove_deletes_and_says_so(
    home: Path, downloaded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(NAME, downloaded)
    capsys.readouterr()
    assert main(["models", "remove", NAME]) == DONE
    assert capsys.readouterr().out == f"removed {NAME}\n"
    assert not (home / NAME).exists()
    assert main(["models", "remove", NAME]) == UNFIT


@pytest.mark.usefixtures("home")
def test_a_folder_and_a_revision_exclude_each_other(downloaded: Path) -> None:
    command = ["models", "fetch", NAME, "--from-folder", str(downloaded), "--revision", "main"]
    assert main(command) == USAGE


@pytest.mark.usefixtures("home")
def test_only_fetch_reaches_for_the_network(downloaded: Path, tmp_path: Path) -> None:
    fetch(NAME, downloaded)
    # Whatever opens an internet socket ends the process; the server is the second witness.
    script = (
        "import sys\n"
        "def watch(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'):\n"
        "        sys.exit(f'network: {event} {arguments}')\n"
        "sys.addaudithook(watch)\n"
        "from napari_firstpass.cli import main\n"
        "print([main(['models', *words.split()]) for words in sys.argv[1:]])"
    )
    quiet = ["list", f"show {NAME}", f"path {NAME}", "path clip-b16", "verify", f"remove {NAME}"]
    with serving("facebook/dinov2-small", {}) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-c", script, *words],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )

        done = run(*quiet)
        assert done.stdout.endswith("[0, 0, 0, 3, 0, 0]\n"), done.stderr
        assert hub.requests == []
        assert "network: socket." in run("fetch clip-b16").stderr
