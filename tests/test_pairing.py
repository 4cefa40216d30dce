from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_firstpass.errors import OptionError
from napari_firstpass.pairing import IMAGE_ENDINGS, Suffixes, images_in, paired, with_images

if TYPE_CHECKING:
    from pathlib import Path

ENDINGS = (".tif", ".png")


def folder(path: Path, *names: str) -> Path:
    """Make a folder of empty files."""
    path.mkdir(exist_ok=True)
    for name in names:
        (path / name).touch()
    return path


def test_two_files_are_a_pair_whatever_their_names(tmp_path: Path) -> None:
    files = folder(tmp_path, "x.tif", "y.png")
    pairs, failures = paired(files / "x.tif", files / "y.png", ENDINGS)
    assert [(pair.name, pair.pred.name) for pair in pairs] == [("x", "y.png")]
    assert failures == []


def test_files_of_two_folders_are_paired_by_name(tmp_path: Path) -> None:
    truth = folder(tmp_path / "t", "b.png", "a.tif", "notes.txt", "a.tif.aux.xml")
    pred = folder(tmp_path / "p", "a.png", "b_labels.tif", "b_labels_confidence.tif", "more.tif")
    pairs, failures = paired(truth, pred, ENDINGS)
    assert [(p.name, p.truth.name, p.pred.name) for p in pairs] == [
        ("a", "a.tif", "a.png"),
        ("b", "b.png", "b_labels.tif"),
    ]
    assert failures == []


def test_what_we_call_labels_comes_before_an_image_of_the_same_name(tmp_path: Path) -> None:
    truth = folder(tmp_path / "t", "a.png")
    pred = folder(tmp_path / "p", "a.tif", "a_labels.tif")
    (pair,), _ = paired(truth, pred, ENDINGS)
    assert pair.pred.name == "a_labels.tif"


def test_truth_and_images_may_share_a_folder(tmp_path: Path) -> None:
    truth = folder(tmp_path / "t", "1.png", "1_label.png", "2.png", "2_label.png")
    pred = folder(tmp_path / "p", "1_labels.tif", "2_labels.tif")
    pairs, failures = paired(truth, pred, ENDINGS, Suffixes(truth="_label"))
    assert [(p.name, p.truth.name) for p in pairs] == [("1", "1_label.png"), ("2", "2_label.png")]
    assert failures == []


def test_a_truth_is_not_its_own_prediction(tmp_path: Path) -> None:
    both = folder(tmp_path / "t", "a.png", "a_labels.tif", "b.png")
    pairs, failures = paired(both, both, ENDINGS)
    assert [(p.truth.name, p.pred.name) for p in pairs] == [("a.png", "a_labels.tif")]
    assert [one.name for one in failures] == ["b"]


def test_what_is_written_beside_a_label_map_is_no_label_map(tmp_path: Path) -> None:
    names = ("a_labels.tif", "a_labels_confidence.tif", "a_labels_overlay.png", "overlay.png")
    truth, pred = folder(tmp_path / "t", *names), folder(tmp_path / "p", *names)
    pairs, failures = paired(truth, pred, ENDINGS)
    assert [pair.truth.name for pair in pairs] == ["a_labels.tif", "overlay.png"]
    assert failures == []


def test_a_truth_without_a_prediction_is_a_failure_and_the_rest_goes_on(tmp_path: Path) -> None:
    truth, pred = folder(tmp_path / "t", "a.png", "b.png"), folder(tmp_path / "p", "b.png")
    pairs, failures = paired(truth, pred, ENDINGS)
    assert [pair.name for pair in pairs] == ["b"]
    assert [one.name for one in failures] == ["a"]
    assert "expected a prediction for a.png, found no other file of that name" in str(
        failures[0].error
    )


@pytest.mark.parametrize("side", ["t", "p"])
def test_a_name_that_two_files_have_is_a_failure(tmp_path: Path, side: str) -> None:
    truth, pred = folder(tmp_path / "t", "a.png"), folder(tmp_path / "p", "a.png")
    folder(tmp_path / side, "a.tif")
    pairs, (failure,) = paired(truth, pred, ENDINGS)
    assert pairs == []
    assert "one file called a in a folder, found a.png and a.tif" in str(failure.error)


def test_a_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    files = folder(tmp_path / "t", "a.png")
    with pytest.raises(OptionError, match="expected two files or two folders"):
        paired(files, files / "a.png", ENDINGS)


def test_a_folder_without_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"truth files NAME_x .* found none"):
        paired(folder(tmp_path / "t", "a.png"), tmp_path, ENDINGS, Suffixes(truth="_x"))


def test_images_are_found_by_name(tmp_path: Path) -> None:
    truth, pred = folder(tmp_path / "t", "a.png"), folder(tmp_path / "p", "a_labels.tif")
    images = folder(tmp_path / "i", "a.jpg", "b.jpg")
    pairs, _ = paired(truth, pred, ENDINGS)
    (pair,), _ = with_images(pairs, images, IMAGE_ENDINGS)
    assert pair.image == images / "a.jpg"


def test_an_image_beside_its_truth_is_not_the_truth(tmp_path: Path) -> None:
    both = folder(tmp_path / "t", "1.png", "1_label.png")
    pred = folder(tmp_path / "p", "1_labels.tif")
    pairs, _ = paired(both, pred, ENDINGS, Suffixes(truth="_label"))
    (pair,), _ = with_images(pairs, both, IMAGE_ENDINGS)
    assert pair.image == both / "1.png"


def test_two_images_of_a_name_are_a_failure(tmp_path: Path) -> None:
    truth, images = folder(tmp_path / "t", "a.png"), folder(tmp_path / "i", "a.jpg", "a.tif")
    pairs, _ = paired(truth, folder(tmp_path / "p", "a.png"), ENDINGS)
    added, (failure,) = with_images(pairs, images, IMAGE_ENDINGS)
    assert added == []
    assert "expected one image called a for a.png, found a.jpg and a.tif" in str(failure.error)


def test_the_images_of_a_folder_are_listed_without_what_we_wrote(tmp_path: Path) -> None:
    ours = ("a_labels.tif", "a_labels_confidence.tif", "a_labels_overlay.png", ".b.1f.partial.tif")
    own = folder(tmp_path, "b.TIF", "a.tif", "c_overlay.png", "a.tif.aux.xml", "m.firstpass", *ours)
    (own / "d.tif").mkdir()
    (own / "a_hints.tif").touch()
    assert [path.name for path in images_in(own)] == ["a.tif", "b.TIF", "c_overlay.png"]


@pytest.mark.parametrize("name", ["empty", "missing", "x" * 300, "file"])
def test_a_folder_without_images_is_said_to_be_one(tmp_path: Path, name: str) -> None:
    folder(tmp_path / "empty", "notes.txt", "a_labels.tif")
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match=r"a folder with images \(.tif, .*choose another folder"):
        images_in(tmp_path / name)
