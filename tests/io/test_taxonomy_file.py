"""Lists of classes in files: what people write is read, what we write is always the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from napari_firstpass.errors import (
    ImageReadError,
    OutputError,
    TaxonomyError,
    UnknownNameError,
)
from napari_firstpass.io.taxonomy_file import read_taxonomy, write_taxonomy
from napari_firstpass.taxonomies import BUILT_IN, built_in_file
from napari_firstpass.taxonomy import LabelClass, Taxonomy, color_of

ROOT = Path(__file__).parents[2]
COMPLETE = (".yaml", ".yml", ".json", ".csv")

FULL = Taxonomy(
    (
        LabelClass(1, "vegetation", "#00AA00"),
        LabelClass(
            7,
            "tree",
            "#007700",
            parent=1,
            aliases=("Baum; groß", "árbol", '"quoted"'),
            export_code=0,
            phrases=("crown of a tree", "a, b"),
        ),
        LabelClass(300, "no", "#123456", aliases=("1e3", "null")),
    ),
    unlabelled_color="#FF00FF",
)
HOSTILE = (
    "=1+1",
    "'=1+1",
    "@a",
    "-",
    "<b>&amp;",
    "a/b\\c",
    'say "x"',
    "a;b,c\td",
    "名前 🌳",
    "no",
    "1",
)


def written(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@pytest.mark.parametrize("ending", COMPLETE)
@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_taxonomy_comes_back_from_every_form(
    name: str, ending: str, tmp_path: Path
) -> None:
    taxonomy = read_taxonomy(name)
    assert read_taxonomy(write_taxonomy(tmp_path / f"a{ending}", taxonomy)) == taxonomy


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_colour_map_holds_ids_names_and_colours(name: str, tmp_path: Path) -> None:
    taxonomy = read_taxonomy(name)
    found = read_taxonomy(write_taxonomy(tmp_path / "a.clr", taxonomy))
    assert [(c.id, c.name, c.color) for c in found.classes] == [
        (c.id, c.name, c.color) for c in taxonomy.classes
    ]
    assert found.unlabelled_color == taxonomy.unlabelled_color


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_file_is_what_would_be_written_below_its_source(
    name: str, tmp_path: Path
) -> None:
    lines = built_in_file(name).read_text().splitlines(keepends=True)
    assert lines[0].startswith("# ")
    body = "".join(line for line in lines if not line.startswith("#"))
    assert write_taxonomy(tmp_path / "a.yaml", read_taxonomy(name)).read_text() == body


@pytest.mark.parametrize("ending", COMPLETE)
def test_everything_that_a_class_has_comes_back(ending: str, tmp_path: Path) -> None:
    assert read_taxonomy(write_taxonomy(tmp_path / f"a{ending}", FULL)) == FULL


@pytest.mark.parametrize("ending", COMPLETE)
def test_hostile_names_come_back(ending: str, tmp_path: Path) -> None:
    classes = tuple(
        LabelClass(i, name, color_of(i), aliases=(name,)) for i, name in enumerate(HOSTILE, 1)
    )
    file = write_taxonomy(tmp_path / f"a{ending}", Taxonomy(classes))
    assert read_taxonomy(file) == Taxonomy(classes)


def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path) -> None:
    classes = (LabelClass(1, "=cmd()", "#000000", aliases=("@sum", "+1")),)
    text = write_taxonomy(tmp_path / "a.csv", Taxonomy(classes)).read_text()
    assert text.splitlines()[1] == "1,'=cmd(),#000000,,'@sum;'+1,,"


def test_a_list_of_names_is_numbered_and_coloured(tmp_path: Path) -> None:
    found = read_taxonomy(written(tmp_path, "a.yaml", "- building\n- road\n"))
    assert found == Taxonomy(
        (LabelClass(1, "building", color_of(1)), LabelClass(2, "road", color_of(2)))
    )


@pytest.mark.parametrize(
    "color", ["'#00AA7F'", "'#00aa7f'", "[0, 170, 127]", "'0,170,127'", "0, 170, 127"]
)
def test_colours_are_read_as_people_write_them(color: str, tmp_path: Path) -> None:
    text = f"classes:\n- id: '1'\n  name: a\n  colour: {color}\n"
    (entry,) = read_taxonomy(written(tmp_path, "a.yaml", text)).classes
    assert (entry.id, entry.rgb) == (1, (0, 170, 127))


@pytest.mark.parametrize("parent", ["7", "plants", "Plants"])
def test_a_parent_is_an_id_or_a_name(parent: str, tmp_path: Path) -> None:
    file = written(tmp_path, "a.csv", f"id,name,parent\n3,tree,{parent}\n7,plants,\n")
    assert read_taxonomy(file)[3].parent == 7


def test_tables_with_semicolons_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    content = '\ufeffid;name;aliases\r\n1;Straße;"a;b"\r\n'.encode()
    (entry,) = read_taxonomy(written(tmp_path, "a.csv", content)).classes
    assert (entry.name, entry.aliases) == ("Straße", ("a", "b"))


def test_another_encoding_is_read_when_it_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, "a.csv", "id,name\n1,Straße\n".encode("cp1252"))
    with pytest.raises(TaxonomyError, match=r"expected text in UTF-8 in a\.csv, found another enc"):
        read_taxonomy(file)
    assert read_taxonomy(file, encoding="cp1252")[1].name == "Straße"


def test_zeros_between_the_letters_are_told(tmp_path: Path) -> None:
    file = written(tmp_path, "a.csv", "id,name\n1,road\n".encode("utf-16-le"))
    with pytest.raises(TaxonomyError, match="found zeros between the letters; save it as UTF-8"):
        read_taxonomy(file)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.yaml", "- &x {id: 1, name: a}\n- *x\n", r"found the anchor &x, line 1; remove it"),
        ("a.yaml", "classes: [*x]\n", r"found the alias \*x, line 1; write out"),
        ("a.yaml", "- !!python/object:os.x {}\n", r"found the tag tag:yaml.*line 1; remove it"),
        ("a.yaml", "- {id: 1, id: 2, name: a}\n", r"found 'id' twice, line 1; keep one"),
        ("a.yaml", "[" * 5000, r"found more than 16 lists in each other, line 1; flatten"),
        ("a.yaml", "- a\n--- \n- b\n", r"found several documents, line 3; keep one"),
        ("a.yaml", "classes:\n - id: 1\n  name: a\n", r"expected YAML in a\.yaml, found .*line 3"),
        ("a.yaml", "classes:\n", r"list of classes in a\.yaml, below `classes:`, found nothing"),
        ("a.yaml", "legend: []\n", r"below `classes:`, found 'legend'; write one entry"),
        ("a.yaml", "- id: 1\n  nme: a\n", r"found 'nme', line 1; rename or remove it"),
        ("a.yaml", "- id: 1\n- id: 2\n", r"text as the name of a class, found None in a\.yaml, l"),
        ("a.yaml", "- {id: x, name: a}\n", r"whole number as the id.*'x' in a\.yaml, line 1"),
        ("a.yaml", "- {id: 1.5, name: a}\n", r"whole number as the id.*'1\.5'"),
        ("a.yaml", "- {id: 1, name: a}\n- b\n", r"whole number as the id of every class, or of n"),
        ("a.yaml", "- {id: 0, name: a}\n", r"class id in \[1, 65535\], found 0 in a\.yaml, line 1"),
        ("a.yaml", "- {id: 65536, name: a}\n", r"class id in \[1, 65535\], found 65536 in a\.yaml"),
        ("a.json", '[{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]', r"class id once, found 1 m"),
        ("a.json", '["a", "a"]', r"every class name once, found a more than once in a\.json"),
        ("a.json", '[{"name": "a", "parent": "b"}]', r"as parent, found 'b' in a\.json, class n"),
        ("a.csv", "name,parent\na,b\nb,a\n", r"do not form a circle, found parent 1 of class 'a'"),
        ("a.csv", "name,color\na,#12345\n", r"colour like #1F77B4, found '#12345'.*line 2"),
        ("a.csv", 'name,color\na,"1,2,256"\n', r"from 0 to 255, found '1,2,256' in a\.csv, line 2"),
        ("a.csv", "name,export_code\na,70000\n", r"export code in \[0, 65535\], found '70000'"),
        ("a.csv", "1,building\n", r"names the columns, each once: id, name.*found '1, building'"),
        ("a.csv", "id,name,name\n", r"found 'name' twice"),
        ("a.csv", "id,name\n1,a,b\n", r"expected 2 columns in every line of a\.csv, found 3, line"),
        ("a.csv", 'id,name\n1,"a\n', r"expected a table in a\.csv, found unexpected end of data"),
        ("a.json", "{", r"expected JSON in a\.json, found .*line 1"),
        ("a.json", "[" * 100_000, r"expected JSON in a\.json, found "),
        ("a.json", '{"classes": [], "classes": []}', r"every key once, found 'classes' twice"),
        ("a.json", '[{"id": true, "name": "a"}]', r"whole number as the id of every class, or"),
        ("a.json", '[{"name": "a", "aliases": [1]}]', r"list of texts as aliases, found \[1\]"),
        ("a.json", "[[1]]", r"table with id, name and color for each class in a\.json, found a"),
        ("a.clr", "1 255 0\n", r"lines such as `1 255 0 0 255 building`.*found '1 255 0', line 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told_with_its_place(
    name: str, content: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(TaxonomyError, match=sentence):
        read_taxonomy(written(tmp_path, name, content))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    with file.open("wb") as stream:
        stream.truncate(2**24 + 1)
    with pytest.raises(TaxonomyError, match=r"at most 16 MB, found 16\.0 MB"):
        read_taxonomy(file)


def test_no_file_and_no_name_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(
        UnknownNameError, match=r"potsdam-3, loveda.*ends in \.yaml.*found 'potsdm'"
    ):
        read_taxonomy("potsdm")
    with pytest.raises(ImageReadError, match=r"list of classes at .*, found No such file"):
        read_taxonomy(tmp_path / "a.yaml")


def test_files_are_not_replaced_unasked(tmp_path: Path) -> None:
    file = write_taxonomy(tmp_path / "a.yaml", FULL)
    with pytest.raises(OutputError, match="does not exist yet"):
        write_taxonomy(file, replace(FULL, unlabelled_color="#000000"))
    assert read_taxonomy(file) == FULL
    with pytest.raises(OutputError, match=r"ends in \.yaml.*found .*a\.doc; change the ending"):
        write_taxonomy(tmp_path / "a.doc", FULL)


def test_a_thousand_classes_come_back(tmp_path: Path) -> None:
    many = Taxonomy(tuple(LabelClass(i, f"class {i}", color_of(i)) for i in range(1, 1001)))
    assert read_taxonomy(write_taxonomy(tmp_path / "a.yaml", many)) == many


def test_a_name_that_yaml_breaks_over_lines_comes_back(tmp_path: Path) -> None:
    long = LabelClass(1, "roof " * 60 + "end", "#112233", phrases=("tile " * 50 + "end",) * 3)
    file = write_taxonomy(tmp_path / "a.yaml", Taxonomy((long,)))
    assert read_taxonomy(file)[1] == long


def test_the_documents_list_what_is_built_in() -> None:
    text = (ROOT / "docs" / "taxonomies.md").read_text(encoding="utf-8")
    rows = [
        f"| `{name}` | {len(read_taxonomy(name))} | {told} |" for name, told in BUILT_IN.items()
    ]
    assert "\n".join(["|---|---|---|", *rows, ""]) in text


def test_the_example_of_the_documents_is_read(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "taxonomies.md").read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    found = read_taxonomy(written(tmp_path, "a.yaml", example))
    assert found[2] == LabelClass(
        2, "tree", "#007700", 1, ("trees", "wood"), 10, ("tree", "crown of a tree")
    )
