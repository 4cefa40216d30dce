"""``firstpass fit`` after it was interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from grounds import tile_files

from napari_firstpass import fit_files
from napari_firstpass.api import fit_files_steps
from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, INTERRUPTED, UNFIT
from napari_firstpass.config import SegmentConfig
from napari_firstpass.fit_options import FitOptions
from napari_firstpass.model_file import write_model
from napari_firstpass.state_file import StateFile, state_path

if TYPE_CHECKING:
    from pathlib import Path

KEEPING_ALL = """
import sys
from napari_firstpass.api import fit_files_steps
from napari_firstpass.config import SegmentConfig
from napari_firstpass.fit_options import FitOptions
from napari_firstpass.state_file import StateFile
from napari_firstpass.threads import wait_without_spinning

wait_without_spinning()
state, method, *images = sys.argv[1:]
options = FitOptions(state=StateFile(state, pause_s=0, share=1))
for progress in fit_files_steps(images, SegmentConfig(method=method, classes=4), options):
    print(progress.message, flush=True)
"""
"""A fit as on the command line, but that a state is written after every step."""

TRAINED = {"primaps-em": "training classes", "smooseg": "learning classes"}


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return tile_files(tmp_path_factory.mktemp("campaign"))[:2]


@pytest.fixture(scope="module")
def whole(tiles: list[Path]) -> dict[str, bytes]:
    """Models of fits that were not interrupted."""
    found = {}
    for method in TRAINED:
        out = tiles[0].with_name(f"{method}.firstpass")
        assert main(command(tiles, out, method)) == DONE
        assert not state_path(out).exists()
        found[method] = out.read_bytes()
    return found


@pytest.fixture(scope="module")
def states(tiles: list[Path]) -> dict[str, bytes]:
    """States of fits that were stopped after twelve steps of training."""
    found = {}
    for method in TRAINED:
        state = StateFile(tiles[0].with_name(f"{method}.state"), pause_s=0, share=1)
        config = SegmentConfig(method=method, classes=4)
        fit, seen = fit_files_steps(tiles, config, FitOptions(state=state)), 0
        while seen < 13:
            seen += next(fit).message == TRAINED[method]
        fit.close()
        found[method] = state.path.read_bytes()
    return found


def command(tiles: list[Path], out: Path, method: str = "smooseg") -> list[str]:
    return ["fit", *map(str, tiles), "--out", str(out), "--classes", "4", "--method", method]


def left(states: dict[str, bytes], folder: Path, method: str = "smooseg") -> Path:
    """Return a model that is not there yet, beside the state of its fit."""
    out = folder / "m.firstpass"
    state_path(out).write_bytes(states[method])
    return out


@pytest.mark.parametrize("method", TRAINED)
def test_after_it_was_killed_it_writes_the_same_model_as_if_it_never_was(
    tiles: list[Path], whole: dict[str, bytes], tmp_path: Path, method: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "m.firstpass"
    killed = [sys.executable, "-c", KEEPING_ALL, str(state_path(out)), method, *map(str, tiles)]
    with subprocess.Popen(killed, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(9):
            while TRAINED[method] not in (line := child.stdout.readline()):
                assert line, "ended too early"
        child.kill()
    assert child.returncode == -signal.SIGKILL
    assert not out.exists()
    assert main(command(tiles, out, method)) == DONE
    assert "m.firstpass: going on from step " in capsys.readouterr().err
    assert out.read_bytes() == whole[method]
    assert not state_path(out).exists()


def test_interrupted_again_it_says_where_it_will_go_on(
    tiles: list[Path], states: dict[str, bytes], tmp_path: Path
) -> None:
    out = left(states, tmp_path, "primaps-em")
    run = [sys.executable, "-m", "napari_firstpass.cli", *command(tiles, out, "primaps-em")]
    with subprocess.Popen(run, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        while "going on from step 12 of 500" not in (line := child.stderr.readline()):
            assert line, "ended too early"
        child.send_signal(signal.SIGINT)
        rest = child.stderr.read()
    assert child.returncode == INTERRUPTED
    assert "the same command goes on from step 12 of 500" in rest
    assert [path.name for path in tmp_path.iterdir()] == ["m.firstpass.state"]


@pytest.mark.parametrize("change", ["images", "options", "damage", "--restart"])
def test_it_starts_anew_where_it_must_and_says_so_in_a_line(
    tiles: list[Path], whole: dict[str, bytes], states: dict[str, bytes], tmp_path: Path,
    change: str, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = left(states, tmp_path)
    run = command(tiles[:1] if change == "images" else tiles, out)
    run += {"options": ["--seed", "7"], "--restart": ["--restart"]}.get(change, [])
    if change == "damage":
        state_path(out).write_bytes(states["smooseg"][:-9])
    assert main(run) == DONE
    said = capsys.readouterr().err
    assert "going on" not in said
    told = {"images": "is of another fit", "options": "is of another fit", "damage": "is damaged"}
    lines = [line for line in said.splitlines() if ".state" in line]
    assert len(lines) == (change in told)
    assert all(told[change] in line and "starting anew" in line for line in lines)
    assert (out.read_bytes() == whole["smooseg"]) == (change in ("damage", "--restart"))
    assert not state_path(out).exists()


def test_images_that_were_moved_and_renamed_are_the_same(
    tiles: list[Path], states: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = [tmp_path / f"other_{i}.tif" for i in range(len(tiles))]
    for old, new in zip(tiles, moved, strict=True):
        new.write_bytes(old.read_bytes())
    assert main(command(moved, left(states, tmp_path))) == DONE
    assert "going on from step 12 of 200" in capsys.readouterr().err


def test_a_method_without_a_state_leaves_that_of_another(
    tiles: list[Path], states: dict[str, bytes], tmp_path: Path
) -> None:
    out = left(states, tmp_path)
    assert main(command(tiles, out, "kmeans")) == DONE
    assert state_path(out).read_bytes() == states["smooseg"]


def test_an_image_is_never_replaced_by_a_state(
    tiles: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "m.firstpass.state"
    image.write_bytes(tiles[0].read_bytes())
    assert main(command([image], tmp_path / "m.firstpass")) == UNFIT
    assert "which is an input" in capsys.readouterr().err
    assert image.read_bytes() == tiles[0].read_bytes()


def test_from_python_a_state_is_gone_on_from_told_and_removed(
    tiles: list[Path], whole: dict[str, bytes], states: dict[str, bytes], tmp_path: Path
) -> None:
    out, told = left(states, tmp_path), []
    config = SegmentConfig(method="smooseg", classes=4)
    model = fit_files(tiles, config, state=state_path(out), on_progress=told.append)
    assert [p.message for p in told].count("going on from step 12 of 200") == 1
    assert not state_path(out).exists()
    assert write_model(out, model).read_bytes() == whole["smooseg"]
