"""What programs that start the command line rely on: events, ends of pipes, the version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from napari_firstpass import __version__
from napari_firstpass.cli import commands_of, main, parser
from napari_firstpass.cli.codes import DONE, INTERRUPTED, SOME_FAILED, UNFIT, UNREAD, USAGE
from napari_firstpass.cli_events import PROTOCOL

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = (sys.executable, "-m", "napari_firstpass.cli")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("town") / "tówn 'a'.tif"
    assert main(["sample", "--out", str(place), "--size", "96"]) == DONE
    return place


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the events on standard output, which holds nothing else."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_run_tells_its_start_how_far_it_is_and_what_json_would_print(
    town: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["segment", str(town), "--classes", "3", "--out"]
    assert main([*command, str(tmp_path / "a.tif"), "--progress", "json"]) == DONE
    first, *between, last = told(capsys)
    assert first == {
        "event": "start",
        "protocol": PROTOCOL,
        "version": __version__,
        "command": "segment",
    }
    assert {one["event"] for one in between} == {"progress"}
    shares = [one["share"] for one in between]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.5 < shares[-1] <= 1
    assert (last["event"], last["exit_code"]) == ("done", DONE)
    assert main([*command, str(tmp_path / "b.tif"), "--json"]) == DONE
    printed = json.loads(capsys.readouterr().out)
    assert last["result"]["classes"] == printed["classes"]
    assert last["result"].keys() == printed.keys()


def test_what_fails_is_the_last_event_and_told_once(
    town: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "no.tif")
    events = ["--out", str(tmp_path / "l.tif"), "--progress=json"]
    assert main(["segment", missing, *events]) == UNFIT
    start, error = told(capsys)
    assert start["event"] == "start"
    assert error["text"].startswith(f"{missing}: expected an image file, found no file")
    assert (error["event"], error["exit_code"]) == ("error", UNFIT)
    assert main(["refine", missing, str(town), *events]) == UNFIT
    assert [one["event"] for one in told(capsys)] == ["start", "error"]
    with pytest.raises(SystemExit):
        main(["segment", str(town), *events, "--window", "x"])
    (error,) = told(capsys)
    assert error["text"] == "argument --window: invalid int value: 'x'"
    assert (error["event"], error["exit_code"]) == ("error", USAGE)
    # One of two: that is a result, with a warning.
    command = ["segment", str(town), missing, "--classes", "2", "--out", str(tmp_path)]
    assert main([*command, "--progress", "json"]) == SOME_FAILED
    *_, warning, done = told(capsys)
    assert (warning["event"], done["event"]) == ("warning", "done")
    assert warning["text"].startswith(missing)
    assert [one["exit_code"] for one in done["result"]] == [DONE, UNFIT]


def test_every_command_tells_events_when_asked() -> None:
    every = list(commands_of(parser()))
    assert {"firstpass segment", "firstpass models fetch"} <= {one.prog for one in every}
    for one in every:
        assert "--progress {text,json}" in one.format_help(), one.prog
        assert one.get_default("called") == one.prog.removeprefix("firstpass ")


def test_a_run_stops_when_whoever_started_it_is_gone(town: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.tif"
    command = [*COMMAND, "segment", str(town), "--out", str(out), "--attached", "--progress=json"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        child.stdin.close()
        *_, last = child.stdout
    assert child.returncode == INTERRUPTED
    assert json.loads(last)["text"] == "interrupted; no unfinished file was left behind"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["models", "list"], ["info", "--help"]])
def test_a_reader_that_has_read_enough_ends_it_quietly(arguments: list[str]) -> None:
    pipe = subprocess.PIPE
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    command = [*COMMAND, *arguments]
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        said = child.stderr.read()
    assert (child.returncode, said) == (UNREAD, b"")


def test_the_version_is_there_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version", "--json"]) == DONE
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["protocol"]) == (__version__, PROTOCOL)
    with pytest.raises(SystemExit):
        main(["--json", "models", "list"])
    assert "expected --json after the command" in capsys.readouterr().err
