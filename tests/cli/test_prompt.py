from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from borders import picture
from rasters import NORTH_UP, write_raster

from diffusion import save_diffusion
from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, UNFIT, USAGE
from napari_firstpass.cli.marks import Places, names_in
from napari_firstpass.errors import OptionError, PromptError
from napari_firstpass.grid import Grid
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.prompting import PROMPTERS
from napari_firstpass.prompts import Box, Line, Point

if TYPE_CHECKING:
    from pathlib import Path

IDS = np.ones((96, 112), np.uint8)
IDS[24:54, 34:74] = 2
PIXELS = Places(Grid(96, 112, NORTH_UP), world=False)
WORLD = Places(Grid(96, 112, NORTH_UP), world=True)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "scene.tif", picture(IDS), photometric="RGB")


def test_marks_are_read_as_they_are_written() -> None:
    assert PIXELS.points("1,2.5;3,4,- ; 5,6,+") == (
        Point(1, 2.5),
        Point(3, 4, positive=False),
        Point(5, 6),
    )
    assert PIXELS.lines("1,2 3,4 5,6;7,8 9,9 -") == (
        Line(((1, 2), (3, 4), (5, 6))),
        Line(((7, 8), (9, 9)), positive=False),
    )
    assert PIXELS.boxes("9,2,3,8") == (Box(3, 2, 9, 8),)
    assert names_in("roof, house ; road") == (("roof", "house"), ("road",))


def test_places_in_the_world_become_pixels() -> None:
    # Pixels of 10 cm, from (500000, 5000000) on downwards.
    (point,) = WORLD.points("500002.5,4999999,-")
    assert (point.row, point.col) == pytest.approx((10, 25))
    assert not point.positive
    (box,) = WORLD.boxes("500001,4999998,500003,4999999.5")
    assert (box.top, box.left, box.bottom, box.right) == pytest.approx((5, 10, 20, 30))


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (PIXELS.points, "1,2;3", "--points in the form r,c .* found '3'"),
        (PIXELS.points, "1,2,?", "found '1,2,?'"),
        (PIXELS.points, "1,nan", "found '1,nan'"),
        (PIXELS.lines, "1,2 3", "--lines in the form r,c r,c .* found '1,2 3'"),
        (PIXELS.lines, "", "found ''"),
        (WORLD.boxes, "1,2,3", "--boxes in the form x0,y0,x1,y1 .* found '1,2,3'"),
        (names_in, "roof; ", "words after --text"),
        (names_in, " ", "words after --text"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_form(read, text: str, said: str) -> None:  # noqa: ANN001
    with pytest.raises(OptionError, match=said.replace("?'", r"\?'")):
        read(text)


def test_a_box_of_zero_size_is_refused() -> None:
    with pytest.raises(PromptError, match="a box with some height and width"):
        PIXELS.boxes("3,4,3,9")


def test_prompt_writes_a_label_file_and_says_what_it_found(
    scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = scene.with_name("roof.tif")
    command = ["prompt", str(scene), "--points", "40,50;5,5,-", "--class", "roof"]
    assert (
        main([*command, "--out", str(out), "--confidence", str(scene.with_name("s.tif"))]) == DONE
    )
    said = capsys.readouterr().out
    found = read_segmentation(out)
    assert found.labels[40, 50] == 1
    assert found.taxonomy[1].name == "roof"
    assert f"roof: {(found.labels == 1).sum()} pixels" in said
    assert "s.tif" in said


def test_the_world_and_pixels_give_the_same_bytes(scene: Path) -> None:
    pixels, world = scene.with_name("a.tif"), scene.with_name("b.tif")
    assert main(["prompt", str(scene), "--boxes", "18,28,60,80", "--out", str(pixels)]) == DONE
    box = "500002.8,4999998.2,500008,4999994"
    assert main(["prompt", str(scene), "--boxes", box, "--world", "--out", str(world)]) == DONE
    one, other = read_segmentation(pixels), read_segmentation(world)
    np.testing.assert_array_equal(one.labels, other.labels)
    assert (one.labels > 0).any()


def test_a_thing_is_added_to_labels(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, both = scene.with_name("first.tif"), scene.with_name("both.tif")
    assert main(["prompt", str(scene), "--points", "5,5", "--out", str(first)]) == DONE
    command = ["prompt", str(scene), "--lines", "40,40 40,60", "--into", str(first), "--json"]
    capsys.readouterr()
    more = ["--class", "roof", "--where", "unlabelled", "--out", str(both), "--overlay"]
    assert main([*command, *more, "--confidence"]) == DONE
    result = json.loads(capsys.readouterr().out)
    before, after = read_segmentation(first).labels, read_segmentation(both).labels
    np.testing.assert_array_equal(after[before > 0], before[before > 0])
    assert result["things"][0]["changed"] == (after == 2).sum()
    assert result["into"] == str(first)
    assert result["confidence"] == str(scene.with_name("both_confidence.tif"))
    assert scene.with_name("both_overlay.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], USAGE, "--points, --lines, --boxes or --text, found none"),
        (["--points", "5,5,-"], UNFIT, "found only what does not belong to it"),
        (["--points", "5,5", "--text", "roof; road"], USAGE, "one thing in --text"),
        (["--points", "200,5"], UNFIT, "found a point at row 200, column 5"),
        (["--text", "roof"], UNFIT, "found the words roof"),
        (["--points", "5,5", "--class", "a;b"], USAGE, "one class for all, or 1"),
        (["--points", "5,5", "--with", "magic"], USAGE, "way to answer prompts out of"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(
    scene: Path,
    arguments: list[str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = scene.with_name("out.tif")
    assert main(["prompt", str(scene), *arguments, "--out", str(out)]) == code
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_world_positions_need_a_place_in_the_world() -> None:
    with pytest.raises(OptionError, match="georeference for --world, found none"):
        Places(Grid(96, 112), world=True)


def test_help_lists_every_prompter(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["prompt", "--help"])
    said = capsys.readouterr().out
    assert all(name in said for name in PROMPTERS.names)


def test_words_are_found_in_an_image_and_in_a_folder(
    scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_diffusion(scene.parent / "model", tokens=120)
    out, folder = scene.with_name("out.tif"), scene.parent / "images"
    folder.mkdir()
    scene.rename(folder / "a.tif")
    words = ["--text", "roof, house; road", "--model", str(model), "--device", "cpu"]
    assert main(["prompt", str(folder / "a.tif"), *words, "--out", str(out), "--no-cache"]) == DONE
    found = read_segmentation(out)
    assert [entry.name for entry in found.taxonomy.classes] == ["roof", "road"]
    assert found.provenance.config["model"] == "model"
    assert found.provenance.config["things"][0]["words"] == ["roof", "house"]
    assert "road: " in capsys.readouterr().out
    words = ["--text", "roof; road", "--model", str(model), "--device", "cpu"]
    shared = scene.with_name("shared.tif")
    command = ["prompt", str(folder / "a.tif"), *words, "--background", "0", "--json"]
    assert main([*command, "--out", str(shared)]) == DONE
    result = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in result["classes"]] == ["roof", "road"]
    assert read_segmentation(shared).provenance.config["method"] == "words"
    assert main(["prompt", str(folder), *words, "--out", str(scene.parent / "labels")]) == DONE
    assert (scene.parent / "labels" / "a_labels.tif").is_file()
