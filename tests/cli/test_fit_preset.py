"""``firstpass fit --preset``: the whole of a published recipe, on made-up patches."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from models import build, save
from potsdam import fine_ids, hdf5_mat, picture_of, write_mat, write_tile
from rasters import write_raster
from scipy.io import savemat

from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, UNFIT, USAGE
from napari_firstpass.cli.reproduce import _lines
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.model_file import read_model
from napari_firstpass.progress import run as drive
from napari_firstpass.recipes.presets import RECIPES, SMOOSEG
from napari_firstpass.recipes.reproducing import ReproduceOptions, reproduce_steps

if TYPE_CHECKING:
    from pathlib import Path

QUICK = ("--test-side", "64", "--steps", "4", "--json")


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRSTPASS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(build("DINO"), tmp_path_factory.mktemp("networks") / "dino")


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patches with the official lists."""
    folder = tmp_path_factory.mktemp("potsdam")
    for number in range(3):
        write_mat(folder / "imgs", number, apart=True)
    (folder / "labelled_train.txt").write_text("0\n1\n")
    (folder / "labelled_test.txt").write_text("2\n")
    return folder


def fit(patches: Path, network: Path, out: Path, *options: str) -> int:
    return main(["fit", str(patches), "--backbone", str(network), "--out", str(out), *options])


def smooseg(*options: str) -> tuple[str, ...]:
    return "--preset", "potsdam3-smooseg", *options


def test_smooseg_runs_from_patches_to_figures_and_a_model(
    patches: Path, network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.firstpass"
    assert fit(patches, network, out, *smooseg("--steps", "4")) == DONE
    told = " ".join(capsys.readouterr().out.split())
    for said in (
        "set: one matching of clusters with classes, by pixels, for the whole set",
        "images 1",
        "labelled_train and labelled_test, by lists; 2 images trained on without labels",
        "ignored in the truth: ids 255 and no data",
        "labels used to select: no; the classes of the last step, 4",
        "trained at 224 x 224, judged at 320 x 320, both resized (nearest)",
        "averaged with the mirrored picture; dense CRF",
        "seed 0; no supervised guide",
        "patches of 8 pixels and 32 numbers; figures were published for 8 and 768",
        "building and clutter",
    ):
        assert said in told
    model = read_model(out)
    assert (model.config.method, len(model.taxonomy)) == ("smooseg", 3)
    assert model.provenance.config["recipe"]["steps"] == 4
    assert str(patches) not in model.provenance.to_json()
    image = write_raster(tmp_path / "image.tif", np.moveaxis(picture_of(fine_ids(96), 1, 3), -1, 0),
                         photometric="RGB")  # fmt: skip
    labels = tmp_path / "labels.tif"
    run = ["segment", str(image), "--model", str(out), "--out", str(labels)]
    assert main([*run, "--backbone", str(network)]) == DONE
    assert set(np.unique(read_segmentation(labels).labels)) <= {1, 2, 3}


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
    patches: Path, network: Path, tmp_path: Path
) -> None:
    files = [tmp_path / f"{name}.firstpass" for name in ("a", "b", "c")]
    for file, more in zip(files, (("--no-cache",), (), ("--seed", "1")), strict=True):
        assert fit(patches, network, file, *smooseg(*QUICK, "--no-crf", *more)) == DONE
    first, again, other = (file.read_bytes() for file in files)
    assert first == again != other


def test_figures_stand_beside_the_published_ones_of_such_a_network(
    patches: Path, network: Path
) -> None:
    recipe = replace(SMOOSEG, published={(8, 32): (0.9, 0.8)})
    options = ReproduceOptions(steps=1, test_side=64, device="cpu", crf=False, flip=False)
    found = drive(reproduce_steps(patches, str(network), recipe, options))
    assert found.published == (0.9, 0.8)
    assert "figures were published" not in found.statement.sentence()
    content = {"model": "m", "published": {"mIoU": 0.8}, "figures": {"mIoU": 0.5, "classes": 3}}
    more = {"features": "here", "seconds": 1.0, "peak_memory_mb": None}
    lines = "\n".join(_lines(found, content | more))
    assert "mIoU                 0.5000  (published: 0.800)" in lines


