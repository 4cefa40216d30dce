"""What is named, in all images of a folder."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from features import landscape

from diffusion import save_diffusion
from napari_firstpass.cli.codes import DONE, SOME_FAILED, UNFIT
from napari_firstpass.cli.prompt_folder import add_to, names_of, prompt_folder
from napari_firstpass.diffusion.word_presets import FAST, PRESETS
from napari_firstpass.errors import ImageReadError, OptionError, PromptError, WeightsError
from napari_firstpass.grid import Grid
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.io.raster_file import write_raster
from napari_firstpass.raster import Raster

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (64, 80)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at pictures of 128 pixels: the preset is for 512."""
    monkeypatch.setitem(PRESETS, "fast", replace(FAST, side=128))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_diffusion(tmp_path_factory.mktemp("diffusion") / "model", tokens=120)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for seed, name in enumerate(("a", "b")):
        raster = Raster.from_array(
            landscape(*SHAPE, seed=seed), Grid(*SHAPE), roles=("red", "green", "blue")
        )
        write_raster(folder / f"{name}.tif", raster)
    return folder


def options(images: Path, model: Path | None, *arguments: str, **changes: object) -> Namespace:
    parser = ArgumentParser()
    add_to(parser)
    usual = {
        "image": images, "text": "roof; road", "method": "iseg", "preset": "fast", "seed": 0,
        "model": None if model is None else str(model), "out": images.parent / "labels",
        "bands": None, "device": "cpu", "confidence": False, "overlay": False, "overwrite": False,
        "json": False, "points": None, "lines": None, "boxes": None, "world": False, "into": None,
        "names": None,
    }  # fmt: skip
    return parser.parse_args(list(arguments), Namespace(**{**usual, **changes}))


def test_each_image_gets_a_file_with_the_names_and_what_is_done_is_passed_over(
    images: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = images.parent / "classes.txt"
    text.write_text("roof\nroad # paved\n")
    asked = options(images, model, text=str(text), confidence="")
    assert prompt_folder(asked) == DONE
    out = images.parent / "labels"
    names = {"a_labels.tif", "b_labels.tif", "a_labels_confidence.tif", "b_labels_confidence.tif"}
    assert {path.name for path in out.glob("*.tif")} == names
    for path in out.glob("?_labels.tif"):
        found = read_segmentation(path)
        assert [entry.name for entry in found.taxonomy.classes] == ["roof", "road"]
    said = capsys.readouterr()
    assert "no class" in said.out
    assert "no data" not in said.out
    (out / "b_labels.tif").unlink()
    (out / "b_labels.tif.aux.xml").unlink()
    (out / "b_labels_confidence.tif").unlink()
    before = (out / "a_labels.tif").stat().st_mtime_ns
    assert prompt_folder(asked) == DONE
    assert (out / "a_labels.tif").stat().st_mtime_ns == before
    assert (out / "b_labels.tif").is_file()
    assert "a.tif: done before, as " in capsys.readouterr().out


def test_a_single_image_may_be_asked_for_several_names(
    images: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = images.parent / "one.tif"
    asked = options(images, model, image=images / "b.tif", out=out, json=True, overlay=True)
    assert prompt_folder(asked) == DONE
    result = json.loads(capsys.readouterr().out)
    assert result["labels"] == str(out)
    assert [entry["name"] for entry in result["classes"]] == ["roof", "road"]
    assert (images.parent / "one_overlay.png").is_file()
    out.unlink()
    out.with_name("one.tif.aux.xml").unlink()
    assert prompt_folder(asked) == UNFIT  # the overlay is there, and nothing is computed first
    assert "one_overlay.png" in json.loads(capsys.readouterr().out)["error"]
    assert not out.exists()


def test_an_image_without_tags_is_told_and_the_others_are_done(
    images: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tags = images.parent / "tags.txt"
    tags.write_text("b: road\n")
    assert prompt_folder(options(images, model, "--tags", str(tags), json=True)) == SOME_FAILED
    said = capsys.readouterr()
    first, second = json.loads(said.out)
    assert "what is in a.tif in " in first["error"]
    assert first["exit_code"] == UNFIT
    assert (second["done"], second["exit_code"]) == ("now", DONE)
    assert f"firstpass: {images / 'a.tif'}: expected the names" in said.err
    found = read_segmentation(images.parent / "labels/b_labels.tif")
    assert set(np.unique(found.labels)) <= {0, 2}
    assert not (images.parent / "labels/a_labels.tif").exists()


def test_what_is_wrong_with_the_whole_run_leaves_no_folder(images: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "tags.txt")
    for changed, error, message in (
        (options(images, None), PromptError, "a prompter that reads words"),
        (options(images, None, method="sam3"), WeightsError, "points, lines and boxes work with"),
        (options(images, None, "--tags", missing), ImageReadError, "a text file at"),
        (options(images, None, text=None), OptionError, "--text for a folder: .* found none"),
        (options(images, None, points="1,2", into="x"), OptionError, "found --points and --into"),
        (options(images, None, text=" ; "), PromptError, "each once, found none"),
    ):
        with pytest.raises(error, match=message):
            prompt_folder(changed)
        assert not (tmp_path / "labels").exists()


def test_names_are_those_of_a_file_or_of_the_option(tmp_path: Path) -> None:
    assert names_of("roof;  tile  road ;") == ("roof", "tile road")
    (tmp_path / "classes").write_text("roof\nroad\n")
    assert names_of(str(tmp_path / "classes")) == ("roof", "road")
    with pytest.raises(ImageReadError, match=r"a text file at clases\.txt, found No such file"):
        names_of("clases.txt")
