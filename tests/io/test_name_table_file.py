from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_firstpass.errors import ImageReadError, TaxonomyError
from napari_firstpass.io.name_table_file import read_name_table

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = (("cluster 1", "tree"), ("2", "building"), ("no", ""))


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("csv", "source,target\ncluster 1,tree\n 2 ,building\n\nno,\n"),
        ("csv", "\ufeffcluster 1,tree\r\n2,building\r\nno,\r\n"),
        ("yaml", "cluster 1: tree\n2: building\nno:\n"),
        ("json", '{"cluster 1": "tree", "2": "building", "no": null}'),
    ],
)
def test_every_form_says_the_same(tmp_path: Path, ending: str, text: str) -> None:
    path = tmp_path / f"table.{ending}"
    path.write_text(text, encoding="utf-8")
    found = read_name_table(path)
    assert (found.pairs, found.name) == (PAIRS, path.name)


@pytest.mark.parametrize(
    ("ending", "text", "told"),
    [
        ("csv", "cluster 1,tree,oak\n", r"two columns of classes in table.csv, found \['cluster"),
        ("csv", 'cluster 1,"tree\n', "no CSV"),
        ("json", "{", "no JSON"),
        ("json", '"tree"', "something else"),
        ("json", '{"cluster 1": {"a": 1}}', "write a name or an id"),
        ("yaml", "cluster 1: &a tree\n", "the anchor &a"),
        ("yaml", "just words\n", "something else"),
        ("csv", "", "at least one class"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, ending: str, text: str, told: str) -> None:
    path = tmp_path / f"table.{ending}"
    path.write_text(text)
    with pytest.raises(TaxonomyError, match=told):
        read_name_table(path)


def test_other_encodings_and_missing_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with pytest.raises(ImageReadError, match="check the path"):
        read_name_table(path)
    path.write_bytes("Gebäude,building\n".encode("cp1252"))
    with pytest.raises(TaxonomyError, match="UTF-8"):
        read_name_table(path)
    assert read_name_table(path, encoding="cp1252").pairs == (("Gebäude", "building"),)
