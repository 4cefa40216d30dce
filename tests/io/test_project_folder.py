"""Somebody's work in a folder: whole or not at all, and what is left of a damaged one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_firstpass.errors import ImageReadError, OutputError
from napari_firstpass.grid import Window
from napari_firstpass.io.journal import commit, finish
from napari_firstpass.io.project_folder import (
    MARKS,
    ProjectFolder,
    SavedLayer,
    holds_work,
    peek,
    read_project_steps,
)
from napari_firstpass.io.project_lock import ProjectLock, holder_of, was_left
from napari_firstpass.io.tile_store import TileStore
from napari_firstpass.progress import run

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = {"path": "scene.tif", "sha256": "00"}


def some_labels(seed: int = 0) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 6, (9, 11), dtype=np.uint8)
    return np.kron(small, np.ones((16, 16), np.uint8))[:140, :170].copy()


def layer(labels: np.ndarray, number: int = 1, **more: object) -> SavedLayer:
    return SavedLayer(number, {"name": f"labels {number}", **more}, labels)


def test_a_store_holds_what_was_written_window_by_window(tmp_path: Path) -> None:
    expected = np.zeros((140, 170), np.uint16)
    store = TileStore(tmp_path / "a", expected.shape, expected.dtype, 32)
    rng = np.random.default_rng(1)
    for _ in range(30):
        row, col = rng.integers(0, 130), rng.integers(0, 160)
        height, width = rng.integers(1, 141 - row), rng.integers(1, 171 - col)
        values = rng.integers(0, 900, (height, width)).astype(np.uint16)
        store.write(Window(int(row), int(col), int(height), int(width)), values)
        expected[row : row + height, col : col + width] = values
    whole = Window(0, 0, 140, 170)
    np.testing.assert_array_equal(store.read(whole), expected)
    commit(tmp_path / "a", store.pending())
    store.settle(store.pending())
    assert (store.waiting_bytes, store.pending()) == (0, {})
    again = TileStore.open(tmp_path / "a")
    np.testing.assert_array_equal(again.read(Window(7, 9, 101, 77)), expected[7:108, 9:86])
    expected[40:50] = 0
    again.write(Window(40, 0, 10, 170), expected[40:50])
    assert again.take(expected) > 0  # a store that was opened does not know what it holds
    assert again.take(expected) == 0


def test_other_programs_can_open_the_tiles(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    store = TileStore(tmp_path / "a", (140, 170), np.dtype(np.uint8), 64)
    store.take(some_labels())
    commit(tmp_path / "a", store.pending())
    np.testing.assert_array_equal(zarr.open(str(tmp_path / "a"), mode="r")[:], some_labels())


def test_classes_that_became_others_are_saved_at_once_and_tiles_follow(tmp_path: Path) -> None:
    path, before = tmp_path / "scene.firstpass", some_labels()
    store = TileStore(None, before.shape, before.dtype, 16)  # of 99 tiles
    store.take(before)
    project, mine = ProjectFolder(path, 16), SavedLayer(1, {}, store)

    def reopened() -> np.ndarray:
        (again,) = run(read_project_steps(path)).layers
        return np.asarray(again.labels)

    def save() -> int:
        return run(project.save_steps(IMAGE, [mine]))

    save()
    steps = [store.replace_classes({1: 2}), store.replace_classes({2: 5, 5: 0})]
    after = np.array([0, 5, 5, 3, 4, 0], np.uint8)[before]
    store.catch_up(30)
    (folder,) = (path / "layers").iterdir()
    commit(folder, store.pending())  # killed before the rest of the tiles
    assert (folder / ".zattrs").exists()
    np.testing.assert_array_equal(reopened(), after)
    again = TileStore.open(folder)
    again.write(Window(0, 0, 20, 20), np.full((20, 20), 1, np.uint8))
    again.catch_up(99)
    assert not again.is_behind
    after[:20, :20] = 1
    np.testing.assert_array_equal(again.read(Window(0, 0, *after.shape)), after)
    after[:20, :20] = np.array([0, 5, 5, 3, 4, 0], np.uint8)[before[:20, :20]]
    save()
    assert not store.is_behind
    assert not (folder / ".zattrs").exists()
    np.testing.assert_array_equal(reopened(), after)
    assert save() == 0
    assert [store.take_back(step) for step in reversed(steps)] == [True, True]
    save()
    np.testing.assert_array_equal(reopened(), before)
    store.replace_classes({3: 4})
    commit(folder, store.pending())
    (folder / ".zattrs").write_text("{}")
    (trouble,) = run(read_project_steps(path)).troubles
    assert "what classes became is lost" in trouble


def test_work_comes_back_and_only_what_changed_is_written(tmp_path: Path) -> None:
    path, labels, made = tmp_path / "scene.firstpass", some_labels(), some_labels(1)
    project = ProjectFolder(path, 32)
    mine = SavedLayer(3, {"name": "mine"}, labels, {"made": made}, {"reviewed": b"\x01\x00"})
    first = run(project.save_steps(IMAGE, [layer(some_labels(2)), mine]))
    assert run(project.save_steps(IMAGE, [layer(some_labels(2)), mine])) == 0
    labels[5, 5] = 77
    assert 0 < run(project.save_steps(IMAGE, [layer(some_labels(2)), mine])) < first / 10
    found = run(read_project_steps(path))
    assert (found.image, found.troubles) == (IMAGE, ())
    assert peek(path) == IMAGE
    one, other = found.layers
    assert (one.number, other.number, other.about) == (1, 3, {"name": "mine"})
    np.testing.assert_array_equal(one.labels, some_labels(2))
    np.testing.assert_array_equal(other.labels, labels)
    np.testing.assert_array_equal(other.arrays["made"], made)
    assert other.parts == {"reviewed": b"\x01\x00"}
    run(project.save_steps(IMAGE, [mine]))
    assert [entry.number for entry in run(read_project_steps(path)).layers] == [3]
    assert len(list((path / "layers").glob("*/.zarray"))) == 1


def test_a_save_that_was_killed_counts_wholly_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "scene.firstpass"
    project = ProjectFolder(path, 32)
    run(project.save_steps(IMAGE, [layer(some_labels())]))
    files = {p.name for p in (path / "layers").rglob("*") if p.is_file()}
    (path / "journal.partial").mkdir()
    (path / "journal.partial" / "0").write_bytes(b"half")
    finish(path)
    assert not (path / "journal.partial").exists()
    ready = path / "journal"
    ready.mkdir()
    (name,) = (p.name for p in (path / "layers").iterdir())
    store = TileStore(path / "layers" / name, (140, 170), np.dtype(np.uint8), 32)
    store.take(some_labels(5))
    listed = {}
    for number, (tile, content) in enumerate(store.pending().items()):
        listed[f"layers/{name}/{tile}"] = None if content is None else number
        if content is not None:
            (ready / str(number)).write_bytes(content)
    (ready / "files.json").write_text(json.dumps(listed))
    first = ready / str(listed[f"layers/{name}/0.0"])
    first.replace(path / "layers" / name / "0.0")  # it was killed after this one
    found = run(read_project_steps(path))
    np.testing.assert_array_equal(found.layers[0].labels, some_labels(5))
    assert {p.name for p in (path / "layers").rglob("*") if p.is_file()} <= files
    ready.mkdir()
    (ready / "files.json").write_text('{"../outside": 0}')
    (ready / "0").write_bytes(b"mine")
    assert any(
        "files of scene.firstpass, found '../outside'" in text
        for text in run(read_project_steps(path)).troubles
    )
    assert not (tmp_path / "outside").exists()


def test_of_a_damaged_project_what_is_there_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "scene.firstpass"
    project = ProjectFolder(path, 32)
    run(project.save_steps(IMAGE, [layer(some_labels())]))
    run(project.save_steps(IMAGE, [layer(some_labels(), kept=True), layer(some_labels(1), 2)]))
    one, two = sorted((path / "layers").iterdir())
    tile = one / "1.2"
    tile.write_bytes(tile.read_bytes()[:-7])
    (two / ".zarray").write_text("{")
    found = run(read_project_steps(path))
    assert found.troubles[0] == "1 of 30 tiles of “labels 1” are damaged."
    assert found.troubles[1].startswith("Labels 2 are lost: ")
    tile.write_bytes(b"")  # as a full disk leaves it
    assert run(read_project_steps(path)).troubles[0] == found.troubles[0]
    expected = some_labels()
    expected[32:64, 64:96] = 0
    np.testing.assert_array_equal(found.layers[0].labels, expected)
    (path / "project.json").write_bytes(b"")
    found = run(read_project_steps(path))
    assert found.layers[0].about == {"name": "labels 1"}
    assert "those of the save before the last" in " ".join(found.troubles)
    (path / "project.before.json").write_text('{"format": "other"}')
    found = run(read_project_steps(path))
    assert "Names and classes are lost; the pixels are there." in found.troubles
    np.testing.assert_array_equal(found.layers[0].labels, expected)
    (one / ".zarray").unlink()
    with pytest.raises(ImageReadError, match="labels in"):
        run(read_project_steps(path))


def test_what_was_removed_while_somebody_works_is_written_again(tmp_path: Path) -> None:
    path, labels, made = tmp_path / "scene.firstpass", some_labels(), some_labels(1)
    project = ProjectFolder(path, 32)
    mine = SavedLayer(1, {"name": "mine"}, labels, {"made": made}, {"reviewed": b"\x01"})
    run(project.save_steps(IMAGE, [mine], b"marks"))
    for removed in (path, path / "layers", path / "arrays", path / "project.json", path / MARKS):
        shutil.rmtree(removed) if removed.is_dir() else removed.unlink()
        labels[3, 3] += 1
        run(project.save_steps(IMAGE, [mine], b"marks"))
        found = run(read_project_steps(path))
        assert (found.troubles, found.marks) == ((), b"marks")
        np.testing.assert_array_equal(found.layers[0].labels, labels)
        np.testing.assert_array_equal(found.layers[0].arrays["made"], made)
        assert found.layers[0].parts == {"reviewed": b"\x01"}


ENDING = """
import sys, time, threading
from pathlib import Path
import numpy as np
from napari_firstpass.io.project_folder import ProjectFolder, SavedLayer
from napari_firstpass.progress import run
def save():
    threading.main_thread().join()
    time.sleep(0.2)
    labels = np.full((140, 170), 7, np.uint8)
    run(ProjectFolder(Path(sys.argv[1]), 32).save_steps({}, [SavedLayer(1, {}, labels)]))
