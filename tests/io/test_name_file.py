"""Names of classes, and what is in which image, from files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from napari_firstpass.errors import ImageReadError, PromptError
from napari_firstpass.io.name_file import read_names, read_tags

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("roof", "road", "dining table")


def test_names_are_lines_without_comments(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("roof\n\n  road  # of any kind\n# what follows is indoors\ndining   table\n")
    assert read_names(path) == NAMES
    path.write_text("# nothing yet\n")
    with pytest.raises(PromptError, match=r"one a line, found none"):
        read_names(path)
    with pytest.raises(ImageReadError, match="found No such file"):
        read_names(tmp_path / "missing.txt")
    path.write_bytes(b"\xff\xfe\x00road")
    with pytest.raises(ImageReadError, match="no text in UTF-8"):
        read_names(path)


def test_a_file_tells_what_is_in_each_image_in_the_order_of_the_names(tmp_path: Path) -> None:
    path = tmp_path / "tags.txt"
    path.write_text("12.tif: Road; roof\n13: dining table # a café\n14:\n")
    tags = read_tags(path, NAMES)
    assert tags.of("12.tif") == ("roof", "road")
    assert tags.of("12") == tags.of("12.png") == ("roof", "road")
    assert tags.of("13.jpg") == ("dining table",)
    assert tags.of("14.tif") == ()
    with pytest.raises(PromptError, match=r"what is in 15.tif in .*tags.txt, found nothing"):
        tags.of("15.tif")


def test_json_and_a_folder_of_files_say_the_same(tmp_path: Path) -> None:
    listed = tmp_path / "tags.json"
    listed.write_text(json.dumps({"12": ["road", "ROOF"], "a.b.tif": []}))
    folder = tmp_path / "tags"
    folder.mkdir()
    (folder / "12.txt").write_text("road\nroof\n")
    (folder / "a.b.txt").write_text("")
    (folder / "readme.md").write_text("no tags")
    for place in (listed, folder):
        tags = read_tags(place, NAMES)
        assert tags.of("12.tif") == ("roof", "road")
        assert tags.of("a.b.tif") == ()
        assert set(tags.names) == {"12", "a.b"}


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("tags.txt", "12: roof; boat", "'boat' for 12; correct it"),
        ("tags.txt", "12 roof", "found '12 roof'"),
        ("tags.json", '{"12": "roof"}', "found other JSON"),
        ("tags.json", '{"12": [1]}', "found other JSON"),
        ("tags.json", "{", "found no JSON"),
    ],
)
def test_what_is_no_list_of_tags_is_refused(
    tmp_path: Path, name: str, text: str, found: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(PromptError, match=found):
        read_tags(path, NAMES)


def test_tags_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="found No such file"):
        read_tags(tmp_path / "tags.txt", NAMES)
