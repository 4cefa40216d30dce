"""Files appear whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from napari_firstpass.errors import ImageReadError, OutputError
from napari_firstpass.io.files import sidecars, whole_file, writing

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


def listing(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def break_down_halfway(partial: Path) -> None:
    partial.write_text("half")
    sidecars(partial)[1].write_text("half")
    raise ZeroDivisionError


def test_a_finished_file_appears_together_with_its_sidecar(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.tif") as partial:
        partial.write_text("pixels")
        sidecars(partial)[0].write_text("names")
        assert not (tmp_path / "a.tif").exists()
    assert listing(tmp_path) == {"a.tif": "pixels", "a.tif.aux.xml": "names"}


def test_the_neighbour_is_hidden_in_the_same_folder_with_the_same_suffix(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.tif") as partial:
        assert partial.parent == tmp_path
        assert partial.name.startswith(".a.")
        assert partial.suffix == ".tif"


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("old")
    with (
        pytest.raises(ZeroDivisionError),
        whole_file(tmp_path / "a.tif", overwrite=True) as partial,
    ):
        break_down_halfway(partial)
    assert listing(tmp_path) == {"a.tif": "old"}


def test_a_closed_generator_leaves_nothing(tmp_path: Path) -> None:
    def steps() -> Generator[int, None, None]:
        with whole_file(tmp_path / "a.tif") as partial:
            partial.write_text("half")
            yield 1

    running = steps()
    next(running)
    assert len(listing(tmp_path)) == 1
    running.close()
    assert listing(tmp_path) == {}


def test_an_existing_file_is_not_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("old")
    with (
        pytest.raises(OutputError, match=r"a\.tif; choose another name"),
        whole_file(tmp_path / "a.tif"),
    ):
        pass
    assert listing(tmp_path) == {"a.tif": "old"}


def test_a_sidecar_without_its_file_is_not_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "a.tif.aux.xml").write_text("mine")
    with pytest.raises(OutputError, match=r"a\.tif\.aux\.xml"), whole_file(tmp_path / "a.tif"):
        pass


def test_sidecars_of_the_old_file_go_when_it_is_overwritten(tmp_path: Path) -> None:
    for name in ("a.tif", "a.tif.aux.xml", "a.tif.ovr", "a.tif.msk"):
        (tmp_path / name).write_text("old")
    with whole_file(tmp_path / "a.tif", overwrite=True) as partial:
        partial.write_text("new")
    assert listing(tmp_path) == {"a.tif": "new"}


@pytest.mark.parametrize("alias", ["same", "spelling", "hard", "symbolic"])
def test_an_input_is_never_the_output(tmp_path: Path, alias: str) -> None:
    source = tmp_path / "scene.tif"
    source.write_text("the only copy")
    output = tmp_path / "out.tif"
    if alias == "hard":
        output.hardlink_to(source)
    elif alias == "symbolic":
        output.symlink_to(source)
    else:
        output = source if alias == "same" else tmp_path / ".." / tmp_path.name / "scene.tif"
    with (
        pytest.raises(OutputError, match="which is an input"),
        whole_file(output, overwrite=True, forbid=[source]),
    ):
        pass
    assert source.read_text() == "the only copy"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=f"none at {tmp_path / 'no'}; create"),
        whole_file(tmp_path / "no" / "a.tif"),
    ):
        pass


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="a folder or a device"), whole_file(tmp_path):
        pass


def test_the_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "a.tif") as partial:
            partial.write_text("pixels")
    finally:
        os.umask(before)
    assert (tmp_path / "a.tif").stat().st_mode & 0o777 == 0o640


def test_a_read_only_disk_is_named(read_only_disk: Path) -> None:
    with pytest.raises(OutputError, match="a read-only disk"), whole_file(read_only_disk / "a.tif"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="permission bits do not stop root")
def test_a_folder_without_write_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with (
        pytest.raises(OutputError, match="may not be written"),
        whole_file(tmp_path / "a.tif"),
    ):
        pass


def test_a_name_that_is_too_long_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="choose a shorter name"),
        whole_file(tmp_path / ("a" * 254 + ".tif")) as partial,
    ):
        partial.write_text("pixels")
    assert listing(tmp_path) == {}


def test_errors_that_are_ours_already_pass_unchanged(tmp_path: Path) -> None:
    error = ImageReadError(expected="an image", found="none", remedy="look again")
    with pytest.raises(ImageReadError) as caught, writing(tmp_path / "a.tif"):
        raise error
    assert caught.value is error


LIMITED = """
import resource, sys
from pathlib import Path
from napari_firstpass.errors import OutputError
from napari_firstpass.io.files import whole_file, writing
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with whole_file(sys.argv[1]) as partial, writing(Path(sys.argv[1])):
        partial.write_bytes(bytes(2000))
except OutputError as error:
    sys.exit(str(error))
"""


def test_a_limit_on_file_sizes_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "a.tif")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "found a limit on the size of files" in done.stderr
    assert listing(tmp_path) == {}
