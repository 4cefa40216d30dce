from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from borders import agreement, areas, beside, picture
from rasters import write_raster

from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, UNFIT, USAGE
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.label_file import read_segmentation, write_segmentation
from napari_firstpass.refiners import REFINERS
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import numbered_taxonomy

if TYPE_CHECKING:
    from pathlib import Path

TRUTH = areas(96, 112)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "scene.tif", picture(TRUTH), photometric="RGB")


@pytest.fixture
def labels(scene: Path) -> Path:
    with open_raster(scene) as source:
        guide = Segmentation(beside(TRUTH), numbered_taxonomy(3), source.grid)
    return write_segmentation(scene.with_name("labels.tif"), guide)


def test_refine_writes_labels_and_says_what_changed(
    scene: Path, labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = scene.with_name("finer.tif")
    code = main(["refine", str(scene), str(labels), "--out", str(out), "--with", "guided"])
    assert code == DONE
    said = capsys.readouterr()
    changed = float((read_segmentation(out).labels != beside(TRUTH)).mean())
    assert f"{changed:.1%} of the pixels have another class" in said.out
    assert "all labels alike" in said.out
    assert "labels.tif: " in said.err
    assert agreement(read_segmentation(out).labels, TRUTH) > 0.97


def test_regions_inside_classes_are_suggested_in_a_file_of_their_own(
    scene: Path, labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = scene.with_name("finer.tif")
    suggested = scene.with_name("finer_suggestions.tif")
    command = ["refine", str(scene), str(labels), "--out", str(out), "--with", "guided"]
    command += ["--suggestions", "--overwrite"]
    assert main(command) == DONE
    assert "suggestions none" in capsys.readouterr().out
    assert not suggested.exists()
    image, patch = picture(TRUTH), np.zeros(TRUTH.shape, bool)
    patch[30:70, 20:60] = TRUTH[30:70, 20:60] == TRUTH[50, 40]
    image[:, patch] //= 3
    write_raster(scene, image, photometric="RGB")
    assert main([*command, "--json"]) == DONE
    result = json.loads(capsys.readouterr().out)
    assert (result["parts"], result["suggestions"]) == (1, str(suggested))
    found = read_segmentation(suggested)
    assert found.taxonomy.classes[0].name == f"cluster {TRUTH[50, 40]}, darker"
    shared = (found.labels == 1) & patch
    assert shared.sum() / ((found.labels == 1) | patch).sum() > 0.8
    assert agreement(read_segmentation(out).labels, TRUTH) > 0.97


def test_suggestions_replace_nothing_unasked(
    scene: Path, labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = scene.with_name("finer.tif")
    scene.with_name("finer_suggestions.tif").write_text("mine")
    assert main(["refine", str(scene), str(labels), "--out", str(out), "--suggestions"]) == UNFIT
    assert "finer_suggestions.tif" in capsys.readouterr().err
    assert not out.exists()


def test_json_names_what_was_done(
    scene: Path, labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = scene.with_name("finer.tif")
    command = ["refine", str(scene), str(labels), "--out", str(out), "--with", "regions"]
    assert main([*command, "--json", "--overlay", "--confidence"]) == DONE
    result = json.loads(capsys.readouterr().out)
    assert (result["refiner"], result["preset"], result["refined"]) == (
        "regions",
        "fast",
        str(labels),
    )
    assert result["confidence"] == str(scene.with_name("finer_confidence.tif"))
    assert result["overlay"] == str(scene.with_name("finer_overlay.png"))
    assert result["pixels"] == {"moved": 0, "gained": 0, "lost": 0}


def test_labels_with_a_confidence_get_one_again(
    scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = scene.with_name("first.tif"), scene.with_name("second.tif")
    segment = ["segment", str(scene), "--classes", "3", "--method", "kmeans"]
    assert main([*segment, "--out", str(first), "--confidence"]) == DONE
    assert main(["refine", str(scene), str(first), "--out", str(second)]) == DONE
    assert second.with_name("second_confidence.tif").is_file()
    assert f"trusting    {first.with_name('first_confidence.tif')}" in capsys.readouterr().out


def test_a_preset_is_passed_on(
    scene: Path, labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["refine", str(scene), str(labels), "--out", str(scene.with_name("finer.tif"))]
    assert main([*command, "--with", "crf", "--preset", "slow"]) == USAGE
    assert "a preset of crf out of fast, paper, found 'slow'" in capsys.readouterr().err
    assert main([*command, "--with", "magic"]) == USAGE
    assert "guided" in capsys.readouterr().err
    assert main([*command, "--with", "superpixels", "--preset", "fast"]) == DONE


def test_what_does_not_fit_is_one_sentence(
    scene: Path, labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = write_raster(scene.with_name("small.tif"), picture(TRUTH)[:, 1:])
    command = ["refine", str(small), str(labels), "--out", str(scene.with_name("finer.tif"))]
    assert main(command) == UNFIT
    assert "expected labels on the grid of the image, 95 x 112" in capsys.readouterr().err
    assert main(["refine", str(scene), str(labels), "--out", str(labels), "--overwrite"]) == UNFIT
    assert "which is an input" in capsys.readouterr().err


def test_help_lists_every_refiner(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["refine", "--help"])
    said = capsys.readouterr().out
    assert all(name in said for name in REFINERS.names)


def test_segment_refines_in_the_same_pass(scene: Path) -> None:
    plain, finer = scene.with_name("plain.tif"), scene.with_name("finer.tif")
    command = ["segment", str(scene), "--classes", "3", "--method", "kmeans", "--min-region", "0"]
    assert main([*command, "--out", str(plain)]) == DONE
    assert main([*command, "--out", str(finer), "--refine", "superpixels"]) == DONE
    one, other = read_segmentation(plain), read_segmentation(finer)
    assert (one.labels != other.labels).any()
    assert one.taxonomy == other.taxonomy
    assert "refine" not in one.provenance.config
    assert other.provenance.config["refine"] == {"refiner": "superpixels", "preset": "fast"}


def test_a_model_run_is_refined_too(scene: Path) -> None:
    model, out = scene.with_name("m.firstpass"), scene.with_name("finer.tif")
    fit = ["fit", str(scene), "--classes", "3", "--method", "kmeans", "--out", str(model)]
    assert main(fit) == DONE
    label = ["segment", str(scene), "--model", str(model), "--out", str(out)]
    assert main([*label, "--refine", "superpixels"]) == DONE
    found = read_segmentation(out)
    assert found.provenance.config["refine"]["refiner"] == "superpixels"
    assert len(np.unique(found.labels)) == 3


def test_an_unknown_refiner_is_refused_before_the_work(
    scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = scene.with_name("finer.tif")
    assert main(["segment", str(scene), "--out", str(out), "--refine", "magic"]) == USAGE
    assert "a way to refine out of" in capsys.readouterr().err
    assert not out.exists()
