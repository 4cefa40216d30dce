"""Fetching, in a process of its own, from a real server on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hub_server import COMMIT

from napari_firstpass.errors import OptionError, WeightsError
from napari_firstpass.file_lock import alone
from napari_firstpass.progress import run
from napari_firstpass.weights.fetch import fetch_steps
from napari_firstpass.weights.folder import find, verify
from napari_firstpass.weights.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hub_server import Hub

    Command = Callable[..., subprocess.CompletedProcess[str]]

NAME = "dinov2-s"
BIG = "model.safetensors"
TAKEN = {"config.json", "preprocessor_config.json", BIG}


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def seen_in(home: Path) -> set[str]:
    """What a user sees in the folder of weights."""
    return {name for name in names_in(home) if not name.startswith(".")} if home.exists() else set()


def test_a_fetch_brings_what_a_model_needs_and_nothing_else(
    models: Command, hub: Hub, home: Path
) -> None:
    done = models("fetch", NAME)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{home / NAME}\n"
    assert names_in(home / NAME) == {*TAKEN, "firstpass.json"}
    for name in TAKEN:
        assert (home / NAME / name).read_bytes() == hub.files[name]
    assert seen_in(home) == {NAME}
    content = json.loads((home / NAME / "firstpass.json").read_text())
    assert (content["repo"], content["commit"]) == (hub.repo, COMMIT)
    assert (content["licence"], content["source"]) == ("Apache-2.0", hub.url)
    assert {f["name"]: (f["size"], f["sha256"]) for f in content["files"]} == {
        name: (len(hub.files[name]), hashlib.sha256(hub.files[name]).hexdigest()) for name in TAKEN
    }
    # What is there is not fetched again.
    hub.requests.clear()
    assert models("fetch", NAME).returncode == 0
    assert hub.requests == []
    assert models("fetch", NAME, "--revision", "main").returncode == 0
    assert hub.requests == [f"/api/models/{hub.repo}/revision/main?blobs=true"]


def test_a_damaged_installation_is_replaced(
    models: Command, hub: Hub, home: Path, downloaded: Path
) -> None:
    run(fetch_steps(NAME, source=downloaded))
    path = home / NAME / BIG
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert models("fetch", NAME).returncode == 0
    assert path.read_bytes() == hub.files[BIG]
    assert seen_in(home) == {NAME}


def test_a_killed_fetch_goes_on_where_it_stopped(
    models: Command, hub: Hub, home: Path, environment: dict[str, str]
) -> None:
    hub.stall_after = 2_000_000
    command = [sys.executable, "-m", "napari_firstpass.cli", "models", "fetch", NAME]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as child:
        assert hub.stalled.wait(50)
        # What was sent is in the sockets still; wait until most of it is on the disk.
        waited = time.monotonic() + 10
        while have(home) < 1_900_000 and time.monotonic() < waited:
            time.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
    assert seen_in(home) == {f"{NAME}.part"}
    kept = have(home)
    assert kept >= 1_900_000
    hub.stall_after = None
    hub.release.set()
    hub.sent.clear()
    done = models("fetch", NAME)
    assert done.returncode == 0, done.stderr
    assert hub.ranges == [f"{BIG} bytes={kept}-"]
    assert hub.sent[BIG] == len(hub.files[BIG]) - kept
    assert set(hub.sent) - {""} == {BIG}
    assert (home / NAME / BIG).read_bytes() == hub.files[BIG]
    assert seen_in(home) == {NAME}
    assert names_in(home / NAME) == {*TAKEN, "firstpass.json"}


def have(home: Path) -> int:
    """Bytes of the large file that have come so far."""
    return sum(path.stat().st_size for path in home.glob(f"{NAME}.part/.{BIG}.*.partial"))


def test_a_connection_that_drops_is_taken_up_again(models: Command, hub: Hub, home: Path) -> None:
    hub.drop_after = 1_000_000
    done = models("fetch", NAME)
    assert done.returncode == 0, done.stderr
    assert len(hub.ranges) == 1
    assert (home / NAME / BIG).read_bytes() == hub.files[BIG]


def test_a_server_without_ranges_sends_the_whole_file_again(
    models: Command, hub: Hub, home: Path
) -> None:
    hub.drop_after = 1_000_000
    hub.ignores_ranges = True
    assert models("fetch", NAME).returncode == 0
    assert (home / NAME / BIG).read_bytes() == hub.files[BIG]


def test_an_interrupted_fetch_says_that_it_can_go_on(
    hub: Hub, home: Path, environment: dict[str, str]
) -> None:
    hub.stall_after = 1_000_000
    command = [sys.executable, "-m", "napari_firstpass.cli", "models", "fetch", NAME]
    # A shell that starts a job in the background lets it ignore interruptions, and so its children.
    with subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as child:
        assert hub.stalled.wait(50)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "interrupted; the same command goes on" in said
    assert seen_in(home) == {f"{NAME}.part"}


@pytest.mark.parametrize("name", ["config.json", BIG])
def test_a_bit_that_flips_on_the_way_is_caught(
    models: Command, hub: Hub, home: Path, name: str
) -> None:
    hub.flipped = {name}
    done = models("fetch", NAME)
    assert done.returncode == 3
    assert f"expected the checksum of {name}" in done.stderr
    assert not (home / NAME).exists()
    assert not (home / f"{NAME}.part" / name).exists()
    if name == BIG:
        hub.flipped = set()
        assert models("fetch", NAME).returncode == 0


def test_gated_weights_without_a_login_say_how_to_log_in(models: Command, hub: Hub) -> None:
    hub.repo, hub.token = "facebook/dinov3-vits16-pretrain-lvd1689m", "hf_secret"
    done = models("fetch", "dinov3-s16")
    assert done.returncode == 3
    assert "without a login (401)" in done.stderr
    assert f"accept the licence at https://huggingface.co/{hub.repo}" in done.stderr
    assert "HF_TOKEN" in done.stderr
    assert "--from-folder" in done.stderr


def test_gated_weights_need_an_accepted_licence_and_a_token(
    models: Command, hub: Hub, home: Path
) -> None:
    hub.repo, hub.token = "facebook/dinov3-vits16-pretrain-lvd1689m", "hf_secret"
    login = {"HF_TOKEN": "hf_secret"}
    hub.accepted = False
    done = models("fetch", "dinov3-s16", **login)
    assert "has not accepted the licence (403)" in done.stderr
    assert "hf_secret" not in done.stderr
    hub.accepted = True
    assert models("fetch", "dinov3-s16", **login).returncode == 0
    assert "hf_secret" not in (home / "dinov3-s16" / "firstpass.json").read_text()


def test_an_unknown_revision_is_named(models: Command, home: Path) -> None:
    done = models("fetch", NAME, "--revision", "v7")
    assert done.returncode == 3
    assert "expected the revision v7 of facebook/dinov2-small" in done.stderr
    assert seen_in(home) == set()


def test_a_repository_that_is_gone_is_a_refusal(models: Command) -> None:
    done = models("fetch", "clip-b16")
    assert done.returncode == 3
    assert "expected the repository openai/clip-vit-base-patch16" in done.stderr
    assert "a refusal (401)" in done.stderr


def test_without_a_network_it_fails_soon_and_tells_the_offline_way(
    models: Command, home: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nothing listens
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        done = models("fetch", NAME, HF_ENDPOINT=endpoint)
    assert time.monotonic() - began < 15
    assert done.returncode == 3
    assert f"expected to reach {endpoint}" in done.stderr
    assert "HTTPS_PROXY" in done.stderr
    assert "firstpass models fetch dinov2-s --from-folder FOLDER" in done.stderr
    assert "Traceback" not in done.stderr
    assert seen_in(home) == set()


def test_offline_mode_is_respected(models: Command, hub: Hub) -> None:
    done = models("fetch", NAME, HF_HUB_OFFLINE="1")
    assert done.returncode == 3
    assert "HF_HUB_OFFLINE, which forbids it" in done.stderr
    assert hub.requests == []


def test_a_proxy_is_used(models: Command, hub: Hub, home: Path) -> None:
    done = models("fetch", NAME, HF_ENDPOINT="http://hub.invalid", HTTP_PROXY=hub.url)
    assert done.returncode == 0, done.stderr
    assert all(request.startswith("http://hub.invalid/") for request in hub.requests)
    assert (home / NAME / BIG).read_bytes() == hub.files[BIG]


def test_a_disk_that_is_too_small_is_noticed_before_anything_comes(
    models: Command, hub: Hub, home: Path
) -> None:
    hub.sizes = {BIG: 10**15}
    done = models("fetch", NAME)
    assert done.returncode == 3
    assert "1000000000 MB needed" in done.stderr
    assert "FIRSTPASS_WEIGHTS" in done.stderr
    assert not any("/resolve/" in request for request in hub.requests)
    assert not (home / NAME).exists()


def test_a_mirror_that_states_no_checksums_is_refused(models: Command, hub: Hub) -> None:
    hub.states = False
    done = models("fetch", NAME)
    assert done.returncode == 3
    assert f"a checksum for every file from {hub.url}" in done.stderr


def test_a_repository_without_weights_is_refused(models: Command, hub: Hub) -> None:
    del hub.files[BIG], hub.files["pytorch_model.bin"]
    done = models("fetch", NAME)
    assert done.returncode == 3
    assert "expected config.json and model.safetensors" in done.stderr


def test_pickles_come_only_where_there_is_nothing_safer(
    models: Command, hub: Hub, home: Path
) -> None:
    del hub.files[BIG]
    assert models("fetch", NAME).returncode == 0
    assert (home / NAME / "pytorch_model.bin").read_bytes() == b"a pickle"


def test_without_huggingface_hub_the_extra_is_named_and_the_rest_works(
    environment: dict[str, str], downloaded: Path
) -> None:
    script = (
        "import sys; sys.modules['huggingface_hub'] = None\n"
        "from napari_firstpass.cli import main\n"
        "codes = [main(['models', *words.split('|')]) for words in sys.argv[1:]]\n"
        "print(codes, 'torch' in sys.modules)"
    )
    from_folder = f"fetch|{NAME}|--from-folder|{downloaded}"
    words = ["list", f"fetch|{NAME}", from_folder, f"path|{NAME}", "verify", f"remove|{NAME}"]
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("[0, 3, 0, 0, 0, 0] False\n")
    assert 'pip install "napari-firstpass[models]"' in done.stderr


def test_a_folder_is_as_good_as_a_network(
    models: Command, hub: Hub, home: Path, downloaded: Path
) -> None:
    done = models("fetch", NAME, "--from-folder", downloaded)
    assert done.returncode == 0, done.stderr
    assert hub.requests == []
    assert names_in(home / NAME) == {*TAKEN, "firstpass.json"}
    assert (home / NAME / BIG).read_bytes() == hub.files[BIG]
    assert Manifest.read(home / NAME).commit is None
    assert run(verify(NAME)) == ()


def test_weights_cut_off_in_a_folder_are_refused(home: Path, downloaded: Path) -> None:
    path = downloaded / BIG
    whole = path.stat().st_size
    os.truncate(path, whole - 4)
    found = f"expected the whole of {path}, found {whole - 4} of {whole} bytes"
    with pytest.raises(WeightsError, match=re.escape(found)):
        run(fetch_steps(NAME, source=downloaded))
    assert seen_in(home) == set()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"", "not in safetensors format"),
        (b"\x10\0\0\0\0\0\0\0{", "not in safetensors format"),
        (b"\xff" * 9, "not in safetensors format"),
        (b"<html>log in to the proxy</html>", "not in safetensors format"),
    ],
)
def test_what_is_no_safetensors_file_is_refused(
    home: Path, downloaded: Path, content: bytes, message: str
) -> None:
    (downloaded / BIG).write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        run(fetch_steps(NAME, source=downloaded))
    assert seen_in(home) == set()


def test_a_folder_that_was_fetched_elsewhere_keeps_its_history(
    models: Command, hub: Hub, home: Path, tmp_path: Path
) -> None:
    models("fetch", NAME)
    stick = tmp_path / "stick"
    shutil.move(home / NAME, stick)
    assert run(fetch_steps(NAME, source=stick)) == find(NAME)
    assert Manifest.read(home / NAME).commit == COMMIT
    with pytest.raises(WeightsError, match="found the weights dinov2-s"):
        run(fetch_steps("dinov2-b", source=stick))
    changed = bytearray(hub.files[BIG])
    changed[-1] ^= 1
    (stick / BIG).write_bytes(changed)
    with pytest.raises(WeightsError, match=f"expected {BIG} as .*firstpass.json lists it"):
        run(fetch_steps(NAME, source=stick))
    assert run(verify(NAME)) == ()


def test_a_fetch_after_a_bad_folder_does_not_stumble_over_its_rest(
    models: Command, hub: Hub, home: Path
) -> None:
    part = home / f"{NAME}.part"
    part.mkdir(parents=True)
    (part / "config.json").write_bytes(b"x" * len(hub.files["config.json"]))
    (part / "adapter_config.json").write_text("{}")
    assert models("fetch", NAME).returncode == 0
    assert names_in(home / NAME) == {*TAKEN, "firstpass.json"}
    assert (home / NAME / "config.json").read_bytes() == hub.files["config.json"]


def test_a_repository_in_the_cache_of_the_hub_is_found(
    home: Path, downloaded: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "models--facebook--dinov2-small"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(COMMIT)
    (cache / "snapshots" / COMMIT).mkdir(parents=True)
    for name in TAKEN:
        (cache / "snapshots" / COMMIT / name).symlink_to(downloaded / name)
    run(fetch_steps(NAME, source=cache))
    assert Manifest.read(home / NAME).commit == COMMIT
    assert not (home / NAME / BIG).is_symlink()


def test_an_unfinished_fetch_is_no_source(home: Path, downloaded: Path) -> None:
    shutil.copytree(downloaded, home / f"{NAME}.part")
    before = (downloaded / BIG).read_bytes()
    with pytest.raises(WeightsError, match="finish it without --from-folder"):
        run(fetch_steps(NAME, source=home / f"{NAME}.part"))
    assert (home / f"{NAME}.part" / BIG).read_bytes() == before


@pytest.mark.usefixtures("home")
def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="check the path after --from-folder"):
        run(fetch_steps(NAME, source=tmp_path / "nowhere"))
    with pytest.raises(OptionError, match="a folder or a revision"):
        run(fetch_steps(NAME, source=tmp_path, revision="main"))


def test_weights_are_fetched_by_one_process_at_a_time(models: Command, home: Path) -> None:
    home.mkdir()
    busy = WeightsError(expected="one", found="two", remedy="wait")
    with alone(home / f".{NAME}.lock", busy):
        done = models("fetch", NAME)
    assert done.returncode == 3
    assert "another one that is running" in done.stderr
    with alone(home / f".{NAME}.lock", busy):
        pass


def test_a_folder_that_may_not_be_made_is_one_sentence(models: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = models("fetch", NAME, FIRSTPASS_WEIGHTS=str(tmp_path / "file" / "weights"))
    assert done.returncode == 3
    assert "set FIRSTPASS_WEIGHTS to another folder" in done.stderr
