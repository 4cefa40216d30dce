from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from borders import picture
from rasters import NORTH_UP, UTM31, write_raster

import napari_firstpass
from napari_firstpass.config import PromptConfig
from napari_firstpass.errors import GridMismatchError, OutputError, PromptError, TaxonomyError
from napari_firstpass.grid import Grid
from napari_firstpass.io.label_file import read_segmentation, write_segmentation
from napari_firstpass.prompt_images import Thing, prompt_array, prompt_file, with_classes
from napari_firstpass.prompts import Box, Line, Point, Prompt
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy, numbered_taxonomy

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = PromptConfig(device="cpu")
IDS = np.ones((96, 112), np.uint8)
IDS[24:54, 34:74], IDS[64:86, 12:44] = 2, 3
GRID = Grid(96, 112, NORTH_UP, UTM31)
CLASSES = Taxonomy((LabelClass(2, "grass", "#112233"), LabelClass(9, "roof", "#445566")))
FIRST = Prompt(points=(Point(40, 50), Point(5, 5, positive=False)))
SECOND = Prompt(lines=(Line(((70, 20), (80, 40))),))


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "scene.tif", picture(IDS), photometric="RGB")


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    ids = np.zeros(IDS.shape, np.uint8)
    ids[:, 50:] = 2
    return write_segmentation(tmp_path / "labels.tif", Segmentation(ids, CLASSES, GRID))


def mask_of(prompt: Prompt) -> np.ndarray:
    found = prompt_array(picture(IDS), prompt, CONFIG, roles=("red", "green", "blue"))
    return found.masks[0].numpy()


@pytest.mark.parametrize(
    "prompt", [Prompt(boxes=(Box(18, 28, 60, 80),)), Prompt(points=(Point(38.5, 52.5),))]
)
def test_a_box_around_a_thing_or_a_click_on_it_gives_the_thing(prompt: Prompt) -> None:
    found = mask_of(prompt)
    truth = IDS == 2
    assert (found & truth).sum() / (found | truth).sum() > 0.9


def test_arrays_get_masks_of_their_own_size() -> None:
    bands = picture(IDS)
    answer = napari_firstpass.prompt_array(bands, FIRST, CONFIG)
    assert answer.masks.shape[1:] == IDS.shape
    assert answer.masks.dtype == torch.bool
    assert answer.masks[0, 40, 50]
    assert not answer.masks[0, 5, 5]
    grey = prompt_array(bands[0], FIRST, CONFIG)
    assert grey.masks.shape[1:] == IDS.shape


def test_a_file_gets_labels_in_its_place_that_tell_what_was_asked(scene: Path) -> None:
    out, sure = scene.with_name("out.tif"), scene.with_name("sure.tif")
    things = [Thing(FIRST, "roof"), Thing(SECOND, "road")]
    report = prompt_file(scene, things, out, CONFIG, confidence=sure)
    found = read_segmentation(out)
    one, other = mask_of(FIRST), mask_of(SECOND)
    np.testing.assert_array_equal(found.labels > 0, one | other)
    np.testing.assert_array_equal(found.labels[one & ~other], 1)
    np.testing.assert_array_equal(found.labels[other & ~one], 2)
    assert [entry.name for entry in found.taxonomy.classes] == ["roof", "road"]
    assert found.grid == GRID
    told = found.provenance.config
    assert (told["prompter"], told["backbone"]) == ("iseg", "embedded")
    assert [thing["class"] for thing in told["things"]] == [1, 2]
    assert told["things"][0]["points"][1] == {"row": 5, "col": 5, "positive": False}
    assert told["things"][1]["lines"][0]["places"] == [[70, 20], [80, 40]]
    assert found.provenance.source_sha256 is not None
    assert [thing.pixels for thing in report.things] == [one.sum(), other.sum()]
    scores = read_segmentation(sure).labels
    np.testing.assert_array_equal(scores > 0, one | other)
    first = out.read_bytes()
    prompt_file(scene, things, out, CONFIG, overwrite=True)
    assert out.read_bytes() == first


@pytest.mark.parametrize("where", ["everywhere", "unlabelled", "class"])
def test_things_are_added_to_labels_that_are_there(scene: Path, labels: Path, where: str) -> None:
    out, before = scene.with_name("out.tif"), read_segmentation(labels)
    report = prompt_file(scene, [Thing(FIRST, "roof")], out, CONFIG, into=labels, where=where)
    after, mask = read_segmentation(out), mask_of(FIRST)
    most = 2 if (before.labels[mask] == 2).sum() > mask.sum() / 2 else 0
    wanted = {"everywhere": before.labels >= 0, "unlabelled": before.labels == 0}
    changed = mask & wanted.get(where, before.labels == most)
    np.testing.assert_array_equal(after.labels, np.where(changed, 9, before.labels))
    assert after.taxonomy == before.taxonomy
    assert report.things[0].changed == changed.sum()
    (step,) = after.provenance.config["prompted"]
    assert (step["image"], step["where"]) == ("scene.tif", where)
    assert step["labels_sha256"] is not None


def test_a_second_thing_is_told_beside_the_first(scene: Path, labels: Path) -> None:
    one, two = scene.with_name("one.tif"), scene.with_name("two.tif")
    prompt_file(scene, [Thing(FIRST, "roof")], one, CONFIG, into=labels)
    prompt_file(scene, [Thing(SECOND, "road")], two, CONFIG, into=one)
    found = read_segmentation(two)
    steps = found.provenance.config["prompted"]
    assert [step["things"][0]["class"] for step in steps] == [9, 10]
    assert found.taxonomy[10].name == "road"
    np.testing.assert_array_equal(found.labels == 10, mask_of(SECOND))


def test_classes_are_found_by_name_or_number_and_added_by_name() -> None:
    classes, ids = with_classes(CLASSES, ["roof", "2", "hedge", "10", "hedge"])
    assert ids == [9, 2, 10, 10, 10]
    assert [(c.id, c.name) for c in classes.classes][2:] == [(10, "hedge")]
    assert with_classes(Taxonomy(()), ["thing"])[1] == [1]


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (CLASSES, "expected a class out of .*9 roof.*, found the number 99; give a name to add"),
        (Taxonomy(()), "expected the name of a class, found the number 99"),
        (numbered_taxonomy(20, "region"), "8 region 8 and 12 more, found the number 99"),
    ],
)
def test_a_number_of_no_class_is_refused(classes: Taxonomy, said: str) -> None:
    with pytest.raises(TaxonomyError, match=said):
        with_classes(classes, ["99"])


def test_what_cannot_be_written_or_answered_leaves_nothing(scene: Path, labels: Path) -> None:
    out = scene.with_name("out.tif")
    small = write_raster(scene.with_name("small.tif"), picture(IDS)[:, 1:])
    with pytest.raises(GridMismatchError, match="labels on the grid of the image, 95 x 112"):
        prompt_file(small, FIRST, out, CONFIG, into=labels)
    with pytest.raises(PromptError, match="in the image of 96 × 112"):
        prompt_file(scene, Prompt(points=(Point(200, 3),)), out, CONFIG)
    with pytest.raises(PromptError, match="the words roof"):
        prompt_file(scene, Prompt(words=("roof",)), out, CONFIG)
    with pytest.raises(OutputError, match="which is an input"):
        prompt_file(scene, FIRST, labels, CONFIG, into=labels, overwrite=True)
    assert sorted(path.name for path in scene.parent.iterdir() if "labels" not in path.name) == [
        "scene.tif",
        "small.tif",
    ]