def test_that_labels_chose_the_step_is_said_and_kept(
    patches: Path, network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.firstpass"
    quick = smooseg(*QUICK, "--no-crf", "--no-flip", "--oracle-selection")
    assert fit(patches, network, out, *quick) == DONE
    found = json.loads(capsys.readouterr().out)
    assert found["selection"].startswith("oracle selection: labels chose step 4 of 4")
    assert (found["step_taken"], found["oracle_selection"]) == (4, True)
    assert read_model(out).provenance.config["recipe"]["oracle_selection"]


def test_primaps_em_runs_too(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patches, out = tmp_path / "two", tmp_path / "m.firstpass"
    for number in range(2):
        write_mat(patches, number)
    preset = ("--preset", "potsdam3-primaps-em", "--no-flip", "--no-crf")
    quick = (*QUICK, "--steps", "2")
    assert fit(patches, network, out, *preset, *quick) == DONE
    found = json.loads(capsys.readouterr().out)
    assert (found["train_side"], found["test_side"], found["crf"]) == (320, 64, None)
    assert found["published"] == {}
    confusion = np.array(found["confusion"])
    assert confusion.sum() == found["figures"]["pixels"]
    assert read_model(out).config.method == "primaps-em"


def test_tiles_do_too(network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiles, out = tmp_path / "tiles", tmp_path / "m.firstpass"
    tiles.mkdir()
    write_tile(tiles, "top_potsdam_2_10", 800, 400)
    assert fit(tiles, network, out, *smooseg(*QUICK, "--no-crf")) == DONE
    found = json.loads(capsys.readouterr().out)
    assert found["split"].startswith("own split: 1 of 2 patches")
    assert read_model(out).imagery.metres == pytest.approx(0.1)


def test_help_names_every_preset(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    told = capsys.readouterr().out.replace("-\n", "-")
    assert all(name in " ".join(told.split()).replace("- ", "-") for name in RECIPES)


def test_what_a_preset_decides_cannot_be_said_again(
    patches: Path, network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.firstpass"
    for options, said in (
        (smooseg("--classes", "4", "--method", "kmeans"), "--method and --classes only without"),
        (("--steps", "5", "--no-crf"), "--steps and --crf only with --preset"),
        (("--preset", "potsdam"), "expected a preset out of potsdam3-primaps-em"),
        (smooseg("--steps", "0"), "expected steps in [1,"),
    ):
        assert fit(patches, network, out, *options) == USAGE
        assert said in " ".join(capsys.readouterr().err.split())
    own = ["--out", str(out), *smooseg()]
    assert main(["fit", str(patches), *own]) == USAGE
    assert "found the backbone embedded; name a network" in capsys.readouterr().err
    assert main(["fit", str(patches), str(network), *own]) == USAGE
    assert "expected one folder" in capsys.readouterr().err
    assert not out.exists()


def test_bad_images_are_told_in_one_sentence_each(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.firstpass"
    for name, said in (
        ("empty", "found none; give the folder"),
        ("new", "version 7.3"),
        ("small", "expected labels of 16 x 16 pixels for"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        for number in range(2) if name != "empty" else ():
            if name == "new":
                hdf5_mat(folder / f"{number}.mat")
            else:
                labels = np.zeros((8, 8), np.uint8)
                pictures = picture_of(fine_ids(16), number)
                savemat(folder / f"{number}.mat", {"img": pictures, "gt": labels})
        assert fit(folder, network, out, *smooseg(*QUICK)) == UNFIT
        error = capsys.readouterr().err
        assert said in error
        assert len([line for line in error.splitlines() if line.startswith("firstpass: ")]) == 1
    assert not out.exists()
