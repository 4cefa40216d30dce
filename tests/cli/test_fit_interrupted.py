"""``firstpass fit`` after it was interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from grounds import tile_files

from napari_firstpass import fit_files
from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, UNFIT
from napari_firstpass.cli.fit import _driven
from napari_firstpass.cli_progress import Reporter
from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import OutputError
from napari_firstpass.fit_images import fit_files_steps
from napari_firstpass.fit_options import FitOptions
from napari_firstpass.model_file import write_model
from napari_firstpass.state_file import StateFile, state_path

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.fitting import SetModel
    from napari_firstpass.progress import Steps

LEARNING = "learning classes"

WAITING = f"""
import sys
from napari_firstpass.fit_images import fit_files_steps
from napari_firstpass.config import SegmentConfig
from napari_firstpass.fit_options import FitOptions
from napari_firstpass.state_file import StateFile
from napari_firstpass.threads import wait_without_spinning

wait_without_spinning()
state, *images = sys.argv[1:]
options = FitOptions(state=StateFile(state, pause_s=0, share=1))
seen = 0
for progress in fit_files_steps(images, SegmentConfig(method="smooseg", classes=4), options):
    seen += progress.message == {LEARNING!r}
    if seen == 10:
        print("here", flush=True)
        sys.stdin.read()
"""
"""A fit that writes a state after every step, and waits after nine."""


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return tile_files(tmp_path_factory.mktemp("campaign"))[:2]


@pytest.fixture(scope="module")
def whole(tiles: list[Path]) -> bytes:
    """The model of a fit that was not interrupted."""
    out = tiles[0].with_name("whole.firstpass")
    assert main(command(tiles, out)) == DONE
    assert not state_path(out).exists()
    return out.read_bytes()


@pytest.fixture(scope="module")
def kept(tiles: list[Path]) -> bytes:
    """The state of a fit that was stopped after twelve steps of training."""
    state = StateFile(tiles[0].with_name("kept.state"), pause_s=0, share=1)
    config = SegmentConfig(method="smooseg", classes=4)
    fit, seen = fit_files_steps(tiles, config, FitOptions(state=state)), 0
    while seen < 13:
        seen += next(fit).message == LEARNING
    fit.close()
    return state.path.read_bytes()


def command(tiles: list[Path], out: Path, method: str = "smooseg") -> list[str]:
    return ["fit", *map(str, tiles), "--out", str(out), "--classes", "4", "--method", method]


def left(kept: bytes, folder: Path) -> Path:
    """Return a model that is not there yet, beside the state of its fit."""
    out = folder / "m.firstpass"
    state_path(out).write_bytes(kept)
    return out


def test_after_it_was_killed_it_writes_the_same_model_as_if_it_never_was(
    tiles: list[Path], whole: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.firstpass"
    killed = [sys.executable, "-c", WAITING, str(state_path(out)), *map(str, tiles)]
    pipe = subprocess.PIPE
    with subprocess.Popen(killed, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "here\n"
        child.kill()
    assert child.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["m.firstpass.state"]
    assert main(command(tiles, out)) == DONE
    assert "m.firstpass: going on from step 9 of 200\n" in capsys.readouterr().err
    assert out.read_bytes() == whole
    assert not state_path(out).exists()


@pytest.mark.parametrize(
    ("restart", "told"), [(False, "the same command"), (True, "the same command without --restart")]
)
def test_interrupted_again_it_says_where_it_will_go_on(
    restart: bool,
    told: str,
    tiles: list[Path],
    kept: bytes,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def until_ctrl_c(steps: Steps[SetModel]) -> Steps[SetModel]:
        for progress in steps:
            yield progress
            if progress.message == LEARNING:
                raise KeyboardInterrupt
        pytest.fail("ended before")

    state = StateFile(state_path(left(kept, tmp_path)))
    config = SegmentConfig(method="smooseg", classes=4)
    steps = until_ctrl_c(fit_files_steps(tiles, config, FitOptions(state=state)))
    with Reporter("m.firstpass") as reporter, pytest.raises(KeyboardInterrupt):
        _driven(reporter, steps, state, restart=restart)
    said = capsys.readouterr().err
    assert said.endswith(f"m.firstpass: {told} goes on from step 12 of 200\n")
    assert state_path(tmp_path / "m.firstpass").read_bytes() == kept


@pytest.mark.parametrize("change", ["images", "options", "damage", "--restart"])
def test_it_starts_anew_where_it_must_and_says_so_in_a_line(
    tiles: list[Path], whole: bytes, kept: bytes, tmp_path: Path,
    change: str, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = left(kept, tmp_path)
    run = command(tiles[:1] if change == "images" else tiles, out)
    run += {"options": ["--seed", "7"], "--restart": ["--restart"]}.get(change, [])
    if change == "damage":
        state_path(out).write_bytes(kept[:-9])
    assert main(run) == DONE
    said = capsys.readouterr().err
    assert "going on" not in said
    told = {"images": "is of another fit", "options": "is of another fit", "damage": "is damaged"}
    lines = [line for line in said.splitlines() if ".state" in line]
    assert len(lines) == (change in told)
    assert all(told[change] in line and "starting anew" in line for line in lines)
    assert (out.read_bytes() == whole) == (change in ("damage", "--restart"))
    assert not state_path(out).exists()


def test_images_that_were_moved_and_renamed_are_the_same(
    tiles: list[Path], kept: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = [tmp_path / f"other_{i}.tif" for i in range(len(tiles))]
    for old, new in zip(tiles, moved, strict=True):
        new.write_bytes(old.read_bytes())
    assert main(command(moved, left(kept, tmp_path))) == DONE
    assert "going on from step 12 of 200" in capsys.readouterr().err


def test_a_method_without_a_state_leaves_that_of_another(
    tiles: list[Path], kept: bytes, tmp_path: Path
) -> None:
    out = left(kept, tmp_path)
    assert main(command(tiles, out, "kmeans")) == DONE
    assert state_path(out).read_bytes() == kept


def test_an_image_is_never_replaced_by_a_state(
    tiles: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "m.firstpass.state"
    image.write_bytes(tiles[0].read_bytes())
    assert main(command([image], tmp_path / "m.firstpass")) == UNFIT
    assert "which is an input" in capsys.readouterr().err
    with pytest.raises(OutputError, match="which is an input"):
        fit_files([image], state=image)
    assert image.read_bytes() == tiles[0].read_bytes()


def test_from_python_a_state_is_gone_on_from_told_and_removed(
    tiles: list[Path], whole: bytes, kept: bytes, tmp_path: Path
) -> None:
    out, told = left(kept, tmp_path), []
    config = SegmentConfig(method="smooseg", classes=4)
    model = fit_files(tiles, config, state=state_path(out), on_progress=told.append)
    assert [p.message for p in told].count("going on from step 12 of 200") == 1
    assert not state_path(out).exists()
    assert write_model(out, model).read_bytes() == whole
