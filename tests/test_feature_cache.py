from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from napari_firstpass.errors import OptionError, OutputError
from napari_firstpass.feature_cache import (
    Contents,
    FeatureCache,
    allowed_bytes,
    default_folder,
)
from napari_firstpass.feature_file import pack_features
from napari_firstpass.features import FeatureMap
from napari_firstpass.grid import Grid

if TYPE_CHECKING:
    from collections.abc import Iterator

GRID = Grid(32, 48)


def key(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def features(number: int) -> FeatureMap:
    vectors = torch.full((40, 8, 12), float(number))
    return FeatureMap(vectors, torch.ones(8, 12, dtype=torch.bool), GRID.coarsen(4), 4)


ENTRY = len(pack_features(features(1), key(1)))
"""Bytes of each entry of these tests; the numbers in them are below 10."""


def place(folder: Path, number: int) -> Path:
    return folder / key(number)[:2] / f"{key(number)}.safetensors"


def aged(path: Path, seconds: float) -> None:
    """Let a file have been used so long ago."""
    os.utime(path, (time.time() - seconds,) * 2)


def stored(folder: Path, numbers: range) -> set[int]:
    return {number for number in numbers if place(folder, number).exists()}


def test_what_is_put_is_found_by_another_cache_on_the_same_folder(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    assert FeatureCache(folder).get(key(1), GRID) is None
    assert not folder.exists()
    FeatureCache(folder).put(key(1), features(1))
    found = FeatureCache(folder).get(key(1), GRID)
    assert found is not None
    assert found.vectors.equal(features(1).vectors)
    assert FeatureCache(folder).get(key(2), GRID) is None
    assert FeatureCache(folder).contents() == Contents(1, ENTRY)
    assert [path for path in folder.rglob("*") if path.is_file()] == [place(folder, 1)]


def test_the_last_of_two_puts_counts(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.put(key(1), features(1))
    cache.put(key(1), features(2))
    found = cache.get(key(1), GRID)
    assert found is not None
    assert found.vectors.equal(features(2).vectors)
    assert cache.contents() == Contents(1, ENTRY)


@pytest.mark.skipif(sys.platform == "win32", reason="there an open file is not replaced")
def test_who_is_reading_an_entry_that_is_replaced_reads_the_old_one_whole(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.put(key(1), features(1))
    with place(tmp_path, 1).open("rb") as reader:
        start = reader.read(10)
        cache.put(key(1), features(2))
        assert start + reader.read() == pack_features(features(1), key(1))


@pytest.mark.parametrize("wrong", ["", "ab", "AB" * 32, "../" * 21 + "a", "0" * 63 + "\n"])
def test_a_key_that_is_no_hash_is_refused(tmp_path: Path, wrong: str) -> None:
    cache = FeatureCache(tmp_path)
    with pytest.raises(OptionError, match="64 hexadecimal digits"):
        cache.get(wrong, GRID)
    with pytest.raises(OptionError, match="64 hexadecimal digits"):
        cache.put(wrong, features(1))
    assert list(tmp_path.iterdir()) == []


def damaged(how: str) -> bytes:
    content = pack_features(features(1), key(1))
    if how == "flipped":
        return content[:-9] + bytes([content[-9] ^ 32]) + content[-8:]
    small = FeatureMap(torch.zeros(2, 3, 3), torch.ones(3, 3).bool(), Grid(3, 3), 4)
    return {
        "empty": b"",
        "truncated": content[: len(content) // 2],
        "longer": content + b"more",
        "foreign": b"II*\0 an image that somebody keeps here",
        "of another shape": pack_features(small, key(1)),
        "of another key": pack_features(features(2), key(2)),
        "zeros": bytes(len(content)),
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        "empty",
        "truncated",
        "longer",
        "flipped",
        "foreign",
        "of another shape",
        "of another key",
        "zeros",
    ],
)
def test_a_damaged_entry_is_removed_and_can_be_put_again(tmp_path: Path, how: str) -> None:
    cache = FeatureCache(tmp_path)
    cache.put(key(1), features(1))
    place(tmp_path, 1).write_bytes(damaged(how))
    assert cache.get(key(1), GRID) is None
    assert not place(tmp_path, 1).exists()
    cache.put(key(1), features(1))
    assert cache.get(key(1), GRID) is not None


def test_what_was_unused_for_longest_makes_room(tmp_path: Path) -> None:
    limit = 5 * ENTRY + ENTRY // 2
    cache = FeatureCache(tmp_path, limit)
    for number in range(5):
        cache.put(key(number), features(number))
        aged(place(tmp_path, number), 100 - number)
    assert stored(tmp_path, range(9)) == {0, 1, 2, 3, 4}
    assert cache.get(key(0), GRID) is not None  # used just now
    cache.put(key(5), features(5))
    # At most 0.9 * 5.5 = 4.95 entries are left.
    assert stored(tmp_path, range(9)) == {0, 3, 4, 5}
    cache.put(key(6), features(6))
    assert stored(tmp_path, range(9)) == {0, 3, 4, 5, 6}


def test_the_limit_is_kept_over_many_entries(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, 4 * ENTRY)
    for number in range(40):
        cache.put(key(number), features(number % 10))
        assert cache.contents().size_bytes <= 4 * ENTRY
        assert cache.get(key(number), GRID) is not None
    assert cache.trouble is None


def test_the_limit_holds_for_what_earlier_runs_left(tmp_path: Path) -> None:
    earlier = FeatureCache(tmp_path)
    for number in range(8):
        earlier.put(key(number), features(number))
        aged(place(tmp_path, number), 100 - number)
    FeatureCache(tmp_path, 3 * ENTRY).put(key(8), features(8))
    assert stored(tmp_path, range(9)) == {7, 8}  # 0.9 * 3 = 2.7 entries


def test_the_limit_holds_for_what_others_write_meanwhile(tmp_path: Path) -> None:
    limit = 20 * ENTRY
    ours, theirs = FeatureCache(tmp_path, limit), FeatureCache(tmp_path, limit)
    for number in range(100):
        (ours if number % 2 else theirs).put(key(number), features(number % 10))
        # Each may be wrong by a tenth of the limit, and by the entry that shows it.
        assert ours.contents().size_bytes <= limit + 2 * (limit // 10 + ENTRY)
    ours.put(key(100), features(0))


@pytest.mark.parametrize("limit", [0, 1, 1000])
def test_an_entry_larger_than_the_limit_is_not_stored_and_evicts_nothing(
    tmp_path: Path, limit: int
) -> None:
    small = FeatureMap(torch.zeros(1, 1, 1), torch.ones(1, 1).bool(), Grid(1, 1), 4)
    FeatureCache(tmp_path).put(key(0), small)
    cache = FeatureCache(tmp_path, limit)
    cache.put(key(1), features(1))
    assert stored(tmp_path, range(2)) == {0}
    assert cache.trouble is None


def test_a_negative_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="at least 0 bytes"):
        FeatureCache(tmp_path, -1)


@pytest.mark.parametrize(
    ("used", "free", "allowed"),
    [(0, 1000, 100), (0, 120, 60), (40, 80, 60), (60, 60, 60), (90, 0, 45), (0, None, 100)],
)
def test_a_cache_takes_at_most_half_of_the_room_on_the_disk(
    used: int, free: int | None, allowed: int
) -> None:
    assert allowed_bytes(100, used, free) == allowed


def test_the_limit_that_is_told_fits_the_disk(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "missing", 10**18)
    assert 0 < cache.limit() < 10**18
    assert FeatureCache(tmp_path, 7).limit() == 7


def test_temporary_files_of_killed_processes_vanish_after_an_hour(tmp_path: Path) -> None:
    folder = place(tmp_path, 1).parent
    folder.mkdir()
    old, new = (folder / f".{key(1)}.{digit * 8}.partial" for digit in "ab")
    foreign = folder / ".theirs.partial"
    for path in (old, new, foreign):
        path.write_bytes(b"half an entry")
    aged(old, 3700)
    aged(new, 3500)
    aged(foreign, 10**6)
    FeatureCache(tmp_path).put(key(2), features(2))
    assert not old.exists()
    assert new.exists()
    assert foreign.exists()


def test_clearing_removes_what_is_ours_and_nothing_else(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    for number in range(3):
        cache.put(key(number), features(number))
    folder = place(tmp_path, 0).parent
    (folder / f".{key(0)}.0123abcd.partial").write_bytes(b"half")
    foreign = [
        tmp_path / "notes.txt",
        tmp_path / f"{key(0)}.safetensors",  # not in its folder
        folder / "model.safetensors",
        folder / f"{key(0)}.safetensors.bak",
        tmp_path / "weights" / f"{key(0)}.safetensors",
    ]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("theirs")
    assert cache.clear() == Contents(3, 3 * ENTRY)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(foreign)
    assert cache.contents() == Contents(0, 0)
    cache.put(key(1), features(1))
    assert cache.get(key(1), GRID) is not None


def test_a_link_in_place_of_an_entry_is_not_counted_and_its_target_is_safe(tmp_path: Path) -> None:
    target = tmp_path / "precious.bin"
    target.write_text("precious")
    folder = tmp_path / "cache"
    place(folder, 1).parent.mkdir(parents=True)
    place(folder, 1).symlink_to(target)
    cache = FeatureCache(folder)
    assert cache.contents() == Contents(0, 0)
    assert cache.get(key(1), GRID) is None  # removes the link, as any damaged entry
    cache.put(key(1), features(1))
    assert cache.get(key(1), GRID) is not None
    assert target.read_text() == "precious"


def test_a_file_in_place_of_the_folder_is_told_once_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.write_text("mine")
    cache = FeatureCache(folder)
    cache.put(key(1), features(1))
    first = cache.trouble
    assert isinstance(first, OutputError)
    assert re.search(rf"to keep features in {folder}, found .+; free some space, or", str(first))
    cache.put(key(2), features(2))
    assert cache.trouble is first
    assert cache.get(key(1), GRID) is None
    assert cache.clear() == cache.contents() == Contents(0, 0)
    assert folder.read_text() == "mine"


@pytest.fixture
def small_files() -> Iterator[None]:
    """This process may write files of half an entry, as if the disk were full after that."""
    resource = pytest.importorskip("resource", reason="limits on files are a thing of POSIX")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ENTRY // 2, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more_is_told_and_old_entries_are_still_read(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    cache = FeatureCache(tmp_path)
    cache.put(key(1), features(1))
    request.getfixturevalue("small_files")
    cache.put(key(2), features(2))
    assert "to keep features in" in str(cache.trouble)
    assert cache.get(key(1), GRID) is not None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [place(tmp_path, 1)]


def test_a_folder_that_may_only_be_read_is_read(tmp_path: Path) -> None:
    FeatureCache(tmp_path).put(key(1), features(1))
    folders = [tmp_path, place(tmp_path, 1).parent]
    for folder in folders:
        folder.chmod(0o555)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("no folder is read-only to this user")
        cache = FeatureCache(tmp_path)
        assert cache.get(key(1), GRID) is not None
        cache.put(key(2), features(2))
        assert cache.trouble is not None
        with pytest.raises(OutputError, match="1 that are in use or may not be removed"):
            cache.clear()
    finally:
        for folder in folders:
            folder.chmod(0o755)


BUSY = """
import multiprocessing, random, sys
from hashlib import sha256
from pathlib import Path
import torch
from napari_firstpass.feature_cache import FeatureCache
from napari_firstpass.features import FeatureMap
from napari_firstpass.grid import Grid

def busy(seed):
    cache, dice = FeatureCache(Path(sys.argv[1]), int(sys.argv[2])), random.Random(seed)
    grid, found = Grid(8, 12), 0
    for turn in range(120):
        number = dice.randrange(8)
        key = sha256(str(number).encode()).hexdigest()
        vectors = torch.full((40, 8, 12), float(number))
        kept = cache.get(key, Grid(32, 48))
        if kept is None:
            cache.put(key, FeatureMap(vectors, torch.ones(8, 12).bool(), grid, 4))
        else:
            assert kept.vectors.equal(vectors), number
            found += 1
        if turn % 50 == seed:
            cache.clear()
    assert cache.trouble is None, cache.trouble
    assert found > 10, found  # three of eight keys fit

torch.set_num_threads(1)
runs = [multiprocessing.get_context("fork").Process(target=busy, args=(seed,)) for seed in range(3)]
for one in runs:
    one.start()
for one in runs:
    one.join(100)
print([one.exitcode for one in runs])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="processes that begin at once are of POSIX")
def test_processes_that_share_a_small_cache_find_the_right_features_only(tmp_path: Path) -> None:
    limit = 3 * ENTRY + 100
    done = subprocess.run(
        [sys.executable, "-c", BUSY, str(tmp_path), str(limit)],
        check=True,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.stdout == "[0, 0, 0]\n", done.stderr
    assert list(tmp_path.rglob("*.partial")) == []
    cache = FeatureCache(tmp_path, limit)
    cache.put(key(9), features(9))
    assert cache.contents().size_bytes <= limit


WRITING = """
import sys
from hashlib import sha256
from pathlib import Path
import torch
from napari_firstpass.feature_cache import FeatureCache
from napari_firstpass.features import FeatureMap
from napari_firstpass.grid import Grid

cache = FeatureCache(Path(sys.argv[1]))
large = FeatureMap(torch.ones(500, 100, 100), torch.ones(100, 100).bool(), Grid(100, 100), 4)
while True:
    cache.put(sha256(b"large").hexdigest(), large)
"""


def test_a_process_killed_while_writing_leaves_nothing_that_is_served(tmp_path: Path) -> None:
    name = sha256(b"large").hexdigest()
    left: list[Path] = []
    for _ in range(20):  # the file may have been moved just before the signal came
        process = subprocess.Popen([sys.executable, "-c", WRITING, str(tmp_path)])
        while not (left := list(tmp_path.rglob("*.partial"))):
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
        process.wait()
        if left := list(tmp_path.rglob("*.partial")):
            break
    (partial,) = left
    cache = FeatureCache(tmp_path)
    entry = tmp_path / name[:2] / f"{name}.safetensors"
    found = cache.get(name, Grid(400, 400))
    assert (found is not None) == entry.exists()  # whole, or none
    aged(partial, 3700)
    cache.put(key(1), features(1))
    assert not partial.exists()


def test_the_folder_is_that_of_the_variable_else_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTPASS_CACHE", str(tmp_path / "chosen"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_folder() == tmp_path / "chosen"
    monkeypatch.setenv("FIRSTPASS_CACHE", "")
    assert default_folder() == tmp_path / "xdg" / "napari-firstpass" / "features"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    folder = default_folder()
    assert folder.is_relative_to(tmp_path / "home")
    assert folder.parts[-2:] == ("napari-firstpass", "features")


def test_what_is_preferred_comes_after_the_variable_and_before_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIRSTPASS_CACHE", raising=False)
    assert default_folder(Path("~/fast")) == Path.home() / "fast"
    monkeypatch.setenv("FIRSTPASS_CACHE", str(tmp_path))
    assert default_folder(Path("~/fast")) == tmp_path