threading.Thread(target=save).start()
"""


def test_what_is_saved_while_python_ends_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "scene.firstpass"
    subprocess.run([sys.executable, "-c", ENDING, str(path)], check=True, timeout=60)
    assert (run(read_project_steps(path)).layers[0].labels == 7).all()


def test_tiles_that_are_nowhere_else_are_missed_and_found_when_they_are_back(
    tmp_path: Path,
) -> None:
    path, store = tmp_path / "scene.firstpass", TileStore(None, (140, 170), np.dtype(np.uint8), 64)
    store.take(some_labels())
    project = ProjectFolder(path)
    run(project.save_steps(IMAGE, [SavedLayer(1, {}, store)]))
    path.rename(tmp_path / "trash")
    store.write(Window(0, 0, 64, 64), np.full((64, 64), 9, np.uint8))
    with pytest.raises(OutputError, match="found that they were removed; put the folder back"):
        run(project.save_steps(IMAGE, [SavedLayer(1, {}, store)]))
    assert not path.exists()
    (tmp_path / "trash").rename(path)
    run(project.save_steps(IMAGE, [SavedLayer(1, {}, store)]))
    expected = some_labels()
    expected[:64, :64] = 9
    np.testing.assert_array_equal(run(read_project_steps(path)).layers[0].labels, expected)


def test_a_project_of_a_newer_version_is_told_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "scene.firstpass"
    run(ProjectFolder(path).save_steps(IMAGE, [layer(some_labels())]))
    record = path / "project.json"
    record.write_text(record.read_text().replace('"version": 1', '"version": 2'))
    before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    assert peek(path) == IMAGE
    assert holds_work(path)
    with pytest.raises(ImageReadError, match="found one of version 2; update napari-firstpass"):
        run(read_project_steps(path))
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("key", ["number", "about", "arrays", "parts"])
def test_pixels_come_back_whatever_else_of_a_record_is_damaged(tmp_path: Path, key: str) -> None:
    path = tmp_path / "scene.firstpass"
    mine = SavedLayer(1, {"name": "mine"}, some_labels(), {"made": some_labels(1)}, {"x": b"1"})
    run(ProjectFolder(path).save_steps(IMAGE, [mine]))
    told = json.loads((path / "project.json").read_text())
    for junk in (None, "x", [], [None], 1.5, {"made": None}, {"x": -1}):
        told["layers"][0][key] = junk
        (path / "project.json").write_text(json.dumps(told))
        np.testing.assert_array_equal(run(read_project_steps(path)).layers[0].labels, mine.labels)


def test_a_record_cannot_point_outside_of_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "scene.firstpass"
    run(ProjectFolder(path).save_steps(IMAGE, [layer(some_labels()), layer(some_labels(1), 2)]))
    told = json.loads((path / "project.json").read_text())
    told["layers"][0]["labels"] = "layers/../../secret"
    (path / "project.json").write_text(json.dumps(told))
    found = run(read_project_steps(path))
    assert [entry.number for entry in found.layers] == [2]
    assert "is no place in a project" in found.troubles[0]


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on files")
def test_what_cannot_be_written_is_said_and_the_last_save_stays(tmp_path: Path) -> None:
    import resource
    import signal

    path, noise = tmp_path / "scene.firstpass", np.random.default_rng(0)
    full = noise.integers(0, 200, (140, 170)).astype(np.uint8)
    project = ProjectFolder(path, 128)
    run(project.save_steps(IMAGE, [layer(some_labels())]))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    try:
        with pytest.raises(OutputError, match="a limit on the size of files"):
            run(project.save_steps(IMAGE, [layer(full)]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    np.testing.assert_array_equal(run(read_project_steps(path)).layers[0].labels, some_labels())
    run(project.save_steps(IMAGE, [layer(full)]))
    np.testing.assert_array_equal(run(read_project_steps(path)).layers[0].labels, full)


def test_one_works_in_a_folder_and_the_dead_do_not_count(tmp_path: Path) -> None:
    mine = ProjectLock.take(tmp_path)
    assert (mine.was_left, holder_of(tmp_path)) == (False, "another window")
    with pytest.raises(OutputError, match="open in another window"):
        ProjectLock.take(tmp_path)
    mine.release()
    assert holder_of(tmp_path) is None
    code = (
        "import os, sys; from pathlib import Path;"
        "from napari_firstpass.io.project_lock import ProjectLock;"
        "ProjectLock.take(Path(sys.argv[1])); print('taken', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"taken\n"
    with pytest.raises(OutputError, match=f"open in process {process.pid}"):
        ProjectLock.take(tmp_path)
    process.kill()
    process.communicate()
    assert was_left(tmp_path)
    again = ProjectLock.take(tmp_path)
    assert again.was_left
    again.release()
    assert not list(tmp_path.iterdir())
