from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from napari_firstpass.errors import OutputError
from napari_firstpass.io.export_folder import RECORD, export_folder, record_steps, unfinished
from napari_firstpass.progress import run

if TYPE_CHECKING:
    from pathlib import Path


def interrupted(out: Path, key: str, name: str, *, keep: bool) -> None:
    with export_folder(out, key, keep=keep) as folder:
        (folder / name).write_text("one")
        raise ZeroDivisionError


def filled(out: Path, text: str, *, overwrite: bool = False, keep: bool = False) -> Path:
    with export_folder(out, text, keep=keep, overwrite=overwrite) as folder:
        assert not (out / "a.txt").exists() or overwrite
        (folder / "a.txt").write_text(text)
        run(record_steps(folder, {"format": "text"}))
    return out


def test_a_folder_appears_with_its_record_when_it_is_complete(tmp_path: Path) -> None:
    out = filled(tmp_path / "out", "one")
    assert sorted(p.name for p in out.iterdir()) == ["a.txt", RECORD]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    told = json.loads((out / RECORD).read_text())
    assert told == {"format": "text", "files": {"a.txt": hashlib.sha256(b"one").hexdigest()}}


def test_what_fails_leaves_nothing_or_what_was_finished(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for keep in (False, True):
        with pytest.raises(ZeroDivisionError):
            interrupted(out, "k", "a.txt", keep=keep)
        assert not out.exists()
        assert unfinished(out).exists() is keep
    with export_folder(out, "k", keep=True) as folder:
        assert (folder / "a.txt").read_text() == "one"
    assert (out / "a.txt").read_text() == "one"


@pytest.mark.parametrize("keep", [True, False])
def test_two_exports_do_not_fill_one_folder(tmp_path: Path, keep: bool) -> None:
    out = tmp_path / "out"
    with export_folder(out, "one", keep=keep) as folder:
        (folder / "a.txt").write_text("one")
        for key in ("one", "two"):
            with (
                pytest.raises(OutputError, match="one export into a folder at a time"),
                export_folder(out, key, keep=keep),
            ):
                pass
        run(record_steps(folder, {}))
    assert (out / "a.txt").read_text() == "one"


def test_what_was_left_by_other_work_is_not_mixed_in(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ZeroDivisionError):
        interrupted(out, "before", "old.txt", keep=True)
    filled(out, "two", keep=True)
    assert not (out / "old.txt").exists()


def test_an_export_replaces_another_only_when_asked(tmp_path: Path) -> None:
    out = filled(tmp_path / "out", "one")
    with pytest.raises(OutputError, match="or ask to overwrite it"):
        filled(out, "two")
    assert (out / "a.txt").read_text() == "one"
    filled(out, "two", overwrite=True)
    assert (out / "a.txt").read_text() == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_other_files_are_never_replaced(tmp_path: Path) -> None:
    out = filled(tmp_path / "out", "one")
    (out / "thesis.doc").write_text("years of work")
    with pytest.raises(OutputError, match=r"thesis\.doc; choose another folder"):
        filled(out, "two", overwrite=True)
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "b.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"b\.txt; choose another folder"):
        filled(plain, "two", overwrite=True)
    hidden = unfinished(tmp_path / "new")
    hidden.mkdir()
    (hidden / "c.txt").write_text("mine")
    with pytest.raises(OutputError, match="one that no export has begun"):
        filled(tmp_path / "new", "two")
    assert (hidden / "c.txt").read_text() == "mine"


def test_an_input_inside_is_refused_and_an_empty_folder_is_used(tmp_path: Path) -> None:
    out = filled(tmp_path / "out", "one")
    with (
        pytest.raises(OutputError, match="an input inside"),
        export_folder(out, "k", keep=False, overwrite=True, forbid=[out / "a.txt"]),
    ):
        pass
    empty = tmp_path / "empty"
    empty.mkdir()
    assert (filled(empty, "one") / "a.txt").read_text() == "one"


def test_a_missing_place_and_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="create the folder first"):
        filled(tmp_path / "no" / "out", "one")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="a file at"):
        filled(tmp_path / "file", "one", overwrite=True)
