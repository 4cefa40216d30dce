from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
import torch

from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, USAGE
from napari_firstpass.feature_cache import FeatureCache
from napari_firstpass.features import FeatureMap
from napari_firstpass.grid import Grid

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two entries of a little more than 0.4 MB each."""
    place = tmp_path / "features"
    monkeypatch.setenv("FIRSTPASS_CACHE", str(place))
    cells = FeatureMap(torch.ones(100, 32, 32), torch.ones(32, 32).bool(), Grid(32, 32), 4)
    for word in (b"one", b"two"):
        FeatureCache(place).put(sha256(word).hexdigest(), cells)
    return place


def test_info_tells_where_how_many_how_large(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", "info"]) == DONE
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines.keys() == {"folder", "entries", "size", "limit"}
    assert lines["folder"] == str(folder)
    assert lines["entries"] == "2"
    assert lines["size"] == "0.8 MB"  # 2 * 101 * 32 * 32 * 4 bytes
    assert float(lines["limit"].removesuffix(" MB").replace(",", "")) <= 20_000


def test_info_in_json_counts_bytes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "info", "--json"]) == DONE
    info = json.loads(capsys.readouterr().out)
    size = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    assert info.pop("limit_bytes") <= 20 * 10**9
    assert info == {"folder": str(folder), "entries": 2, "size_bytes": size}


def test_clear_removes_entries_and_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = folder / "notes.txt"
    foreign.write_text("theirs")
    assert main(["cache", "clear"]) == DONE
    assert capsys.readouterr().out == f"2 entries, 0.8 MB, removed: {folder}\n"
    assert [path for path in folder.rglob("*") if path.is_file()] == [foreign]
    assert main(["cache", "clear"]) == DONE
    assert capsys.readouterr().out.startswith("0 entries, 0.0 MB")


def test_a_folder_that_is_not_there_is_empty_and_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FIRSTPASS_CACHE", str(tmp_path / "none"))
    assert main(["cache", "info"]) == DONE
    assert "entries     0\n" in capsys.readouterr().out
    assert main(["cache", "clear"]) == DONE
    assert list(tmp_path.iterdir()) == []


def test_an_action_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["cache"])
    assert stopped.value.code == USAGE
    assert "ACTION" in capsys.readouterr().err


def test_the_command_needs_no_torch(folder: Path) -> None:
    code = (
        "import sys; from napari_firstpass.cli import main; main(['cache', 'info']); "
        "main(['cache', 'clear']); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert list(folder.rglob("*.safetensors")) == []
