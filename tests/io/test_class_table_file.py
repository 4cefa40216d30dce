from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_firstpass.errors import ImageReadError, TaxonomyError
from napari_firstpass.io.class_table_file import read_class_table

if TYPE_CHECKING:
    from pathlib import Path


def test_a_table_in_yaml_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("# classes\nbuilding: [0, 1]\nvegetation: 2\n", encoding="utf-8")
    table = read_class_table(path)
    assert table.names == ("building", "vegetation")
    assert table.truth == {0: 0, 1: 0, 2: 1}


def test_a_table_in_json_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('{"truth": {"a": [1]}, "pred": {"a": [9]}}', encoding="utf-8")
    assert read_class_table(path).pred == {9: 0}


def test_broken_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("a: [1, 2\nb: ]", encoding="utf-8")
    with pytest.raises(TaxonomyError, match="expected a table of classes in YAML"):
        read_class_table(path)


def test_yaml_that_would_run_something_is_refused(tmp_path: Path) -> None:
    path, ran = tmp_path / "t.yaml", tmp_path / "ran"
    path.write_text(f"a: !!python/object/apply:os.mkdir ['{ran}']", encoding="utf-8")
    with pytest.raises(TaxonomyError, match="in YAML"):
        read_class_table(path)
    assert not ran.exists()


def test_a_missing_file_a_binary_one_and_a_huge_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="expected a table of classes"):
        read_class_table(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ImageReadError, match="expected a table of classes"):
        read_class_table(tmp_path / "b.yaml")
    (tmp_path / "h.yaml").write_bytes(b"a" * (2**20 + 1))
    with pytest.raises(TaxonomyError, match="less than 1 MB"):
        read_class_table(tmp_path / "h.yaml")


def test_yaml_nested_beyond_reason_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("[" * 5000, encoding="utf-8")
    with pytest.raises(TaxonomyError, match="in YAML"):
        read_class_table(path)
